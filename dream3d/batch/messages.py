"""What the driver and its workers say to each other, between processes and between machines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dream3d.config import Config


@dataclass(frozen=True)
class Task:
    """One asset to make."""

    prompt: str
    config: Config
    file: str  # name of the main file
    prior_sha256: str  # of the prior that the driver means
    run_folder: str  # where checkpoints go, on machines that see the driver's files


@dataclass(frozen=True)
class Ready:
    """A worker has started."""

    name: str  # "pid 1234"


@dataclass(frozen=True)
class Heard:
    """A sign of life from the work on a task."""

    stage: str
    step: int
    num_steps: int


@dataclass(frozen=True)
class Made:
    """The asset: whole files, the main one last."""

    files: dict[str, bytes]


@dataclass(frozen=True)
class Failed:
    """The work on a task ended without an asset."""

    reason: str  # one line
    is_final: bool  # it would fail again: the input is to blame
    is_broken: bool = False  # the worker is in an unknown state: another one should go on
    keeps_run: bool = False  # what the run folder holds is good
    is_disk: bool = False  # nothing can be written any more: the end of the batch


@dataclass(frozen=True)
class Lost:
    """A worker has ended, whatever it was doing."""

    reason: str  # one line


Message = Ready | Heard | Made | Failed | Lost

Say = Callable[[Message], None]
"""How a worker is heard: called from a thread of its own. `Lost` is the last that it says."""


class WorkerHandle(Protocol):
    """A worker, seen from the driver."""

    def give(self, task: Task) -> None:
        """Let it work on a task; it must be ready and have none."""
        ...

    def kill(self) -> None:
        """End it, also if it has stopped."""
        ...


class Engine(Protocol):
    """Where workers live."""

    num_workers: int  # at a time

    def start(self, slot: int, say: Say) -> WorkerHandle:
        """Start a worker in one of the `num_workers` places."""
        ...

    def close(self) -> None:
        """Clear up when the workers are gone."""
        ...
