"""Pictures of triangle meshes through the rasteriser, with any shading passed in as a function.

Anti-aliased by drawing larger and averaging (a box filter). Colors are averaged in sRGB encoding,
premultiplied by coverage, exactly as the volume renderer composites them: both give a diffusion prior the
same kind of image.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
    triangle: Tensor  # [P] int64, index of the face it lies on


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
    clip = cameras.to_clip(vertices, width / height)
    fragments = rasterize(clip, faces, height * supersample, width * supersample)

    triangle = fragments.triangle_id.flatten()
    sample = (triangle >= 0).nonzero()[:, 0]  # [P] into all samples of all views
    face = triangle[sample].long()  # [P]
    corners = faces[face].long()  # [P, 3]
    weights = fragments.barycentrics.view(-1, 2)[sample]
    view = sample // (triangle.shape[0] // len(cameras))
    points = _surface_points(mesh, vertices, face, corners, weights, view, base_color_srgb)
    lit = shade(points)
    distance = (points.positions - cameras.positions()[view]).norm(dim=-1, keepdim=True)
    values = torch.cat(
        [linear_to_srgb(lit.clamp(0.0, 1.0)), torch.ones_like(distance), distance, points.normals], dim=1
    )
    fine = values.new_zeros(len(triangle), values.shape[1]).index_copy_(0, sample, values)
    image = _box_filter(fine, len(cameras), height, width, supersample)
    return SurfaceRender(image[..., :3], image[..., 3], image[..., 4], normalize(image[..., 5:]))


def _box_filter(fine: Tensor, num_views: int, height: int, width: int, supersample: int) -> Tensor:
    """Average the samples [B * H * s * W * s, C] of each pixel: [B, H, W, C]."""
    channels = fine.shape[1]
    # Two sums over a middle dimension are several times faster than one mean over two dimensions.
    columns = fine.view(num_views * height, supersample, -1).sum(dim=1)
    pixels = columns.view(num_views * height * width, supersample, channels).sum(dim=1)
    return pixels.view(num_views, height, width, channels) / supersample**2


def is_tiled(uvs: Tensor) -> bool:
    """Whether any UV [P, 2] lies outside of the picture, but for what rounding does: it is then repeated."""
    return not bool(((uvs > -1e-3) & (uvs < 1.001)).all())


def sample_bilinear(texture_srgb: ByteArray, uvs: Tensor) -> Tensor:
    """Bilinear look-up in a texture, decoded before filtering as GPUs do.

    Clamped at the edges; where any of the UVs lies outside of the picture, it is repeated instead.

    Args:
        texture_srgb: [h, w, 3], row 0 on top.
        uvs: [P, 2], glTF convention: (0, 0) is the top left corner of the top left texel.

    Returns:
        [P, 3] linear.
    """
    height, width = texture_srgb.shape[:2]
    # Texel centers lie at half-integers.
    is_repeated = is_tiled(uvs)
    x, y = ((uvs.frac() if is_repeated else uvs) * uvs.new_tensor([width, height]) - 0.5).unbind(1)
    if not is_repeated:
        x, y = x.clamp(0.0, width - 1.0), y.clamp(0.0, height - 1.0)
    left, top = x.floor().long(), y.floor().long()
    across, down = (x - left)[:, None], (y - top)[:, None]
    # Clamped, what is beyond the last texel has no weight.
    left, right, top, bottom = left % width, (left + 1) % width, top % height, (top + 1) % height
    texels = torch.tensor(texture_srgb, device=uvs.device)  # a copy: decoded pictures are read-only
    to_linear = srgb_to_linear(torch.arange(256, device=uvs.device) / 255.0)

    def fetch(row: Tensor, column: Tensor) -> Tensor:
        return to_linear[texels[row, column].long()]

    upper = torch.lerp(fetch(top, left), fetch(top, right), across)
    lower = torch.lerp(fetch(bottom, left), fetch(bottom, right), across)
    return torch.lerp(upper, lower, down)


def _surface_points(
    mesh: Mesh,
    vertices: Tensor,
    face: Tensor,
    corners: Tensor,
    weights: Tensor,
    view: Tensor,
    texture_srgb: ByteArray | None,
) -> SurfacePoints:
    """What the mesh carries at points on faces [P] with corners [P, 3] and two weights [P, 2]."""
    device = vertices.device
    has_texture = texture_srgb is not None and mesh.uvs is not None
    optional = [mesh.normals, mesh.uvs if has_texture else None, mesh.colors]
    tensors = [None if array is None else torch.as_tensor(array, device=device) for array in optional]
    # All attributes in one table: one gather per corner instead of one per corner and attribute.
    table = torch.cat([vertices, *(tensor for tensor in tensors if tensor is not None)], dim=1)  # [V, C]
    a, b, c = (table.index_select(0, corners[:, corner]) for corner in range(3))
    values = c + weights[:, :1] * (a - c) + weights[:, 1:] * (b - c)  # [P, C]
    if mesh.normals is None:
        normals = normalize(torch.linalg.cross((b - a)[:, :3], (c - a)[:, :3], dim=-1), eps=1e-20)
        rest = values[:, 3:]
    else:
        normals, rest = normalize(values[:, 3:6]), values[:, 6:]
    if texture_srgb is not None and has_texture:
        base_color = sample_bilinear(texture_srgb, rest[:, :2])
        base_color = base_color if mesh.colors is None else base_color * rest[:, 2:]
    elif mesh.colors is not None:
        base_color = rest
    else:
        base_color = torch.full_like(normals, DEFAULT_BASE_COLOR)
    return SurfacePoints(base_color, normals, values[:, :3], view, face)
