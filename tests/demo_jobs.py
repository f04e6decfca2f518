"""Runs of the demo that need no prior."""

import time
from pathlib import Path

from dream3d.app.jobs import Job, Made
from dream3d.app.limits import Order
from dream3d.config import Config

WAIT_S = 30.0  # until something that must happen has happened


def job_in(folder: Path, prompt: str = "a red mushroom") -> Job:
    """A run that nobody has submitted."""
    return Job(Order(prompt, Config()), folder / prompt.replace(" ", "-"))


def made_in(job: Job) -> Made:
    """What a run leaves, made at once."""
    job.folder.mkdir(parents=True)
    (job.folder / "asset.glb").write_bytes(b"glTF")
    return Made(job.folder / "asset.glb", job.folder / "p.png", job.folder / "t.gif", {})


def wait_for_end(*jobs: Job) -> None:
    """Until all of them have ended."""
    for _ in range(int(WAIT_S * 100)):
        if not any(job.is_open for job in jobs):
            return
        time.sleep(0.01)
    raise AssertionError([job.state for job in jobs])
