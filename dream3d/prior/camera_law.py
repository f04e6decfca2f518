"""Which cameras a prior was trained on, and how to draw from them.

Distillation draws from the same law as training: a prior asked about a view it never saw answers noise.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.cameras import Cameras


@dataclass(frozen=True)
class CameraLaw:
    """Uniform ranges of the cameras' parameters; azimuth is uniform over the full turn.

    A close-up stands where a view of the whole stands and magnifies a part of what that one would see, as
    if cut out of a larger picture: the focal length grows and the camera turns to a point off the centre.
    """

    elevation_deg: tuple[float, float] = (-10.0, 55.0)
    fov_y_deg: tuple[float, float] = (36.0, 44.0)  # before magnification
    margin: tuple[float, float] = (1.0, 1.1)  # Distance over that at which the unit sphere just fits.
    magnification: tuple[float, float] = (1.2, 2.5)  # of close-ups

    def __post_init__(self) -> None:
        """Refuse cameras that cannot be.

        Raises:
            ValueError: A range is empty or not finite, or goes beyond what its angle or factor can be.
        """
        for name, least, most in (
            ("elevation_deg", -90.0, 90.0),
            ("fov_y_deg", 1.0, 170.0),
            ("margin", 0.1, 100.0),
            ("magnification", 0.1, 100.0),
        ):
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise ValueError(f"{name} is {low} to {high}, not a range between {least} and {most}")

    def sample(
        self,
        num_groups: int,
        generator: torch.Generator,
        views_per_group: int = 4,
        close_up_share: float = 0.0,
    ) -> Cameras:
        """Draw groups of views around one object.

        The views of a group share all but the azimuth and stand evenly around the object (four views: 90
        degrees apart), as in MVDream (Shi et al. 2023, arXiv 2308.16512).

        Args:
            num_groups: Groups to draw.
            generator: Source of randomness, on the CPU.
            views_per_group: Views in each.
            close_up_share: Probability of a group to be close-ups of one point.

        Returns:
            num_groups * views_per_group cameras, the views of a group next to each other.
        """
        start = _uniform(num_groups, (0.0, 360.0), generator)
        offsets = torch.arange(views_per_group) * (360.0 / views_per_group)
        azimuth = (start[:, None] + offsets[None]).reshape(-1) % 360.0
        fov = _uniform(num_groups, self.fov_y_deg, generator)
        fit = 1.0 / torch.sin(fov * (math.pi / 360.0))
        distance = fit * _uniform(num_groups, self.margin, generator)
        elevation = _uniform(num_groups, self.elevation_deg, generator)
        target = torch.zeros(num_groups, 3)
        if close_up_share > 0.0:
            is_close = torch.rand(num_groups, generator=generator) < close_up_share
            factor = _uniform(num_groups, self.magnification, generator)
            factor = torch.where(is_close, factor, 1.0)
            fov = torch.atan(torch.tan(fov * (math.pi / 360.0)) / factor) * (360.0 / math.pi)
            # What is seen stays inside the view of the whole.
            target = _in_ball(num_groups, generator) * (1.0 - 1.0 / factor)[:, None]
        shared = (value.repeat_interleave(views_per_group, 0) for value in (elevation, distance, fov, target))
        return Cameras(azimuth, *shared)


def _uniform(count: int, bounds: tuple[float, float], generator: torch.Generator) -> Tensor:
    low, high = bounds
    return low + (high - low) * torch.rand(count, generator=generator)


def _in_ball(count: int, generator: torch.Generator) -> Tensor:
    """Uniform points in the unit ball, [count, 3]."""
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    return direction * torch.rand(count, 1, generator=generator) ** (1.0 / 3.0)
