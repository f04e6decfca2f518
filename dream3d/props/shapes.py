"""Primitives: the clay from which the prop families are built.

Conventions: +Y up, front +Z. Boxes, cylinders, cones and lathed solids stand on y = 0; ellipsoids, tori and
extruded outlines are centred on the origin. Each solid is watertight once equal positions are welded;
edges that should look sharp have their vertices split.
"""

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dream3d.props.solid import Solid, pair, ring
from dream3d.props.topology import (
    CREASE_COS,
    Point2,
    blend,
    box_topology,
    columns,
    flat_shaded,
    icosphere,
    lathe_faces,
    quads,
    revolve,
    triangulate,
)

__all__ = [
    "STAR",
    "Solid",
    "beveled_box",
    "box",
    "cone",
    "cylinder",
    "dome",
    "ellipsoid",
    "extrude",
    "frustum",
    "lathe",
    "pair",
    "prism_roof",
    "ring",
    "rock",
    "sphere",
    "torus",
    "tube",
]

Point3 = tuple[float, float, float]
STAR = tuple(
    (r * math.sin(-math.pi * k / 5), r * math.cos(-math.pi * k / 5)) for k, r in enumerate((1.0, 0.46) * 5)
)


def box(width: float, height: float, depth: float) -> Solid:
    """A sharp box standing on y = 0."""
    return beveled_box(width, height, depth, 0.0)


def beveled_box(width: float, height: float, depth: float, bevel: float = 0.05) -> Solid:
    """A box with 45 degree chamfers, standing on y = 0. `bevel` is clamped to 45% of the shortest side."""
    bevel = min(bevel, 0.45 * min(width, height, depth))
    signs, inward, normals, faces = box_topology(bevel > 0)
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
    faces = quads(
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
    for (r0, y0), (r1, y1) in itertools.pairwise(points):
        length = math.hypot(y1 - y0, (r1 - r0) * squeeze)
        bends.append(((y1 - y0) / length, (r0 - r1) * squeeze / length))
    rows, slopes = [], []  # two rings per profile segment: positions and normals
    for k, bend in enumerate(bends):
        across = bend if faceted else (-bend[0], bend[1])  # beyond the axis the profile continues mirrored
        rows += [points[k], points[k + 1]]
        slopes += [blend(bend, bends[k - 1] if k else across)]
        slopes += [blend(bend, bends[k + 1] if k + 1 < len(bends) else across)]
    angles, normal_angles = columns(sides, faceted)
    poles = tuple((points[k][0] == 0, points[k + 1][0] == 0) for k in range(len(bends)))
    return Solid(
        revolve(np.array(rows), angles),
        revolve(np.array(slopes), normal_angles),
        lathe_faces(poles, sides, faceted),
    )


@lru_cache(maxsize=256)
def extrude(outline: tuple[Point2, ...], depth: float) -> Solid:
    """A flat outline (x, y), counter-clockwise seen from the front, given a thickness along z.

    Args:
        outline: Simple polygon, convex or not.
        depth: Thickness; the solid spans z = -depth / 2 to depth / 2.
    """
    flat = np.array(outline, dtype=np.float64)  # [N, 2]
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
    caps = np.array(triangulate(outline), dtype=np.int32)
    start = 2 * count + np.arange(count)
    sides = quads(start + 2 * count, start + 3 * count, start + count, start)
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
    points = np.array(path, dtype=np.float64)  # [M, 3]
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
    faces: list[NDArray[np.signedinteger]] = [quads(i + j, i + turn, i + sides + turn, i + sides + j)]
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
    points, faces = icosphere(subdivisions)
    waves = rng.normal(size=(3, 3)) * 1.3
    bumps = np.sin(points @ waves.T + rng.uniform(0, 2 * math.pi, 3)).sum(axis=1) / 3
    return flat_shaded(points * (1 + roughness * bumps)[:, None], faces)


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
