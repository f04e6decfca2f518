"""A body-centred cubic lattice of tetrahedra that fills a box: what a `TetSurface` lives on.

The vertices are the corners and the centres of cubic cells. Two neighbouring centres and an edge of the face
between their cells span one tetrahedron. All of these are congruent, with dihedral angles of 60 and 90
degrees and edges of 1 and 0.866 cells: the nearest to regular ones that fill space alone (Labelle & Shewchuk
2007, "Isosurface Stuffing"). Cubes cut into 5 or 6 have edges of up to 1.41 or 1.73 cells, and the
triangles of the surface inherit that; those cut into 5 also alternate between mirror images, and those cut
into 6 prefer one diagonal of space. At the walls a vertex in the middle of each outer face takes the place of
the centre that is missing, so that the box is filled and the lattice has all the symmetries of its cells.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dream3d.errors import InputError
from dream3d.stage_config import MAX_LATTICE_CELLS

Grid = NDArray[np.int32]  # [X, Y, Z] vertex indices

RING = ((0, 0), (1, 0), (1, 1), (0, 1))  # corners of a face, counter-clockwise about its normal


@dataclass(frozen=True)
class TetLattice:
    """Tetrahedra that fill a box without gaps or overlaps."""

    vertices: Tensor  # [V, 3] float32
    tets: Tensor  # [K, 4] int32; (v1 - v0, v2 - v0, v3 - v0) is right-handed
    edges: Tensor  # [E, 2] int32, each once, the smaller index first
    is_boundary: Tensor  # [V] bool: on a wall of the box
    spacing: tuple[float, float, float]  # size of a cell

    def to(self, device: torch.device | str) -> "TetLattice":
        """The lattice on another device."""
        return TetLattice(
            self.vertices.to(device),
            self.tets.to(device),
            self.edges.to(device),
            self.is_boundary.to(device),
            self.spacing,
        )


def tet_lattice(
    resolution: int | Sequence[int],
    aabb: Sequence[float] = (-1.0, -1.0, -1.0, 1.0, 1.0, 1.0),
    device: torch.device | str = "cpu",
) -> TetLattice:
    """Build the lattice: about 2 vertices, 14 edges and 12 tetrahedra per cell.

    Args:
        resolution: Cells along each axis, one number or three. 64 makes 0.56 million vertices and 3.2 million
            tetrahedra.
        aabb: Lower corner, then upper corner of the box, in scene units. The tetrahedra are near to regular
            if the cells are cubes.
        device: Where the tensors go.

    Raises:
        InputError: The resolution is not 1 to 256 cells, or the box has no volume.
    """
    cells = _checked_cells(resolution)
    if len(aabb) != 6 or not all(low < high for low, high in zip(aabb[:3], aabb[3:], strict=True)):
        raise InputError(f"aabb must be a lower corner followed by a larger upper corner, got {list(aabb)}")
    lower, upper = np.array(aabb[:3]), np.array(aabb[3:])
    nodes = _Nodes(cells)
    positions = np.concatenate([_grid_points(*family) for family in nodes.families])
    # Halves of cells are whole numbers: walls are found exactly.
    is_boundary = ((positions == 0) | (positions == 2 * np.array(cells))).any(1)
    blend = positions / (2.0 * np.array(cells))
    vertices = (1.0 - blend) * lower + blend * upper
    return TetLattice(
        torch.from_numpy(vertices.astype(np.float32)).to(device),
        torch.from_numpy(np.concatenate(list(_tets(nodes)))).to(device),
        torch.from_numpy(np.concatenate(list(_edges(nodes)))).to(device),
        torch.from_numpy(is_boundary).to(device),
        tuple(((upper - lower) / cells).tolist()),
    )


def _checked_cells(resolution: int | Sequence[int]) -> tuple[int, int, int]:
    """Cells along each axis."""
    cells = (resolution,) * 3 if isinstance(resolution, int) else tuple(resolution)
    if len(cells) != 3 or not all(1 <= count <= MAX_LATTICE_CELLS for count in cells):
        raise InputError(f"a lattice has 1 to {MAX_LATTICE_CELLS} cells along each axis, not {resolution}")
    return cells


class _Nodes:
    """Vertex numbers: corners first, then centres, then the middles of the outer faces; z fastest in each."""

    def __init__(self, cells: tuple[int, int, int]) -> None:
        # (first vertex, vertices) per axis of each family, in halves of a cell.
        self.families: list[tuple[NDArray[np.int32], ...]] = []
        self._count = 0
        self.corners = self._add([np.arange(0, 2 * n + 1, 2) for n in cells])
        self.centers = self._add([np.arange(1, 2 * n, 2) for n in cells])
        self.stacks = [self._stack(axis, cells) for axis in range(3)]

    def _add(self, axes: Sequence[NDArray[np.integer]]) -> Grid:
        """Number a grid of points, given by its coordinates along each axis."""
        self.families.append(tuple(axis.astype(np.int32) for axis in axes))
        shape = tuple(len(axis) for axis in axes)
        first, self._count = self._count, self._count + int(np.prod(shape))
        return np.arange(first, self._count, dtype=np.int32).reshape(shape)

    def _stack(self, axis: int, cells: tuple[int, int, int]) -> Grid:
        """The centres with the middles of the lower and upper wall at either end of one axis."""
        walls = []
        for at in (0, 2 * cells[axis]):
            coordinates = [np.arange(1, 2 * n, 2) for n in cells]
            coordinates[axis] = np.array([at])
            walls.append(self._add(coordinates))
        return np.concatenate([walls[0], self.centers, walls[1]], axis=axis)


def _grid_points(*axes: NDArray[np.int32]) -> NDArray[np.int32]:
    """All combinations of coordinates, [N, 3], the last axis fastest."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _along(grid: Grid, axis: int, offset: int) -> Grid:
    """The grid without its last (offset 0) or first (offset 1) entry along an axis."""
    length = grid.shape[axis] - 1
    return grid[tuple(slice(offset, offset + length) if i == axis else slice(None) for i in range(3))]


def _ring(corners: Grid, axis: int) -> list[Grid]:
    """The four corners of every face that is orthogonal to an axis, counter-clockwise about it."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    return [_along(_along(corners, u, i), v, j) for i, j in RING]


def _tets(nodes: _Nodes) -> Iterator[Grid]:
    """Four tetrahedra around every face: what is below it, what is above it, and one of its edges."""
    for axis, stack in enumerate(nodes.stacks):
        below, above = _along(stack, axis, 0), _along(stack, axis, 1)
        ring = _ring(nodes.corners, axis)
        around = [
            np.stack([below, above, ring[i], ring[(i + 1) % 4]], axis=-1) for i in range(4)
        ]  # 4 of [X, Y, Z, 4]
        yield np.stack(around, axis=-2).reshape(-1, 4)


def _edges(nodes: _Nodes) -> Iterator[Grid]:
    """Between neighbouring corners, neighbours of a stack, and a centre or wall and its corners."""
    corners, centers = nodes.corners, nodes.centers
    for axis, stack in enumerate(nodes.stacks):
        yield _pairs(_along(corners, axis, 0), _along(corners, axis, 1))
        yield np.sort(_pairs(_along(stack, axis, 0), _along(stack, axis, 1)), axis=1)
        walls = [stack.take([end], axis) for end in (0, -1)]
        for corner in _ring(corners, axis):
            for end, wall in zip((0, -1), walls, strict=True):
                yield _pairs(corner.take([end], axis), wall)
    for octant in np.ndindex(2, 2, 2):
        corner = corners
        for axis, offset in enumerate(octant):
            corner = _along(corner, axis, offset)
        yield _pairs(corner, centers)


def _pairs(first: Grid, second: Grid) -> Grid:
    """[N, 2] of two grids of the same shape."""
    return np.stack([first.reshape(-1), second.reshape(-1)], axis=1)
