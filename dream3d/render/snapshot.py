"""A quick picture of a scene that is still being optimized."""

import numpy as np
import torch
from torch import Tensor

from dream3d.cameras import FRAME_DISTANCE, FRAME_FOV_Y_DEG, Cameras, orbit
from dream3d.mesh import ByteArray
from dream3d.render.looks import BACKDROP_SRGB

SIZE = 128
ELEVATION_DEG = 15.0


def snapshot_camera(azimuth_deg: float, device: torch.device) -> Cameras:
    """One camera that sees all of the unit scene, a little from above."""
    return orbit([azimuth_deg], ELEVATION_DEG, FRAME_DISTANCE, FRAME_FOV_Y_DEG).to(device)


def snapshot(color_srgb: Tensor, opacity: Tensor) -> ByteArray:
    """A render over the studio's backdrop, as bytes.

    Args:
        color_srgb: [1, S, S, 3], premultiplied.
        opacity: [1, S, S].

    Returns:
        [S, S, 3]; gray where the render is not finite.
    """
    picture = color_srgb[0] + BACKDROP_SRGB * (1.0 - opacity[0, ..., None])
    levels = picture.detach().nan_to_num(0.5).clamp(0.0, 1.0).mul(255.0).round()
    return np.asarray(levels.byte().cpu().numpy())
