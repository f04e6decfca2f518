"""Small losses that say what a good surface looks like whatever the prompt.

All are means, so that they do not depend on how many vertices a surface has at the moment.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dream3d.ops.rows import add_rows, gather_rows


@dataclass(frozen=True)
class MeshAdjacency:
    """What is next to what in a triangle mesh."""

    edges: Tensor  # [E, 2] int64, each once, the smaller index first
    face_pairs: Tensor  # [P, 2] int64: faces that share an edge


def mesh_adjacency(faces: Tensor) -> MeshAdjacency:
    """Find the edges of faces [T, 3] and the faces on their two sides; an edge at a rim has no pair."""
    corners = faces.long()
    ends = (
        torch.cat([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]).sort(dim=1).values
    )  # [3 T, 2]
    size = int(corners.max()) + 1 if corners.numel() else 1
    keys, order = (ends[:, 0] * size + ends[:, 1]).sort(stable=True)
    face = order % max(len(corners), 1)
    is_first = torch.ones_like(keys, dtype=torch.bool)
    is_first[1:] = keys[1:] != keys[:-1]
    second = (~is_first).nonzero()[:, 0]
    return MeshAdjacency(ends[order[is_first]], torch.stack([face[second - 1], face[second]], dim=1))


def normal_consistency(vertices: Tensor, faces: Tensor, adjacency: MeshAdjacency) -> Tensor:
    """One minus the cosine between the normals of neighbouring faces, weighted mean over the pairs.

    A pair weighs the harmonic mean of its areas, without gradient: the normal of a sliver, of which marching
    tetrahedra makes many, turns faster the thinner it is, and would outweigh all others.

    Args:
        vertices: [V, 3].
        faces: [T, 3].
        adjacency: `mesh_adjacency` of the faces.
    """
    a, b, c = (gather_rows(vertices, faces[:, corner]) for corner in range(3))
    normals = torch.linalg.cross(b - a, c - a)  # [T, 3]
    areas = normals.detach().norm(dim=1)
    first, second = adjacency.face_pairs.unbind(1)
    weights = areas[first] * areas[second] / (areas[first] + areas[second]).clamp_min(1e-20)
    unit = functional.normalize(normals, dim=1, eps=1e-20)
    cosines = (gather_rows(unit, first) * gather_rows(unit, second)).sum(1)
    return (weights * (1.0 - cosines)).sum() / weights.sum().clamp_min(1e-20)


def laplacian_roughness(vertices: Tensor, adjacency: MeshAdjacency) -> Tensor:
    """Squared distance of each vertex from the middle of its neighbours, mean over the vertices.

    Args:
        vertices: [V, 3].
        adjacency: `mesh_adjacency` of the faces; a vertex without neighbours counts zero.
    """
    first, second = adjacency.edges.unbind(1)
    size = vertices.shape[0]
    total = add_rows(gather_rows(vertices, second), first, size) + add_rows(
        gather_rows(vertices, first), second, size
    )
    degree = torch.bincount(adjacency.edges.view(-1), minlength=size)[:, None]
    offset = torch.where(degree > 0, total / degree.clamp_min(1) - vertices, 0.0)
    return offset.square().sum() / max(size, 1)


def sign_disagreement(sdf: Tensor, edges: Tensor) -> Tensor:
    """How surely the ends of edges lie on different sides, mean over the edges of which they do.

    The cross entropy between the sign of either end and the sigmoid of the other (Munkberg et al. 2021,
    "Extracting Triangular 3D Models, Materials, and Lighting From Images", arXiv 2111.12503). For ends of
    different signs that is softplus(|s_a|) + softplus(|s_b|): it takes surfaces away that no image asks for.

    Args:
        sdf: [V] signed distances.
        edges: [E, 2] vertex indices; those on one side are left out. 0 when all are.
    """
    ends = gather_rows(sdf, edges.reshape(-1)).view(-1, 2)  # [E, 2]
    crossing = ends[(ends < 0).sum(1) == 1]
    return functional.softplus(crossing.abs()).sum() / max(crossing.shape[0], 1)
