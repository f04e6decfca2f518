"""Pictures of a scene as ControlNets are shown them (Zhang et al. 2023, arXiv 2302.05543).

**Normals** as `control_v11p_sd15_normalbae` was trained on: in the camera's frame, "blue is front, red is
left, green is top" (README of ControlNet 1.1, after pictures of NYU-V2). Red runs against our x, which points
right; where nothing is seen, the picture faces the camera.

**Depth** as `control_v11f1p_sd15_depth` was: like MiDaS, by the inverse of the distance along the view, the
nearest point white, infinitely far black.
"""

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.config import ControlKind

_TOWARDS_CAMERA = (0.5, 0.5, 1.0)


@torch.no_grad()
def control_picture(
    kind: ControlKind, normals: Tensor, points: Tensor, opacity: Tensor, cameras: Cameras
) -> Tensor:
    """What a ControlNet is shown of some views.

    Args:
        kind: Which of the two.
        normals: [B, H, W, 3] unit, world; not read for depth.
        points: [B, H, W, 3] that the pixels show; not read for normals.
        opacity: [B, H, W].
        cameras: B cameras.

    Returns:
        [B, 3, H, W] in [0, 1], no gradient.
    """
    picture = _normals(normals, opacity, cameras) if kind == "normal" else _depth(points, opacity, cameras)
    return picture.permute(0, 3, 1, 2).contiguous()


def _normals(normals: Tensor, opacity: Tensor, cameras: Cameras) -> Tensor:
    """[B, H, W, 3]."""
    seen = torch.einsum("bji,bhwj->bhwi", cameras.c2w()[:, :3, :3], normals)
    colors = 0.5 + 0.5 * seen * seen.new_tensor([-1.0, 1.0, 1.0])
    return torch.lerp(colors.new_tensor(_TOWARDS_CAMERA).expand_as(colors), colors, opacity[..., None])


def _depth(points: Tensor, opacity: Tensor, cameras: Cameras) -> Tensor:
    """[B, H, W, 3]."""
    offset = points - cameras.positions()[:, None, None]
    along = -(offset * cameras.backward()[:, None, None]).sum(-1)
    nearness = opacity / along.clamp_min(1e-3)
    nearest = nearness.amax((1, 2), keepdim=True).clamp_min(1e-6)
    return (nearness / nearest)[..., None].expand(*opacity.shape, 3)
