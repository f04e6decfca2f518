"""The folder of a run that can be interrupted at any instant and continued.

run.json                        what a continuation must agree with: prompt, settings, prior, versions
checkpoint-00000120.safetensors the last two states, see `dream3d.checkpoint`
"""

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dream3d.checkpoint import State, pack_state, unpack_state
from dream3d.errors import BusyError, InputError, StoppedError
from dream3d.events import Event, OnEvent
from dream3d.export.files import explain_os_error, remove_unfinished, write_files
from dream3d.inputs import make_folder
from dream3d.run_record import RUN, differences, read_run

KEPT = 2
CHECKPOINT_SECONDS = 10.0


class RunFolder:
    """A folder that one process at a time writes the states of one run to."""

    def __init__(self, path: Path) -> None:
        """Make the folder where it is missing, and keep other processes out while this one lives.

        Raises:
            BusyError: Another process works in it.
            InputError: It cannot be written.
        """
        self.path = make_folder(path)
        try:
            self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise explain_os_error(self.path / ".lock", error) from None
        try:
            # The kernel frees it when the process ends, however that happens.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            os.close(self._lock)
            raise BusyError(
                f"another process works in the run folder {path}: wait, or take another"
            ) from None
        except OSError:
            pass  # a file system without locks: nothing can keep others out
        remove_unfinished(self.path)

    def close(self) -> None:
        """Let other processes in."""
        os.close(self._lock)

    def expect(self, facts: Mapping[str, Any]) -> None:
        """Check early that this is not the folder of another run.

        Args:
            facts: Some of what will be claimed.

        Raises:
            InputError: It is; the message names what differs.
        """
        if (self.path / RUN).exists():
            recorded = read_run(self.path)
            self._refuse({name: recorded.get(name) for name in facts}, facts)

    def claim(self, identity: Mapping[str, Any]) -> None:
        """Make this the folder of a run, or check that it is.

        Args:
            identity: All that decides the result, in JSON types.

        Raises:
            InputError: It is the folder of another run; the message names what differs.
            DiskError: The disk is full or failed.
        """
        if (self.path / RUN).exists():
            self._refuse(read_run(self.path), identity)
        else:
            text = json.dumps(identity, indent=2, ensure_ascii=False) + "\n"
            write_files({self.path / RUN: text.encode()})

    def _refuse(self, recorded: Mapping[str, Any], claimed: Mapping[str, Any]) -> None:
        """Raise `InputError` if these differ."""
        for name, was, now in differences(recorded, json.loads(json.dumps(claimed))):
            raise InputError(
                f"the run in {self.path} cannot be continued: {name} was {was!r} and is {now!r} now; "
                "continue it as it was, or take another folder"
            )

    def latest(self) -> State | None:
        """The newest state that can be read; None when there is none."""
        for path in reversed(self._checkpoints()):
            with contextlib.suppress(InputError, OSError):
                return unpack_state(path.read_bytes())
        return None

    def save(self, state: State) -> None:
        """Write a state and remove all but the last two.

        Raises:
            DiskError: The disk is full or failed; earlier states are as they were.
            InputError: The folder is gone or may not be written any more.
        """
        earlier = self._checkpoints()
        number = int(earlier[-1].stem.split("-")[1]) + 1 if earlier else 1
        write_files({self.path / f"checkpoint-{number:08}.safetensors": pack_state(state)})
        for path in earlier[: 1 - KEPT]:
            path.unlink(missing_ok=True)

    def _checkpoints(self) -> list[Path]:
        """The files of states, oldest first."""
        pattern = re.compile(r"checkpoint-\d{8}\.safetensors")
        return sorted(path for path in self.path.iterdir() if pattern.fullmatch(path.name))


class Checkpoints:
    """Follows a run and saves its states: now and then, at the end of a stage, and when it is stopped."""

    def __init__(
        self,
        folder: RunFolder,
        on_event: OnEvent,
        describe: Callable[[Event], State],
        seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        """Start the clock.

        Args:
            folder: Where the states go.
            on_event: Told first; it may stop the run.
            describe: The whole state of the run at an event with a moment.
            seconds: Between two states.
        """
        self.folder = folder
        self.on_event = on_event
        self.describe = describe
        self.seconds = seconds
        self._saved = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Pass an event on; save the state if it is time, or if the run is to end."""
        try:
            self.on_event(event)
        except StoppedError:
            if event.moment is not None:
                self._save(event)
            raise
        is_due = time.monotonic() - self._saved >= self.seconds
        if event.moment is not None and (is_due or event.step == event.num_steps):
            self._save(event)

    def _save(self, event: Event) -> None:
        self.folder.save(self.describe(event))
        self._saved = time.monotonic()


@contextlib.contextmanager
def open_run(path: Path | None) -> Iterator[RunFolder | None]:
    """A run folder for as long as it is worked in; None where no folder is asked for. See `RunFolder`."""
    if path is None:
        yield None
        return
    folder = RunFolder(path)
    try:
        yield folder
    finally:
        folder.close()
