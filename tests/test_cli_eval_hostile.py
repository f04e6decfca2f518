"""`dream3d eval` and what it is given by mistake: a row that says why, or one line and exit code 2."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from bare_glb import ball, glb
from one_thread import ONE_THREAD

from dream3d.cli import main

pytestmark = pytest.mark.usefixtures("work")

PROGRAM = [sys.executable, "-m", "dream3d.cli", "eval"]
FIVE_MILLION = 5_000_000


def refused(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must be refused before any work; return its one line of explanation."""
    before = sorted(Path.cwd().rglob("*"))
    assert main(["eval", *words]) == 2
    streams = capfd.readouterr()
    assert streams.out == ""
    (line,) = streams.err.splitlines()
    assert line.startswith("dream3d: error: ")
    assert sorted(Path.cwd().rglob("*")) == before
    return line


def write_bad_files() -> dict[str, str]:
    """Files that cannot be measured, and what must be said of each."""
    good = ball()
    shape = trimesh.creation.icosphere(subdivisions=1)
    vertices, faces = np.array(shape.vertices), np.asarray(shape.faces)
    broken = vertices.copy()
    broken[3, 1] = np.nan
    crowd = np.tile(faces, (FIVE_MILLION // len(faces), 1))
    nothing = good.replace(b'"mesh": 0', b'"name":00').replace(b":00", b':""')
    contents = {
        "truncated.glb": (good[: len(good) // 2], "cut off"),
        "empty.glb": (b"", "does not start with glTF"),
        "meshless.glb": (nothing, "no triangles"),
        "nan.glb": (glb(broken, faces), "not finite"),
        "crowd.glb": (glb(vertices, crowd), "more than 1000000 triangles"),
        "picture.png": (b"\x89PNG\r\n", "is not a .glb"),
        "text.glb": (b"a red mushroom\n", "is not a .glb"),
        "point.glb": (glb(0 * vertices, faces), "cannot be measured"),
        "endless.glb": (glb(1e30 * vertices, faces), "cannot be measured"),
    }
    for name, (content, _) in contents.items():
        Path(name).write_bytes(content)
    Path("folder.glb").mkdir()
    says = {name: text for name, (_, text) in contents.items()}
    return says | {"folder.glb": "is not a file", "missing.glb": "does not exist"}


def test_every_bad_file_is_a_row_and_the_good_ones_are_measured(capfd: pytest.CaptureFixture[str]) -> None:
    says = write_bad_files()
    Path("ball.glb").write_bytes(ball())
    extras = {"prompt": "x" * 5000, "seed": "one", "settings": {"a": "HUGE"}, "versions": [1]}
    Path("odd.glb").write_bytes(ball(extras).replace(b'"HUGE"', b"1e9999"))
    assert main(["eval", *says, "ball.glb", "odd.glb", "ball.glb", "-o", "out"]) == 2
    rows = {row["file"]: row for row in json.loads(Path("out/results.json").read_text())["rows"]}
    assert list(rows) == [*says, "ball.glb", "odd.glb"]
    for name, text in says.items():
        assert text in rows[name]["error"], name
        assert "\n" not in rows[name]["error"]
    for name in ("ball.glb", "odd.glb"):
        row = rows[name]
        assert (row["error"], row["prompt"], row["seed"], row["versions"]) == (None, None, None, None)
        assert (row["metrics"]["faces"], row["metrics"]["watertight"], row["metrics"]["floaters"]) == (
            320,
            True,
            0,
        )
        assert not {"seconds", "silhouette_iou", "texture_size"} & set(row["metrics"])  # blank, not 0
    assert rows["odd.glb"]["settings"] == {"a": None}  # infinity is not JSON
    streams = capfd.readouterr()
    assert "Traceback" not in streams.err
    assert streams.out.count("\nfailed: ") == len(says)
    assert streams.err.splitlines()[-1] == f"dream3d: {len(says)} of {len(says) + 2} rows failed"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["missing.txt", "-o", "out"], "missing.txt cannot be read: No such file"),
        ([".", "-o", "out"], "cannot be read: Is a directory"),
        (["empty.txt", "-o", "out"], "no prompts in it"),
        (["grey-box.obj", "-o", "out"], "grey-box.obj is neither a list of prompts, a line each, nor a .glb"),
        (["list.txt", "-o", "list.txt"], "list.txt is a file; name a folder"),
        (["list.txt", "-o", "/proc/out"], "the folder /proc/out cannot be written"),
        (["list.txt", "-o", "out", "--seeds", "0"], "--seeds must be at least 1, not 0"),
        (["list.txt", "-o", "out", "--limit", "-1"], "--limit must be at least 1"),
        (["list.txt", "-o", "out", "--seed", "4294967295", "--seeds", "2"], "go beyond 4294967295"),
        (["list.txt", "-o", "out", "--sedes", "3"], "unknown option --sedes; did you mean '--seeds'?"),
        (["list.txt", "-o", "out", "--config", "fast"], "--config fast: no such file"),
        (["a.glb", "-o", "out", "--prompts", "list.txt"], "expected a file name ending in .glb and a prompt"),
        (["list.txt"], "--output"),
        (["-o", "out"], "nothing to measure: name a list"),
    ],
)
def test_impossible_requests_are_refused(
    capfd: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    Path("list.txt").write_text("a red mushroom\n")
    Path("empty.txt").write_text("# nothing\n\n")
    assert says in refused(capfd, *words)


def test_an_unknown_prior_is_refused_before_any_row(capfd: pytest.CaptureFixture[str]) -> None:
    Path("list.txt").write_text("a red mushroom\n")
    assert main(["eval", "list.txt", "-o", "out", "--prior", "nobody/nothing"]) == 2
    assert "unknown prior" in capfd.readouterr().err
    assert not Path("out/results.json").exists()


def test_a_full_disk_ends_the_run_in_one_line_and_it_goes_on_later() -> None:
    for name in ("a.glb", "b.glb"):
        Path(name).write_bytes(ball())

    def only_small_files() -> None:
        # The kernel refuses to write past the limit, as it does on a full disk; Python ignores SIGXFSZ.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    words = [*PROGRAM, "a.glb", "b.glb", "-o", "out", "--quiet"]
    pipes: dict[str, Any] = {"capture_output": True, "text": True, "env": ONE_THREAD}
    done = subprocess.run(words, preexec_fn=only_small_files, **pipes)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "no room left" in line
    assert not any(path.suffix == ".tmp" for path in Path("out").rglob("*"))
    assert main(["eval", "a.glb", "b.glb", "-o", "out", "--quiet"]) == 0
