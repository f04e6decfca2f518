"""From the field's colors to a texture over the mesh's UV atlas."""

import math
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from dream3d.config import BakeConfig
from dream3d.errors import RunError
from dream3d.math import normalize
from dream3d.mesh import ByteArray, Mesh
from dream3d.ops.rasterize import Fragments, rasterize

Value = TypeVar("Value", np.uint8, np.float32)
Density = Callable[[Tensor], Tensor]  # points in the world [N, 3] -> density [N], in 1 / scene units
Albedo = Callable[[Tensor], Tensor]  # points in the world [N, 3] -> sRGB-encoded albedo [N, 3] in [0, 1]

CHUNK_TEXELS = 1 << 16


class Colored(Protocol):
    """What textures are baked from."""

    def density(self, points: Tensor) -> Tensor:
        """Volume density per unit length, [N], for `points` [N, 3] in the world."""
        ...

    def albedo_srgb(self, points: Tensor) -> Tensor:
        """Albedo in sRGB encoding, [N, 3] in (0, 1), for `points` [N, 3] in the world."""
        ...


@torch.no_grad()
def bake_base_color(
    mesh: Mesh,
    density: Density,
    albedo_srgb: Albedo,
    config: BakeConfig,
    device: torch.device | str = "cpu",
) -> ByteArray:
    """Paint the base color texture of an unwrapped mesh.

    Each texel gets the color that a camera looking straight at it would see: samples along the normal, from
    just outside to just inside the surface, composited by density. A field is a soft shell, whose color on
    the level set itself was never seen alone.

    Args:
        mesh: With UVs and normals, in scene units.
        density: The field's density.
        albedo_srgb: The field's color.
        config: Texture size and the samples along the normal.
        device: Where the field lives.

    Returns:
        [H, W, 3] sRGB-encoded bytes, row 0 on top. Texels outside every chart repeat the nearest chart's
        color, so filtering does not bleed, nor do mip maps until texels are as large as the padding is wide.

    Raises:
        RunError: A color is not finite.
    """
    positions, normals, covered = rasterize_atlas(mesh, config.texture_size)
    colors = np.zeros((len(positions), 3), np.float32)
    for start in range(0, len(positions), CHUNK_TEXELS):
        part = slice(start, start + CHUNK_TEXELS)
        seen = _seen_color(positions[part].to(device), normals[part].to(device), density, albedo_srgb, config)
        colors[part] = seen.cpu().numpy()
    if not np.isfinite(colors).all():
        raise RunError("the field holds colors that are not finite: the run diverged")
    image = np.zeros((*covered.shape, 3), np.uint8)
    image[covered] = np.round(np.clip(colors, 0.0, 1.0) * 255.0).astype(np.uint8)
    return fill_background(image, covered)


def rasterize_atlas(mesh: Mesh, texture_size: int) -> tuple[Tensor, Tensor, NDArray[np.bool_]]:
    """Surface points under the texel centers of the atlas.

    Args:
        mesh: With UVs and normals.
        texture_size: Side of the texture in texels.

    Returns:
        Positions [P, 3] and unit normals [P, 3] of the covered texels in row-major order, and the mask of
        covered texels [H, W].
    """
    assert mesh.normals is not None
    corners, weights, covered = atlas_corners(mesh, texture_size)
    positions = torch.einsum("pc,pci->pi", weights, torch.from_numpy(mesh.vertices)[corners])
    normals = normalize(torch.einsum("pc,pci->pi", weights, torch.from_numpy(mesh.normals)[corners]))
    return positions, normals, covered


def atlas_corners(mesh: Mesh, texture_size: int) -> tuple[Tensor, Tensor, NDArray[np.bool_]]:
    """Triangles under the texel centers of the atlas.

    Args:
        mesh: With UVs.
        texture_size: Side of the texture in texels.

    Returns:
        Vertices [P, 3] int64 of the triangle under each covered texel in row-major order, their weights
        [P, 3] there, and the mask of covered texels [H, W].
    """
    assert mesh.uvs is not None
    uvs, faces = torch.from_numpy(mesh.uvs), torch.from_numpy(mesh.faces)
    fragments = rasterize_uvs(uvs, faces, texture_size)
    triangle, two_weights = fragments.triangle_id[0], fragments.barycentrics[0]
    _cover_small_triangles(uvs[faces.long()].mean(dim=1), triangle, two_weights)
    hit = triangle >= 0
    weights = two_weights[hit]  # [P, 2]
    weights = torch.cat([weights, 1.0 - weights.sum(dim=1, keepdim=True)], dim=1)
    return faces.long()[triangle[hit].long()], weights, hit.numpy()


def rasterize_uvs(uvs: Tensor, faces: Tensor, texture_size: int) -> Fragments:
    """Draw an atlas: the triangle over each texel center, [1, H, W].

    Args:
        uvs: [V, 2] float32, glTF convention.
        faces: [T, 3] int32.
        texture_size: H = W, texels.
    """
    clip = torch.stack(
        [2 * uvs[:, 0] - 1, 1 - 2 * uvs[:, 1], torch.zeros(len(uvs)), torch.ones(len(uvs))], dim=1
    )
    return rasterize(clip[None], faces, texture_size, texture_size)


def _cover_small_triangles(centroids: Tensor, triangle: Tensor, weights: Tensor) -> None:
    """Give triangles between the texel centers the texel that holds their centroid, where it is still free.

    Without this a chart smaller than a texel would show the color of whatever chart lies nearest in the
    atlas.

    Args:
        centroids: [T, 2] UVs of the middle of each triangle.
        triangle: [H, W] int32, -1 where free; written in place.
        weights: [H, W, 2] barycentric weights; written in place.
    """
    size = triangle.shape[0]
    texel = (centroids * size).long().clamp(0, size - 1)  # [T, 2], column and row
    free = (triangle[texel[:, 1], texel[:, 0]] < 0).nonzero()[:, 0]
    # Several triangles may want one texel. The first has it, in any order of execution.
    _, first = np.unique((texel[free, 1] * size + texel[free, 0]).numpy(), return_index=True)
    chosen = free[torch.from_numpy(first)]
    rows, columns = texel[chosen, 1], texel[chosen, 0]
    triangle[rows, columns] = chosen.to(triangle.dtype)
    weights[rows, columns] = 1.0 / 3.0


def fill_background(image: NDArray[Value], covered: NDArray[np.bool_]) -> NDArray[Value]:
    """Give every texel outside the charts the color of the nearest texel inside one.

    Args:
        image: [H, W, ...].
        covered: [H, W], True inside the charts.

    Returns:
        [H, W, ...]. Unchanged where nothing is covered.
    """
    if covered.all() or not covered.any():
        return image
    rows, columns = np.asarray(
        ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True)
    )
    return image[rows, columns]


def _seen_color(
    positions: Tensor, normals: Tensor, density: Density, albedo_srgb: Albedo, config: BakeConfig
) -> Tensor:
    """Color [N, 3] of surface points [N, 3] seen against their normals [N, 3]."""
    if config.samples == 1:
        return albedo_srgb(positions)
    # One third of the interval lies outside: the level set is where about half of the light has been stopped.
    offsets = torch.linspace(config.depth / 3, -2 * config.depth / 3, config.samples, device=positions.device)
    points = (positions[:, None] + offsets[:, None] * normals[:, None]).reshape(-1, 3).clamp(-1.0, 1.0)
    spacing = config.depth / (config.samples - 1)
    optical_depth = density(points).reshape(-1, config.samples).float() * spacing  # [N, S]
    before = optical_depth.cumsum(dim=1) - optical_depth
    # The floor shares the color of all samples out where the field is empty along the whole interval.
    weights = torch.exp(-before) * -torch.expm1(-optical_depth) + math.exp(-20.0)
    colors = albedo_srgb(points).reshape(-1, config.samples, 3).float()
    return (weights[..., None] * colors).sum(dim=1) / weights.sum(dim=1, keepdim=True)
