"""Closed solids with outward normals: the clay from which the prop families are built.

Conventions: +Y up, front +Z. Boxes, cylinders, cones and lathed solids stand on y = 0; ellipsoids, tori and
extruded outlines are centred on the origin. Each solid is watertight once equal positions are welded;
edges that should look sharp have their vertices split. Normals need not be unit length before
`dream3d.props.sample` has assembled a prop (scaling divides them by the scale).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int32]
IntGrid = NDArray[np.signedinteger]
Point2 = tuple[float, float]
Point3 = tuple[float, float, float]

CREASE_COS = math.cos(math.radians(42))  # neighbours bent more than this are shaded with a sharp edge


@dataclass(frozen=True)
class Solid:
    """A closed triangle mesh, wound counter-clockwise seen from outside. Methods return moved copies."""

    vertices: Array  # [V, 3]
    normals: Array  # [V, 3], outward, any length
    faces: Indices  # [T, 3]

    def at(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Solid":
        """Move by (x, y, z)."""
        return Solid(self.vertices + (x, y, z), self.normals, self.faces)

    def scaled(self, x: float, y: float, z: float) -> "Solid":
        """Scale along the axes; a negative product mirrors and keeps the winding outward."""
        factors = np.array((x, y, z))
        faces = self.faces if x * y * z > 0 else self.faces[:, ::-1]
        return Solid(self.vertices * factors, self.normals / factors, faces)

    def mirrored(self) -> "Solid":
        """The mirror image across x = 0."""
        return self.scaled(-1.0, 1.0, 1.0)

    def pitched(self, degrees: float) -> "Solid":
        """Turn about +X: positive tips the top towards the front (+Y to +Z)."""
        return self._turned(1, 2, degrees)

    def yawed(self, degrees: float) -> "Solid":
        """Turn about +Y: positive takes the front to the right (+Z to +X)."""
        return self._turned(2, 0, degrees)

    def rolled(self, degrees: float) -> "Solid":
        """Turn about +Z: positive takes the right side up (+X to +Y)."""
        return self._turned(0, 1, degrees)

    def _turned(self, i: int, j: int, degrees: float) -> "Solid":
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        matrix = np.eye(3)
        matrix[[i, i, j, j], [i, j, i, j]] = cosine, sine, -sine, cosine
        return Solid(self.vertices @ matrix, self.normals @ matrix, self.faces)


def pair(solid: Solid) -> list[Solid]:
    """The solid and its mirror image across x = 0: wheels, ears, arms."""
    return [solid, solid.mirrored()]


def ring(solid: Solid, count: int, start_deg: float = 0.0) -> list[Solid]:
    """`count` copies turned evenly about the vertical axis."""
    return [solid.yawed(start_deg + 360.0 * k / count) for k in range(count)]


def box(width: float, height: float, depth: float) -> Solid:
    """A sharp box standing on y = 0."""
    return beveled_box(width, height, depth, 0.0)


def beveled_box(width: float, height: float, depth: float, bevel: float = 0.05) -> Solid:
    """A box with 45 degree chamfers, standing on y = 0. `bevel` is clamped to 45% of the shortest side."""
    bevel = min(bevel, 0.45 * min(width, height, depth))
    signs, inward, normals, faces = _box_topology(bevel > 0)
    half = np.array((width, height, depth)) * 0.5
    vertices = signs * (half - bevel * inward)
    vertices[:, 1] += half[1]
    return Solid(vertices, normals, faces)


def cylinder(radius: float, height: float, sides: int = 16) -> Solid:
    """An upright cylinder standing on y = 0."""
    return _unit_cylinder(sides).scaled(radius, height, radius)


def cone(radius: float, height: float, sides: int = 16) -> Solid:
    """An upright cone standing on y = 0."""
    return frustum(radius, 0.0, height, sides)


def frustum(bottom: float, top: float, height: float, sides: int = 16, faceted: bool = False) -> Solid:
    """A cut cone standing on y = 0."""
    return lathe(((bottom, 0.0), (top, height)), sides, faceted)


def ellipsoid(rx: float, ry: float, rz: float, sides: int = 16) -> Solid:
    """An ellipsoid centred on the origin."""
    return _unit_sphere(sides).scaled(rx, ry, rz)


def sphere(radius: float, sides: int = 16) -> Solid:
    """A sphere centred on the origin."""
    return ellipsoid(radius, radius, radius, sides)


def dome(radius: float, height: float, sides: int = 16) -> Solid:
    """The upper half of an ellipsoid with a flat floor at y = 0."""
    return _unit_dome(sides).scaled(radius, height, radius)


@lru_cache(maxsize=256)
def torus(radius: float, tube_radius: float, sides: int = 20, tube_sides: int = 10) -> Solid:
    """A ring around the vertical axis, centred on the origin; `radius` goes to the middle of the tube."""
    around = np.arange(sides) * (2 * math.pi / sides)
    across = np.arange(tube_sides) * (2 * math.pi / tube_sides)
    radial = np.broadcast_to(np.cos(across)[:, None], (tube_sides, sides))
    normals = np.stack(
        [
            radial * np.sin(around),
            np.broadcast_to(np.sin(across)[:, None], radial.shape),
            radial * np.cos(around),
        ],
        axis=-1,
    )
    center = np.stack([np.sin(around), np.zeros(sides), np.cos(around)], axis=-1) * radius
    vertices = center + tube_radius * normals
    i, j = np.meshgrid(np.arange(tube_sides), np.arange(sides), indexing="ij")
    faces = _quads(
        i * sides + j,
        i * sides + (j + 1) % sides,
        (i + 1) % tube_sides * sides + (j + 1) % sides,
        (i + 1) % tube_sides * sides + j,
    )
    return Solid(vertices.reshape(-1, 3), normals.reshape(-1, 3), faces)


def lathe(profile: Sequence[Point2], sides: int = 16, faceted: bool = False) -> Solid:
    """A surface of revolution about the vertical axis.

    Args:
        profile: (radius, y) points from the bottom, along the outside, to the top; it may fold back inside
            (a mug). Ends off the axis are closed with flat caps. Corners sharper than 42 degrees stay sharp.
        sides: Number of sides; a faceted lathe has a flat side facing +Z.
        faceted: Flat-shaded sides instead of smooth ones.
    """
    points = [*([(0.0, profile[0][1])] if profile[0][0] > 0 else []), *profile]
    points += [(0.0, profile[-1][1])] if profile[-1][0] > 0 else []
    squeeze = math.cos(math.pi / sides) if faceted else 1.0  # facets lie closer to the axis than corners
    bends = []
    for (r0, y0), (r1, y1) in zip(points, points[1:], strict=False):
        length = math.hypot(y1 - y0, (r1 - r0) * squeeze)
        bends.append(((y1 - y0) / length, (r0 - r1) * squeeze / length))
    rows, slopes = [], []  # two rings per profile segment: positions and normals
    for k, bend in enumerate(bends):
        rows += [points[k], points[k + 1]]
        slopes += [_blend(bend, bends[k - 1] if k else bend)]
        slopes += [_blend(bend, bends[k + 1] if k + 1 < len(bends) else bend)]
    angles, normal_angles = _columns(sides, faceted)
    poles = tuple((points[k][0] == 0, points[k + 1][0] == 0) for k in range(len(bends)))
    return Solid(
        _revolve(np.array(rows), angles),
        _revolve(np.array(slopes), normal_angles),
        _lathe_faces(poles, sides, faceted),
    )


@lru_cache(maxsize=256)
def extrude(outline: tuple[Point2, ...], depth: float) -> Solid:
    """A flat outline (x, y), counter-clockwise seen from the front, given a thickness along z.

    Args:
        outline: Simple polygon, convex or not.
        depth: Thickness; the solid spans z = -depth / 2 to depth / 2.
    """
    flat = np.array(outline)  # [N, 2]
    count = len(flat)
    following = np.roll(flat, -1, axis=0)
    edges = following - flat
    outward = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    previous, after = np.roll(outward, 1, axis=0), np.roll(outward, -1, axis=0)
    start_smooth = (outward * previous).sum(1, keepdims=True) > CREASE_COS
    end_smooth = (outward * after).sum(1, keepdims=True) > CREASE_COS
    wall_normals = np.concatenate(
        [np.where(start_smooth, outward + previous, outward), np.where(end_smooth, outward + after, outward)]
    )
    half = depth * 0.5
    ends = np.concatenate([flat, following])  # wall vertices: starts, then ends, [2N, 2]
    front, back = (np.c_[flat, np.full(count, z)] for z in (half, -half))
    vertices = np.concatenate(
        [front, back, np.c_[ends, np.full(2 * count, half)], np.c_[ends, np.full(2 * count, -half)]]
    )
    ahead = np.tile([0.0, 0.0, 1.0], (count, 1))
    walls = np.c_[wall_normals, np.zeros(2 * count)]
    normals = np.concatenate([ahead, -ahead, walls, walls])
    caps = np.array(_triangulate(outline), dtype=np.int32)
    start = 2 * count + np.arange(count)
    sides = _quads(start + 2 * count, start + 3 * count, start + count, start)
    return Solid(vertices, normals, np.concatenate([caps, caps[:, ::-1] + count, sides]).astype(np.int32))


def prism_roof(width: float, height: float, depth: float) -> Solid:
    """A gable roof standing on y = 0, with its ridge along z."""
    half = width / 2
    return extrude(((-1.0, 0.0), (1.0, 0.0), (0.0, 1.0)), 1.0).scaled(half, height, depth)


@lru_cache(maxsize=256)
def tube(path: tuple[Point3, ...], radius: float | tuple[float, ...], sides: int = 8) -> Solid:
    """A round tube swept along a path, with flat ends; handles, horns, trunks.

    Args:
        path: M points.
        radius: One radius, or M of them.
        sides: Sides of the cross-section.
    """
    points = np.array(path)  # [M, 3]
    radii = np.broadcast_to(np.asarray(radius, dtype=float), (len(points),))
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    across = np.cross(tangents[0], np.eye(3)[np.abs(tangents[0]).argmin()])
    angles = np.arange(sides) * (2 * math.pi / sides)
    rings = []
    for tangent in tangents:  # parallel transport keeps the rings from twisting
        across = across - tangent * (across @ tangent)
        across /= np.linalg.norm(across)
        beside = np.cross(tangent, across)
        rings.append(np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * beside)
    side_normals = np.stack(rings)  # [M, sides, 3]
    walls = points[:, None] + radii[:, None, None] * side_normals
    count = len(points) * sides
    i, j = np.meshgrid(np.arange(len(points) - 1) * sides, np.arange(sides), indexing="ij")
    turn = (j + 1) % sides
    faces = [_quads(i + j, i + turn, i + sides + turn, i + sides + j)]
    j, turn = np.arange(sides), (np.arange(sides) + 1) % sides
    hub = np.zeros(sides, dtype=int)
    faces.append(np.stack([hub + count, count + 1 + turn, count + 1 + j], axis=1))
    last = count + 1 + sides
    faces.append(np.stack([hub + last, last + 1 + j, last + 1 + turn], axis=1))
    vertices = np.concatenate([walls.reshape(-1, 3), points[:1], walls[0], points[-1:], walls[-1]])
    normals = np.concatenate(
        [
            side_normals.reshape(-1, 3),
            np.tile(-tangents[0], (sides + 1, 1)),
            np.tile(tangents[-1], (sides + 1, 1)),
        ]
    )
    return Solid(vertices, normals, np.concatenate(faces).astype(np.int32))


def rock(rng: np.random.Generator, roughness: float = 0.18, subdivisions: int = 1) -> Solid:
    """A faceted boulder of radius about 1, centred on the origin: an icosphere under smooth random noise."""
    points, faces = _icosphere(subdivisions)
    waves = rng.normal(size=(3, 3)) * 1.3
    bumps = np.sin(points @ waves.T + rng.uniform(0, 2 * math.pi, 3)).sum(axis=1) / 3
    return _flat_shaded(points * (1 + roughness * bumps)[:, None], faces)


def _quads(a: IntGrid, b: IntGrid, c: IntGrid, d: IntGrid) -> Indices:
    """Two triangles for each quad with corners a, b, c, d in counter-clockwise order."""
    lower = np.stack([a, b, c], axis=-1).reshape(-1, 3)
    upper = np.stack([a, c, d], axis=-1).reshape(-1, 3)
    return np.concatenate([lower, upper]).astype(np.int32)


def _flat_shaded(points: Array, faces: Indices) -> Solid:
    corners = points[faces]  # [T, 3, 3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    indices = np.arange(3 * len(faces), dtype=np.int32).reshape(-1, 3)
    return Solid(corners.reshape(-1, 3), np.repeat(normals, 3, axis=0), indices)


def _blend(bend: Point2, neighbour: Point2) -> Point2:
    """The shared normal of two profile segments, or the first one's own across a sharp corner."""
    if bend[0] * neighbour[0] + bend[1] * neighbour[1] < CREASE_COS:
        return bend
    return bend[0] + neighbour[0], bend[1] + neighbour[1]


@lru_cache(maxsize=64)
def _columns(sides: int, faceted: bool) -> tuple[Array, Array]:
    """Angles of the vertex columns of a lathe and of their normals. [C], [C]."""
    step = 2 * math.pi / sides
    if not faceted:
        angles = np.arange(sides) * step
        return angles, angles
    middle = np.arange(sides) * step
    return np.stack([middle - step / 2, middle + step / 2], axis=1).ravel(), np.repeat(middle, 2)


def _revolve(rows: Array, angles: Array) -> Array:
    """Turn (radius, y) rows [M, 2] around the vertical axis at the given angles [C]: [M * C, 3]."""
    out = np.empty((len(rows), len(angles), 3))
    out[..., 0] = rows[:, :1] * np.sin(angles)
    out[..., 1] = rows[:, 1:]
    out[..., 2] = rows[:, :1] * np.cos(angles)
    return out.reshape(-1, 3)


@lru_cache(maxsize=512)
def _lathe_faces(poles: tuple[tuple[bool, bool], ...], sides: int, faceted: bool) -> Indices:
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


@lru_cache(maxsize=64)
def _unit_cylinder(sides: int) -> Solid:
    return lathe(((1.0, 0.0), (1.0, 1.0)), sides)


@lru_cache(maxsize=64)
def _unit_sphere(sides: int) -> Solid:
    rings = max(sides // 2, 4)
    angles = [math.pi * (k / rings - 0.5) for k in range(rings + 1)]
    inner = [(math.cos(a), math.sin(a)) for a in angles[1:-1]]
    return lathe([(0.0, -1.0), *inner, (0.0, 1.0)], sides)


@lru_cache(maxsize=64)
def _unit_dome(sides: int) -> Solid:
    rings = max(sides // 3, 3)
    angles = [math.pi / 2 * k / rings for k in range(rings)]
    return lathe([*[(math.cos(a), math.sin(a)) for a in angles], (0.0, 1.0)], sides)


@lru_cache(maxsize=2)
def _box_topology(beveled: bool) -> tuple[Array, Array, Array, Indices]:
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
def _icosphere(subdivisions: int) -> tuple[Array, Indices]:
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


def _triangulate(outline: tuple[Point2, ...]) -> list[tuple[int, int, int]]:
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
