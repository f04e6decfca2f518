"""The dense surface under each texel, and the maps that are made of it."""

from dataclasses import dataclass

import numpy as np
import torch

from dream3d.bake import atlas_corners, fill_background
from dream3d.config import BakeConfig
from dream3d.detail.dense_surface import Meetings, meet, sort_surface
from dream3d.detail.normal_map import encode_normals, flat_picture, interpolate_frames
from dream3d.detail.occlusion import vertex_occlusion
from dream3d.mesh import ByteArray, FloatArray, Mesh

CAGE = 0.06  # how far the dense surface may be from the mesh, in scene units


@dataclass(frozen=True)
class DetailMaps:
    """What was asked for."""

    normal_map: ByteArray | None  # [H, W, 3], as in `dream3d.mesh.Material`
    occlusion: FloatArray | None  # [H, W] in [0, 1]; 1 sees the whole sky


@torch.no_grad()
def bake_detail(mesh: Mesh, dense: Mesh, config: BakeConfig, cage: float = CAGE) -> DetailMaps:
    """Bake what a dense mesh shows over the atlas of a reduced one.

    Each texel looks along the mesh's interpolated normal, outwards and inwards, and takes the nearest point
    of the dense surface that faces the same way.

    Args:
        mesh: With UVs, normals, and for a normal map `tangents`.
        dense: With normals; the same surface in the same place.
        config: Which maps, and the texture size.
        cage: Largest distance between the surfaces. Texels that find nothing get a flat normal and the
            occlusion of their neighbours.

    Returns:
        The maps. Texels outside every chart repeat the nearest chart's value.
    """
    if not (config.normal_map or config.occlusion):
        return DetailMaps(None, None)
    assert mesh.normals is not None
    assert dense.normals is not None
    corners, weights, covered = atlas_corners(mesh, config.texture_size)
    points = torch.einsum("pc,pci->pi", weights, torch.from_numpy(mesh.vertices)[corners])
    along = torch.einsum("pc,pci->pi", weights, torch.from_numpy(mesh.normals)[corners])
    along = along / along.norm(dim=1, keepdim=True).clamp_min(1e-8)
    met = meet(sort_surface(dense), points.numpy(), along.numpy(), cage)
    normal_map = occlusion = None
    if config.normal_map:
        normals = torch.from_numpy(_at_meetings(dense.normals, dense, met))
        met_any = torch.from_numpy(met.face >= 0)[:, None]
        frame = interpolate_frames(mesh, corners, weights)
        normal_map = flat_picture(covered)
        normal_map[covered] = encode_normals(torch.where(met_any, normals, frame[2]), frame)
        normal_map = fill_background(normal_map, covered)
    if config.occlusion:
        values = _at_meetings(vertex_occlusion(dense)[:, None], dense, met)[:, 0]
        known = covered.copy()
        known[covered] = met.face >= 0
        occlusion = np.ones(covered.shape, np.float32)
        occlusion[covered] = np.where(met.face >= 0, values, 1.0)
        occlusion = fill_background(occlusion, known)
    return DetailMaps(normal_map, occlusion)


def _at_meetings(values: FloatArray, dense: Mesh, met: Meetings) -> FloatArray:
    """Values [V, C] of the dense mesh's vertices at the meetings, [N, C]; nonsense where there is none."""
    return np.einsum("nc,nci->ni", met.weights, values[dense.faces[met.face]])
