"""Changes to JSON files of folders that are to be refused."""

import json
from pathlib import Path
from typing import Any


def edit(path: Path, **changes: Any) -> None:
    """Set keys of the object in a file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
