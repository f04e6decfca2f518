"""Runs that wait for their turn, and the one thread that makes them, one after the other."""

import io
import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from dream3d.app.limits import Order
from dream3d.errors import InputError, RunError, StoppedError, is_out_of_memory
from dream3d.events import Event
from dream3d.mesh import ByteArray

JobState = Literal["waiting", "running", "done", "failed", "stopped"]

# Live pictures cost time that the run lacks: this share of it at most, and none when nobody looks.
PICTURE_SHARE = 0.1
WATCHED_SECONDS = 10.0
TURN_DEG = 20.0  # from one picture to the next


@dataclass(frozen=True)
class Made:
    """The files of a finished run, all in the folder of its job, and what is said about them."""

    glb: Path
    picture: Path
    turntable: Path
    report: dict[str, Any]  # what FILE.json says

    @property
    def id(self) -> str:
        """Names the asset among all others."""
        return self.glb.parent.name


@dataclass(eq=False)
class Job:
    """One run: what was asked for, how far it is, how it ended. Any thread may look at it and stop it."""

    order: Order
    folder: Path  # of its files; nobody else's
    state: JobState = "waiting"
    message: str = ""  # why it failed
    made: Made | None = None
    event: Event | None = None
    picture: bytes = b""  # of the scene as it is: a JPEG
    began: float = field(default_factory=time.monotonic)  # to wait, to run, the stage; whatever is newest
    started: float = 0.0
    finished: float = 0.0
    seen: float = field(default_factory=time.monotonic)  # when somebody last looked
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next_picture: float = 0.0
    _num_pictures: int = 0

    @property
    def is_open(self) -> bool:
        """True until it has ended, one way or the other."""
        return self.state in ("waiting", "running")

    def start(self) -> bool:
        """Let it run; False if it was stopped before."""
        with self._lock:
            if self.state == "waiting":
                self.state, self.started = "running", time.monotonic()
                self.began = self.started
        return self.state == "running"

    def end(self, state: JobState, message: str = "") -> bool:
        """Let it have ended; False if it has already, which stays as it is."""
        with self._lock:
            was_open = self.is_open
            if was_open:
                self.message, self.finished, self.picture = message, time.monotonic(), b""
                self.state = state
        return was_open

    def stop(self) -> None:
        """End it: at once for those who look, at the next event for the thread that makes it."""
        self.end("stopped")

    def report(self, event: Event) -> None:
        """Take an event of the run.

        Raises:
            StoppedError: It was stopped.
        """
        if not self.is_open:
            raise StoppedError
        now = time.monotonic()
        if self.event is None or event.stage != self.event.stage or not event.step:
            self.began = now
        self.event = replace(event, moment=None)  # which holds only for now
        if event.moment and now >= self._next_picture and now - self.seen < WATCHED_SECONDS:
            self.picture = encode_jpeg(event.moment.preview(TURN_DEG * self._num_pictures % 360.0))
            self._num_pictures += 1
            self._next_picture = now + (time.monotonic() - now) / PICTURE_SHARE


class Worker:
    """The queue of all visitors. One run at a time: it takes all cores, or the GPU."""

    def __init__(self, work: Callable[[Job], Made], max_waiting: int) -> None:
        """Start the thread.

        Args:
            work: Makes the asset of a job. It tells `job.report` how far it is.
            max_waiting: Jobs that may wait.
        """
        self._work = work
        self._max_waiting = max_waiting
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="dream3d-worker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue.

        Raises:
            InputError: Too many are waiting.
        """
        with self._changed:
            if len(self._open()) >= self._max_waiting:
                raise InputError(f"{self._max_waiting} runs are waiting already; try again later")
            self._waiting.append(job)
            self._changed.notify()

    def place(self, job: Job) -> int:
        """How many jobs go before a waiting one; 0 for those that do not wait."""
        with self._changed:
            waiting = self._open()
            return waiting.index(job) + (self._running is not None) if job in waiting else 0

    def close(self, timeout_s: float) -> bool:
        """Stop all jobs and the thread.

        Args:
            timeout_s: How long to wait until the running one notices.

        Returns:
            False if it has not: the thread then ends with the process.
        """
        with self._changed:
            self._is_closed = True
            for job in (*self._waiting, *filter(None, [self._running])):
                job.stop()
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _open(self) -> list[Job]:
        """The jobs that wait; those that were stopped meanwhile are forgotten."""
        self._waiting = deque(job for job in self._waiting if job.is_open)
        return list(self._waiting)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._running = None
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                self._running = job = self._waiting.popleft()
            if job.start():
                self._attend(job)

    def _attend(self, job: Job) -> None:
        """Make one job. Whatever happens, the thread goes on, and only what is done leaves files."""
        try:
            job.made = self._work(job)
            job.end("done")
        except StoppedError:
            job.stop()
        except (InputError, RunError) as error:
            job.end("failed", " ".join(str(error).split()))
        except Exception as error:
            if is_out_of_memory(error):
                job.end("failed", "out of memory; ask for fewer steps or a smaller texture")
                return
            job.end("failed", "the run failed in a way nobody expected; the server's log says more")
            logging.getLogger(__name__).exception("the run of %r failed", job.order.prompt)
        finally:
            if job.state != "done":
                job.made = None
                shutil.rmtree(job.folder, ignore_errors=True)


def encode_jpeg(picture: ByteArray) -> bytes:
    """A picture [H, W, 3] of sRGB bytes as a JPEG."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=85)
    return stream.getvalue()
