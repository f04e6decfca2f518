"""Whether the UVs that a mesh came with can carry a texture of their own."""

import numpy as np
import torch

from dream3d.bake import rasterize_uvs
from dream3d.extract.topology import face_areas
from dream3d.mesh import Mesh

TEST_SIZE = 1024  # texels; areas of the atlas are counted at this size
OUTSIDE = 1e-4  # how far UVs may leave the unit square: rounding of other tools
MAX_OVERLAP = 0.02  # of the area of all charts
MAX_UNMAPPED = 0.01  # of the surface
MIN_DENSITY = 0.01  # of the atlas's usual texels per area, below which a face counts as unmapped


def uv_fault(mesh: Mesh) -> str | None:
    """Why a mesh needs new UVs before its surface can be painted, or None when its own are good.

    Args:
        mesh: With or without UVs.
    """
    if mesh.uvs is None:
        return "it has no UVs"
    uvs = mesh.uvs.astype(np.float64)
    if not np.isfinite(uvs).all() or uvs.min() < -OUTSIDE or uvs.max() > 1 + OUTSIDE:
        return "its UVs leave the unit square"
    surface, flat = face_areas(mesh.vertices, mesh.faces), uvs[mesh.faces]
    one, other = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    mapped = 0.5 * np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])
    if not mapped.sum() > 0:
        return "its UVs have no area"
    density = mapped.sum() / max(surface.sum(), 1e-30)
    if surface[mapped < MIN_DENSITY * density * surface].sum() > MAX_UNMAPPED * surface.sum():
        return "part of it has no place in the texture"
    fragments = rasterize_uvs(
        torch.from_numpy(uvs.astype(np.float32)), torch.from_numpy(mesh.faces), TEST_SIZE
    )
    covered = float(fragments.mask.float().mean())  # of the unit square, each place once
    # Texel centers sample areas without bias: what is missing lies under something else.
    if covered < (1 - MAX_OVERLAP) * mapped.sum():
        return "its UVs overlap"
    return None
