"""Tangents as MikkTSpace defines them: what Blender, Unreal and Godot decode normal maps with.

A normal map means something only together with the tangent frames it was baked for. Corners of triangles
share a tangent when they have the same position, normal and UV, are joined by edges around that vertex, and
their triangles are mirrored in the atlas both or neither. The tangent of such a group is the mean of its
triangles' directions of growing u, projected into the plane of the normal, weighted by the triangles' angles
there.

Source: Mikkelsen, "Simulation of Wrinkled Surfaces Revisited", 2008, and the behaviour of its reference
implementation with the default angular threshold. Two results differ: corners of which nothing is known get
some unit tangent in the plane of the normal, not (1, 0, 0); and everything is computed in float64.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from dream3d.mesh import Mesh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SMALLEST = float(np.finfo(np.float32).tiny)  # less than this counts as zero


@dataclass(frozen=True)
class _Triangles:
    """What each triangle says about the direction of u."""

    tangent: Floats  # [T, 3], unit, in the plane of the triangle
    is_proper: Bools  # [T], three different positions; the others only copy
    is_mapped: Bools  # [T], has an area in the atlas; a triangle without one joins any group
    is_upright: Bools  # [T], not mirrored in the atlas; for triangles without area: unknown, False


def add_tangents(mesh: Mesh) -> Mesh:
    """Add MikkTSpace tangents.

    Args:
        mesh: With unit normals and UVs.

    Returns:
        The mesh with `tangents`; a vertex where several tangents meet is split. The bitangent of a normal map
        whose green grows upwards in the picture, as glTF asks, is `tangents[3] * cross(normal,
        tangents[:3])`. Faces keep their order, vertices theirs but for the splits; vertices that no face uses
        are dropped.

    Raises:
        ValueError: The mesh lacks normals or UVs.
    """
    if mesh.normals is None or mesh.uvs is None:
        raise ValueError("tangents need normals and UVs: unwrap the mesh first")
    rows = np.concatenate([mesh.vertices, mesh.normals, mesh.uvs], axis=1) + 0.0  # -0.0 is 0.0
    welded = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    corners = welded[mesh.faces].astype(np.int64)  # [T, 3]
    triangles = _triangles(mesh)
    links = _corner_links(corners, triangles.is_proper)
    triangles = _orient_unmapped(corners, links, triangles)
    group = _groups(links, triangles)
    tangents = _group_tangents(mesh, group, triangles)[group]  # [T * 3, 3]
    signs = np.where(triangles.is_upright, 1.0, -1.0).repeat(3)
    donor = _donors(corners.reshape(-1), triangles.is_proper.repeat(3))
    return _split(mesh, np.concatenate([tangents, signs[:, None]], axis=1)[donor].astype(np.float32))


def _triangles(mesh: Mesh) -> _Triangles:
    """Direction of growing u in each triangle, equation 18 of the source."""
    assert mesh.uvs is not None
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    # The source has v grow upwards in the picture, glTF downwards.
    uvs = mesh.uvs.astype(np.float64) * (1.0, -1.0)
    uv_a, uv_b, uv_c = (uvs[mesh.faces[:, corner]] for corner in range(3))
    ab, ac = uv_b - uv_a, uv_c - uv_a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    along_u = ac[:, 1:] * (b - a) - ab[:, 1:] * (c - a)
    along_v = ab[:, :1] * (c - a) - ac[:, :1] * (b - a)
    sign = np.where(area > 0, 1.0, -1.0)[:, None]
    solid = np.abs(area) > SMALLEST
    safe_area = np.where(solid, np.abs(area), 1.0)
    stretch = [np.linalg.norm(along, axis=1) / safe_area for along in (along_u, along_v)]
    different = [(p != q).any(axis=1) for p, q in ((a, b), (b, c), (c, a))]
    return _Triangles(
        tangent=_unit(sign * along_u),
        is_proper=np.logical_and.reduce(different),
        is_mapped=solid & (stretch[0] > SMALLEST) & (stretch[1] > SMALLEST),
        is_upright=area > 0,
    )


def _corner_links(corners: Ints, is_proper: Bools) -> Ints:
    """Pairs of corners [P, 2] at one vertex whose triangles share an edge there; corner 3 t + k is k of t.

    Args:
        corners: [T, 3] welded vertices.
        is_proper: [T]; the others have no neighbours.
    """
    starts = np.flatnonzero(is_proper.repeat(3))  # an edge goes from its corner to the next one
    ends = starts - starts % 3 + (starts + 1) % 3
    flat = corners.reshape(-1)
    low, high = np.minimum(flat[starts], flat[ends]), np.maximum(flat[starts], flat[ends])
    key = low * (int(flat.max(initial=0)) + 1) + high
    order = np.argsort(key, kind="stable")  # by face within one edge
    starts, ends, key = starts[order], ends[order], key[order]
    forward = flat[starts] == low[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    sizes = np.diff(first, append=len(key))
    pairs = first[sizes == 2][:, None] + np.arange(2)
    pairs = pairs[forward[pairs[:, 0]] != forward[pairs[:, 1]]]
    crowded = [
        _match(run, size, forward) for run, size in zip(first[sizes > 2], sizes[sizes > 2], strict=True)
    ]
    one, other = np.concatenate([pairs, *crowded]).T
    return np.concatenate([np.stack([starts[one], ends[other]], 1), np.stack([ends[one], starts[other]], 1)])


def _match(first: int, size: int, forward: Bools) -> Ints:
    """Neighbours at an edge of more than two triangles: the next free one that walks it the other way."""
    free = list(range(first, first + size))
    pairs: list[tuple[int, int]] = []
    while free:
        edge = free.pop(0)
        partner = next((other for other in free if forward[other] != forward[edge]), None)
        if partner is not None:
            free.remove(partner)
            pairs.append((edge, partner))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _orient_unmapped(corners: Ints, links: Ints, triangles: _Triangles) -> _Triangles:
    """Let triangles without area in the atlas count as mirrored or not like the first group to reach them.

    Groups grow from their lowest corner, the lowest group first. Only the fans around such triangles matter.
    """
    unmapped = triangles.is_proper & ~triangles.is_mapped
    if not unmapped.any():
        return triangles
    touched = np.isin(corners.reshape(-1), corners[unmapped])
    neighbours: dict[int, list[int]] = {}
    for one, other in links[touched[links[:, 0]]].tolist():
        neighbours.setdefault(one, []).append(other)
        neighbours.setdefault(other, []).append(one)
    is_upright, known = triangles.is_upright.copy(), ~unmapped
    grouped: set[int] = set()
    for seed in np.flatnonzero(touched & (triangles.is_proper & triangles.is_mapped).repeat(3)).tolist():
        waiting = [] if seed in grouped else [seed]
        while waiting:
            corner = waiting.pop()
            face = corner // 3
            if not known[face]:
                known[face], is_upright[face] = True, is_upright[seed // 3]
            if corner not in grouped and is_upright[face] == is_upright[seed // 3]:
                grouped.add(corner)
                waiting += neighbours.get(corner, [])
    return replace(triangles, is_upright=is_upright)


def _groups(links: Ints, triangles: _Triangles) -> Ints:
    """Number of the group of each corner, [T * 3]."""
    upright = triangles.is_upright
    links = links[upright[links[:, 0] // 3] == upright[links[:, 1] // 3]]
    size = 3 * len(upright)
    graph = coo_matrix((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _group_tangents(mesh: Mesh, group: Ints, triangles: _Triangles) -> Floats:
    """Unit tangent of each group, [G, 3], perpendicular to the normal there."""
    assert mesh.normals is not None
    positions = mesh.vertices[mesh.faces].astype(np.float64)  # [T, 3, 3]
    normals = mesh.normals[mesh.faces].astype(np.float64)
    directions = _unit(_flattened(triangles.tangent[:, None], normals))
    backward = _unit(_flattened(np.roll(positions, 1, axis=1) - positions, normals))
    forward = _unit(_flattened(np.roll(positions, -1, axis=1) - positions, normals))
    angles = np.arccos(np.clip(np.einsum("tki,tki->tk", backward, forward), -1.0, 1.0))
    weighted = (angles * triangles.is_mapped[:, None])[..., None] * directions
    flat = [np.bincount(group, weighted[..., axis].reshape(-1)) for axis in range(3)]
    sums = np.stack(flat, axis=1).astype(np.float64)
    lost = np.linalg.norm(sums, axis=1) <= SMALLEST
    group_normals = np.zeros(sums.shape, np.float64)
    group_normals[group] = normals.reshape(-1, 3)
    nearest_axis = np.abs(group_normals[lost]).argmin(axis=1)
    axes: Floats = np.eye(3, dtype=np.float64)[nearest_axis]
    sums[lost] = _flattened(axes, group_normals[lost])
    return _unit(sums)


def _donors(corner_vertex: Ints, is_proper: Bools) -> Ints:
    """Corner that each corner takes its tangent from, [T * 3].

    That is itself, or for triangles that are a line or a point the first corner of a proper one at the same
    vertex.
    """
    donors = np.arange(len(corner_vertex))
    vertices, first = np.unique(corner_vertex[is_proper], return_index=True)
    if len(vertices) == 0:
        return donors
    place = np.minimum(np.searchsorted(vertices, corner_vertex), len(vertices) - 1)
    copies = ~is_proper & (vertices[place] == corner_vertex)
    donors[copies] = np.flatnonzero(is_proper)[first[place[copies]]]
    return donors


def _split(mesh: Mesh, tangents: NDArray[np.float32]) -> Mesh:
    """The mesh with one vertex for each pair of old vertex and tangent [T * 3, 4]."""
    rows = np.concatenate([mesh.faces.reshape(-1, 1), tangents + 0.0], axis=1, dtype=np.float64)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    source = mesh.faces.reshape(-1)[first]
    faces = inverse.reshape(-1, 3).astype(np.int32)
    return replace(mesh.of_vertices(source, faces), tangents=tangents[first])


def _flattened(vectors: Floats, normals: Floats) -> Floats:
    """Vectors [..., 3] without their part along unit normals [..., 3]."""
    return vectors - np.sum(vectors * normals, axis=-1, keepdims=True) * normals


def _unit(vectors: Floats) -> Floats:
    """Unit vectors [..., 3]; zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > SMALLEST, lengths, 1.0)
