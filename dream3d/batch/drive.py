"""The driver: gives jobs to workers until all are settled, whatever happens to the workers."""

import contextlib
import queue
import shutil
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from dream3d.batch.claims import Claims
from dream3d.batch.jobs import Job
from dream3d.batch.manifest import Manifest
from dream3d.batch.messages import Engine, Failed, Heard, Lost, Made, Message, Ready, Task, WorkerHandle
from dream3d.batch.records import are_there, facts_of, find_files
from dream3d.errors import DiskError, InputError, RunError
from dream3d.events import Event, OnEvent
from dream3d.export.files import remove_unfinished, write_files
from dream3d.inputs import make_folder
from dream3d.progress import format_seconds

SECONDS_BETWEEN_LOOKS = 0.5  # at workers that say nothing, and at what another driver does
MAX_FALSE_STARTS = 3
RUN_FOLDER = "run"  # in an item's folder, while it is made


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    status: Literal["done", "kept", "failed"]  # made now; made before or by another driver; or not
    reason: str = ""  # of a failure


@dataclass
class _Seat:
    """A worker and what it does."""

    handle: WorkerHandle
    number: int  # every worker has its own: what one that was replaced says is not mistaken for its heir's
    heard_at: float
    name: str = ""  # once it is ready
    job: Job | None = None
    began_at: float = 0.0


class Drive:
    """Makes jobs with the workers of an engine. One thread decides; others only fill its queue."""

    def __init__(
        self, manifest: Manifest, claims: Claims, retries: int, timeout_s: float, on_event: OnEvent
    ) -> None:
        """Prepare.

        Args:
            manifest: Of the folder of results.
            claims: On its items.
            retries: How often a job is tried again.
            timeout_s: How long a worker may say nothing.
            on_event: Told of the progress over all jobs.
        """
        self.outcomes: dict[str, Outcome] = {}  # by name of the job
        self._manifest, self._folder = manifest, manifest.folder
        self._claims = claims
        self._retries = retries
        self._timeout_s = timeout_s
        self._on_event = on_event
        self._messages: queue.SimpleQueue[tuple[int, Message]] = queue.SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._seats: dict[int, _Seat] = {}  # by slot of the engine
        self._attempts: Counter[str] = Counter()
        self._num_before = self._num_jobs = self._num_started = self._false_starts = 0

    def left_of(self, jobs: Sequence[Job]) -> list[Job]:
        """Settle what was made before, also by drivers that died before they could say so.

        Returns:
            The jobs that are left to do.
        """
        left: list[Job] = []
        self._num_jobs = len(jobs)
        for job in jobs:
            folder, record = self._folder / job.name, self._manifest.done.get(job.name)
            if record is not None and are_there(folder, record):
                self._forget_run(job)  # a driver that died may have left it
                self.outcomes[job.name] = Outcome("kept")
            elif not self._was_left(job):
                left.append(job)
        return left

    def run(self, jobs: Sequence[Job], engine: Engine) -> None:
        """Settle all jobs; `outcomes` says how, also when this is interrupted.

        Args:
            jobs: From `left_of`.
            engine: Where workers come from.

        Raises:
            DiskError: The disk is full or failed.
            RunError: Workers end before they can work.
        """
        self._waiting.extend(jobs)
        self._num_before, self._num_jobs = len(self.outcomes), len(jobs)
        try:
            while self._waiting or any(seat.job for seat in self._seats.values()):
                self._hand_out(engine)
                self._listen()
                self._end_silent()
        finally:
            for seat in self._seats.values():
                seat.handle.kill()
                if seat.job is not None:
                    with contextlib.suppress(InputError, RunError):
                        self._manifest.append("stopped", seat.job.name)

    def _hand_out(self, engine: Engine) -> None:
        """Give free workers a job, and start as many as there is work for."""
        for seat in self._seats.values():
            if seat.name and seat.job is None and (job := self._claimed()) is not None:
                self._begin(seat, job)
        num_busy = sum(seat.job is not None for seat in self._seats.values())
        for slot in range(min(engine.num_workers, num_busy + len(self._waiting))):
            if slot not in self._seats:
                self._num_started += 1
                say = partial(self._hear, self._num_started)
                handle = engine.start(slot, say)
                self._seats[slot] = _Seat(handle, self._num_started, time.monotonic())

    def _claimed(self) -> Job | None:
        """The first waiting job that is nobody else's, claimed; those that others settled are left out."""
        for _ in range(len(self._waiting)):
            job = self._waiting.popleft()
            if not self._claims.claim(job.name):
                self._waiting.append(job)
            elif not self._is_settled(job):
                return job
        return None

    def _was_left(self, job: Job) -> bool:
        """True if a driver that died had made it; nothing is claimed afterwards."""
        if not (self._folder / job.name / job.file).exists() or not self._claims.claim(job.name):
            return False
        if self._is_settled(job):
            return True
        self._claims.release(job.name)
        return False

    def _is_settled(self, job: Job) -> bool:
        """True if another driver has settled a job; it is claimed, so that this does not change meanwhile."""
        name = job.name
        self._manifest.refresh()
        if name in self._manifest.done and are_there(self._folder / name, self._manifest.done[name]):
            self._settle(job, Outcome("kept"), "made by another process")
        elif name in self._manifest.failed:
            reason = self._manifest.failed[name]["reason"]
            self._settle(job, Outcome("failed", reason), f"failed in another process: {reason}")
        elif name not in self._manifest.done and (files := find_files(self._folder / name, job)) is not None:
            remove_unfinished(self._folder / name)
            self._manifest.append("done", name, **facts_of(job, files))
            self._forget_run(job)
            self._settle(job, Outcome("kept"), "was made by a process that died")
        else:
            return False
        return True

    def _begin(self, seat: _Seat, job: Job) -> None:
        self._attempts[job.name] += 1
        folder = make_folder(self._folder / job.name)
        remove_unfinished(folder)
        run_folder = folder.absolute() / RUN_FOLDER
        # Before the record: an interruption after it must find whose it is.
        seat.job, seat.began_at = job, time.monotonic()
        seat.heard_at = seat.began_at
        self._manifest.append(
            "begun",
            job.name,
            attempt=self._attempts[job.name],
            worker=seat.name,
            goes_on=any(run_folder.rglob("checkpoint-*")),
        )
        seat.handle.give(Task(job.item.prompt, job.item.config, job.file, job.prior_sha256, str(run_folder)))

    def _listen(self) -> None:
        """Wait a little for a message and do what it asks for."""
        try:
            number, message = self._messages.get(timeout=SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            return
        slot = next((slot for slot, seat in self._seats.items() if seat.number == number), None)
        if slot is None:
            return
        seat = self._seats[slot]
        seat.heard_at = time.monotonic()
        match message:
            case Ready(name):
                seat.name, self._false_starts = name, 0
            case Heard():
                self._show("")
            case Made(files):
                self._write(seat, files)
            case Failed(reason, is_final, is_broken, keeps_run, is_disk):
                if is_disk:
                    raise DiskError(reason)
                if not keeps_run and seat.job is not None:
                    self._forget_run(seat.job)  # it failed by itself: it would again from where it stood
                self._fail(seat, reason, is_final)
                if is_broken:
                    self._dismiss(slot)
            case Lost(reason):
                self._dismiss(slot)
                self._fail(seat, reason)
                if not seat.name:
                    self._count_false_start(reason)

    def _end_silent(self) -> None:
        """Replace workers that have not been heard for too long."""
        for slot, seat in list(self._seats.items()):
            is_busy = seat.job is not None or not seat.name
            if is_busy and time.monotonic() - seat.heard_at > self._timeout_s:
                self._dismiss(slot)
                self._fail(seat, f"nothing was heard from the worker for {self._timeout_s:g} s")
                if not seat.name:
                    self._show(f"a worker did not start for {self._timeout_s:g} s; is there room for it?")
                    if not any(other.name for other in self._seats.values()):
                        self._count_false_start(f"none was ready within --timeout {self._timeout_s:g}")

    def _dismiss(self, slot: int) -> None:
        """End the worker of a slot; there will be another one if there is work."""
        self._seats.pop(slot).handle.kill()

    def _write(self, seat: _Seat, files: dict[str, bytes]) -> None:
        """Write what was made, then the record of it."""
        job = seat.job
        assert job is not None
        try:
            write_files({self._folder / job.name / name: content for name, content in files.items()})
        except InputError as error:  # the folder was taken away or may not be written any more
            self._fail(seat, str(error))
            return
        seconds = time.monotonic() - seat.began_at
        attempt = self._attempts[job.name]
        facts = facts_of(job, files) | {"attempt": attempt, "worker": seat.name, "wall_seconds": seconds}
        self._manifest.append("done", job.name, **facts)
        self._forget_run(job)
        seat.job = None
        self._settle(job, Outcome("done"), f"done in {format_seconds(seconds)}")

    def _forget_run(self, job: Job) -> None:
        """Remove the checkpoints of a job."""
        shutil.rmtree(self._folder / job.name / RUN_FOLDER, ignore_errors=True)

    def _fail(self, seat: _Seat, reason: str, is_final: bool = False) -> None:
        """Try the job of a worker again, after all others, or not any more."""
        job, seat.job = seat.job, None
        if job is None:
            return
        attempt = self._attempts[job.name]
        if is_final or attempt > self._retries:
            self._manifest.append("failed", job.name, attempt=attempt, reason=reason, prompt=job.item.prompt)
            with contextlib.suppress(OSError):
                (self._folder / job.name).rmdir()  # empty, unless there is something to go on from
            self._settle(job, Outcome("failed", reason), f"failed: {reason}")
            return
        self._manifest.append("retry", job.name, attempt=attempt, reason=reason)
        self._claims.release(job.name)
        self._waiting.append(job)
        self._tell(job, f"will be tried again: {reason}")

    def _settle(self, job: Job, outcome: Outcome, message: str) -> None:
        """Note how a job ended and let go of it."""
        self.outcomes[job.name] = outcome
        self._claims.release(job.name)
        self._tell(job, message)

    def _tell(self, job: Job, message: str) -> None:
        self._show(f"{job.item.prompt} / {job.item.config.seed}: {message}")

    def _show(self, message: str) -> None:
        """Tell how many jobs of this run are settled: the time left goes by them."""
        self._on_event(Event("batch", len(self.outcomes) - self._num_before, self._num_jobs, message))

    def _count_false_start(self, reason: str) -> None:
        self._false_starts += 1
        if self._false_starts >= MAX_FALSE_STARTS:
            raise RunError(f"workers end before they can work: {reason}; see 'dream3d doctor'")

    def _hear(self, number: int, message: Message) -> None:
        self._messages.put((number, message))
