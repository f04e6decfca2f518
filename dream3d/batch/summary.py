"""What a batch came to: rows for a page with pictures, and for pipelines."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dream3d import __version__
from dream3d.batch.drive import Outcome
from dream3d.batch.items import BadLine
from dream3d.batch.jobs import Job
from dream3d.batch.manifest import Manifest, Record
from dream3d.config import Config
from dream3d.evaluate.page import encode_page
from dream3d.evaluate.report import summarize
from dream3d.evaluate.rows import Row
from dream3d.export.files import write_files

SCHEMA = "dream3d-batch/1"
PICTURE_SIZE = (256, 128)  # the preview is a sheet of 4 x 2 views


def make_results(
    planned: Sequence[Job | BadLine],
    outcomes: Mapping[str, Outcome],
    manifest: Manifest,
    config: Config,
    notes: Sequence[str],
) -> dict[str, Any]:
    """All that is settled, in the order of the list.

    Args:
        planned: Of the list.
        outcomes: By name of the job; jobs without one are not reached yet and left out.
        manifest: With what was made.
        config: The settings that all items began from.
        notes: One line each.
    """
    manifest.refresh()
    rows = [
        _refused(entry)
        if isinstance(entry, BadLine)
        else _row(entry, outcomes[entry.name], manifest.done.get(entry.name, {}))
        for entry in planned
        if isinstance(entry, BadLine) or entry.name in outcomes
    ]
    return {
        "schema": SCHEMA,
        "versions": {"dream3d": __version__},
        "settings": asdict(config),
        "notes": list(notes),
        "summary": summarize(rows),
        "rows": [asdict(row) for row in rows],
    }


def write_page(results: dict[str, Any], folder: Path) -> Path:
    """Write index.html, which needs no network; its pictures are the previews beside the assets.

    Raises:
        InputError: The folder cannot be written.
        DiskError: The disk is full or failed.
    """
    page = folder / "index.html"
    text = encode_page(results, "dream3d batch", PICTURE_SIZE, "manifest.jsonl")
    write_files({page: text.encode("utf-8", "replace")})
    return page


def _refused(line: BadLine) -> Row:
    return Row(line.place, "asset", None, file=line.place, error=line.reason, blame="input")


def _row(job: Job, outcome: Outcome, record: Record) -> Row:
    prompt, seed = job.item.prompt, job.item.config.seed
    if outcome.status == "failed":
        return Row(job.name, "asset", prompt, seed, file=job.item.place, error=outcome.reason, blame="run")
    metrics = {name: _number(value) for name, value in record.get("metrics", {}).items()}
    return Row(
        job.name,
        "asset",
        prompt,
        seed,
        file=f"{job.name}/{job.file}",
        picture=str(Path(job.name, job.file).with_suffix(".png")),
        metrics={name: value for name, value in metrics.items() if value is not None},
        warnings=list(record.get("warnings", [])),
    )


def _number(value: Any) -> float | bool | None:
    """What a column can show; of a picture's sides, the longer one."""
    if isinstance(value, list):
        value = max(value, default=None)
    return value if isinstance(value, (int, float)) else None
