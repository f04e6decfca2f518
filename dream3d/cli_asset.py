"""What the commands that make an asset share: refusals before any work, progress, files, and a report."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dream3d.config import ExportConfig
from dream3d.errors import InputError
from dream3d.events import OnEvent, ignore
from dream3d.progress import ProgressLine, format_seconds

if TYPE_CHECKING:  # heavy: torch
    from dream3d.asset import Asset


def check_layout(export: ExportConfig, output: Path) -> None:
    """Refuse what the format of a file cannot hold.

    Raises:
        InputError: Levels of detail in an .obj.
    """
    if output.suffix.lower() == ".obj" and export.lods > 1:
        raise InputError("an .obj cannot keep levels of detail apart: leave --lods out, or write a .glb")


def deliver(
    make: "Callable[[OnEvent], Asset]", export: ExportConfig, output: Path, quiet: bool, as_json: bool
) -> int:
    """Make an asset, save it, and say what was made.

    Args:
        make: Does the work and tells its progress.
        export: What will be asked of the libraries behind collision shapes.
        output: Where the asset goes.
        quiet: Nothing but warnings and paths.
        as_json: One object on stdout and nothing else.

    Returns:
        The exit code.
    """
    if export.collision != "none":
        from dream3d.export.collision import check_collision

        check_collision(export.collision)
    progress = None if quiet or as_json else ProgressLine()
    try:
        asset = make(progress or ignore)
        files = [str(path) for path in asset.save(output)]
    finally:
        if progress:
            progress.close()
    if as_json:
        print_json({"files": files, "metrics": asset.metrics, "warnings": list(asset.warnings)})
        return 0
    _report(asset.metrics, asset.warnings, files, quiet)
    return 0


def _report(metrics: dict[str, Any], warnings: Sequence[str], files: list[str], quiet: bool) -> None:
    if quiet:  # else the progress has shown them
        for warning in warnings:
            print(f"dream3d: warning: {warning}", file=sys.stderr)
    else:
        print(f"made in {format_seconds(metrics['seconds'])}", file=sys.stderr)
    print("\n".join(files))


def print_json(value: object) -> None:
    """One JSON value on stdout."""
    print(json.dumps(value, indent=2, default=str))
