"""What the built-in prior is told about a view besides the text: its rays, its camera and its shading.

The ray map says for every latent pixel where its ray passes the origin and where it goes; it binds image
positions to object positions. The view vector says the same once for the whole image and reaches every
residual block through the time embedding, together with the pooled text. Both are zero, but for the shading,
where the camera is not told.
"""

from typing import get_args

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.math import degrees_to_radians
from dream3d.stage_config import Shading

SHADINGS: tuple[Shading, ...] = get_args(Shading)
RAY_FREQUENCIES = (1.0, 2.0)  # Cycles per two scene units.
RAY_CHANNELS = 6 + 6 * len(RAY_FREQUENCIES)
CAMERA_FEATURES = 10
VIEW_FEATURES = CAMERA_FEATURES + len(SHADINGS) - 1


def ray_map(cameras: Cameras, size: int, is_told: Tensor | None = None) -> Tensor:
    """Per-pixel ray features at the UNet's resolution.

    Each ray is given by its point nearest to the origin, the sines and cosines of that point, and its
    direction: 3 + 12 + 3 numbers, which do not depend on where along the ray the camera stands.

    Args:
        cameras: B cameras.
        size: Side of the square map in latent pixels.
        is_told: [B] bool, where the camera is told; everywhere when None.

    Returns:
        [B, RAY_CHANNELS, size, size], values about [-1, 1]; zero where the camera is not told.
    """
    rays = cameras.rays(size, size)
    along = (rays.origins * rays.directions).sum(-1, keepdim=True)
    nearest = rays.origins - along * rays.directions  # [B, size, size, 3]
    angles = [torch.pi * frequency * nearest for frequency in RAY_FREQUENCIES]
    waves = [wave(angle) for angle in angles for wave in (torch.sin, torch.cos)]
    features = torch.cat([nearest, rays.directions, *waves], dim=-1).permute(0, 3, 1, 2).contiguous()
    return features if is_told is None else features * is_told[:, None, None, None]


def view_vector(cameras: Cameras, shading: list[Shading], is_told: Tensor | None = None) -> Tensor:
    """Camera and shading of each image as one vector, [B, VIEW_FEATURES].

    Azimuth enters through harmonics, so that front and back, left and right are far apart. Where the camera
    looks is left to the ray map. The shading is one-hot, but for the last one, which is all zeros; it is kept
    when the text is dropped for guidance, and when the camera is not told.

    Args:
        cameras: B cameras.
        shading: B shading names.
        is_told: [B] bool, where the camera is told; everywhere when None.
    """
    azimuth = degrees_to_radians(cameras.azimuth_deg)
    elevation = degrees_to_radians(cameras.elevation_deg)
    camera = torch.stack(
        [
            *(wave(n * azimuth) for n in (1, 2, 4) for wave in (torch.sin, torch.cos)),
            torch.sin(elevation),
            torch.cos(elevation),
            cameras.distance - 3.0,
            cameras.fov_y_deg / 10.0 - 4.0,
        ],
        dim=-1,
    )
    if is_told is not None:
        camera = camera * is_told[:, None]
    index = torch.tensor([SHADINGS.index(name) for name in shading], device=camera.device)
    one_hot = torch.nn.functional.one_hot(index, len(SHADINGS)).to(camera.dtype)
    return torch.cat([camera, one_hot[:, :-1]], dim=-1)
