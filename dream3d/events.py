"""The one stream of progress that the command line, the API and the demo read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Moment(Protocol):
    """A run between two steps. It holds only until the next step: look at it while the event is told."""

    def preview(self, azimuth_deg: float = 0.0) -> "NDArray[np.uint8]":
        """The scene as it is, [S, S, 3] sRGB: from the front at azimuth 0, turning towards +X."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of this stage depends on: tensors and JSON values, nested; not copied."""
        ...


@dataclass(frozen=True)
class Event:
    """Where a run stands."""

    stage: str  # "prior", "coarse", "refine", "paint", "extract", "bake"
    step: int  # steps of this stage that are done
    num_steps: int  # steps of this stage in all
    message: str = ""  # one line for people, empty when there is nothing to say
    moment: Moment | None = None  # after each step of an optimization


OnEvent = Callable[[Event], None]
"""Takes each event while the run waits. It may raise `dream3d.errors.StoppedError` to end the run."""


def ignore(event: Event) -> None:
    """Take an event and do nothing with it."""
