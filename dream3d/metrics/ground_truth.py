"""How close an asset comes to the procedural family that its prompt names.

The family was seen by the prior as pictures only, and never by the generation. Its instances differ, so an
asset is compared with the nearest of many: it need not look like the average.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.mesh import ByteArray, Mesh
from dream3d.props import Prop, Spec, make_prop
from dream3d.render.surface import Shade, SurfacePoints, render_surface, unlit

IMAGE_SIZE = 64
NUM_INSTANCES = 64
DISTANCE, FOV_Y_DEG = 3.05, 40.0


@dataclass(frozen=True)
class Comparison:
    """Distance of an asset to the nearest instance of a family."""

    silhouette_iou: float  # mean over the views, of the best instance
    color_error: float  # mean absolute sRGB difference where both are seen, of that instance, 0 to 1


def comparison_cameras() -> Cameras:
    """24 views: 12 azimuths at an elevation of 10 degrees, 12 between them at 35 degrees."""
    azimuth = torch.arange(24) * 30.0 + torch.tensor([0.0] * 12 + [15.0] * 12)
    elevation = torch.tensor([10.0] * 12 + [35.0] * 12)
    return Cameras(azimuth % 360, elevation, torch.full((24,), DISTANCE), torch.full((24,), FOV_Y_DEG))


def compare_to_family(
    mesh: Mesh, texture_srgb: ByteArray | None, spec: Spec, rng: np.random.Generator
) -> Comparison:
    """Compare an asset with random instances of what its prompt describes.

    Args:
        mesh: In scene units, as generated; the frame is not searched: pose is part of the result.
        texture_srgb: [h, w, 3] base color, or None for vertex colors.
        spec: The parsed prompt.
        rng: Decides the instances.
    """
    cameras = comparison_cameras()
    own_color, own_mask = _views(mesh, cameras, texture_srgb)
    best = Comparison(0.0, 1.0)
    for _ in range(NUM_INSTANCES):
        prop = make_prop(spec, rng)

        def paint(points: SurfacePoints, prop: Prop = prop) -> Tensor:
            return prop.surface_color(points.base_color, points.triangle, points.positions, points.normals)

        color, mask = _views(prop.mesh, cameras, None, paint)
        both, either = own_mask & mask, own_mask | mask
        iou = (both.sum((1, 2)) / either.sum((1, 2)).clamp_min(1)).mean().item()
        if iou > best.silhouette_iou:
            error = (own_color - color).abs()[both].mean().item() if both.any() else 1.0
            best = Comparison(iou, error)
    return best


def _views(
    mesh: Mesh, cameras: Cameras, texture_srgb: ByteArray | None, shade: Shade = unlit
) -> tuple[Tensor, Tensor]:
    """Unlit colors [B, H, W, 3] and silhouettes [B, H, W] at one sample per pixel."""
    render = render_surface(mesh, cameras, IMAGE_SIZE, IMAGE_SIZE, shade, texture_srgb, supersample=1)
    return render.color_srgb, render.opacity > 0.5
