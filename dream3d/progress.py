"""One line on the terminal that says where a run stands."""

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

from dream3d.events import Event

BAR_WIDTH = 24
# A log file wants a sign of life, not a film.
SECONDS_BETWEEN_LOG_LINES = 10.0
SECONDS_BETWEEN_REDRAWS = 0.1


class ProgressLine:
    """Turns events into a redrawn bar on a terminal, and into occasional lines elsewhere."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream or sys.stderr
        self.clock = clock
        self.is_terminal = self.stream.isatty()
        self._stage, self._step = "", 0
        self._started = 0.0
        self._shown = float("-inf")
        self._is_drawn = False

    def __call__(self, event: Event) -> None:
        """Show an event: at a change of stage, at its end, and now and then between."""
        now = self.clock()
        if event.stage != self._stage or event.step < self._step:  # the next thing, or a restart
            self._stage, self._started, self._shown = event.stage, now, float("-inf")
        self._step = event.step
        if event.message:
            self._print(event.message)
        interval = SECONDS_BETWEEN_REDRAWS if self.is_terminal else SECONDS_BETWEEN_LOG_LINES
        is_done = event.step >= event.num_steps
        if is_done or now - self._shown >= interval:
            self._shown = now
            self._show(format_event(event, now - self._started), is_done)

    def close(self) -> None:
        """Leave the terminal on a fresh line."""
        if self._is_drawn:
            self.stream.write("\n")
            self.stream.flush()
            self._is_drawn = False

    def _print(self, message: str) -> None:
        if self._is_drawn:
            self.stream.write("\r\x1b[K")
            self._is_drawn = False
        self.stream.write(message + "\n")
        self.stream.flush()

    def _show(self, line: str, is_done: bool) -> None:
        if not self.is_terminal:
            self._print(line)
            return
        width = shutil.get_terminal_size().columns - 1
        self.stream.write("\r" + line[:width] + "\x1b[K" + ("\n" if is_done else ""))
        self.stream.flush()
        self._is_drawn = not is_done


def format_event(event: Event, elapsed_s: float) -> str:
    """One line: stage, bar, steps, and the time left (or taken, at the end)."""
    total = max(event.num_steps, 1)
    fraction = min(max(event.step / total, 0.0), 1.0)
    filled = round(BAR_WIDTH * fraction)
    bar = "#" * filled + "-" * (BAR_WIDTH - filled)
    if fraction >= 1.0:
        when = f"done in {format_seconds(elapsed_s)}"
    elif fraction > 0.0:
        when = f"{format_seconds(elapsed_s * (1.0 - fraction) / fraction)} left"
    else:
        when = ""
    return f"{event.stage:<8} [{bar}] {event.step}/{event.num_steps}  {when}".rstrip()


def format_seconds(seconds: float) -> str:
    """`0:07`, `1:05`, `1:02:03`."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
