"""Rows of the table, and the journal that keeps them when a run is stopped."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from dream3d.export.lines import append_line, read_lines
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
        for value in read_lines(path)[0]:
            try:
                row = Row(**value)
            except TypeError:
                continue
            self.rows[row.key] = row

    def append(self, row: Row) -> None:
        """Keep a row.

        Raises:
            InputError: The folder may not be written.
            DiskError: The disk is full or failed.
        """
        append_line(self.path, asdict(row))
        self.rows[row.key] = row
