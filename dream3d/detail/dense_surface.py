"""Where a line through a point meets a dense mesh: short lines, many of them, without a compiled ray tracer.

Triangles are sorted into the cells of a regular grid. A line is looked at in steps of one cell, from its
point outwards in both directions; triangles are entered into every cell within half a step of their bounding
box, so the cell of a sample holds all triangles that the line can meet within half a step of it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dream3d.mesh import Mesh

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

CELL_EDGES = 1.25  # side of a cell, in mean edges of the mesh
MAX_ENTRIES_PER_TRIANGLE = 64  # on average; meshes of large and small triangles get larger cells
CHUNK_LINES = 1 << 15
EDGE_TOLERANCE = 1e-4  # in weights: no gap between neighbours in float32


@dataclass(frozen=True)
class DenseSurface:
    """A mesh sorted into a grid."""

    mesh: Mesh
    to_local: Floats  # [T', 3, 4], world to (weight of corner 1, weight of corner 2, height) of a triangle
    face: Ints  # [T'], index into the mesh's faces; those without area are left out
    low: NDArray[np.float64]  # [3], corner of the grid
    cell: float  # side of a cell
    shape: Ints  # [3], number of cells
    starts: Ints  # [cells + 1], where a cell's triangles begin
    entries: Ints  # [entries], triangles by cell


@dataclass(frozen=True)
class Meetings:
    """The nearest meeting of each line."""

    face: Ints  # [N], -1 where the line meets nothing
    weights: Floats  # [N, 3] of the face's corners, 0 where there is none
    distance: Floats  # [N] along the line, negative behind its point


def sort_surface(mesh: Mesh) -> DenseSurface:
    """Sort a mesh for `meet`.

    Args:
        mesh: With at least one triangle that has an area.
    """
    corners = mesh.vertices[mesh.faces].astype(np.float64)  # [T, 3, 3]
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(one, two)
    area = np.linalg.norm(normal, axis=1)
    face = np.flatnonzero(area > 1e-16)
    corners, one, two, area = corners[face], one[face], two[face], area[face, None]
    normal = normal[face] / area
    rows = np.stack([np.cross(two, normal) / area, np.cross(normal, one) / area, normal], axis=1)
    to_local = np.concatenate([rows, -np.einsum("tij,tj->ti", rows, corners[:, 0])[..., None]], axis=2)
    cell = CELL_EDGES * float(np.linalg.norm(one, axis=1).mean())
    low, high = corners.min(axis=1), corners.max(axis=1)
    while True:
        origin = low.min(axis=0) - cell
        first = np.floor((low - cell / 2 - origin) / cell).astype(np.int64)
        last = np.floor((high + cell / 2 - origin) / cell).astype(np.int64)
        counts = last - first + 1
        if counts.prod(axis=1).sum() <= MAX_ENTRIES_PER_TRIANGLE * len(face) + 4096:
            break
        cell *= 1.5
    shape = last.max(axis=0) + 1
    starts, entries = _fill(first, counts, shape)
    return DenseSurface(mesh, to_local.astype(np.float32), face, origin, cell, shape, starts, entries)


def _fill(first: Ints, counts: Ints, shape: Ints) -> tuple[Ints, Ints]:
    """Cells' starts and entries of boxes of cells [T, 3]."""
    triangle, step = _spread(counts.prod(axis=1))
    size = counts[triangle]
    z = step % size[:, 2]
    y = step // size[:, 2] % size[:, 1]
    x = step // (size[:, 2] * size[:, 1])
    cell = _cell_number(first[triangle] + np.stack([x, y, z], axis=1), shape)
    order = np.argsort(cell, kind="stable")
    starts = np.zeros(int(shape.prod()) + 1, np.int64)
    np.cumsum(np.bincount(cell, minlength=len(starts) - 1), out=starts[1:])
    return starts, triangle[order]


def meet(surface: DenseSurface, points: Floats, directions: Floats, reach: float) -> Meetings:
    """Nearest meetings of lines with the outer side of a surface, before or behind their points.

    Args:
        surface: Of `sort_surface`.
        points: [N, 3].
        directions: [N, 3], unit length; only triangles whose normals do not point against it count.
        reach: Largest distance from a point.
    """
    face = np.full(len(points), -1, np.int64)
    weights = np.zeros((len(points), 3), np.float32)
    distance = np.zeros(len(points), np.float32)
    for start in range(0, len(points), CHUNK_LINES):
        waiting = np.arange(start, min(start + CHUNK_LINES, len(points)))
        for step in range(int(np.ceil(reach / surface.cell + 0.5))):
            known = min((step + 0.5) * surface.cell, reach)  # nothing nearer than this is missed
            line, triangle, local = _nearest(surface, points[waiting], directions[waiting], step, known)
            found = waiting[line]
            face[found] = surface.face[triangle]
            one_two = np.clip(local[:, :2], 0.0, 1.0)
            weights[found] = np.stack([1.0 - one_two.sum(axis=1), *one_two.T], axis=1)
            distance[found] = local[:, 2]
            waiting = np.delete(waiting, line)
    return Meetings(face, weights, distance)


def _nearest(
    surface: DenseSurface, points: Floats, directions: Floats, step: int, known: float
) -> tuple[Ints, Ints, Floats]:
    """Lines [M], triangles [M] and (weight 1, weight 2, distance) [M, 3] of meetings within `known`."""
    line, triangle = _candidates(surface, points, directions, step)
    local = surface.to_local[triangle]
    origin = np.einsum("nij,nj->ni", local[..., :3], points[line]) + local[..., 3]
    slope = np.einsum("nij,nj->ni", local[..., :3], directions[line])
    outer = slope[:, 2] > 1e-6
    distance = -origin[:, 2] / np.where(outer, slope[:, 2], 1.0)
    u = origin[:, 0] + distance * slope[:, 0]
    v = origin[:, 1] + distance * slope[:, 1]
    inside = (u >= -EDGE_TOLERANCE) & (v >= -EDGE_TOLERANCE) & (u + v <= 1 + EDGE_TOLERANCE)
    hit = np.flatnonzero(outer & inside & (np.abs(distance) <= known))
    order = hit[np.lexsort((triangle[hit], np.abs(distance[hit]), line[hit]))]
    lines, first = np.unique(line[order], return_index=True)
    chosen = order[first]
    return lines, triangle[chosen], np.stack([u, v, distance], axis=1)[chosen]


def _candidates(surface: DenseSurface, points: Floats, directions: Floats, step: int) -> tuple[Ints, Ints]:
    """Pairs (line, triangle) of the cells `step` cells before and behind each point."""
    offsets = np.array([0.0] if step == 0 else [step, -step]) * surface.cell
    samples = points[:, None] + offsets[:, None] * directions[:, None].astype(np.float64)  # [N, 1 or 2, 3]
    place = np.floor((samples.reshape(-1, 3) - surface.low) / surface.cell).astype(np.int64)
    inside = np.flatnonzero(((place >= 0) & (place < surface.shape)).all(axis=1))
    cell = _cell_number(place[inside], surface.shape)
    sample, step_in_cell = _spread(surface.starts[cell + 1] - surface.starts[cell])
    return inside[sample] // len(offsets), surface.entries[surface.starts[cell[sample]] + step_in_cell]


def _spread(counts: Ints) -> tuple[Ints, Ints]:
    """For counts (2, 0, 3): owners (0, 0, 2, 2, 2) and steps (0, 1, 0, 1, 2)."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def _cell_number(place: Ints, shape: Ints) -> Ints:
    """Number of a cell [N] at a place [N, 3]."""
    return (place[:, 0] * shape[1] + place[:, 1]) * shape[2] + place[:, 2]
