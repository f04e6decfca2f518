"""What a run leaves: results.json, table.txt and index.html."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dream3d import __version__
from dream3d.config import Config
from dream3d.evaluate.columns import COLUMNS, METRICS_VERSION, Column, show, show_mean
from dream3d.evaluate.page import encode_page
from dream3d.evaluate.rows import Row
from dream3d.export.files import write_files
from dream3d.inputs import printable

SCHEMA = "dream3d-eval/1"
MAX_WHAT = 34  # characters of a prompt in the table


@dataclass(frozen=True)
class Report:
    """All rows of a run, as an object for pipelines and a table for people."""

    results: dict[str, Any]
    table: str
    num_failed: int


def make_report(rows: Sequence[Row], config: Config, notes: Sequence[str]) -> Report:
    """Put the rows together.

    Args:
        rows: In the order in which they are shown.
        config: The settings of the run.
        notes: What was done to the input, one line each.
    """
    rows = with_relative_chamfer(rows)
    summary = summarize(rows)
    results = {
        "schema": SCHEMA,
        "metrics_version": METRICS_VERSION,
        "versions": {
            "dream3d": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "settings": asdict(config),
        "notes": list(notes),
        "columns": [asdict(column) for column in COLUMNS],
        "summary": summary,
        "rows": [asdict(row) for row in rows],
    }
    failed = sum(row.error is not None for row in rows)
    return Report(results, printable(format_table(rows, summary, notes)), failed)


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write the three files, all or none.

    Returns:
        Their paths: results.json, table.txt, index.html.

    Raises:
        InputError: The folder cannot be written.
        DiskError: The disk is full or failed.
    """
    text = json.dumps(report.results, indent=1, ensure_ascii=False, default=str) + "\n"
    contents = {
        folder / "results.json": text.encode("utf-8", "replace"),
        folder / "table.txt": (report.table + "\n").encode("utf-8", "replace"),
        folder / "index.html": encode_page(report.results).encode("utf-8", "replace"),
    }
    write_files(contents)
    return list(contents)


def with_relative_chamfer(rows: Sequence[Row]) -> list[Row]:
    """Rows with (chamfer - floor) / (ceiling - floor): their prompt's ground truth and wrong family."""
    known = {
        (row.kind, row.prompt): row.metrics["chamfer"]
        for row in rows
        if row.kind != "asset" and "chamfer" in row.metrics
    }

    def relative(row: Row) -> Row:
        floor, ceiling = (known.get((kind, row.prompt)) for kind in ("ground truth", "wrong family"))
        if "chamfer" not in row.metrics or floor is None or ceiling is None or ceiling <= floor:
            return row
        share = (row.metrics["chamfer"] - floor) / (ceiling - floor)
        return replace(row, metrics=row.metrics | {"chamfer_relative": share})

    return [relative(row) for row in rows]


def summarize(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """For each kind of row: how many, how many failed, and means over those that did not."""
    summary: dict[str, dict[str, Any]] = {}
    for kind in dict.fromkeys(row.kind for row in rows):
        group = [row for row in rows if row.kind == kind]
        means = {}
        for column in COLUMNS:
            values = [row.metrics[column.name] for row in group if column.name in row.metrics]
            if values:
                means[column.name] = float(np.mean(values))
        failed = sum(row.error is not None for row in group)
        summary[kind] = {"rows": len(group), "failed": failed, "mean": means}
    return summary


def format_table(rows: Sequence[Row], summary: dict[str, dict[str, Any]], notes: Sequence[str]) -> str:
    """Aligned text: a line per row, then a line of means per kind."""
    used = [c for c in COLUMNS if any(c.name in row.metrics for row in rows)]
    head = ["kind", "prompt or file", "seed", *(column.title for column in used)]
    cells = [_cells(row, used) for row in rows]
    means = [
        [
            f"mean of {part['rows'] - part['failed']}",
            f"{kind}, {part['failed']} failed" if part["failed"] else kind,
            "",
            *(show_mean(part["mean"].get(column.name), column.digits) for column in used),
        ]
        for kind, part in summary.items()
    ]
    body = [head, *cells, *means]
    widths = [max(len(line[index]) for line in body if index < len(line)) for index in range(len(head))]

    def format_line(line: list[str]) -> str:
        padded = [
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=False))
        ]
        return "  ".join(padded).rstrip()

    lines = [format_line(line) for line in body]
    failures = [f"failed: {_explained(row)}" for row in rows if row.error]
    warnings = [f"warning: {_name(row)}: {warning}" for row in rows for warning in row.warnings]
    rule = "-" * max(len(line) for line in lines)
    table = [lines[0], rule, *lines[1 : 1 + len(rows)], rule, *lines[1 + len(rows) :]]
    return "\n".join([*table, *failures, *warnings, *notes])


def _cells(row: Row, used: Sequence[Column]) -> list[str]:
    seed = "" if row.seed is None else str(row.seed)
    what = (row.prompt or row.file or "")[:MAX_WHAT]
    if row.error:
        return ["failed", what, seed]
    return [row.kind, what, seed, *(show(row.metrics.get(column.name), column.digits) for column in used)]


def _explained(row: Row) -> str:
    """The error of a row, with its name unless the error begins with it."""
    error = row.error or ""
    return error if row.file and error.startswith(row.file) else f"{_name(row)}: {error}"


def _name(row: Row) -> str:
    seed = "" if row.seed is None else f" / {row.seed}"
    return f"{row.prompt or row.file or '?'}{seed}"
