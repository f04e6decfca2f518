"""Triangles of a polygon in space."""

from collections.abc import Sequence
from itertools import pairwise

Triangle = tuple[int, int, int]
Flat = list[tuple[float, float]]


def triangulate(corners: Sequence[Sequence[float]]) -> list[Triangle]:
    """Cut a polygon, which may be concave, into triangles that are turned as it is.

    A fan where that covers it once, else ear clipping (Meisters, 1975). Of polygons that cross themselves it
    is whatever ears there are, and a fan of the rest.

    Args:
        corners: N of [3], nearly in one plane.

    Returns:
        N - 2 triangles of indices into the corners.
    """
    left = list(range(len(corners)))
    fan = _fan(left)
    if len(fan) == 1:
        return fan
    points = _in_plane(corners)
    if all(_area(points, triangle) >= 0.0 for triangle in fan):
        return fan
    ears: list[Triangle] = []
    while len(left) > 3:
        ear = next((k for k in range(len(left)) if _is_ear(points, left, k)), None)
        if ear is None:
            break
        ears.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return ears + _fan(left)


def _fan(corners: list[int]) -> list[Triangle]:
    """Triangles from the first corner to every side that does not touch it."""
    return [(corners[0], a, b) for a, b in pairwise(corners[1:])]


def _in_plane(corners: Sequence[Sequence[float]]) -> Flat:
    """The corners seen along the axis nearest to the polygon's normal (Newell), counter-clockwise."""
    normal = [0.0, 0.0, 0.0]
    for one, other in zip(corners, [*corners[1:], corners[0]], strict=True):
        for axis in range(3):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            normal[axis] += (one[u] - other[u]) * (one[v] + other[v])
    axis = max(range(3), key=lambda k: abs(normal[k]))
    u, v = (axis + 1) % 3, (axis + 2) % 3
    if normal[axis] < 0.0:
        u, v = v, u
    return [(corner[u], corner[v]) for corner in corners]


def _area(points: Flat, triangle: Triangle) -> float:
    """Twice the area, negative for a triangle that turns clockwise."""
    (ax, ay), (bx, by), (cx, cy) = (points[k] for k in triangle)
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


def _is_ear(points: Flat, left: list[int], k: int) -> bool:
    """Whether the corner sticks out, with nothing of the rest of the polygon in its triangle."""
    a, b, c = left[k - 1], left[k], left[(k + 1) % len(left)]
    if not _area(points, (a, b, c)) > 0.0:
        return False
    others = (p for p in left if points[p] not in (points[a], points[b], points[c]))
    return not any(
        min(_area(points, (a, b, p)), _area(points, (b, c, p)), _area(points, (c, a, p))) >= 0.0
        for p in others
    )
