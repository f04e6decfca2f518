"""Folders that scripts resume in: what is there must be of the same settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dream3d.errors import InputError
from dream3d.export.files import write_files


def claim(note: Path, settings: Mapping[str, Any]) -> None:
    """Write down what the work in a folder depends on, or compare with what stands there.

    Args:
        note: JSON file in the folder, which is there.
        settings: JSON types.

    Raises:
        InputError: Another note stands there.
    """
    content = json.dumps(settings, indent=1, default=str) + "\n"
    if note.is_file() and note.read_text("utf-8") != content:
        raise InputError(f"{note.parent} holds work of another prior or of other settings: name a new folder")
    write_files({note: content.encode()})
