"""Who touches whom in a triangle mesh, as flat arrays. A corner is the number 3 * face + slot."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntVector = NDArray[np.int64]


def next_corner(corners: IntVector) -> IntVector:
    """The following corner of the same face."""
    return np.where(corners % 3 == 2, corners - 2, corners + 1)


def twins(ends: IntVector, num_vertices: int) -> IntVector:
    """The directed edge that runs the other way, for each edge that starts in a corner [3 T]; -1 without one.

    Edges that exist twice in the same direction have no twin either: the surface is not manifold there.

    Args:
        ends: Vertex in each corner, [3 T].
        num_vertices: More than the largest of them.
    """
    heads = ends[next_corner(np.arange(len(ends)))]
    forward, backward = ends * num_vertices + heads, heads * num_vertices + ends
    order = np.argsort(forward, kind="stable")
    keys = forward[order]
    place = np.minimum(np.searchsorted(keys, backward), len(keys) - 1)
    is_unique = np.ones(len(keys), bool)
    is_unique[1:] &= keys[1:] != keys[:-1]
    is_unique[:-1] &= keys[:-1] != keys[1:]
    found = (keys[place] == backward) & is_unique[place]
    found[order] &= is_unique
    return np.where(found, order[place], -1)


@dataclass(frozen=True)
class Rows:
    """Lists of different lengths behind each other: list i is `values[starts[i]: starts[i] + counts[i]]`."""

    values: IntVector
    starts: IntVector
    counts: IntVector

    @staticmethod
    def group(keys: IntVector, num_rows: int) -> "Rows":
        """Positions in `keys`, gathered by their key."""
        counts = np.bincount(keys, minlength=num_rows)
        return Rows(np.argsort(keys, kind="stable"), np.cumsum(counts) - counts, counts)

    def expand(self, rows: IntVector) -> tuple[IntVector, IntVector]:
        """All members of the rows asked for: (position in `rows`, value) of each."""
        counts = self.counts[rows]
        owner = np.repeat(np.arange(len(rows)), counts)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        return owner, self.values[self.starts[rows][owner] + offset]


def neighbors(ends: IntVector, num_vertices: int) -> Rows:
    """Vertices that share an edge with each vertex, every one once."""
    heads = ends[next_corner(np.arange(len(ends)))]
    keys = np.unique(np.concatenate([ends * num_vertices + heads, heads * num_vertices + ends]))
    counts = np.bincount(keys // num_vertices, minlength=num_vertices)
    return Rows(keys % num_vertices, np.cumsum(counts) - counts, counts)


def num_common(rows: Rows, a: IntVector, b: IntVector, num_values: int) -> IntVector:
    """Number of values that lists a[k] and b[k] share, [K]; each list holds a value at most once."""
    first, second = (owner * num_values + value for owner, value in (rows.expand(a), rows.expand(b)))
    shared = np.intersect1d(first, second, assume_unique=True)
    return np.bincount(shared // num_values, minlength=len(a))
