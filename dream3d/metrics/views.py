"""The pictures that metrics look at: one fixed set of cameras around one normalised frame."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dream3d.cameras import FRAME_DISTANCE, FRAME_FOV_Y_DEG, Cameras
from dream3d.errors import InputError
from dream3d.mesh import FRAME_RADIUS, MAX_EXTENT, MIN_EXTENT, ByteArray, TexturedMesh, fit_sphere
from dream3d.render.surface import render_surface

IMAGE_SIZE = 64
POINT_SPACING = 0.04  # scene units; the width of a pixel is 0.035
VERTICES_AT_ONCE = 4_000_000  # over all views of one call: bounds the memory that a large mesh takes


@dataclass(frozen=True)
class Views:
    """What the comparison cameras see of one asset, unlit."""

    color_srgb: Tensor  # [B, H, W, 3], zero outside
    mask: Tensor  # [B, H, W] bool
    points: NDArray[np.float64]  # [N, 3] the surface where pixels hit it, thinned to an even spacing


def comparison_cameras() -> Cameras:
    """24 views: 12 azimuths at an elevation of 10 degrees, 12 between them at 35 degrees."""
    azimuth = torch.arange(24) * 30.0 + torch.tensor([0.0] * 12 + [15.0] * 12)
    elevation = torch.tensor([10.0] * 12 + [35.0] * 12)
    distance, fov = torch.full((24,), FRAME_DISTANCE), torch.full((24,), FRAME_FOV_Y_DEG)
    return Cameras(azimuth % 360, elevation, distance, fov, torch.zeros(24, 3))


def in_frame(asset: TexturedMesh) -> TexturedMesh:
    """The asset with its bounding box centred and its farthest vertex at `FRAME_RADIUS`; never turned.

    Raises:
        InputError: It has no extent, or one beyond what floats can compare.
    """
    vertices = asset.mesh.vertices.astype(np.float64)
    extent = float((vertices.max(axis=0) - vertices.min(axis=0)).max())
    if not MIN_EXTENT < extent < MAX_EXTENT:
        raise InputError(f"the mesh is {extent:.3g} m large and cannot be measured")
    return replace(asset, mesh=fit_sphere(asset.mesh, FRAME_RADIUS))


def look(asset: TexturedMesh) -> Views:
    """Render an asset that is already in the frame, from all comparison cameras."""
    cameras = comparison_cameras()
    step = max(1, min(len(cameras), VERTICES_AT_ONCE // len(asset.mesh.vertices)))
    parts = [_look(asset, cameras[start : start + step]) for start in range(0, len(cameras), step)]
    colors, masks, points = zip(*parts, strict=True)
    return Views(torch.cat(colors), torch.cat(masks), _thin(np.concatenate(points)))


def portraits(asset: TexturedMesh, cameras: Cameras, supersample: int = 3) -> Tensor:
    """What cameras see of an asset that is in the frame, unlit and with soft edges: [B, 64, 64, 4].

    Premultiplied sRGB in [0, 1], as the prior and the learned judge know pictures.
    """
    step = max(1, min(len(cameras), VERTICES_AT_ONCE // len(asset.mesh.vertices)))
    parts = [
        render_surface(
            asset.mesh,
            cameras[start : start + step],
            IMAGE_SIZE,
            IMAGE_SIZE,
            base_color_srgb=_texture(asset),
            supersample=supersample,
        )
        for start in range(0, len(cameras), step)
    ]
    return torch.cat([torch.cat([part.color_srgb, part.opacity[..., None]], dim=-1) for part in parts])


def _texture(asset: TexturedMesh) -> ByteArray | None:
    return None if asset.mesh.uvs is None else asset.material.base_color_srgb


def _look(asset: TexturedMesh, cameras: Cameras) -> tuple[Tensor, Tensor, NDArray[np.float64]]:
    render = render_surface(
        asset.mesh,
        cameras,
        IMAGE_SIZE,
        IMAGE_SIZE,
        base_color_srgb=_texture(asset),
        supersample=1,
    )
    mask = render.opacity > 0.5
    rays = cameras.rays(IMAGE_SIZE, IMAGE_SIZE)
    points = (rays.origins + rays.directions * render.depth[..., None])[mask]
    return render.color_srgb, mask, points.double().numpy()


def _thin(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first point in each cell of a grid: surfaces seen by many views do not count more. [N, 3]."""
    cells = np.floor(points / POINT_SPACING).astype(np.int64) + 512
    _, first = np.unique(cells @ [1 << 20, 1 << 10, 1], return_index=True)
    return points[first]
