"""Regularisers of meshes on shapes for which they are known, and what they do to a surface."""

import math

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from dream3d.optimize.mesh_regularizers import (
    laplacian_roughness,
    mesh_adjacency,
    normal_consistency,
    sign_disagreement,
)


def tensors(mesh: trimesh.Trimesh) -> tuple[Tensor, Tensor]:
    return torch.tensor(np.asarray(mesh.vertices)), torch.tensor(np.asarray(mesh.faces), dtype=torch.int32)


CUBE = tensors(trimesh.creation.box())
TETRAHEDRON = (
    torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64),
    torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]], dtype=torch.int32),
)


def test_adjacency_of_closed_and_open_meshes():
    for mesh in (trimesh.creation.icosphere(subdivisions=2), trimesh.creation.torus(1.0, 0.3)):
        adjacency = mesh_adjacency(tensors(mesh)[1])
        expected = {tuple(sorted(pair)) for pair in mesh.face_adjacency.tolist()}
        assert {tuple(sorted(pair)) for pair in adjacency.face_pairs.tolist()} == expected
        assert len(adjacency.face_pairs) == len(adjacency.edges) == len(mesh.faces) * 3 // 2
        assert {tuple(edge) for edge in adjacency.edges.tolist()} == {
            tuple(edge) for edge in mesh.edges_unique.tolist()
        }
    two = mesh_adjacency(torch.tensor([[0, 1, 2], [2, 1, 3]]))
    assert two.edges.tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]
    assert two.face_pairs.sort().values.tolist() == [[0, 1]]


def test_nothing_has_no_roughness():
    faces = torch.zeros(0, 3, dtype=torch.int32)
    adjacency = mesh_adjacency(faces)
    vertices = torch.zeros(0, 3, requires_grad=True)
    total = normal_consistency(vertices, faces, adjacency) + laplacian_roughness(vertices, adjacency)
    total = total + sign_disagreement(torch.ones(3), torch.tensor([[0, 1], [1, 2]]))
    total.backward()
    assert total.item() == 0.0


class TestNormalConsistency:
    def test_a_plane_is_consistent(self):
        corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [3, 3, 0]])
        faces = torch.tensor([[0, 1, 2], [2, 1, 3]])
        assert float(normal_consistency(corners, faces, mesh_adjacency(faces))) == pytest.approx(
            0.0, abs=1e-7
        )

    @pytest.mark.parametrize("angle", [10.0, 90.0, 150.0])
    def test_a_fold_counts_one_minus_its_cosine(self, angle):
        bend = math.radians(angle)
        corners = torch.tensor([[0.0, 0, 0], [0, 1, 0], [-1, 0.5, 0], [math.cos(bend), 0.5, math.sin(bend)]])
        faces = torch.tensor([[0, 1, 2], [1, 0, 3]])
        actual = normal_consistency(corners, faces, mesh_adjacency(faces))
        assert float(actual) == pytest.approx(1 - math.cos(bend), abs=1e-6)

    def test_a_cube_has_twelve_right_angles_and_six_flat_diagonals(self):
        vertices, faces = CUBE
        actual = normal_consistency(vertices, faces, mesh_adjacency(faces))
        assert float(actual) == pytest.approx(12 / 18)
        assert float(normal_consistency(7 * vertices, faces, mesh_adjacency(faces))) == pytest.approx(12 / 18)

    def test_slivers_weigh_nothing_and_have_small_gradients(self):
        """A fold next to a sliver of height h that is at right angles to its neighbour."""
        for height in (1e-3, 1e-9, 0.0):
            corners = torch.tensor([[0.0, 0, 0], [0, 1, 0], [-1, 0.5, 0], [0.0, 0.5, height]])
            corners.requires_grad_()
            faces = torch.tensor([[0, 1, 2], [1, 0, 3], [2, 1, 4]])
            vertices = torch.cat([corners, torch.tensor([[-1.0, 1.5, 0.0]])])
            loss = normal_consistency(vertices, faces, mesh_adjacency(faces))
            loss.backward()
            assert loss.item() <= 2.1 * height
            assert corners.grad is not None
            assert corners.grad.abs().max() < 4.0

    def test_gradient_by_finite_differences(self):
        vertices, faces = TETRAHEDRON
        noise = torch.randn(vertices.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        adjacency = mesh_adjacency(faces)
        # The weights have no gradient; of faces of the same size they do not matter.
        bent = vertices.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(normal_consistency(bent, faces, adjacency), bent)
        step = 1e-6 * noise
        numeric = normal_consistency(bent + step, faces, adjacency) - normal_consistency(
            bent - step, faces, adjacency
        )
        torch.testing.assert_close(numeric.detach() / 2, (gradient * step).sum(), atol=1e-12, rtol=1e-5)


class TestLaplacian:
    def test_regular_solids(self):
        vertices, faces = TETRAHEDRON  # the middle of the other three is -v / 3
        actual = laplacian_roughness(vertices, mesh_adjacency(faces))
        assert float(actual) == pytest.approx((4 / 3) ** 2 * 3)
        octahedron = trimesh.convex.convex_hull(np.concatenate([np.eye(3), -np.eye(3)]))
        vertices, faces = tensors(octahedron)  # the middle of a vertex's neighbours is the centre
        assert float(laplacian_roughness(2 * vertices, mesh_adjacency(faces))) == pytest.approx(4.0)

    def test_vertices_without_faces_count_zero(self):
        vertices, faces = TETRAHEDRON
        more = torch.cat([vertices, 100 + torch.zeros(4, 3, dtype=torch.float64)])
        assert float(laplacian_roughness(more, mesh_adjacency(faces))) == pytest.approx((4 / 3) ** 2 * 3 / 2)

    def test_gradcheck(self):
        vertices, faces = CUBE
        adjacency = mesh_adjacency(faces)
        leaf = vertices.clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda points: laplacian_roughness(points, adjacency), leaf)


class TestSignDisagreement:
    edges = torch.tensor([[0, 1], [1, 2], [2, 3], [0, 2]])

    def test_is_the_cross_entropy_of_either_end_with_the_sign_of_the_other(self):
        sdf = torch.tensor([-0.3, 0.5, -2.0, -1.0])  # edges 0 1 and 1 2 cross
        expected = 0.0
        for a, b in ((-0.3, 0.5), (0.5, -2.0)):
            for value, sign in ((a, b > 0), (b, a > 0)):
                share = 1 / (1 + math.exp(-value))
                expected -= math.log(share if sign else 1 - share)
        assert float(sign_disagreement(sdf, self.edges)) == pytest.approx(expected / 2, rel=1e-6)

    def test_pulls_both_ends_towards_zero(self):
        sdf = torch.tensor([-0.3, 0.5, -2.0, -1.0], requires_grad=True)
        (gradient,) = torch.autograd.grad(sign_disagreement(sdf, self.edges), sdf)
        assert (gradient[:3].sign() == sdf[:3].sign()).all()
        assert gradient[3] == 0

    def test_the_least_is_two_ln_two(self):
        assert float(sign_disagreement(torch.tensor([-1e-9, 0.0]), torch.tensor([[0, 1]]))) == pytest.approx(
            2 * math.log(2)
        )
