"""Smooth flows of surfaces: what diffusion keeps, and that distances follow their surface."""

import pytest
import torch

from dream3d.optimize.mesh_regularizers import mesh_adjacency
from dream3d.optimize.surface_flow import bounded, distance_gradient, smooth_rows
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface


def ring(size: int):
    """A closed strip of triangles around two rings of vertices: every vertex has four neighbours."""
    first = torch.arange(size)
    after = (first + 1) % size
    lower = torch.stack([first, after, first + size], dim=1)
    upper = torch.stack([after, after + size, first + size], dim=1)
    return torch.cat([lower, upper]).int()


@pytest.mark.parametrize("strength", [0.0, 0.5, 4.0])
def test_smoothing_solves_its_equation(strength):
    adjacency = mesh_adjacency(ring(9))
    mean = torch.zeros(18, 18, dtype=torch.float64)
    for a, b in adjacency.edges.tolist():
        mean[a, b] = mean[b, a] = 1.0
    mean = mean / mean.sum(1, keepdim=True)
    eye = torch.eye(18, dtype=torch.float64)
    rows = torch.randn(18, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = torch.linalg.solve(eye + strength * (eye - mean), rows)
    torch.testing.assert_close(smooth_rows(rows, adjacency, strength, 120), expected)


def test_smoothing_keeps_constants_lonely_vertices_and_the_sum():
    adjacency = mesh_adjacency(ring(7))
    rows = torch.ones(16, 2)
    rows[14:] = torch.tensor([[3.0, -1.0], [0.0, 8.0]])
    torch.testing.assert_close(smooth_rows(rows, adjacency, 5.0), rows)
    rows[3] = 5.0
    torch.testing.assert_close(smooth_rows(rows, adjacency, 2.0, 80)[:14].sum(0), rows[:14].sum(0))


@pytest.mark.parametrize("move", [0.3, -0.3])
def test_a_sphere_grows_by_as_much_as_its_vertices_want(move):
    lattice = tet_lattice(24)
    surface = TetSurface(lattice, lattice.vertices.norm(dim=1) - 0.5)
    spacing = min(lattice.spacing)
    for _ in range(4):
        edges, _ = surface.topology()
        vertices = surface.positions(edges).detach()
        outwards = torch.nn.functional.normalize(vertices, dim=1)
        gradient = distance_gradient(-move * spacing * outwards, outwards, edges, lattice.edges)
        with torch.no_grad():
            surface.sdf -= gradient
    radius = surface.mesh()[0].detach().norm(dim=1)
    assert radius.mean() == pytest.approx(0.5 + 4 * move * spacing, abs=0.1 * spacing)
    assert radius.std() < 0.1 * spacing


def test_distances_without_a_crossing_and_flows_along_the_surface_move_nothing():
    lattice = tet_lattice(8)
    surface = TetSurface(lattice, lattice.vertices[:, 1] - 0.05)
    edges, _ = surface.topology()
    normals = torch.tensor([[0.0, 1.0, 0.0]]).expand(len(edges), 3)
    along = torch.randn(len(edges), 3, generator=torch.Generator().manual_seed(2)) * (1.0 - normals)
    assert (distance_gradient(along, normals, edges, lattice.edges) == 0).all()
    up = distance_gradient(-2.0 * normals, normals, edges, lattice.edges)
    near = torch.zeros(len(surface.sdf), dtype=torch.bool)
    near[edges.long().reshape(-1)] = True
    pairs = lattice.edges.long()
    near[pairs[near[pairs].any(1)].reshape(-1)] = True
    assert not near.all()
    torch.testing.assert_close(up, torch.where(near, 2.0, 0.0))


def test_flows_are_bounded_and_keep_their_directions():
    flow = torch.tensor([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0], [0.0, -1.0, 0.0]])
    rms = (26.0 / 2) ** 0.5
    expected = torch.tensor([[0.0, 0.0, 0.0], [0.6, 0.0, 0.8], [0.0, -1.0 / rms, 0.0]])
    torch.testing.assert_close(bounded(flow), expected)
    assert torch.equal(bounded(torch.zeros(4, 3)), torch.zeros(4, 3))
