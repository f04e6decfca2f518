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
    """Uniform ranges of the cameras' parameters; azimuth is uniform over the full turn."""

    elevation_deg: tuple[float, float] = (-10.0, 55.0)
    fov_y_deg: tuple[float, float] = (36.0, 44.0)
    margin: tuple[float, float] = (1.0, 1.1)  # Distance over that at which the unit sphere just fits.

    def sample(self, num_groups: int, generator: torch.Generator, views_per_group: int = 4) -> Cameras:
        """Draw groups of views around one object.

        The views of a group share elevation, field of view and distance and stand evenly around the object
        (four views: 90 degrees apart), as in MVDream (Shi et al. 2023, arXiv 2308.16512).

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
        shared = (value.repeat_interleave(views_per_group) for value in (elevation, distance, fov))
        return Cameras(azimuth, *shared)


def _uniform(count: int, bounds: tuple[float, float], generator: torch.Generator) -> Tensor:
    low, high = bounds
    return low + (high - low) * torch.rand(count, generator=generator)
