"""A lighter version of a finished asset: fewer triangles over the same UVs, smaller pictures."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dream3d.export.lods import reduce_faces
from dream3d.math import linear_to_srgb, srgb_to_linear
from dream3d.mesh import ByteArray, Material, TexturedMesh


def lighter(asset: TexturedMesh, max_faces: int, texture_size: int) -> TexturedMesh:
    """Reduce an asset after the fact. What is light enough already stays as it is.

    Args:
        asset: With UVs and normals.
        max_faces: Triangles at most; see `reduce_faces`.
        texture_size: Side of the pictures in texels, at most; both sizes are powers of two.
    """
    return replace(
        asset,
        mesh=reduce_faces(asset.mesh, max_faces),
        material=_shrink_material(asset.material, texture_size),
    )


def _shrink_material(material: Material, size: int) -> Material:
    """The pictures with each texel the mean of those it stands for: of light, of numbers, of directions."""
    if material.base_color_srgb.shape[0] <= size:
        return material
    color = linear_to_srgb(_means(srgb_to_linear(_unit(material.base_color_srgb)), size))
    orm, normals = material.orm, material.normal_map
    if orm is not None:
        orm = _bytes(_means(_unit(orm), size))
    if normals is not None:
        directions = _means(_unit(normals) * 2.0 - 1.0, size)
        normals = _bytes(directions / directions.norm(dim=-1, keepdim=True).clamp_min(1e-6) * 0.5 + 0.5)
    return replace(material, base_color_srgb=_bytes(color), orm=orm, normal_map=normals)


def _means(picture: Tensor, size: int) -> Tensor:
    """Means of the square blocks of a picture [H, W, 3] that make its sides at most `size`."""
    factor = max(1, picture.shape[0] // size)
    return picture.unflatten(1, (-1, factor)).unflatten(0, (-1, factor)).mean(dim=(1, 3))


def _unit(picture: ByteArray) -> Tensor:
    return torch.from_numpy(picture / np.float32(255))


def _bytes(picture: Tensor) -> ByteArray:
    return (picture.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).numpy()
