"""Bodies of one prop, and two of them put together so that they touch but do not cross."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dream3d.props.finish import Paint
from dream3d.props.spec import Relation

Array = NDArray[np.float64]

GAP = 0.05  # between props side by side, in units of their radius
BASE_SHARE = 0.1  # of the height: what of a prop rests on the ground
FOOTPRINT = 0.75  # most of a support's width or depth that a base may cover
FRONT_SCALE = 0.62  # of the prop in front: the one behind must be seen
OVERHANG = 1.1  # most of a support's width that what stands on it may be wide
PROBES = 9  # heights of a support are taken at PROBES x PROBES places


@dataclass(frozen=True)
class Body:
    """A colored triangle mesh under construction."""

    vertices: Array  # [V, 3]
    normals: Array  # [V, 3], unit
    faces: NDArray[np.int32]  # [T, 3]
    paint_of_face: NDArray[np.int32]  # [T] into `paints`
    paint_of_vertex: NDArray[np.int32]  # [V]
    paints: tuple[Paint, ...]

    @property
    def low(self) -> Array:
        """Smallest coordinates, [3]."""
        return self.vertices.min(axis=0)

    @property
    def high(self) -> Array:
        """Largest coordinates, [3]."""
        return self.vertices.max(axis=0)

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Body":
        """A copy moved by (x, y, z)."""
        return replace(self, vertices=self.vertices + np.array((x, y, z)))

    def scaled(self, factor: float) -> "Body":
        """A copy scaled about the origin."""
        return replace(self, vertices=self.vertices * factor)

    def fitted(self, radius: float) -> "Body":
        """A copy with its bounding box centered and its farthest vertex at a radius."""
        vertices = self.vertices - (self.low + self.high) / 2
        vertices *= radius / np.sqrt(np.einsum("vc,vc->v", vertices, vertices).max())
        return replace(self, vertices=vertices)


def joined(first: Body, second: Body) -> Body:
    """Both bodies as one."""
    count, paints = len(first.vertices), len(first.paints)
    return Body(
        np.concatenate([first.vertices, second.vertices]),
        np.concatenate([first.normals, second.normals]),
        np.concatenate([first.faces, second.faces + np.int32(count)]),
        np.concatenate([first.paint_of_face, second.paint_of_face + np.int32(paints)]),
        np.concatenate([first.paint_of_vertex, second.paint_of_vertex + np.int32(paints)]),
        first.paints + second.paints,
    )


def arrange(
    first: Body, relation: Relation, second: Body, stand: tuple[float, float], size: float = 1.0
) -> tuple[Body, Body]:
    """Bring two bodies of radius 1 into a relation, both on the ground unless one is on the other.

    Args:
        first: What stands on, next to (left of) or in front of the second.
        relation: How.
        second: What it refers to.
        stand: The range of the second's depth that can be stood on, as shares from its back.
        size: Of the first, relative to what the relation gives it.
    """
    second = second.moved(y=-second.low[1])
    if relation == "on":
        return put_on(first, second, stand, size), second
    first = first.scaled(size * (FRONT_SCALE if relation == "in front of" else 1.0))
    first = first.moved(y=-first.low[1])
    if relation == "next to":
        return first.moved(x=-first.high[0] - GAP / 2), second.moved(x=-second.low[0] + GAP / 2)
    return first.moved(z=-first.low[2] + GAP / 2), second.moved(z=-second.high[2] - GAP / 2)


def put_on(first: Body, second: Body, stand: tuple[float, float], size: float) -> Body:
    """Shrink the first body until its base fits on the second, and lower it until they touch."""
    low, high = second.low[[0, 2]], second.high[[0, 2]]  # [x, z]
    size_xz = high - low
    low, high = low + size_xz * np.array((0.0, stand[0])), low + size_xz * np.array((1.0, stand[1]))
    bottom = first.low[1] + BASE_SHARE * (first.high - first.low)[1]
    base = first.vertices[first.vertices[:, 1] <= bottom][:, [0, 2]]
    extent = np.ptp(base, axis=0).clip(1e-6)
    widest = OVERHANG * (second.high - second.low)[0] / (first.high - first.low)[0]
    scale = size * min(1.0, widest, *(FOOTPRINT * (high - low) / extent))
    middle = (low + high) / 2
    shift = middle - scale * (base.min(axis=0) + base.max(axis=0)) / 2
    first = first.scaled(scale).moved(x=shift[0], z=shift[1])
    height = top_height(second, middle - scale * extent / 2, middle + scale * extent / 2)
    return first.moved(y=height - first.low[1])


def top_height(body: Body, low: Array, high: Array) -> float:
    """The largest height of a body above a rectangle from `low` to `high` [x, z].

    Taken at the body's vertices there and at a grid of places: the top of a surface of flat triangles is a
    vertex, unless it lies on the border of the rectangle.
    """
    x, z = (grid.ravel() for grid in np.meshgrid(*np.linspace(low, high, PROBES).T))
    corners = body.vertices[body.faces]  # [T, 3, 3]
    floor = corners[:, :, [0, 2]]
    near = (floor.max(axis=1) >= low).all(axis=1) & (floor.min(axis=1) <= high).all(axis=1)
    a, b, c = corners[near].transpose(1, 0, 2)[..., None]  # each [T', 3, 1]
    area = (b[:, 0] - a[:, 0]) * (c[:, 2] - a[:, 2]) - (c[:, 0] - a[:, 0]) * (b[:, 2] - a[:, 2])
    with np.errstate(divide="ignore", invalid="ignore"):  # triangles seen edge-on hold no place
        u = ((b[:, 0] - x) * (c[:, 2] - z) - (c[:, 0] - x) * (b[:, 2] - z)) / area
        v = ((c[:, 0] - x) * (a[:, 2] - z) - (a[:, 0] - x) * (c[:, 2] - z)) / area
        heights = u * a[:, 1] + v * b[:, 1] + (1 - u - v) * c[:, 1]  # [T', places]
        is_inside = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)
    is_there = ((body.vertices[:, [0, 2]] >= low) & (body.vertices[:, [0, 2]] <= high)).all(axis=1)
    found = np.concatenate([heights[is_inside], body.vertices[is_there, 1]])
    return float(found.max()) if len(found) else float(body.high[1])
