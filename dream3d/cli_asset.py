"""What the commands that make an asset share: a plan, progress, files, and a report."""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dream3d.events import OnEvent, ignore
from dream3d.overlays import to_yaml
from dream3d.progress import ProgressLine, format_seconds

if TYPE_CHECKING:  # heavy: torch
    from dream3d.asset import Asset


def print_plan(
    words: Sequence[str], facts: dict[str, object], settings: dict[str, Any], as_json: bool, note: str = ""
) -> None:
    """Say what would be done, in place of doing it.

    Args:
        words: The command line that does it, without what the settings say.
        facts: The same, and what is known of the input, by name.
        settings: In full. As text they are an overlay that `--config` reads.
        as_json: One object on stdout and nothing else.
        note: What is known of the input, for people.
    """
    if as_json:
        print_json(facts | {"config": settings})
        return
    print(f"# {shlex.join(['dream3d', *words])}")
    if note:
        print(f"# {note}")
    print(to_yaml(settings), end="")


def deliver(make: "Callable[[OnEvent], Asset]", output: Path, quiet: bool, as_json: bool) -> int:
    """Make an asset, save it, and say what was made.

    Args:
        make: Does the work and tells its progress.
        output: Where the asset goes.
        quiet: Nothing but warnings and paths.
        as_json: One object on stdout and nothing else.

    Returns:
        The exit code.
    """
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
