"""What the manifest says of finished items, and whether the folder agrees."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dream3d.batch.jobs import Job
from dream3d.batch.manifest import Record

# Of what an asset's own .json says, what tables show.
MEASURED = ("faces", "vertices", "watertight", "texture_size")


def facts_of(job: Job, files: Mapping[str, bytes]) -> Record:
    """What a `done` record says of the files of an item."""
    report = _report(job, files)
    return {
        "prompt": job.item.prompt,
        "seed": job.item.config.seed,
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
        "metrics": {name: report[name] for name in MEASURED if name in report} | report.get("metrics", {}),
        "warnings": report.get("warnings", []),
    }


def are_there(folder: Path, record: Record) -> bool:
    """True if the files of a `done` record still are in the folder, as long as they were."""
    try:
        return all(
            (folder / name).stat().st_size == facts["bytes"] for name, facts in record["files"].items()
        )
    except (OSError, ValueError, TypeError, KeyError):
        return False


def find_files(folder: Path, job: Job) -> dict[str, bytes] | None:
    """The files of an item that a driver finished without a record, because it died in between.

    Args:
        folder: Of the item; its name says what decides the asset.
        job: Of the item.

    Returns:
        All files, or None if they are not whole: the main one is renamed last and its checksum is beside it.
    """
    try:
        files = {
            path.name: path.read_bytes()
            for path in sorted(folder.iterdir())
            if path.is_file() and not path.name.startswith(".")  # what is half written
        }
    except OSError:
        return None
    main = files.get(job.file)
    if main is None or _report(job, files).get("sha256") != hashlib.sha256(main).hexdigest():
        return None
    return files


def _report(job: Job, files: Mapping[str, bytes]) -> dict[str, Any]:
    """What the asset's own .json says."""
    try:
        return dict(json.loads(files[str(Path(job.file).with_suffix(".json"))]))
    except (KeyError, ValueError, TypeError):
        return {}
