"""The lattice: congruent right-handed tetrahedra that fill the box once, and the edges between them."""

import itertools

import numpy as np
import pytest
import torch

from dream3d.errors import InputError
from dream3d.scene.tet_lattice import TetLattice, tet_lattice

SHAPES = [1, 2, 4, (1, 2, 3), (5, 1, 2)]


def determinants(lattice: TetLattice) -> torch.Tensor:
    """Six times the volume of each tetrahedron, [K]."""
    corners = lattice.vertices.double()[lattice.tets.long()]  # [K, 4, 3]
    return torch.linalg.det(corners[:, 1:] - corners[:, :1])


@pytest.mark.parametrize("resolution", SHAPES)
def test_it_fills_the_box_with_right_handed_tetrahedra(resolution):
    lattice = tet_lattice(resolution, (-1.0, 0.0, 2.0, 1.0, 4.0, 5.0))
    volumes = determinants(lattice) / 6
    assert volumes.min() > 0
    torch.testing.assert_close(volumes.sum(), torch.tensor(24.0, dtype=torch.float64))
    cell = float(np.prod(lattice.spacing))
    # Inside all tetrahedra are twelfths of a cell, at the walls halves of that.
    assert {round(float(volume / cell * 24), 4) for volume in volumes} <= {1.0, 2.0}
    lower, upper = lattice.vertices.min(0).values.tolist(), lattice.vertices.max(0).values.tolist()
    assert lower == [-1.0, 0.0, 2.0]
    assert upper == [1.0, 4.0, 5.0]


@pytest.mark.parametrize("resolution", SHAPES)
def test_every_face_joins_two_tetrahedra_or_lies_on_a_wall(resolution):
    """Together with the volume: no gaps, no overlaps, no hanging vertices."""
    lattice = tet_lattice(resolution)
    tets = lattice.tets.long()
    faces = torch.cat([tets[:, list(three)] for three in itertools.combinations(range(4), 3)])
    unique, counts = faces.sort(1).values.unique(dim=0, return_counts=True)
    assert set(counts.tolist()) <= {1, 2}
    outer = lattice.vertices[unique[counts == 1]]  # [F, 3, 3]
    walls = torch.stack([(outer == side).all(1) for side in (-1.0, 1.0)])  # [2, F, 3]
    assert (walls.sum((0, 2)) == 1).all()
    cells = (resolution,) * 3 if isinstance(resolution, int) else resolution
    areas = [cells[a] * cells[b] for a, b in ((0, 1), (1, 2), (0, 2))]
    assert len(outer) == 4 * 2 * sum(areas)


@pytest.mark.parametrize("resolution", SHAPES)
def test_edges_are_those_of_the_tetrahedra_each_once(resolution):
    lattice = tet_lattice(resolution)
    tets = lattice.tets.long()
    pairs = torch.cat([tets[:, list(two)] for two in itertools.combinations(range(4), 2)])
    expected = pairs.sort(1).values.unique(dim=0)
    assert torch.equal(lattice.edges.long().unique(dim=0), expected)
    assert len(lattice.edges) == len(expected)
    assert (lattice.edges[:, 0] < lattice.edges[:, 1]).all()
    assert torch.equal(tets.unique(), torch.arange(len(lattice.vertices)))  # none is unused
    assert len(lattice.vertices.unique(dim=0)) == len(lattice.vertices)


def test_counts_and_types_at_a_size_in_use():
    n = 16
    lattice = tet_lattice(n)
    assert lattice.vertices.shape == ((n + 1) ** 3 + n**3 + 6 * n**2, 3)
    assert lattice.tets.shape == (12 * n**2 * (n + 1), 4)
    assert lattice.vertices.dtype == torch.float32
    assert lattice.tets.dtype == lattice.edges.dtype == torch.int32
    assert lattice.spacing == (0.125, 0.125, 0.125)
    # A box is a ball: V - E + F - K = 1, and of the 4 K sides the 24 n^2 on walls are not shared.
    num_faces = (4 * len(lattice.tets) + 24 * n**2) // 2
    assert len(lattice.vertices) - len(lattice.edges) + num_faces - len(lattice.tets) == 1


def test_inside_there_are_two_lengths_of_edges_and_two_dihedral_angles():
    lattice = tet_lattice(4, (0.0, 0.0, 0.0, 4.0, 4.0, 4.0))
    inner = ~lattice.is_boundary[lattice.tets.long()].any(1)
    corners = lattice.vertices[lattice.tets[inner].long()].double()
    pairs = list(itertools.combinations(range(4), 2))
    lengths = torch.stack([(corners[:, a] - corners[:, b]).norm(dim=1) for a, b in pairs], 1)
    expected = torch.tensor([0.75**0.5] * 4 + [1.0] * 2, dtype=torch.float64)
    torch.testing.assert_close(lengths.sort(1).values, expected.expand_as(lengths))
    angles = []
    for a, b in pairs:
        c, d = (corners[:, i] for i in range(4) if i not in (a, b))
        axis = corners[:, b] - corners[:, a]
        one, two = (torch.linalg.cross(axis, end - corners[:, a]) for end in (c, d))
        angles.append(torch.rad2deg(torch.acos((one * two).sum(1) / one.norm(dim=1) / two.norm(dim=1))))
    actual = torch.stack(angles, 1).sort(1).values
    torch.testing.assert_close(actual, actual.new_tensor([60.0] * 4 + [90.0] * 2).expand_as(actual))


def test_walls_are_marked():
    lattice = tet_lattice((2, 3, 5), (-1.0, -1.0, -1.0, 1.0, 0.3, 0.7))
    on_wall = (lattice.vertices == torch.tensor([-1.0, -1.0, -1.0])) | (
        lattice.vertices == torch.tensor([1.0, 0.3, 0.7])
    )
    assert torch.equal(lattice.is_boundary, on_wall.any(1))


def test_it_has_the_symmetries_of_a_cube():
    """Reflections and rotations map tetrahedra to tetrahedra."""
    lattice = tet_lattice(2)

    def shapes(vertices):
        corners = vertices[lattice.tets.long()].sum(1)  # the centroids tell tetrahedra apart
        return {tuple(row) for row in (corners * 1024).round().int().tolist()}

    for flipped in (lattice.vertices * torch.tensor([-1.0, 1.0, 1.0]), lattice.vertices[:, [1, 2, 0]]):
        assert shapes(flipped) == shapes(lattice.vertices)


@pytest.mark.parametrize("bad", [0, -3, 257, (4, 4), (4, 4, 0)])
def test_impossible_resolutions_are_refused(bad):
    with pytest.raises(InputError, match="1 to 256 cells"):
        tet_lattice(bad)


@pytest.mark.parametrize("aabb", [(0, 0, 0, 1, 1), (0, 0, 0, 1, 0, 1), (0, 0, 0, 1, float("nan"), 1)])
def test_boxes_without_volume_are_refused(aabb):
    with pytest.raises(InputError, match="larger upper corner"):
        tet_lattice(2, aabb)
