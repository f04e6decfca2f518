"""Pictures of triangle meshes through the rasteriser, with any shading passed in as a function.

Anti-aliased by drawing larger and averaging (a box filter). Colors are averaged in sRGB encoding,
premultiplied by coverage, exactly as the volume renderer composites them: both give a diffusion prior the
same kind of image.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.math import linear_to_srgb, normalize, srgb_to_linear
from dream3d.mesh import ByteArray, Mesh
from dream3d.ops.rasterize import rasterize

DEFAULT_BASE_COLOR = 0.5  # linear gray, of a mesh that has neither a texture nor vertex colors


@dataclass(frozen=True)
class SurfaceRender:
    """What B cameras see of a mesh. Colors and depth are premultiplied by the opacity."""

    color_srgb: Tensor  # [B, H, W, 3]
    opacity: Tensor  # [B, H, W] covered share of the pixel, in [0, 1]
    depth: Tensor  # [B, H, W] distance from the camera along the ray
    normals: Tensor  # [B, H, W, 3] unit, world; zero where nothing is seen


@dataclass(frozen=True)
class SurfacePoints:
    """The P visible points that a shading function colors."""

    base_color: Tensor  # [P, 3] linear
    normals: Tensor  # [P, 3] unit, world
    positions: Tensor  # [P, 3] world
    view: Tensor  # [P] int64, index of the camera that sees the point


Shade = Callable[[SurfacePoints], Tensor]  # -> [P, 3] linear color, in [0, 1]


def unlit(points: SurfacePoints) -> Tensor:
    """The base color itself: the shading function of albedo pictures. [P, 3]."""
    return points.base_color


def render_surface(
    mesh: Mesh,
    cameras: Cameras,
    height: int,
    width: int,
    shade: Shade = unlit,
    base_color_srgb: ByteArray | None = None,
    supersample: int = 2,
) -> SurfaceRender:
    """Draw a mesh as every camera sees it. Not differentiable.

    Args:
        mesh: In scene units. Without normals it looks faceted.
        cameras: B cameras; the device of their tensors is the device of the work.
        height: H, pixels.
        width: W, pixels.
        shade: Linear color of the visible points.
        base_color_srgb: [h, w, 3] texture, looked up at the mesh's UVs; the vertex colors count when None.
        supersample: Samples per pixel along each axis.

    Returns:
        The pictures.
    """
    device = cameras.azimuth_deg.device
    vertices = torch.as_tensor(mesh.vertices, device=device)
    faces = torch.as_tensor(mesh.faces, device=device)
    matrices = cameras.world_to_clip(width / height)  # [B, 4, 4]
    homogeneous = torch.cat([vertices, torch.ones_like(vertices[:, :1])], dim=1)
    clip = torch.einsum("bij,vj->bvi", matrices, homogeneous).contiguous()
    fine_height, fine_width = height * supersample, width * supersample
    fragments = rasterize(clip, faces, fine_height, fine_width)

    hit = fragments.triangle_id >= 0  # [B, h, w]
    triangle = fragments.triangle_id[hit].long()  # [P]
    weights = fragments.barycentrics[hit]  # [P, 2]
    view = hit.nonzero()[:, 0]
    corners = faces.long()[triangle]  # [P, 3]
    positions = _interpolate(vertices, corners, weights)
    normals = _normals(mesh, vertices, corners, weights)
    points = SurfacePoints(_base_color(mesh, corners, weights, base_color_srgb), normals, positions, view)
    color = linear_to_srgb(shade(points).clamp(0.0, 1.0))
    distance = (positions - cameras.positions()[view]).norm(dim=-1, keepdim=True)
    fine = color.new_zeros(*hit.shape, 8)
    fine[hit] = torch.cat([color, torch.ones_like(distance), distance, normals], dim=1)
    image = fine.view(len(cameras), height, supersample, width, supersample, 8).mean(dim=(2, 4))
    return SurfaceRender(image[..., :3], image[..., 3], image[..., 4], normalize(image[..., 5:]))


def sample_bilinear(texture_srgb: ByteArray, uvs: Tensor) -> Tensor:
    """Bilinear look-up in a texture, decoded before filtering as GPUs do; clamped at the edges.

    Args:
        texture_srgb: [h, w, 3], row 0 on top.
        uvs: [P, 2], glTF convention: (0, 0) is the top left corner of the top left texel.

    Returns:
        [P, 3] linear.
    """
    height, width = texture_srgb.shape[:2]
    # Texel centers lie at half-integers.
    x = (uvs[:, 0] * width - 0.5).clamp(0.0, width - 1.0)
    y = (uvs[:, 1] * height - 0.5).clamp(0.0, height - 1.0)
    left, top = x.floor().long(), y.floor().long()
    right, bottom = (left + 1).clamp_max(width - 1), (top + 1).clamp_max(height - 1)
    across, down = (x - left)[:, None], (y - top)[:, None]
    texels = torch.tensor(texture_srgb, device=uvs.device)  # a copy: decoded pictures are read-only
    to_linear = srgb_to_linear(torch.arange(256, device=uvs.device) / 255.0)

    def fetch(row: Tensor, column: Tensor) -> Tensor:
        return to_linear[texels[row, column].long()]

    upper = torch.lerp(fetch(top, left), fetch(top, right), across)
    lower = torch.lerp(fetch(bottom, left), fetch(bottom, right), across)
    return torch.lerp(upper, lower, down)


def _interpolate(attributes: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """Attributes [V, C] at points [P] given by their triangles' corners [P, 3] and two weights [P, 2]."""
    a, b, c = (attributes[corners[:, corner]] for corner in range(3))
    return c + weights[:, :1] * (a - c) + weights[:, 1:] * (b - c)


def _normals(mesh: Mesh, vertices: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """Unit normals [P, 3]: interpolated, or those of the faces where the mesh has none."""
    if mesh.normals is not None:
        return normalize(
            _interpolate(torch.as_tensor(mesh.normals, device=vertices.device), corners, weights)
        )
    a, b, c = (vertices[corners[:, corner]] for corner in range(3))
    return normalize(torch.linalg.cross(b - a, c - a, dim=-1), eps=1e-20)


def _base_color(mesh: Mesh, corners: Tensor, weights: Tensor, texture_srgb: ByteArray | None) -> Tensor:
    """Linear base color [P, 3] from the texture, the vertex colors, or gray."""
    device = weights.device
    if texture_srgb is not None and mesh.uvs is not None:
        uvs = _interpolate(torch.as_tensor(mesh.uvs, device=device), corners, weights)
        return sample_bilinear(texture_srgb, uvs)
    if mesh.colors is not None:
        return _interpolate(torch.as_tensor(mesh.colors, device=device), corners, weights)
    return torch.full((len(weights), 3), DEFAULT_BASE_COLOR, device=device)
