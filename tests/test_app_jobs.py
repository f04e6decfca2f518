"""The queue of the demo: one after the other, stopped at once, and never stuck."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_jobs import WAIT_S, job_in, made_in, wait_for_end

from dream3d.app.jobs import Job, Made, Worker
from dream3d.errors import InputError, RunError, StoppedError
from dream3d.events import Event


class Steps:
    """Work that goes on a step at a time, when it is told to."""

    def __init__(self) -> None:
        self.turns = threading.Semaphore(0)
        self.at_work = threading.Event()
        self.order: list[str] = []

    def __call__(self, job: Job) -> Made:
        self.order.append(job.order.prompt)
        self.at_work.set()
        try:
            for step in range(3):
                assert self.turns.acquire(timeout=WAIT_S)
                job.report(Event("coarse", step, 3))
            return made_in(job)
        finally:
            self.at_work.clear()


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def worker(steps: Steps):
    worker = Worker(steps, max_waiting=3)
    yield worker
    steps.turns.release(100)
    assert worker.close(WAIT_S)


def test_jobs_are_made_one_after_the_other(tmp_path: Path, worker: Worker, steps: Steps) -> None:
    jobs = [job_in(tmp_path, prompt) for prompt in ("one", "two", "three")]
    for job in jobs:
        worker.submit(job)
    assert steps.at_work.wait(WAIT_S)
    assert [job.state for job in jobs] == ["running", "waiting", "waiting"]
    assert [worker.place(job) for job in jobs] == [0, 1, 2]
    steps.turns.release(9)
    wait_for_end(*jobs)
    assert steps.order == ["one", "two", "three"]
    assert [job.state for job in jobs] == ["done"] * 3
    assert all(job.made and job.made.glb.is_file() for job in jobs)


def test_too_many_are_refused_and_a_stopped_one_makes_room(
    tmp_path: Path, worker: Worker, steps: Steps
) -> None:
    worker.submit(job_in(tmp_path, "running"))
    assert steps.at_work.wait(WAIT_S)
    waiting = [job_in(tmp_path, name) for name in ("a", "b", "c")]
    for job in waiting:
        worker.submit(job)
    with pytest.raises(InputError, match="3 runs are waiting already; try again later"):
        worker.submit(job_in(tmp_path, "d"))
    waiting[0].stop()
    assert [worker.place(job) for job in waiting] == [0, 1, 2]
    worker.submit(job_in(tmp_path, "d"))


def test_a_stopped_run_ends_at_its_next_event_and_the_queue_goes_on(
    tmp_path: Path, worker: Worker, steps: Steps
) -> None:
    first, second = job_in(tmp_path, "first"), job_in(tmp_path, "second")
    worker.submit(first)
    worker.submit(second)
    assert steps.at_work.wait(WAIT_S)
    first.stop()
    assert first.state == "stopped"  # for whoever looks, before the run has noticed
    assert first.made is None
    steps.turns.release(1 + 3)
    wait_for_end(second)
    assert (first.state, second.state) == ("stopped", "done")
    assert not first.folder.exists()


def test_what_was_stopped_at_the_last_moment_leaves_no_files(tmp_path: Path) -> None:
    def work(job: Job) -> Made:
        made = made_in(job)
        job.stop()
        return made

    worker = Worker(work, max_waiting=1)
    job = job_in(tmp_path)
    worker.submit(job)
    wait_for_end(job)
    assert worker.close(WAIT_S)
    assert (job.state, job.made, job.folder.exists()) == ("stopped", None, False)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RunError("the field\nstayed empty"), "the field stayed empty"),
        (InputError("the prior knows no word of this"), "the prior knows no word of this"),
        (MemoryError(), "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to"), "out of memory"),
        (ZeroDivisionError("a bug"), "a way nobody expected"),
    ],
)
def test_a_run_that_fails_says_why_and_the_queue_goes_on(
    tmp_path: Path, error: Exception, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    def work(job: Job) -> Made:
        if job.order.prompt == "bad":
            made_in(job)
            raise error
        return made_in(job)

    worker = Worker(work, max_waiting=2)
    bad, good = job_in(tmp_path, "bad"), job_in(tmp_path, "good")
    worker.submit(bad)
    worker.submit(good)
    wait_for_end(bad, good)
    assert worker.close(WAIT_S)
    assert (bad.state, good.state) == ("failed", "done")
    assert says in bad.message
    assert not bad.folder.exists()
    assert ("ZeroDivisionError" in caplog.text) == isinstance(error, ZeroDivisionError)


def test_closing_stops_everything(tmp_path: Path) -> None:
    at_work = threading.Event()

    def work(job: Job) -> Made:
        at_work.set()
        while True:
            job.report(Event("coarse", 1, 2))

    worker = Worker(work, max_waiting=3)
    jobs = [job_in(tmp_path, name) for name in ("one", "two")]
    for job in jobs:
        worker.submit(job)
    assert at_work.wait(WAIT_S)
    assert worker.close(WAIT_S)
    assert [job.state for job in jobs] == ["stopped", "stopped"]
    assert list(tmp_path.iterdir()) == []


class Still:
    """A scene that looks the same from everywhere, and counts how often it is looked at."""

    def __init__(self) -> None:
        self.azimuths: list[float] = []

    def preview(self, azimuth_deg: float = 0.0) -> np.ndarray:
        self.azimuths.append(azimuth_deg)
        return np.full((8, 8, 3), 200, np.uint8)

    def state_dict(self) -> dict[str, object]:
        return {}


def test_live_pictures_turn_and_are_made_only_while_somebody_looks(tmp_path: Path) -> None:
    scene, job = Still(), job_in(tmp_path)
    assert job.start()
    job.seen -= 3600.0
    job.report(Event("coarse", 1, 3, moment=scene))
    assert (job.picture, scene.azimuths) == (b"", [])
    job.seen += 3600.0
    job.report(Event("coarse", 2, 3, moment=scene))
    job._next_picture = 0.0
    job.report(Event("coarse", 3, 3, moment=scene))
    assert scene.azimuths == [0.0, 20.0]
    assert job.picture.startswith(b"\xff\xd8")  # a JPEG
    assert job.event == Event("coarse", 3, 3)  # and not the moment, which is over
    job.stop()
    assert job.picture == b""
    with pytest.raises(StoppedError):
        job.report(Event("extract", 0, 2))
