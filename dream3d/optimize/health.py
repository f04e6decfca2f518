"""Rules that end a hopeless run early, so that it can start again with another seed."""

import math
from typing import Literal

Problem = Literal["empty", "full", "not finite"]

_MIN_OPACITY = 0.004  # Mean over a step's views: a sword seen from all sides covers 0.02 of the pixels.
_MAX_OPACITY = 0.9  # The scene's sphere itself covers 0.7 of them.
_WARM_UP = 0.1  # Share of the steps in which the opacity may still be anything.


def diagnose(step: int, num_steps: int, mean_opacity: float, loss: float) -> Problem | None:
    """Say what is wrong with the field, if anything.

    Args:
        step: Steps done.
        num_steps: Steps of the run.
        mean_opacity: Mean opacity over the step's images.
        loss: The step's total loss; not finite when anything upstream was not.

    Returns:
        The problem, or None.
    """
    if not (math.isfinite(loss) and math.isfinite(mean_opacity)):
        return "not finite"
    if step < _WARM_UP * num_steps:
        return None
    if mean_opacity < _MIN_OPACITY:
        return "empty"
    if mean_opacity > _MAX_OPACITY:
        return "full"
    return None
