"""Files of JSON lines that several processes append to, and that outlive a process which dies in a line."""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from dream3d.errors import InputError
from dream3d.export.files import explain_os_error


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append one object as a line of its own, on the disk when this returns.

    Args:
        path: Made when it is not there.
        value: JSON types; others as their text.

    Raises:
        InputError: The file may not be written.
        DiskError: The disk is full or failed.
    """
    line = json.dumps(value, default=str).encode() + b"\n"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            with contextlib.suppress(OSError):  # some network file systems know no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it is closed
            # What a process that died in a line has left of it must not swallow this one.
            size = os.fstat(descriptor).st_size
            is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            content = b"\n" * is_torn + line
            if os.write(descriptor, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise explain_os_error(path, error) from None


def read_lines(path: Path, start: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The objects from a place on, and where those begin that will be appended later.

    Lines that hold no object are left out; one without its end may still be in the making, and waits.

    Args:
        path: An empty list when it is not there.
        start: In bytes.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            content = stream.read()
    except FileNotFoundError:
        return [], start
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    whole = content[: content.rfind(b"\n") + 1]
    objects = [value for line in whole.splitlines() if (value := _object(line)) is not None]
    return objects, start + len(whole)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None
