"""The progress line, with a clock of our own."""

import io

import pytest

from dream3d.events import Event
from dream3d.progress import ProgressLine, format_event, format_seconds


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, events: list[tuple[float, Event]]) -> list[str]:
    """Show events at their times; return what was written, cut at redraws and line ends."""
    now = iter([time for time, _ in events])
    line = ProgressLine(stream, clock=lambda: next(now))
    for _, event in events:
        line(event)
    line.close()
    return stream.getvalue().replace("\x1b[K", "").replace("\r", "\n").strip("\n").split("\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (65, "1:05"), (3599, "59:59"), (3723, "1:02:03")],
)
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_the_line_shows_stage_steps_and_time_left() -> None:
    # A quarter took 10 s, so three quarters take 30 s more.
    quarter = f"coarse   [{'#' * 6}{'-' * 18}] 100/400  0:30 left"
    assert format_event(Event("coarse", 100, 400), 10.0) == quarter
    assert format_event(Event("coarse", 400, 400), 62.0) == f"coarse   [{'#' * 24}] 400/400  done in 1:02"
    assert format_event(Event("bake", 0, 1), 0.0) == f"bake     [{'-' * 24}] 0/1"


def test_odd_events_do_not_break_the_line() -> None:
    assert "5/0" in format_event(Event("x", 5, 0), 1.0)
    assert "9/3" in format_event(Event("x", 9, 3), 1.0)


def test_a_terminal_is_redrawn_in_place_and_ends_on_a_fresh_line() -> None:
    stream = Terminal()
    lines = run(
        stream, [(0.0, Event("coarse", 0, 4)), (5.0, Event("coarse", 2, 4)), (10.0, Event("coarse", 4, 4))]
    )
    assert [line.split("] ")[1] for line in lines] == ["0/4", "2/4  0:05 left", "4/4  done in 0:10"]
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().endswith("\n")


def test_a_terminal_is_not_redrawn_for_every_event() -> None:
    events = [(step * 0.001, Event("coarse", step, 1000)) for step in range(1000)]
    assert len(run(Terminal(), events)) <= 11


def test_an_unfinished_line_is_closed() -> None:
    stream = Terminal()
    run(stream, [(0.0, Event("coarse", 1, 4))])
    assert stream.getvalue().endswith("\n")


def test_a_message_gets_a_line_of_its_own() -> None:
    lines = run(
        Terminal(), [(0.0, Event("coarse", 0, 4)), (1.0, Event("coarse", 1, 4, "restarted with seed 1"))]
    )
    assert "restarted with seed 1" in lines


def test_a_log_file_gets_few_lines_and_no_control_characters() -> None:
    stream = io.StringIO()
    events = [(float(step), Event("coarse", step, 35)) for step in range(36)] + [(36.0, Event("bake", 1, 1))]
    lines = run(stream, events)
    assert [line.split()[0] for line in lines] == ["coarse"] * 5 + ["bake"]
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_what_is_told_again_is_no_restart() -> None:
    """A batch says "0 of 40" every second until its first item is done."""
    events = [(float(second), Event("batch", 0, 40)) for second in range(60)]
    lines = run(io.StringIO(), [*events, (60.0, Event("batch", 1, 40))])
    assert len(lines) == 7
    assert lines[-1].endswith("1/40  39:00 left")
    again = run(io.StringIO(), [(0.0, Event("coarse", 3, 4)), (9.0, Event("coarse", 1, 4))])
    assert len(again) == 2  # a step back is one
