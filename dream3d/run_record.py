"""What a run folder says of its run. Reading it needs no torch: the command line does so first."""

import json
from pathlib import Path
from typing import Any, cast

from dream3d.errors import InputError
from dream3d.export.files import write_files
from dream3d.inputs import make_folder

RUN = "run.json"
OUTPUT = "output.txt"


def read_run(path: Path) -> dict[str, Any]:
    """What a run folder says of its run.

    Raises:
        InputError: It is none, or damaged.
    """
    try:
        facts = json.loads((path / RUN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is no run folder: there is no {RUN} in it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"the run folder {path} is damaged: {RUN}: {error}") from None
    if not isinstance(facts, dict):
        raise InputError(f"the run folder {path} is damaged: {RUN} holds no object")
    return cast(dict[str, Any], facts)


def differences(was: Any, now: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    """(name, recorded, new) of all values that differ; the names of nested ones joined by dots."""
    if isinstance(was, dict) and isinstance(now, dict):
        old, new = cast(dict[str, Any], was), cast(dict[str, Any], now)
        found: list[tuple[str, Any, Any]] = []
        for key in {**old, **new}:
            inner = f"{name}.{key}" if name else key
            found += differences(old.get(key), new.get(key), inner)
        return found
    return [] if was == now else [(name, was, now)]


def write_output(path: Path, output: Path) -> None:
    """Remember where the result goes; the folder is made where it is missing.

    Raises:
        InputError: The folder cannot be made or written.
        DiskError: The disk is full or failed.
    """
    write_files({make_folder(path) / OUTPUT: str(output.resolve()).encode("utf-8", "surrogateescape")})


def read_output(path: Path) -> Path | None:
    """Where the result goes; None if the folder does not say."""
    try:
        return Path((path / OUTPUT).read_bytes().decode("utf-8", "surrogateescape"))
    except OSError:
        return None
