"""Files appear under their final name only when they are whole, or not at all."""

import errno
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from dream3d.errors import InputError, RunError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write several files as one step: every one is complete beside its target before the first is renamed.

    Files of the same name are replaced; after any failure they are as they were, and nothing else is left
    behind.

    Args:
        contents: Final path to content; renamed in this order.

    Raises:
        InputError: A target is a folder, or its folder is missing or may not be written.
        RunError: The disk is full or failed.
    """
    for path in contents:
        try:
            is_folder = path.is_dir()
        except OSError as error:
            raise _explain(path, error) from None
        if is_folder:
            raise InputError(f"cannot write {path}: it is a folder; name a file in it")
    unfinished: dict[Path, Path] = {}  # final path -> file beside it
    try:
        for path, content in contents.items():
            unfinished[path] = _beside(path)
            _write_whole(unfinished[path], path, content)
        for path in contents:
            try:
                unfinished[path].replace(path)
            except OSError as error:
                raise _explain(path, error) from None
    finally:
        for temporary in unfinished.values():
            temporary.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """A fresh hidden name in the same folder; short, so that long targets stay within the name limit."""
    return path.parent / f".dream3d-{secrets.token_hex(8)}.tmp"


def _write_whole(temporary: Path, path: Path, content: bytes) -> None:
    """Write and flush to the disk; a delayed allocation that fails must fail here, not after the rename."""
    try:
        # Exclusive creation; the mode is cut by the umask like that of any other file.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise _explain(path, error) from None


def _explain(path: Path, error: OSError) -> InputError | RunError:
    """One line that says what to do."""
    if error.errno in NO_ROOM:
        return RunError(f"cannot write {path}: no room left on the disk; free some and try again")
    if error.errno == errno.ENOENT:
        return InputError(f"cannot write {path}: the folder {path.parent} does not exist; make it first")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(f"cannot write {path}: no permission to write in {path.parent}")
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG):
        return InputError(f"cannot write {path}: {os.strerror(error.errno).lower()}")
    return RunError(f"cannot write {path}: {error.strerror}")
