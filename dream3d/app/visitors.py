"""Who is there, what is theirs, when it is removed. A visitor is a browser with a secret in its cookie."""

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dream3d.app.jobs import Job, Made, Worker
from dream3d.app.limits import Limits, Order
from dream3d.errors import InputError


@dataclass(eq=False)
class Visitor:
    """One browser, with all its tabs."""

    secret: str  # what its cookie holds
    jobs: list[Job] = field(default_factory=list)  # oldest first
    num_tabs: int = 0
    is_exporting: bool = False
    seen: float = field(default_factory=time.monotonic)

    @property
    def assets(self) -> list[Made]:
        """What was made for it, newest first."""
        return [job.made for job in reversed(self.jobs) if job.state == "done" and job.made]

    @property
    def open_jobs(self) -> list[Job]:
        """Its runs that wait or go on, oldest first."""
        return [job for job in self.jobs if job.is_open]

    def find_asset(self, asset_id: object) -> Made | None:
        """One of its assets; None when it has none of that name, whoever else has."""
        return next((made for made in self.assets if made.id == asset_id), None)

    def owns(self, path: Path) -> bool:
        """True for paths in the folders of its assets, as they are written."""
        return any(path.is_relative_to(made.glb.parent) for made in self.assets)


class Visitors:
    """All visitors, the folder with all that is theirs, and the worker that makes it."""

    def __init__(self, folder: Path, worker: Worker, limits: Limits) -> None:
        self.folder = folder.resolve()
        self.limits = limits
        self._worker = worker
        self._visitors: dict[str, Visitor] = {}
        self._lock = threading.RLock()
        self._export_turn = threading.Lock()

    def find(self, secret: str | None) -> Visitor | None:
        """The visitor with this secret, who is here now."""
        with self._lock:
            visitor = self._visitors.get(secret or "")
            if visitor:
                visitor.seen = time.monotonic()
            return visitor

    def greet(self, secret: str | None) -> Visitor:
        """The visitor with this secret, else a new one.

        Raises:
            InputError: There are too many.
        """
        with self._lock:
            visitor = self.find(secret)
            if visitor:
                return visitor
            if len(self._visitors) >= self.limits.max_visitors:
                self._make_room()
            visitor = Visitor(secrets.token_urlsafe(24))
            self._visitors[visitor.secret] = visitor
            return visitor

    @contextlib.contextmanager
    def tab(self, visitor: Visitor) -> Iterator[None]:
        """Within, the visitor has the page open."""
        with self._lock:
            visitor.num_tabs += 1
        try:
            yield
        finally:
            with self._lock:
                visitor.num_tabs -= 1
                visitor.seen = time.monotonic()

    def submit(self, visitor: Visitor, order: Order) -> Job:
        """Put a run into the queue.

        Raises:
            InputError: The visitor or all of them together have too many waiting.
        """
        with self._lock:
            if len(visitor.open_jobs) >= self.limits.jobs_per_visitor:
                raise InputError(
                    f"{len(visitor.open_jobs)} of your runs are not finished; stop one, or wait for it"
                )
            job = Job(order, self.folder / secrets.token_hex(16))
            self._worker.submit(job)
            visitor.jobs.append(job)
            return job

    @contextlib.contextmanager
    def exporting(self, visitor: Visitor) -> Iterator[None]:
        """Within, the visitor makes a file of an asset; one visitor after the other.

        Raises:
            InputError: It makes one already, or too many visitors do.
        """
        with self._lock:
            if visitor.is_exporting:
                raise InputError("a file of yours is being made already; wait for it")
            if sum(other.is_exporting for other in self._visitors.values()) >= self.limits.max_waiting:
                raise InputError("too many files are being made; try again later")
            visitor.is_exporting = True
        try:
            with self._export_turn:
                yield
        finally:
            visitor.is_exporting = False

    def place(self, job: Job) -> int:
        """How many runs, of anybody, go before a waiting one."""
        return self._worker.place(job)

    def sweep(self, now: float | None = None) -> None:
        """Drop the runs of those who left, forget those who left long ago, remove what is old or too much.

        Args:
            now: The time, as `time.monotonic` has it.
        """
        now = time.monotonic() if now is None else now
        with self._lock:
            for visitor in list(self._visitors.values()):
                away_minutes = 0.0 if visitor.num_tabs else (now - visitor.seen) / 60.0
                if away_minutes > self.limits.forget_minutes:
                    self._forget(visitor)
                elif away_minutes > self.limits.drop_minutes:
                    for job in visitor.open_jobs:
                        job.stop()
                self._tidy(visitor, now)
            kept = [(job.finished, v, job) for v in self._visitors.values() for job in v.jobs if job.made]
            kept.sort(key=lambda entry: entry[0])
            for _, visitor, job in kept[: max(0, len(kept) - self.limits.max_assets)]:
                self._remove(visitor, job)

    def close(self) -> None:
        """Forget everybody."""
        with self._lock:
            for visitor in list(self._visitors.values()):
                self._forget(visitor)

    def _tidy(self, visitor: Visitor, now: float) -> None:
        """Remove its old assets, those it has too many of, and runs that left nothing but the last one."""
        done = [job for job in visitor.jobs if job.state == "done"]
        spare = done[: max(0, len(done) - self.limits.assets_per_visitor)]
        old = [job for job in done if now - job.finished > self.limits.keep_minutes * 60.0]
        vain = [job for job in visitor.jobs[:-1] if job.state in ("failed", "stopped")]
        for job in {*spare, *old, *vain}:
            self._remove(visitor, job)

    def _make_room(self) -> None:
        """Forget one who left, or has nothing.

        Raises:
            InputError: All are here and have something.
        """
        idle = [v for v in self._visitors.values() if not v.num_tabs and not v.jobs]
        left = [v for v in self._visitors.values() if not v.num_tabs and not v.open_jobs]
        if not left:
            raise InputError("too many visitors at once; try again later")
        self._forget(min(idle or left, key=lambda visitor: visitor.seen))

    def _forget(self, visitor: Visitor) -> None:
        for job in list(visitor.jobs):
            self._remove(visitor, job)
        del self._visitors[visitor.secret]

    def _remove(self, visitor: Visitor, job: Job) -> None:
        """Remove a run and its files; the worker removes those of one that is not finished."""
        job.stop()
        visitor.jobs.remove(job)
        shutil.rmtree(job.folder, ignore_errors=True)
