"""Rows of the table, and the journal that keeps them when a run is stopped."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from dream3d.export.files import explain_os_error
from dream3d.metrics.calibration import CalibrationKind

Kind = Literal["asset", "prior samples"] | CalibrationKind
Numbers = dict[str, Any]  # name of a column -> number or bool; a column that is not there is blank


@dataclass(frozen=True)
class Row:
    """One asset and everything that is known about it."""

    key: str  # checksum of all that decides the row
    kind: Kind
    prompt: str | None
    seed: int | None = None
    file: str | None = None  # relative to the folder where it was generated, else as given
    picture: str | None = None  # relative to the folder
    metrics: Numbers = field(default_factory=dict)
    error: str | None = None  # one line
    blame: Literal["input", "run"] | None = None  # what was wrong: what was asked for, or the run
    warnings: list[str] = field(default_factory=list)
    settings: dict[str, Any] | None = None
    versions: dict[str, Any] | None = None


def row_key(**parts: object) -> str:
    """Checksum of what decides a row."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Journal:
    """Rows that are done, one JSON object a line; a line that was cut off is as if it were not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        content = path.read_bytes() if path.is_file() else b""
        self._needs_line_end = not content.endswith(b"\n") and content != b""
        for line in content.splitlines():
            try:
                row = Row(**json.loads(line))
            except (ValueError, TypeError):
                continue
            self.rows[row.key] = row

    def append(self, row: Row) -> None:
        """Keep a row.

        Raises:
            DiskError: The disk is full or failed.
        """
        text = json.dumps(asdict(row), default=str) + "\n"
        try:
            with self.path.open("ab") as stream:
                stream.write(b"\n" * self._needs_line_end + text.encode())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise explain_os_error(self.path, error) from None
        self._needs_line_end = False
        self.rows[row.key] = row
