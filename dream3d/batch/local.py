"""Workers as processes of this machine."""

import contextlib
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection

from dream3d.batch.messages import Lost, Ready, Say, Task


class LocalEngine:
    """Starts processes that share the cores, and the GPUs, of this machine."""

    def __init__(self, num_workers: int | None, num_jobs: int, device: str) -> None:
        """Share the machine out; GPUs are taken in turn.

        Args:
            num_workers: At a time; None: as many as there are GPUs, or one for every two cores.
            num_jobs: More workers than that are of no use.
            device: Of the settings: "auto", "cpu" or "cuda".
        """
        self._gpus = visible_gpus() if device != "cpu" else []
        self.num_workers = min(num_workers or len(self._gpus) or max(1, num_cores() // 2), num_jobs)
        self._threads = threads_for(num_cores(), self.num_workers)

    def start(self, slot: int, say: Say) -> "LocalWorker":
        """Start a worker.

        Args:
            slot: Which of the `num_workers` places it takes.
            say: Called with its messages, from another thread; `Lost` is the last.
        """
        environment = {"OMP_NUM_THREADS": str(self._threads)}
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[slot % len(self._gpus)]
        return LocalWorker(environment, say)

    def close(self) -> None:
        """Nothing is left once the workers are killed."""


class LocalWorker:
    """A process, and the thread that listens to it."""

    def __init__(self, environment: dict[str, str], say: Say) -> None:
        # Spawned and not forked: torch's threads and CUDA do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._connection, remote = context.Pipe()
        self._process = context.Process(target=_serve, args=(remote, environment), daemon=True)
        self._process.start()
        remote.close()  # else the end of the process would not be the end of the connection
        self._listener = threading.Thread(target=self._listen, args=(say,), daemon=True)
        self._listener.start()

    def give(self, task: Task) -> None:
        """Let it work on a task."""
        with contextlib.suppress(OSError):  # it has ended, and the listener says so
            self._connection.send(task)

    def kill(self) -> None:
        """End it, also if it has stopped; returns when it is gone."""
        self._process.kill()
        self._listener.join()

    def _listen(self, say: Say) -> None:
        # A thread of its own, since one that stops in the middle of a message must not stop the driver.
        while True:
            try:
                say(self._connection.recv())
            except (EOFError, OSError):
                break
        self._process.join()
        say(Lost(_how_it_ended(self._process.exitcode)))


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(num_cpus: int, num_workers: int) -> int:
    """Threads that each worker may use, no more than OMP_NUM_THREADS allows a process."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(num_cpus // num_workers, int(asked) if asked.isdecimal() else num_cpus))


def visible_gpus() -> list[str]:
    """GPUs that may be used, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (named.split(",") if named else [str(index) for index in range(count)])[:count]


def _serve(driver: Connection, environment: dict[str, str]) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the driver decides
    os.dup2(2, 1)  # what libraries print is no result
    os.environ.update(environment)  # before the libraries that read it are imported
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Heavy: torch and diffusers.
    from dream3d.batch.worker import Worker

    worker = Worker()
    driver.send(Ready(f"pid {os.getpid()}"))
    while True:
        driver.send(worker.work(driver.recv(), driver.send))


def _end_with_parent() -> None:
    """Leave at once when the driver has died, however it died: the pipe that tells was open in it alone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _how_it_ended(exit_code: int | None) -> str:
    match exit_code:
        case int() if exit_code == -signal.SIGKILL:
            return "the worker was killed; by the system, if there was too little memory"
        case int() if exit_code < 0:
            return f"the worker was killed by signal {-exit_code}"
        case _:
            return f"the worker ended with exit code {exit_code}"
