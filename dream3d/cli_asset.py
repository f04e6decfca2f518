"""What the commands that make an asset share: a plan, progress, files, and a report."""

import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from dream3d.errors import StoppedError
from dream3d.events import Event, OnEvent
from dream3d.inputs import printable
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
    shown: list[str] = []

    def show(event: Event) -> None:
        if progress:
            shown.append(event.message)
            progress(event)

    try:
        asset = make(show)
        files = [str(path) for path in asset.save(output)]
    finally:
        if progress:
            progress.close()
    # Those of the export, too.
    warnings = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))["warnings"]
    if as_json:
        print_json({"files": files, "metrics": asset.metrics, "warnings": warnings})
        return 0
    for warning in warnings:
        if not any(warning in message for message in shown):
            print(f"dream3d: warning: {printable(warning)}", file=sys.stderr)
    if not quiet:
        print(f"made in {format_seconds(asset.metrics['seconds'])}", file=sys.stderr)
    print("\n".join(files))
    return 0


def print_json(value: object) -> None:
    """One JSON value on stdout."""
    print(json.dumps(value, indent=2, default=str))


@contextmanager
def stopped_between_steps(again: Callable[[], str] | None) -> Iterator[Callable[[OnEvent, Event], None]]:
    """While a run has a folder, Ctrl-C and SIGTERM end it when its state is whole; the second one at once.

    Args:
        again: What continues the run, asked when it has ended. None leaves the signals as they are: there is
            nothing to keep.

    Yields:
        Passes an event on, and raises `StoppedError` if the run is to end.
    """
    asked: list[int] = []
    caught = (signal.SIGINT, signal.SIGTERM) if again else ()
    previous = {number: signal.getsignal(number) for number in caught}

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for each, handler in previous.items():
            signal.signal(each, handler)

    def stop(on_event: OnEvent, event: Event) -> None:
        on_event(event)
        if asked:
            raise StoppedError

    for number in caught:
        signal.signal(number, ask)
    try:
        yield stop
    except StoppedError as error:
        if again is not None:
            error.add_note(f"continue with: {again()}")
        raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
