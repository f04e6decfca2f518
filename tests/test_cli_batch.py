"""`dream3d batch` with real processes that are killed, stopped and interrupted, and a tiny prior."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from one_thread import ONE_THREAD
from prior_folders import write_tiny_prior

from dream3d.cli import main
from scripts.batch_course import find_flaws, read_course

pytestmark = pytest.mark.usefixtures("work")

PROGRAM = [sys.executable, "-m", "dream3d.cli", "batch"]
SMALL = [
    *("--coarse.num-steps=4", "--refine.num-steps=0", "--target-faces=200"),
    *("--texture-size=64", "--extract.resolution=32"),
    "--refine.lattice-resolution=16",
]
OUT = Path("out")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny"))


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts batches as a shell would, each in a process group of its own; none outlives the test."""
    runs: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [*PROGRAM, *words, *SMALL, "-o", str(OUT)]
        pipe = subprocess.PIPE
        runs.append(
            subprocess.Popen(
                command, stdout=pipe, stderr=pipe, text=True, env=ONE_THREAD, start_new_session=True
            )
        )
        return runs[-1]

    yield start
    for run in runs:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()


def records() -> list[dict[str, Any]]:
    return read_course(OUT)


def events(kind: str) -> list[dict[str, Any]]:
    return [record for record in records() if record["event"] == kind]


def pid_of(record: dict[str, Any]) -> int:
    return int(record["worker"].split()[1])


def is_alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, records()
        time.sleep(0.02)


class News:
    """Records of a kind, each once."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.seen = 0

    def __call__(self) -> list[dict[str, Any]]:
        found = events(self.kind)[self.seen :]
        self.seen += len(found)
        return found


def done_items() -> list[str]:
    """Prompts of what was made, one for each record of it."""
    return sorted(record["prompt"] for record in events("done"))


def test_killed_workers_cost_their_items_time_and_a_killed_driver_nothing(prior: str, start: Start) -> None:
    items = [
        {"prompt": "a red toadstool"},
        {"prompt": "a red mushroom", "seed": 3},
        {"prompt": "a blue house", "refine.num_steps": 2},
        {"prompt": ""},
    ]
    Path("props.jsonl").write_text("\n".join(map(json.dumps, items)))
    words = ["props.jsonl", "--prior", prior, "--workers", "2", "--retries", "1"]
    begun, was_driver_killed = News("begun"), False
    run = start(*words)
    while run.poll() is None or not was_driver_killed:
        for record in begun():
            # One item ends every worker that takes it, another one only its first.
            if "toadstool" in record["item"] or ("mushroom" in record["item"] and record["attempt"] == 1):
                os.kill(pid_of(record), signal.SIGKILL)
        if not was_driver_killed and list(OUT.glob("a_blue_house*/run/checkpoint-*")):
            was_driver_killed = True
            run.kill()
            run.communicate()
            wait_for(lambda: not any(is_alive(pid_of(record)) for record in events("begun")))
            assert not any("house" in record["item"] for record in events("done"))
            run = start(*words)
        time.sleep(0.02)
    out, errors = run.communicate()
    assert run.returncode == 1
    assert find_flaws(OUT) == []
    assert done_items() == ["a blue house", "a red mushroom"]
    assert {record["item"].split("-")[0] for record in events("retry")} >= {
        "a_red_toadstool",
        "a_red_mushroom",
    }
    assert "the worker was killed" in events("failed")[-1]["reason"]
    assert [record["goes_on"] for record in events("begun") if "house" in record["item"]] == [False, True]
    assert out == "out/index.html\n"
    assert "dream3d: props.jsonl line 4: the prompt is empty" in errors
    assert "dream3d: a red toadstool / 0: the worker was killed" in errors
    assert "2 failed" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    page = Path("out/index.html").read_text()
    assert page.count("<img") == 2
    assert "failed: the worker was killed" in page


def test_a_worker_that_hangs_is_replaced_and_ctrl_c_ends_all(prior: str, start: Start) -> None:
    Path("list.txt").write_text("a red mushroom\n\xff")
    words = ["list.txt", "--prior", prior, "--coarse.num-steps", "1000000", "--workers", "1"]
    run = start(*words, "--timeout", "6", "--retries", "9")
    wait_for(lambda: events("begun"))
    stopped = pid_of(events("begun")[0])
    os.kill(stopped, signal.SIGSTOP)
    wait_for(lambda: len(events("begun")) > 1)
    assert not is_alive(stopped)
    assert events("retry")[0]["reason"] == "nothing was heard from the worker for 6 s"
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate()
    assert run.returncode == 130
    assert errors.splitlines()[-1] == (
        "dream3d: interrupted; 0 assets are in out; the same command goes on from there"
    )
    assert "Traceback" not in errors
    assert records()[-1]["event"] == "stopped"
    wait_for(lambda: not any(is_alive(pid_of(record)) for record in events("begun")))
    assert "stopped early" in Path("out/index.html").read_text()


def test_a_timeout_that_no_worker_can_keep_ends_the_batch(prior: str, start: Start) -> None:
    Path("list.txt").write_text("a red mushroom\n")
    run = start("list.txt", "--prior", prior, "--workers", "1", "--timeout", "0.1")
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "workers end before they can work: none was ready within --timeout 0.1;" in errors
    assert not events("begun")


def test_two_drivers_share_a_folder_and_make_everything_once(
    prior: str, start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("list.txt").write_text("a red mushroom\na blue house\na red toadstool\na red  mushroom\nzeppelin\n")
    words = ["list.txt", "--prior", prior, "--workers", "1"]
    runs = [start(*words, "--json") for _ in range(2)]
    results = [json.loads(run.communicate()[0]) for run in runs]
    assert [run.returncode for run in runs] == [1, 1]
    assert find_flaws(OUT) == []
    assert done_items() == ["a blue house", "a red mushroom", "a red toadstool"]
    assert len({record["driver"] for record in events("begun")}) == 2
    for found in results:
        errors = [row["error"] for row in found["rows"]]
        assert errors[:3] == [None] * 3
        assert "knows no word of 'zeppelin'" in errors[3]
        assert found["notes"] == ["1 duplicates merged"]
        assert [row["metrics"]["faces"] for row in found["rows"][:3]] == [200] * 3
    assert len(events("failed")) in (1, 2)  # the second driver takes the first one's word if it comes later

    # Again, of those that can be made: nothing is touched, also where drivers died before their records.
    Path("list.txt").write_text("a red mushroom\na blue house\na red toadstool\n")
    stamps = {path: path.stat().st_mtime_ns for path in OUT.glob("*/*")}
    before = {record["item"]: record["files"] for record in events("done")}
    for _ in range(2):
        (next(OUT.glob("a_blue_house*")) / "run").mkdir()  # what a driver leaves that dies after its record
        assert main(["batch", *words, *SMALL, "-o", "out"]) == 0
        assert "0 made in 0:0" in (streams := capfd.readouterr()).err
        assert streams.out == "out/index.html\n"
        assert {path: path.stat().st_mtime_ns for path in OUT.glob("*/*")} == stamps
        (OUT / "manifest.jsonl").write_text('{"event": "done", "it')
    assert main(["batch", *words, *SMALL, "-o", "out", "--quiet"]) == 0
    again = [json.loads(line) for line in (OUT / "manifest.jsonl").read_text().splitlines()[1:]]
    assert [record["event"] for record in again] == ["done"] * 3
    assert {record["item"]: record["files"] for record in again} == before


def test_a_killed_actor_costs_its_items_time(prior: str, start: Start) -> None:
    pytest.importorskip("ray")
    Path("list.txt").write_text("a red mushroom\na blue house\n")
    run = start("list.txt", "--prior", prior, "--workers", "2", "--engine", "ray")
    wait_for(lambda: events("begun"))
    os.kill(pid_of(events("begun")[0]), signal.SIGKILL)
    out, errors = run.communicate()
    assert run.returncode == 0, errors
    assert find_flaws(OUT) == []
    assert done_items() == ["a blue house", "a red mushroom"]
    (retry,) = events("retry")
    assert retry["reason"].startswith("the Ray actor is gone: its worker process has died")
    assert out == "out/index.html\n"
    assert "Traceback" not in errors


def test_without_ray_it_says_how_to_get_it(
    prior: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    Path("list.txt").write_text("a red mushroom\n")
    assert main(["batch", "list.txt", "-o", "out", "--engine", "ray", "--prior", prior]) == 2
    assert "--engine ray needs the farm extra: pip install 'dream3d[farm]', or" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
        ("127.0.0.1:99999", "no Ray cluster answers"),
        ("ray://127.0.0.1:10001", "must be HOST:PORT of the head node"),
        ("nonsense", "must be HOST:PORT of the head node"),
    ],
)
def test_a_cluster_that_is_not_there_is_said_at_once(
    address: str,
    says: str,
    prior: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", address)
    Path("list.txt").write_text("a red mushroom\n")
    assert main(["batch", "list.txt", "-o", "out", "--engine", "ray", "--prior", prior]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.txt"], "none.txt cannot be read"),
        (["list.txt", "--workers", "0"], "--workers must be between 1 and 1000"),
        (["list.txt", "--retries", "-1"], "--retries must be between 0 and 100"),
        (["list.txt", "--timeout", "nan"], "--timeout must be above 0"),
        (["list.txt", "--shard", "2/2"], "--shard must be I/N"),
        (["list.txt", "--engine", "slurm"], "slurm"),
        (["list.txt", "-o", "list.txt"], "list.txt is a file; name a folder"),
        (["empty.txt"], "nothing to make in it"),
        (["table.csv"], "there must be a column 'prompt'"),
    ],
)
def test_bad_input_is_refused_before_any_work(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("list.txt").write_text("a red mushroom\n")
    Path("empty.txt").write_text("# nothing\n")
    Path("table.csv").write_text("seed\n1\n")
    assert main(["batch", *words, *([] if "-o" in words else ["-o", "out"])]) == 2
    streams = capsys.readouterr()
    (line,) = streams.err.splitlines()
    assert line.startswith("dream3d: error: ")
    assert says in line
    assert not OUT.exists()
