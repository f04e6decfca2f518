"""Two things put together so that they touch but do not cross."""

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from dream3d.things.relations import Relation

Array = NDArray[np.float64]

GAP = 0.05  # between things side by side, in units of their radius
BASE_SHARE = 0.1  # of the height: what of a thing rests on the ground
FOOTPRINT = 0.75  # most of a support's width or depth that a base may cover
FRONT_SCALE = 0.62  # of the thing in front: the one behind must be seen
OVERHANG = 1.1  # most of a support's width that what stands on it may be wide
PROBES = 9  # heights of a support are taken at PROBES x PROBES places
DEPTHS = tuple((a / 8, b / 8) for b in range(8, 2, -1) for a in range(b - 2))  # at least 3/8, the whole first
STEADY = 0.05  # what is that much lower than the highest place still bears, in units of the radius
BORNE = 0.5  # share of the places under a base that must bear it, for it to stand steadily


class Movable(Protocol):
    """A triangle mesh that makes moved and scaled copies of itself."""

    @property
    def vertices(self) -> Array:
        """[V, 3]."""
        ...

    @property
    def faces(self) -> NDArray[np.int32]:
        """[T, 3]."""
        ...

    @property
    def low(self) -> Array:
        """Smallest coordinates, [3]."""
        ...

    @property
    def high(self) -> Array:
        """Largest coordinates, [3]."""
        ...

    def moved(self: "Thing", x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Thing":
        """A copy moved by (x, y, z)."""
        ...

    def scaled(self: "Thing", factor: float) -> "Thing":
        """A copy scaled about the origin."""
        ...


Thing = TypeVar("Thing", bound=Movable)


def arrange(
    first: Thing, relation: Relation, second: Thing, stand: tuple[float, float], size: float = 1.0
) -> tuple[Thing, Thing]:
    """Bring two things of radius 1 into a relation, both on the ground unless one is on the other.

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


def put_on(first: Thing, second: Movable, stand: tuple[float, float], size: float) -> Thing:
    """Shrink the first thing until its base fits on the second, and lower it until they touch."""
    base, low, high = _base(first), *_stand(second, stand)
    extent = np.ptp(base, axis=0).clip(1e-6)
    widest = OVERHANG * (second.high - second.low)[0] / (first.high - first.low)[0]
    scale = size * min(1.0, widest, *(FOOTPRINT * (high - low) / extent))
    middle = (low + high) / 2
    shift = middle - scale * (base.min(axis=0) + base.max(axis=0)) / 2
    first = first.scaled(scale).moved(x=shift[0], z=shift[1])
    height = top_height(second, middle - scale * extent / 2, middle + scale * extent / 2)
    return first.moved(y=height - first.low[1])


def find_stand(first: Movable, second: Movable) -> tuple[float, float]:
    """Where on the second thing the first one stands: large, but steadily where that is possible.

    A seat is chosen before the top of its back rest: what stands there would float over the seat. On what is
    round everywhere the first stands on the top.

    Returns:
        The range of the second's depth, as shares from its back.
    """
    best, largest = DEPTHS[0], 0.0
    for stand in DEPTHS:
        placed = put_on(first, second, stand, 1.0)
        base, size = _base(placed), float((placed.high - placed.low)[1])
        heights = heights_over(second, base.min(axis=0), base.max(axis=0))
        borne = np.count_nonzero(heights >= placed.low[1] - STEADY) / heights.size  # NaN bears nothing
        if borne >= BORNE and size > 1.001 * largest:
            best, largest = stand, size
    return best


def top_height(thing: Movable, low: Array, high: Array) -> float:
    """The largest height of a thing above a rectangle from `low` to `high` [x, z].

    Taken at the thing's vertices there and at a grid of places: the top of a surface of flat triangles is a
    vertex, unless it lies on the border of the rectangle.
    """
    floor = thing.vertices[:, [0, 2]]
    is_there = ((floor >= low) & (floor <= high)).all(axis=1)
    found = np.concatenate([heights_over(thing, low, high), thing.vertices[is_there, 1]])
    return float(np.nanmax(found)) if np.isfinite(found).any() else float(thing.high[1])


def heights_over(thing: Movable, low: Array, high: Array) -> Array:
    """Height of a thing, seen from above, at a grid of places in a rectangle [x, z]; NaN beside it."""
    x, z = (grid.ravel() for grid in np.meshgrid(*np.linspace(low, high, PROBES).T))
    corners = thing.vertices[thing.faces]  # [T, 3, 3]
    floor = corners[:, :, [0, 2]]
    near = (floor.max(axis=1) >= low).all(axis=1) & (floor.min(axis=1) <= high).all(axis=1)
    a, b, c = corners[near].transpose(1, 0, 2)[..., None]  # each [T', 3, 1]
    area = (b[:, 0] - a[:, 0]) * (c[:, 2] - a[:, 2]) - (c[:, 0] - a[:, 0]) * (b[:, 2] - a[:, 2])
    with np.errstate(divide="ignore", invalid="ignore"):  # triangles seen edge-on hold no place
        u = ((b[:, 0] - x) * (c[:, 2] - z) - (c[:, 0] - x) * (b[:, 2] - z)) / area
        v = ((c[:, 0] - x) * (a[:, 2] - z) - (a[:, 0] - x) * (c[:, 2] - z)) / area
        heights = u * a[:, 1] + v * b[:, 1] + (1 - u - v) * c[:, 1]  # [T', places]
        is_inside = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)
    top = np.where(is_inside, heights, -np.inf).max(axis=0, initial=-np.inf)
    return np.where(np.isfinite(top), top, np.nan)


def _base(thing: Movable) -> Array:
    """The vertices that a thing stands on, [N, 2] of x and z."""
    bottom = thing.low[1] + BASE_SHARE * (thing.high - thing.low)[1]
    return thing.vertices[thing.vertices[:, 1] <= bottom][:, [0, 2]]


def _stand(thing: Movable, depths: tuple[float, float]) -> tuple[Array, Array]:
    """The rectangle of a thing, from above, that is stood on: its corners [x, z]."""
    low, high = thing.low[[0, 2]], thing.high[[0, 2]]
    size = high - low
    return low + size * np.array((0.0, depths[0])), low + size * np.array((1.0, depths[1]))
