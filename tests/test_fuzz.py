"""Everything that reads files or words from anyone, fed a few damaged ones; `scripts/fuzz.py` feeds more."""

import json
import pickle  # noqa: TID251 - to see that it is noticed
import socket
import subprocess
import sys

import pytest
from one_thread import ONE_THREAD
from source_trees import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

from fuzz import QUICK, SHARES
from fuzz_guard import Guard, examine
from fuzz_strategies import CANARY

from dream3d.errors import InputError


def test_inputs_are_taken_or_refused_and_nothing_else(tmp_path):
    words = [sys.executable, ROOT / "scripts/fuzz.py", "--quick", "--seed", "5", "-o", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, env=ONE_THREAD)
    found = [path.read_text() for path in (tmp_path / "findings").glob("*.txt")]
    assert (done.returncode, found) == (0, []), done.stderr[-2000:]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {name: count["inputs"] for name, count in figures.items()} == {
        name: share // QUICK for name, share in SHARES.items()
    }
    assert all(
        sum(count.get(kind, 0) for count in figures.values()) >= 10 for kind in ("accepted", "refused")
    )


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sandbox")
    for name in ("box", "home", "tmp", "outside"):
        (folder / name).mkdir()
    (folder / "outside/secret.txt").write_text(CANARY)
    return folder


@pytest.fixture(scope="module")
def guard(sandbox):
    """Its hook stays in this process, and does nothing outside of `examine`."""
    return Guard(sandbox)


def grow(_content, _box):
    bytearray(1 << 30)[:: 1 << 12] = bytes(1 << 18)


BAD = {
    "reads outside": (lambda _, box: open(box / "../outside/secret.txt").close(), "broke out: open"),
    "writes outside": (lambda _, box: (box / "../new.txt").write_text("x"), "broke out: open"),
    "makes a folder": (lambda _, box: (box / "../outside/new").mkdir(), "broke out: os.mkdir"),
    "removes a file": (lambda _, box: (box / "../outside/a").unlink(missing_ok=True), "broke out: os.remove"),
    "runs a program": (lambda *_: subprocess.run(["true"]), "broke out: subprocess.Popen"),
    "connects": (lambda *_: socket.getaddrinfo("localhost", 1), "broke out: socket.getaddrinfo"),
    "unpickles": (lambda *_: pickle.loads(b"cos\ngetcwd\n."), "broke out: pickle.find_class"),
    "leaves a file": (lambda _, box: (box / "left").touch(), "files changed"),
    "raises": (lambda content, _: json.loads(content), "JSONDecodeError in decoder.py:raw_decode"),
    "takes memory": (grow, "memory"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_a_reader_must_not_do_is_noticed(sandbox, guard, name):
    read, kind = BAD[name]
    outcome = examine(read, b"x", sandbox, guard)
    (sandbox / "box/left").unlink(missing_ok=True)
    assert outcome.is_finding
    assert outcome.kind.startswith(kind)


def test_a_secret_in_a_message_is_noticed(sandbox, guard):
    def tell(*_):
        raise InputError(f"not a number: {CANARY}")

    assert examine(tell, b"", sandbox, guard).kind == "told a secret"


def test_reading_and_refusing_are_no_findings(sandbox, guard):
    def read(content, box):
        (box / "a").write_bytes(content)
        (box / "a").unlink()
        if content != b"good":
            raise InputError("not good")

    assert [examine(read, content, sandbox, guard).kind for content in (b"good", b"bad")] == [
        "accepted",
        "refused",
    ]
    (sandbox / "outside/secret.txt").read_text()
    assert guard.seen == []
