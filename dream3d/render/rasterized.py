"""Differentiable pictures of a triangle surface with a color field on it.

Rasterised, shaded once per pixel ("deferred"), and blended at silhouettes, so that the gradient reaches the
vertices both through what the surface shows and through where it ends (Laine et al. 2020, "Modular Primitives
for High-Performance Differentiable Rendering").
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.math import normalize
from dream3d.ops.antialias import antialias
from dream3d.ops.rasterize import interpolate, rasterize
from dream3d.ops.rows import add_rows, gather_rows
from dream3d.render.shading import shade_srgb
from dream3d.stage_config import Shading

AlbedoSrgb = Callable[[Tensor], Tensor]  # points in the world [N, 3] -> sRGB-encoded albedo [N, 3] in [0, 1]


@dataclass(frozen=True)
class RasterRender:
    """What B cameras see of a surface. Colors are premultiplied by the opacity."""

    color_srgb: Tensor  # [B, H, W, 3] lit as asked
    opacity: Tensor  # [B, H, W], 1 inside, in between along silhouettes
    points: Tensor  # [B, H, W, 3] of the surface, of one sample in each pixel; no gradient
    normals: Tensor  # [B, H, W, 3] unit, world, of the same samples; no gradient


def render_rasterized(
    vertices: Tensor,
    faces: Tensor,
    albedo_srgb: AlbedoSrgb,
    cameras: Cameras,
    size: int,
    shading: Shading,
    samples: int = 1,
) -> RasterRender:
    """Draw a surface from every camera, differentiably with respect to its vertices and the albedo.

    Args:
        vertices: [V, 3] in the world.
        faces: [T, 3] int32, wound counter-clockwise seen from outside.
        albedo_srgb: Color at points of the surface.
        cameras: B cameras.
        size: H = W, pixels.
        shading: How the albedo is lit.
        samples: Per pixel and axis, averaged; the silhouettes are blended at any number.

    Returns:
        The images.
    """
    fine = size * samples
    clip = cameras.to_clip(vertices)
    fragments = rasterize(clip, faces, fine, fine)
    attributes = torch.cat([vertices, vertex_normals(vertices, faces)], dim=1)
    surface = interpolate(attributes, faces, fragments)  # [B, H, W, 6]
    is_hit = fragments.mask
    albedo = torch.zeros_like(surface[..., :3])
    albedo = albedo.masked_scatter(is_hit[..., None], albedo_srgb(surface[..., :3][is_hit]))
    normals = normalize(surface[..., 3:])
    opacity = is_hit.to(albedo)
    flat = (len(cameras), fine * fine)
    color = shade_srgb(albedo.view(*flat, 3), opacity.view(flat), normals.view(*flat, 3), cameras, shading)
    image = torch.cat([color.view_as(albedo), opacity[..., None]], dim=-1)
    image = antialias(image, fragments, clip, faces)
    if samples > 1:
        image = image.view(len(cameras), size, samples, size, samples, 4).mean((2, 4))
    # Several edges in a pixel can add up to a little more than all of it.
    image = image.clamp(0.0, 1.0)
    middle = slice(samples // 2, None, samples)
    points, turned = (part[:, middle, middle].detach() for part in (surface[..., :3], normals))
    return RasterRender(image[..., :3], image[..., 3], points, turned)


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals averaged over the faces around each vertex by area: [V, 3]; 0 where they cancel out."""
    corners = gather_rows(vertices, faces.reshape(-1)).view(-1, 3, 3)
    weighted = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])  # [T, 3]
    total = add_rows(weighted.repeat_interleave(3, dim=0), faces.reshape(-1), len(vertices))
    return normalize(total)
