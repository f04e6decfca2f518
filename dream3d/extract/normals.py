"""Vertex normals: averaged over faces, split where an edge should look sharp."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dream3d.extract.topology import weld
from dream3d.mesh import Mesh

MAX_NORMAL_ERROR = 1e-2  # of the length of a sound normal that a file holds


def add_normals(mesh: Mesh, crease_angle_deg: float) -> Mesh:
    """Add unit vertex normals, averaged over the faces around a vertex by their area.

    Args:
        mesh: Welded.
        crease_angle_deg: Faces around a vertex whose normals differ by more than this do not share a normal:
            the vertex is split and the edge looks sharp. 180 makes everything smooth.

    Returns:
        A mesh with normals; it has more vertices where creases were split. Positions and faces' order are
        kept.
    """
    corners = mesh.vertices[mesh.faces].astype(np.float64)  # [T, 3, 3]
    weighted = np.cross(
        corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    )  # length: twice the area
    unit = weighted / np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-20)
    corner_vertex = mesh.faces.reshape(-1)  # [T * 3]
    corner_face = np.repeat(np.arange(len(mesh.faces)), 3)
    pair_corner, pair_face = _faces_around(corner_vertex, corner_face, len(mesh.vertices))
    agrees = (
        np.einsum("pi,pi->p", unit[corner_face[pair_corner]], unit[pair_face])
        >= math.cos(math.radians(crease_angle_deg)) - 1e-6
    )
    normals = np.zeros((len(corner_vertex), 3))
    for axis in range(3):
        values = weighted[pair_face[agrees], axis]
        normals[:, axis] = np.bincount(pair_corner[agrees], weights=values, minlength=len(corner_vertex))
    normals = _unit_or_up(normals)
    # Corners at one vertex with the same normal stay one vertex.
    key = np.concatenate([corner_vertex[:, None], np.round(normals * 4096.0)], axis=1)
    _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return Mesh(
        mesh.vertices[corner_vertex[first]],
        inverse.reshape(-1, 3).astype(np.int32),
        normals=normals[first].astype(np.float32),
    )


def with_unit_normals(mesh: Mesh, crease_angle_deg: float) -> Mesh:
    """The mesh with its own normals made unit vectors, or with new ones if it has none that are sound.

    Args:
        mesh: From anyone, with any attributes; vertices may be split along seams.
        crease_angle_deg: As in `add_normals`.

    Returns:
        The mesh, its faces in their order. New normals split vertices at creases; other attributes are kept,
        but for tangents, which belong to the old normals.
    """
    if mesh.normals is not None and len(mesh.normals):
        lengths = np.linalg.norm(mesh.normals.astype(np.float64), axis=1, keepdims=True)
        if np.isfinite(lengths).all() and abs(lengths - 1).max() < MAX_NORMAL_ERROR:
            return replace(mesh, normals=(mesh.normals / lengths).astype(np.float32))
    shaded = add_normals(Mesh(*weld(mesh.vertices, mesh.faces)), crease_angle_deg)
    assert shaded.normals is not None
    pairs = np.stack([mesh.faces.reshape(-1), shaded.faces.reshape(-1)], axis=1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    old, new = unique.T
    split = mesh.of_vertices(old, inverse.reshape(-1, 3).astype(np.int32))
    return replace(split, normals=shaded.normals[new], tangents=None)


def _faces_around(
    corner_vertex: NDArray[np.integer], corner_face: NDArray[np.integer], num_vertices: int
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """All pairs (corner, face) where the face touches the corner's vertex: two arrays [P]."""
    order = np.argsort(corner_vertex, kind="stable")  # corners grouped by vertex
    counts = np.bincount(corner_vertex, minlength=num_vertices)
    starts = np.cumsum(counts) - counts
    sizes = counts[corner_vertex]
    pair_corner = np.repeat(np.arange(len(corner_vertex)), sizes)
    offset = np.arange(len(pair_corner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pair_face = corner_face[order[starts[corner_vertex[pair_corner]] + offset]]
    return pair_corner, pair_face


def _unit_or_up(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors [N, 3]; where faces cancel out, +Y rather than an invalid zero normal."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 1e-20, vectors / np.maximum(lengths, 1e-20), [[0.0, 1.0, 0.0]])
