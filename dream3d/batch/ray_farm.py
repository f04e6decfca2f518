"""Workers as Ray actors, on a cluster or on this machine."""

import contextlib
import os
import queue
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dream3d.batch.local import num_cores, threads_for
from dream3d.batch.messages import Failed, Heard, Lost, Made, Ready, Say, Task
from dream3d.errors import InputError
from dream3d.extras import import_extra

LOCAL = "local"  # Ray's word for a new cluster on this machine
SECONDS_TO_ANSWER = 5.0


class RayEngine:
    """Starts actors that keep their prior loaded, each with a GPU of its own where there are any.

    The driver keeps the manifest and writes all files: nodes need dream3d and the prior, no shared disk.
    """

    def __init__(self, num_workers: int | None, num_jobs: int, device: str) -> None:
        """Connect to the cluster that RAY_ADDRESS names, or start one on this machine alone.

        Args:
            num_workers: At a time; None: as many as there are GPUs, or one for every two CPUs.
            num_jobs: More workers than that are of no use.
            device: Of the settings: "auto", "cpu" or "cuda".

        Raises:
            InputError: Ray is not installed, the cluster does not answer, or has no GPU where one is needed.
        """
        address = os.environ.get("RAY_ADDRESS") or LOCAL
        # Ray reads these when it is imported.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
        if address == LOCAL:
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # its ports are open to the network
        self._ray = import_extra("ray", "farm", "--engine ray", "take --engine local")
        self._connect(address, num_workers or 1)
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        num_gpus = int(sum(node.get("GPU", 0) for node in nodes))
        if device == "cuda" and not num_gpus:
            self.close()
            raise InputError(
                "--device cuda: the Ray cluster has no GPU; leave it out, or start Ray with some"
            )
        self._num_gpus = 1 if num_gpus and device != "cpu" else 0
        cpus = [int(node.get("CPU", 0)) for node in nodes]
        most = num_gpus if self._num_gpus else max(1, sum(cpus) // 2)
        self.num_workers = min(num_workers or most, num_jobs)
        self._num_cpus = 1 if self._num_gpus else cpus_for_each(cpus, self.num_workers)

    def _connect(self, address: str, num_workers: int) -> None:
        _check_address(address)
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address == LOCAL:
            options |= {"num_cpus": max(num_cores(), num_workers), "include_dashboard": False}
        # Ray prints a page on stdout for each actor that dies; the manifest has the line that matters.
        self._silence = contextlib.ExitStack()
        nowhere = self._silence.enter_context(Path(os.devnull).open("w"))  # noqa: SIM115
        self._silence.enter_context(contextlib.redirect_stdout(nowhere))
        ours = signal.getsignal(signal.SIGTERM)
        try:
            self._ray.init(address=address, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            self.close()
            line = " ".join(str(error).split())[:200]
            raise InputError(f"RAY_ADDRESS: no Ray cluster at {address!r}: {line}") from None
        finally:
            signal.signal(signal.SIGTERM, ours)  # Ray takes it and would end without a word

    def start(self, slot: int, say: Say) -> "RayWorker":  # noqa: ARG002 - Ray places actors by itself
        """Ask for an actor; it starts when the cluster has room for it."""
        remote = self._ray.remote(num_cpus=self._num_cpus, num_gpus=self._num_gpus, max_restarts=0)
        return RayWorker(self._ray, remote(Actor).remote(threads_for(self._num_cpus, 1)), say)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._ray.shutdown()
        self._silence.close()


class RayWorker:
    """An actor, seen from the driver. A thread waits for what it says."""

    def __init__(self, ray: Any, actor: Any, say: Say) -> None:
        self._ray, self._actor, self._say = ray, actor, say
        threading.Thread(target=self._listen, args=(actor.greet,), daemon=True).start()

    def give(self, task: Task) -> None:
        """Let it work on a task."""
        threading.Thread(target=self._listen, args=(self._actor.work, task), daemon=True).start()

    def kill(self) -> None:
        """End it. Its process may take a moment to go; what it still makes is not written."""
        self._ray.kill(self._actor, no_restart=True)

    def _listen(self, method: Any, *arguments: Any) -> None:
        """Call a method that yields messages and pass them on."""
        try:
            for reference in method.options(num_returns="streaming").remote(*arguments):
                self._say(self._ray.get(reference))
        except (
            self._ray.exceptions.RayError
        ) as error:  # whatever happened to the process, its node or the way
            self._say(Lost(_why(error)))


class Actor:
    """What runs in the cluster."""

    def __init__(self, num_threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(num_threads)  # before the libraries that read it are imported
        # Heavy: torch and diffusers.
        from dream3d.batch.worker import Worker

        self._worker = Worker()

    def greet(self) -> Iterator[Ready]:
        """Say who it is."""
        yield Ready(f"pid {os.getpid()} on {os.uname().nodename}")

    def work(self, task: Task) -> Iterator[Heard | Made | Failed]:
        """Say how the work goes and, last, what came of it."""
        said: queue.SimpleQueue[Heard | Made | Failed] = queue.SimpleQueue()

        def work() -> None:
            said.put(self._worker.work(task, said.put))

        threading.Thread(target=work, daemon=True).start()
        while isinstance(message := said.get(), Heard):
            yield message
        yield message


def _check_address(address: str) -> None:
    """Find out in seconds what takes Ray many minutes: that nothing answers.

    Raises:
        InputError: It is no address of a cluster, or nothing answers there.
    """
    if address in (LOCAL, "auto"):
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and "/" not in host):
        raise InputError(f"RAY_ADDRESS must be HOST:PORT of the head node, or auto, not {address!r}")
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"RAY_ADDRESS: no Ray cluster answers at {address}: {error}") from None


def cpus_for_each(cpus: Sequence[int], num_workers: int) -> int:
    """CPUs that each of some workers can have at most so that all find a place, at least 1.

    Args:
        cpus: Of each node.
        num_workers: None of them spans nodes.
    """
    fitting = (
        count for count in range(max(cpus, default=1), 0, -1) if sum(c // count for c in cpus) >= num_workers
    )
    return next(fitting, 1)


def _why(error: Exception) -> str:
    """The end of an actor in one line, out of Ray's page."""
    text = " ".join(str(error).split())
    reason = text.partition("The actor is dead because ")[2] or text
    return f"the Ray actor is gone: {reason.partition(' Some common causes')[0][:300]}"
