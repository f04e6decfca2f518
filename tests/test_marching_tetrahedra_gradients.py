"""The derivatives of marching tetrahedra: by the twin, by finite differences, and near zero."""

import math

import pytest
import torch
from analytic_fields import ball
from backends import kernel_name
from tet_scenes import face_normals, lattice_of, random_signs
from thread_counts import assert_same_bits_for_any_number_of_threads

from dream3d.ops.marching_tetrahedra import edge_crossings, marching_tetrahedra, marching_tetrahedra_reference


class TestGradients:
    def test_gradcheck_of_the_twin(self) -> None:
        lattice = lattice_of(2)
        sdf = random_signs(lattice, 3).double().requires_grad_()
        points = lattice.vertices.double().requires_grad_()

        def surface(points: torch.Tensor, sdf: torch.Tensor) -> torch.Tensor:
            return marching_tetrahedra_reference(points, sdf, lattice.tets)[0]

        assert len(surface(points, sdf)) > 20
        assert torch.autograd.gradcheck(surface, (points, sdf))
        assert torch.autograd.gradgradcheck(surface, (points, sdf))

    def test_kernel_equals_twin(self, device: torch.device) -> None:
        lattice = lattice_of(8)
        sdf = random_signs(lattice, 5)
        leaves = [lattice.vertices.clone().to(device), sdf.to(device)]
        exact = [lattice.vertices.double(), sdf.double()]
        for leaf in (*leaves, *exact):
            leaf.requires_grad_()
        surface, faces = marching_tetrahedra(*leaves, lattice.tets.to(device), backend=kernel_name(device))
        expected, expected_faces = marching_tetrahedra_reference(*exact, lattice.tets)
        assert torch.equal(faces.cpu(), expected_faces)
        torch.testing.assert_close(surface.detach().cpu().double(), expected.detach(), atol=1e-6, rtol=0)
        upstream = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0))
        surface.backward(upstream.to(device))
        expected.backward(upstream.double())
        for leaf, reference in zip(leaves, exact, strict=True):
            assert leaf.grad is not None
            assert reference.grad is not None
            assert reference.grad.abs().sum() > 1
            torch.testing.assert_close(leaf.grad.cpu().double(), reference.grad, atol=2e-4, rtol=1e-4)

    def test_volume_grows_against_the_distance(self) -> None:
        """Finite differences of the volume of the surface by each distance, through the whole op."""
        lattice = lattice_of(6)
        sdf = ball((0.05, 0.02, -0.03), 0.6)(lattice.vertices.double()).requires_grad_()

        def volume(sdf: torch.Tensor) -> torch.Tensor:
            vertices, faces = marching_tetrahedra_reference(lattice.vertices.double(), sdf, lattice.tets)
            return (vertices[faces[:, 0].long()] * face_normals(vertices, faces)).sum() / 6

        (gradient,) = torch.autograd.grad(volume(sdf), sdf)
        used = gradient.nonzero()[:, 0].tolist()
        assert len(used) > 100
        for vertex in used[::7]:
            step = torch.zeros_like(sdf)
            step[vertex] = 1e-7 * sdf[vertex].sign()  # away from zero: no sign changes
            numeric = (volume(sdf + step) - volume(sdf - 0.5 * step)) / (1.5 * step[vertex])
            torch.testing.assert_close(numeric, gradient[vertex], rtol=1e-4, atol=1e-7)
        assert gradient.sum() == pytest.approx(-4 * math.pi * 0.6**2, rel=0.1)  # minus the area

    def test_nearly_zero_distances_have_bounded_gradients(self) -> None:
        edges = torch.tensor([[0, 1]])
        points = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
        for pair in ([-1e-300, 0.0], [-1e-9, 1e-12], [0.0, -1e-30], [-0.5e-3, 0.5e-3], [1.0, -1e-20]):
            sdf = torch.tensor(pair, dtype=torch.float64, requires_grad=True)
            (crossing,) = edge_crossings(points, sdf, edges, min_difference=1e-3)
            (gradient,) = torch.autograd.grad(crossing[0], sdf)
            assert 0.0 <= crossing[0] <= 1.0
            assert gradient.isfinite().all()
            assert gradient.abs().max() <= 1e3
            assert gradient.abs().max() > 0
        (middle,) = edge_crossings(points, torch.tensor([-1e-300, 1e-300]).double(), edges)
        assert middle[0] == 0.5

    def test_a_distance_of_zero_is_pulled_like_its_neighbours(self) -> None:
        """The derivative at zero is the one-sided limit, not the zero of abs()."""
        edges = torch.tensor([[0, 1]])
        points = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
        gradients = []
        for at in (0.0, 1e-9):
            sdf = torch.tensor([-0.5, at], dtype=torch.float64, requires_grad=True)
            gradients.append(torch.autograd.grad(edge_crossings(points, sdf, edges)[0, 0], sdf)[0])
        torch.testing.assert_close(gradients[0], gradients[1])
        torch.testing.assert_close(gradients[0], torch.tensor([0.0, -2.0], dtype=torch.float64))

    def test_same_bits_for_any_number_of_threads(self) -> None:
        lattice = lattice_of(16)
        sdf = random_signs(lattice, 9)

        def run() -> tuple[torch.Tensor, ...]:
            points, distances = lattice.vertices.clone().requires_grad_(), sdf.clone().requires_grad_()
            surface, faces = marching_tetrahedra(points, distances, lattice.tets, backend="cpu")
            weights = torch.arange(surface.numel(), dtype=torch.float32).view_as(surface).sin()
            (surface * weights).sum().backward()
            assert points.grad is not None
            assert distances.grad is not None
            return surface.detach(), faces, points.grad, distances.grad

        assert_same_bits_for_any_number_of_threads(run)
