"""Tangent-space normals: encoded so that a MikkTSpace shader decodes the normals that were put in."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dream3d.mesh import ByteArray, Mesh

FLAT = (128, 128, 255)
MIN_HEIGHT = 0.05  # of an encoded normal: those that look below the surface are bent up to it


def interpolate_frames(mesh: Mesh, corners: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Tangent, bitangent and normal of surface points as a MikkTSpace shader has them.

    Tangent and normal come interpolated from the vertices and are not made unit vectors again; the bitangent
    is their cross product, times the sign.

    Args:
        mesh: With normals and tangents.
        corners: [P, 3] int64, vertices of each point's triangle.
        weights: [P, 3].

    Returns:
        Three times [P, 3].
    """
    assert mesh.normals is not None
    assert mesh.tangents is not None
    normals = torch.einsum("pc,pci->pi", weights, torch.from_numpy(mesh.normals)[corners])
    tangents = torch.from_numpy(mesh.tangents)
    along_u = torch.einsum("pc,pci->pi", weights, tangents[..., :3][corners])
    bitangents = tangents[corners[:, 0], 3:] * torch.linalg.cross(normals, along_u)
    return along_u, bitangents, normals


def encode_normals(normals: Tensor, frame: tuple[Tensor, Tensor, Tensor]) -> ByteArray:
    """Bytes [P, 3] that decode to normals [P, 3] of the world: x T + y B + z N points along them.

    Args:
        normals: Unit length.
        frame: Tangents, bitangents and normals of `interpolate_frames`.
    """
    tangent, bitangent, up = frame
    # Rows of the inverse of [T B N] but for the determinant, whose size the normalisation takes out.
    inverse = [torch.linalg.cross(a, b) for a, b in ((bitangent, up), (up, tangent), (tangent, bitangent))]
    determinant = (tangent * inverse[0]).sum(dim=1)
    local = torch.stack([(normals * row).sum(dim=1) for row in inverse], dim=1) * determinant.sign()[:, None]
    lost = local.norm(dim=1) < 1e-12
    local = torch.where(lost[:, None], local.new_tensor([0.0, 0.0, 1.0]), local)
    local = local / local.norm(dim=1, keepdim=True)
    sideways = local[:, :2].norm(dim=1, keepdim=True).clamp_min(1e-12)
    bent = torch.cat(
        [local[:, :2] / sideways * (1 - MIN_HEIGHT**2) ** 0.5, torch.full_like(sideways, MIN_HEIGHT)], dim=1
    )
    return to_bytes(torch.where(local[:, 2:] < MIN_HEIGHT, bent, local))


def to_bytes(local: Tensor) -> ByteArray:
    """Bytes of components in [-1, 1]; zero lies between 127 and 128 and is 128, as a hair below it is."""
    return np.asarray(torch.floor(local * 127.5 + 128.0 + 2e-3).clamp(0, 255).to(torch.uint8))


def flat_picture(covered: NDArray[np.bool_]) -> ByteArray:
    """A normal map [H, W, 3] that changes nothing."""
    return np.broadcast_to(np.array(FLAT, np.uint8), (*covered.shape, 3)).copy()
