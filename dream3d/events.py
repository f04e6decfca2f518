"""The one stream of progress that the command line, the API and later the demo read."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Where a run stands."""

    stage: str  # "prior", "coarse", "extract", "bake", "export"
    step: int  # steps of this stage that are done
    num_steps: int  # steps of this stage in all
    message: str = ""  # one line for people, empty when there is nothing to say


OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Take an event and do nothing with it."""
