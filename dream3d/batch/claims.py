"""Who works on what: a lock for each item, which the kernel gives back when its holder dies."""

import fcntl
import hashlib
import os
from pathlib import Path

from dream3d.export.files import explain_os_error

CLAIMS = ".claims"


class Claims:
    """Locks on items that several drivers share.

    One byte of one file for each item (POSIX record locks, which may lie behind the end of the file): nothing
    is there to clean up, and unlike a file that says "mine", the lock of a driver that was killed is free at
    once. The driver holds them and not its workers, because it alone writes what they make: a worker that
    outlives its driver for a moment can do no harm. Where the file system knows no locks, as some network
    ones, every claim succeeds and `are_shared` is False: there, `--shard` keeps drivers apart.
    """

    def __init__(self, folder: Path) -> None:
        """Open the file of locks.

        Raises:
            InputError: It cannot be written.
            DiskError: The disk is full or failed.
        """
        try:
            self._file = os.open(folder / CLAIMS, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise explain_os_error(folder / CLAIMS, error) from None
        self.are_shared = True

    def claim(self, name: str) -> bool:
        """Take an item, unless another driver has it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
        except (BlockingIOError, PermissionError):  # POSIX leaves the choice between these two
            return False
        except OSError:
            self.are_shared = False
        return True

    def release(self, name: str) -> None:
        """Give an item back."""
        if self.are_shared:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(name))

    def close(self) -> None:
        """Give all back."""
        os.close(self._file)


def _place(name: str) -> int:
    """The byte that stands for an item; two of 100,000 share one with a probability of 1e-9."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 2
