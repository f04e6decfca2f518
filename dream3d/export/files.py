"""Files appear under their final name only when they are whole, or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from dream3d.errors import DiskError, InputError

_UNFINISHED = ".dream3d-{}.tmp"


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write several files as one step: all are complete beside their targets before the first is renamed.

    Files of the same name are replaced. After a failure they are as they were, and nothing else is left.

    Args:
        contents: Final path to content; renamed in this order.

    Raises:
        InputError: A target is a folder, or its folder is missing or may not be written.
        DiskError: The disk is full or failed.
    """
    for path in contents:
        _refuse_folder(path)
    unfinished: dict[Path, Path] = {}  # final path -> new content beside it
    try:
        for path, content in contents.items():
            unfinished[path] = _beside(path)
            _write_whole(unfinished[path], path, content)
        _rename_all(unfinished)
    finally:
        for temporary in unfinished.values():
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed in `write_files` have left in a folder. Nobody may be at it."""
    for path in folder.glob(_UNFINISHED.format("*")):
        with contextlib.suppress(OSError):
            path.unlink()


def _rename_all(unfinished: Mapping[Path, Path]) -> None:
    """Give every file its final name; when one cannot get it, put the earlier ones back."""
    backups: dict[Path, Path] = {}  # final path -> its old content, a second name for the same file
    renamed: list[Path] = []
    try:
        for path, temporary in unfinished.items():
            # File systems without hard links lose only this protection.
            with contextlib.suppress(OSError):
                backup = _beside(path)
                backup.hardlink_to(path)
                backups[path] = backup
            try:
                temporary.replace(path)
            except OSError as error:
                raise explain_os_error(path, error) from None
            renamed.append(path)
    except BaseException:
        for path in renamed:
            if path in backups:
                backups.pop(path).replace(path)
            else:
                path.unlink(missing_ok=True)
        raise
    finally:
        for backup in backups.values():
            backup.unlink(missing_ok=True)


def _refuse_folder(path: Path) -> None:
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise explain_os_error(path, error) from None
    if is_folder:
        raise InputError(f"cannot write {path}: it is a folder; name a file in it")


def _beside(path: Path) -> Path:
    """A fresh hidden name in the same folder; short, so that long targets stay within the name limit."""
    return path.parent / _UNFINISHED.format(secrets.token_hex(8))


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
        raise explain_os_error(path, error) from None


def explain_os_error(path: Path, error: OSError) -> InputError | DiskError:
    """One line that says what to do."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return DiskError(f"cannot write {path}: no room left on the disk; free some and try again")
        case errno.ENOENT:
            return InputError(f"cannot write {path}: the folder {path.parent} does not exist; make it first")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return InputError(f"cannot write {path}: no permission to write in {path.parent}")
        case errno.EISDIR | errno.ENOTDIR | errno.ENAMETOOLONG:
            return InputError(f"cannot write {path}: {os.strerror(error.errno).lower()}")
        case _:
            return DiskError(f"cannot write {path}: {error.strerror}")
