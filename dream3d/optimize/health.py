"""Rules that end a hopeless run early, so that it can start again with another seed."""

import math
from typing import Literal

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.math import degrees_to_radians

Problem = Literal["empty", "full", "not finite"]

_MIN_COVERAGE = 0.005  # A sword seen from all sides covers 0.03 of the scene's disc.
_MAX_COVERAGE = 0.92  # A ball of radius 0.9, the largest that fits, covers 0.81 of it.
_WARM_UP = 0.1  # Share of the steps in which the opacity may still be anything.


def scene_coverage(opacity: Tensor, cameras: Cameras) -> float:
    """Mean opacity over the disc that the scene's sphere of radius 1 fills in square images.

    Args:
        opacity: [B, H, W] with H = W.
        cameras: B cameras, outside the sphere.

    Returns:
        0 for an empty scene, about 1 for one that is opaque throughout.
    """
    sine = 1.0 / cameras.distance
    edge = sine / (1.0 - sine * sine).sqrt()  # tangent of the disc's angular radius
    disc_radius = edge / torch.tan(degrees_to_radians(cameras.fov_y_deg) * 0.5)  # in half image heights
    disc_share = (math.pi / 4.0) * disc_radius.square()
    return float(opacity.detach().mean() / disc_share.clamp_max(1.0).mean())


def diagnose(step: int, num_steps: int, coverage: float) -> Problem | None:
    """Say what is wrong with the field, if anything.

    Args:
        step: Steps done.
        num_steps: Steps of the run.
        coverage: From `scene_coverage`, for the step's images.

    Returns:
        The problem, or None.
    """
    if step < _WARM_UP * num_steps:
        return None
    if coverage < _MIN_COVERAGE:
        return "empty"
    if coverage > _MAX_COVERAGE:
        return "full"
    return None
