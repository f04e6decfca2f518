"""How much of the light from above reaches a point past an object: soft shadows and contact shadows.

A depth picture of the object is drawn from each of a few dozen directions over the upper half of the sphere;
a point sees the light from there if nothing lies before it. Their sum is the shadow of a large soft light.
Deterministic, and independent of the number of pixels that ask.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.math import normalize
from dream3d.ops.rasterize import rasterize
from dream3d.ops.texture import sample_texture

NUM_DIRECTIONS = 32
MAP_SIZE = 112
REACH = 1.02  # the object lies inside of the unit sphere
BIAS = 2.5 / MAP_SIZE  # points are lifted off their surface by this: a little more than a texel of a map
SOFTNESS = 0.03  # depth over which a shadow sets in; hides the texels of the maps


@dataclass(frozen=True)
class ShadowMaps:
    """What an object looks like from D directions."""

    frames: Tensor  # [D, 3, 3], rows: right, up, towards the light
    heights: Tensor  # [D, S, S, 1] how far towards the light the surface reaches, -REACH where there is none

    @property
    def directions(self) -> Tensor:
        """Unit directions towards the lights, [D, 3]."""
        return self.frames[:, 2]


def shadow_maps(vertices: Tensor, faces: Tensor) -> ShadowMaps:
    """Draw the maps of an object inside the unit sphere.

    Args:
        vertices: [V, 3] float32.
        faces: [T, 3] int32.

    Returns:
        Maps from directions that are spread evenly over the upper half of the sphere.
    """
    frames = _frames(vertices.device)
    clip = torch.einsum("dij,vj->dvi", frames, vertices) / REACH
    clip = torch.cat([clip[..., :2], -clip[..., 2:], torch.ones_like(clip[..., :1])], dim=-1)
    depth = rasterize(clip.contiguous(), faces, MAP_SIZE, MAP_SIZE).depth
    return ShadowMaps(frames, -REACH * depth[..., None])


def visibility(maps: ShadowMaps, points: Tensor, normals: Tensor) -> Tensor:
    """Which lights each point sees.

    Args:
        maps: Of the object.
        points: [P, 3] world.
        normals: [P, 3] unit, world.

    Returns:
        [D, P] in [0, 1].
    """
    lifted = points + BIAS * normals
    local = torch.matmul(maps.frames, lifted.T)  # [D, 3, P]
    uv = torch.stack([0.5 + local[:, 0] / (2 * REACH), 0.5 - local[:, 1] / (2 * REACH)], dim=-1)
    blocker = sample_texture(maps.heights, uv[:, None])[:, 0, :, 0]
    return (1.0 - (blocker - local[:, 2]) / SOFTNESS).clamp_(0.0, 1.0)


def openness(seen: Tensor, cosines: Tensor, radiance: Tensor) -> Tensor:
    """Share of the light from above that arrives, weighted by Lambert's cosine.

    Args:
        seen: [D, P] from `visibility`.
        cosines: [D, P] between the normals and the directions to the lights.
        radiance: [D] of the lights.

    Returns:
        [P] in [0, 1]; towards 1 where a surface looks down and none of the lights counts.
    """
    weights = cosines.clamp_min(0.0) * radiance[:, None]
    everything = weights.sum(0)
    rest = 0.02 * float(radiance.sum())  # light from elsewhere, which no map blocks
    return ((weights * seen).sum(0) + rest) / (everything + rest)


def _frames(device: torch.device) -> Tensor:
    """Orthonormal frames [D, 3, 3] around directions on a Fibonacci spiral of equal areas."""
    index = torch.arange(NUM_DIRECTIONS, dtype=torch.float64)
    up = (index + 0.5) / NUM_DIRECTIONS
    turn = index * math.pi * (3.0 - math.sqrt(5.0))
    flat = (1.0 - up**2).sqrt()
    toward = torch.stack([flat * turn.cos(), up, flat * turn.sin()], dim=1)
    right = torch.stack([turn.sin(), torch.zeros_like(turn), -turn.cos()], dim=1)
    above = normalize(torch.linalg.cross(toward, right, dim=1))
    return torch.stack([right, above, toward], dim=1).to(device=device, dtype=torch.float32)
