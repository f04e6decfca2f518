"""Points, normals and triangles behind the primitives of `dream3d.props.shapes`."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dream3d.props.solid import Array, Indices, Solid

IntGrid = NDArray[np.signedinteger]
Point2 = tuple[float, float]
CREASE_COS = math.cos(math.radians(42))  # neighbours bent more than this are shaded with a sharp edge


def quads(a: IntGrid, b: IntGrid, c: IntGrid, d: IntGrid) -> Indices:
    """Two triangles for each quad with corners a, b, c, d in counter-clockwise order."""
    lower = np.stack([a, b, c], axis=-1).reshape(-1, 3)
    upper = np.stack([a, c, d], axis=-1).reshape(-1, 3)
    return np.concatenate([lower, upper]).astype(np.int32)


def flat_shaded(points: Array, faces: Indices) -> Solid:
    """A solid whose triangles each have their own normal, from points [V, 3] and faces [T, 3]."""
    corners = points[faces]  # [T, 3, 3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    indices = np.arange(3 * len(faces), dtype=np.int32).reshape(-1, 3)
    return Solid(corners.reshape(-1, 3), np.repeat(normals, 3, axis=0), indices)


def blend(bend: Point2, neighbour: Point2) -> Point2:
    """The shared normal of two profile segments, or the first one's own across a sharp corner."""
    if bend[0] * neighbour[0] + bend[1] * neighbour[1] < CREASE_COS:
        return bend
    return bend[0] + neighbour[0], bend[1] + neighbour[1]


@lru_cache(maxsize=64)
def columns(sides: int, faceted: bool) -> tuple[Array, Array]:
    """Angles of the vertex columns of a lathe and of their normals. [C], [C]."""
    step = 2 * math.pi / sides
    if not faceted:
        angles = np.arange(sides, dtype=np.float64) * step
        return angles, angles
    middle = np.arange(sides, dtype=np.float64) * step
    return np.stack([middle - step / 2, middle + step / 2], axis=1).ravel(), np.repeat(middle, 2)


def revolve(rows: Array, angles: Array) -> Array:
    """Turn (radius, y) rows [M, 2] around the vertical axis at the given angles [C]: [M * C, 3]."""
    out = np.empty((len(rows), len(angles), 3))
    out[..., 0] = rows[:, :1] * np.sin(angles)
    out[..., 1] = rows[:, 1:]
    out[..., 2] = rows[:, :1] * np.cos(angles)
    return out.reshape(-1, 3)


@lru_cache(maxsize=512)
def lathe_faces(poles: tuple[tuple[bool, bool], ...], sides: int, faceted: bool) -> Indices:
    """Triangles of a lathe whose segment k touches the axis at its lower or upper end where poles[k] says."""
    columns = 2 * sides if faceted else sides
    left = np.arange(sides) * (2 if faceted else 1)
    right = left + 1 if faceted else (left + 1) % sides
    faces = []
    for k, (lower_pole, upper_pole) in enumerate(poles):
        low, high = 2 * k * columns, (2 * k + 1) * columns
        if not lower_pole:
            faces.append(np.stack([low + left, low + right, high + right], axis=1))
        if not upper_pole:
            faces.append(np.stack([low + left, high + right, high + left], axis=1))
    return np.concatenate(faces).astype(np.int32)


@lru_cache(maxsize=2)
def box_topology(beveled: bool) -> tuple[Array, Array, Array, Indices]:
    """Corner signs [V, 3], which axes the bevel moves inward [V, 3], normals [V, 3] and faces [T, 3]."""
    if beveled:
        corner = [(s, i) for s in np.ndindex(2, 2, 2) for i in range(3)]
        signs = np.array([s for s, _ in corner]) * 2.0 - 1.0
        inward = 1.0 - np.eye(3)[[i for _, i in corner]]
        directions = [np.array(d) - 1.0 for d in np.ndindex(3, 3, 3) if d != (1, 1, 1)]
    else:
        signs = np.array(list(np.ndindex(2, 2, 2))) * 2.0 - 1.0
        inward = np.zeros((8, 3))
        directions = [sign * axis for axis in np.eye(3) for sign in (-1.0, 1.0)]
    points = signs * (1.0 - 0.3 * inward)
    index, normals, faces = [], [], []
    for direction in directions:
        loop = _extreme_loop(points, direction)
        faces += [(len(index), len(index) + k, len(index) + k + 1) for k in range(1, len(loop) - 1)]
        index += loop
        normals += [direction / np.linalg.norm(direction)] * len(loop)
    return signs[index], inward[index], np.array(normals), np.array(faces, dtype=np.int32)


def _extreme_loop(points: Array, direction: Array) -> list[int]:
    """Indices of the convex points farthest along `direction`, counter-clockwise seen from outside."""
    heights = points @ direction
    top = np.flatnonzero(heights > heights.max() - 1e-9)
    across = np.cross(direction, np.eye(3)[np.abs(direction).argmin()])
    offsets = points[top] - points[top].mean(axis=0)
    angles = np.arctan2(offsets @ np.cross(direction, across), offsets @ across * np.linalg.norm(direction))
    return [int(k) for k in top[np.argsort(angles)]]


@lru_cache(maxsize=4)
def icosphere(subdivisions: int) -> tuple[Array, Indices]:
    """Unit icosphere: points [V, 3] and faces [T, 3]."""
    g = (1 + math.sqrt(5)) / 2
    base = [(0.0, s, t * g) for s in (-1, 1) for t in (-1, 1)]
    points = np.array([p for x, y, z in base for p in ((x, y, z), (y, z, x), (z, x, y))])
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    near = (distances > 0) & (distances < 2.01)
    faces = [
        (i, j, k)
        for i in range(12)
        for j in range(12)
        for k in range(12)
        if i < j and i < k and j != k and near[i, j] and near[j, k] and near[i, k]
        if np.linalg.det(points[[i, j, k]]) > 0
    ]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    for _ in range(subdivisions):
        points, faces = _subdivided(points, faces)
    return points, np.array(faces, dtype=np.int32)


def _subdivided(points: Array, faces: list[tuple[int, int, int]]) -> tuple[Array, list[tuple[int, int, int]]]:
    """Split each triangle in four and push the new vertices onto the unit sphere."""
    rows = [tuple(p) for p in points]
    middles: dict[tuple[int, int], int] = {}

    def middle(i: int, j: int) -> int:
        key = (min(i, j), max(i, j))
        if key not in middles:
            middles[key] = len(rows)
            total = points[i] + points[j]
            rows.append(tuple(total / np.linalg.norm(total)))
        return middles[key]

    finer = []
    for i, j, k in faces:
        a, b, c = middle(i, j), middle(j, k), middle(k, i)
        finer += [(i, a, c), (a, j, b), (c, b, k), (a, b, c)]
    return np.array(rows), finer


def triangulate(outline: tuple[Point2, ...]) -> list[tuple[int, int, int]]:
    """Ear clipping of a simple counter-clockwise polygon."""

    def cross(a: int, b: int, c: int) -> float:
        (ax, ay), (bx, by), (cx, cy) = outline[a], outline[b], outline[c]
        return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)

    loop, triangles = list(range(len(outline))), []
    while len(loop) > 3:
        for position, tip in enumerate(loop):
            before, after = loop[position - 1], loop[(position + 1) % len(loop)]
            others = (k for k in loop if k not in (before, tip, after))
            inside = any(
                min(cross(before, tip, k), cross(tip, after, k), cross(after, before, k)) >= -1e-12
                for k in others
            )
            if cross(before, tip, after) > 1e-12 and not inside:
                triangles.append((before, tip, after))
                loop.pop(position)
                break
        else:
            raise ValueError("outline is not a simple counter-clockwise polygon")
    return [*triangles, (loop[0], loop[1], loop[2])]
