"""The surface that is optimised: closed for any parameters, never folded, made from a density."""

import itertools
import math

import pytest
import torch
from analytic_fields import Distance, ball, difference, solid, torus, union
from tet_scenes import area_and_volume, lattice_of
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.errors import InputError, RunError
from dream3d.extract.isosurface import density_threshold, sample_density, surface_level
from dream3d.extract.topology import euler_characteristic, face_components, is_watertight
from dream3d.ops.marching_tetrahedra import marching_tetrahedra
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface


def surface_of(distance: Distance, resolution: int) -> TetSurface:
    """A surface that starts as a shape."""
    lattice = lattice_of(resolution)
    return TetSurface(lattice, distance(lattice.vertices))


def noisy_surface(resolution: int, seed: int) -> TetSurface:
    """Random distances, also negative ones on the walls, and large random deformations."""
    generator = torch.Generator().manual_seed(seed)
    lattice = lattice_of(resolution)
    surface = TetSurface(lattice, torch.randn(len(lattice.vertices), generator=generator))
    with torch.no_grad():
        surface.deformation.copy_(10 * torch.randn(surface.deformation.shape, generator=generator))
    return surface


class TestMesh:
    def test_without_deformation_it_is_what_marching_tetrahedra_gives(self) -> None:
        lattice = lattice_of(8)
        distance = ball((0.1, 0.0, -0.1), 0.6)(lattice.vertices)
        vertices, faces = TetSurface(lattice, distance).mesh()
        expected = marching_tetrahedra(lattice.vertices, distance, lattice.tets)
        assert torch.equal(faces, expected[1])
        torch.testing.assert_close(vertices, expected[0])

    @pytest.mark.parametrize("seed", range(5))
    def test_closed_whatever_the_parameters(self, seed: int) -> None:
        vertices, faces = noisy_surface(5, seed).mesh()
        assert is_watertight(faces.numpy())
        assert vertices.isfinite().all()
        assert vertices.abs().max() <= 1
        assert area_and_volume(vertices.detach().double(), faces)[1] > 0

    def test_empty(self) -> None:
        surface = TetSurface(lattice_of(3), torch.ones(len(lattice_of(3).vertices)))
        vertices, faces = surface.mesh()
        assert (vertices.shape, faces.shape) == ((0, 3), (0, 3))
        vertices.sum().backward()

    def test_kernel_equals_twin(self) -> None:
        surface = noisy_surface(5, 7)
        vertices, faces = surface.mesh("cpu")
        expected = surface.double().mesh("reference")
        assert torch.equal(faces, expected[1])
        torch.testing.assert_close(vertices.double(), expected[0], atol=1e-5, rtol=0)

    def test_gradcheck(self) -> None:
        surface = noisy_surface(2, 3).double()
        with torch.no_grad():
            surface.deformation.mul_(0.1)
        edges, _ = surface.topology("reference")

        def positions(sdf: Tensor, deformation: Tensor) -> Tensor:
            parameters = {"sdf": sdf, "deformation": deformation}
            return torch.func.functional_call(_Positions(surface), _within(parameters), (edges,))

        leaves = [leaf.detach().clone().requires_grad_() for leaf in (surface.sdf, surface.deformation)]
        assert torch.autograd.gradcheck(positions, leaves)
        assert all(torch.autograd.grad(positions(*leaves).square().sum(), leaf)[0].any() for leaf in leaves)

    def test_same_bits_for_any_number_of_threads(self) -> None:
        surface = noisy_surface(12, 1)

        def run() -> tuple[Tensor, ...]:
            surface.zero_grad()
            vertices, faces = surface.mesh("cpu")
            (vertices * torch.arange(3 * len(vertices)).view(-1, 3).sin()).sum().backward()
            assert surface.sdf.grad is not None
            assert surface.deformation.grad is not None
            return vertices.detach(), faces, surface.sdf.grad.clone(), surface.deformation.grad.clone()

        assert_same_bits_for_any_number_of_threads(run)

    def test_only_the_parameters_are_saved(self) -> None:
        surface = noisy_surface(2, 0)
        assert set(surface.state_dict()) == {"sdf", "deformation"}
        other = surface_of(ball((0, 0, 0), 0.5), 2)
        other.load_state_dict(surface.state_dict())
        assert torch.equal(other.mesh()[0], surface.mesh()[0])

    @pytest.mark.gpu
    def test_it_moves_to_another_device_as_a_whole(self) -> None:
        surface = noisy_surface(5, 2)
        vertices, faces = surface.mesh("cpu")
        on_device = surface.to("cuda").mesh("cuda")
        assert torch.equal(faces, on_device[1].cpu())
        torch.testing.assert_close(vertices, on_device[0].cpu(), atol=1e-5, rtol=0)

    def test_distances_must_fit_the_lattice(self) -> None:
        with pytest.raises(InputError, match=r"sdf must have shape \[59\]"):
            TetSurface(tet_lattice(2), torch.ones(3))


class TestDeformation:
    def test_no_tetrahedron_ever_turns_over(self) -> None:
        lattice = tet_lattice((3, 4, 3), (-1.0, -1.0, -1.0, 1.0, 1.0, 0.0))
        surface = TetSurface(lattice, torch.ones(len(lattice.vertices)))
        every = torch.arange(len(lattice.vertices))
        for seed in range(30):
            noise = torch.randn(len(every), 3, generator=torch.Generator().manual_seed(seed))
            with torch.no_grad():
                surface.deformation.copy_(1e6 * noise)
                moved = (lattice.vertices + surface.displacement(every)).double()
            corners = moved[lattice.tets.long()]
            volumes = torch.linalg.det(corners[:, 1:] - corners[:, :1]) / 6
            assert volumes.min() > 0
            assert volumes.sum() == pytest.approx(4.0)  # the box is still filled once

    def test_not_even_when_pushed_flat(self) -> None:
        """Both long edges of every tetrahedron in turn, moved towards each other as far as they go."""
        lattice = lattice_of(3)
        corners = lattice.vertices[lattice.tets.long()]  # [K, 4, 3]
        pairs = list(itertools.combinations(range(4), 2))
        smallest = math.inf
        for a, b in pairs:
            c, d = (i for i in range(4) if i not in (a, b))
            across = torch.linalg.cross(corners[:, b] - corners[:, a], corners[:, d] - corners[:, c])
            side = ((corners[:, c] - corners[:, a]) * across).sum(1).sign()[:, None]
            for tet in range(0, len(corners), 7):
                surface = TetSurface(lattice, torch.ones(len(lattice.vertices)))
                index = lattice.tets[tet].long()
                with torch.no_grad():
                    surface.deformation[index[[a, b]]] = 1e6 * (side * across)[tet]
                    surface.deformation[index[[c, d]]] = -1e6 * (side * across)[tet]
                    moved = (corners[tet] + surface.displacement(index)).double()
                smallest = min(smallest, float(torch.linalg.det(moved[1:] - moved[:1])))
        assert 0 < smallest < 0.1 * (2 / 3) ** 3 / 2  # close to flat, so it cannot be much more

    def test_length_and_walls(self) -> None:
        lattice = lattice_of(4)
        surface = TetSurface(lattice, torch.ones(len(lattice.vertices)))
        every = torch.arange(len(lattice.vertices))
        assert (surface.displacement(every) == 0).all()
        with torch.no_grad():
            surface.deformation[:] = torch.tensor([3.0, 0.0, 4.0]) * 0.1
        moved = surface.displacement(every).detach()
        assert (moved[lattice.is_boundary] == 0).all()
        length = 0.24 * 0.5 * math.tanh(0.5)
        expected = torch.tensor([0.6, 0.0, 0.8]) * length
        torch.testing.assert_close(
            moved[~lattice.is_boundary], expected.expand_as(moved[~lattice.is_boundary])
        )


class TestFromDensity:
    @pytest.mark.parametrize("sharpness", [30.0, 100.0, 1000.0])
    def test_a_ball_comes_back(self, sharpness: float) -> None:
        field = solid(ball((0.1, 0.0, 0.0), 0.6), sharpness=sharpness)
        threshold = density_threshold(field, 48)
        surface = TetSurface.from_density(field, threshold, lattice_of(24))
        vertices, faces = surface.mesh()
        assert is_watertight(faces.numpy())
        assert euler_characteristic(faces.numpy()) == 2
        radii = (vertices.detach() - torch.tensor([0.1, 0.0, 0.0])).norm(dim=1)
        cell = 2 / 24
        radius = (
            0.6 - math.log(threshold / (6.0 - threshold)) / sharpness
        )  # where the density is the threshold
        assert abs(radius - 0.6) < 0.4 * cell
        assert abs(float(radii.mean()) - radius) < 0.05 * cell
        assert float(radii.std()) < 0.2 * cell

    def test_distances_are_in_units_of_length(self) -> None:
        """Near the surface of a density that falls exponentially they are the true ones."""
        lattice = lattice_of(24)

        def field(points: Tensor) -> Tensor:
            return 50.0 * torch.exp(-12.0 * (points.norm(dim=-1) - 0.5))

        surface = TetSurface.from_density(field, 50.0, lattice)
        truth = lattice.vertices.norm(dim=1) - 0.5
        near = (truth.abs() < 0.08) & (truth.abs() > 1e-3)
        assert near.sum() > 1000
        ratio = surface.sdf.detach()[near] / truth[near]
        assert float(ratio.median()) == pytest.approx(1.0, abs=0.1)
        assert float(ratio.std()) < 0.01
        assert surface.sdf.abs().max().item() < 0.2  # clipped: a far place can still become a surface

    def test_the_unit_of_the_density_does_not_matter(self) -> None:
        field = solid(torus(0.6, 0.25))
        one, other = (
            TetSurface.from_density(lambda p, k=k: k * field(p), 2.0 * k, lattice_of(12)) for k in (1.0, 1e4)
        )
        torch.testing.assert_close(one.sdf, other.sdf, atol=1e-5, rtol=0)

    def test_chunks_do_not_matter(self) -> None:
        field = solid(torus(0.6, 0.25))
        one, other = (
            TetSurface.from_density(field, 2.0, lattice_of(8), chunk_size=size) for size in (100, 1 << 20)
        )
        assert torch.equal(one.sdf, other.sdf)

    def test_smoothing_takes_noise_away_and_keeps_the_place(self) -> None:
        noise = torch.Generator().manual_seed(3)

        def rough(points: Tensor) -> Tensor:
            bumps = 0.6 * torch.randn(len(points), generator=noise.manual_seed(3))
            return solid(ball((0, 0, 0), 0.6))(points) * bumps.exp()

        spread, off = [], []
        for rounds in (0, 2):
            surface = TetSurface.from_density(rough, 3.0, lattice_of(24), smoothing_rounds=rounds)
            radius = surface.mesh()[0].detach().norm(dim=1)
            spread.append(float(radius.std()))
            off.append(abs(float(radius.mean()) - 0.6))
        assert spread[1] < 0.5 * spread[0]
        assert off[1] < min(off[0], 0.25 * 2 / 24)

    def test_what_is_thinner_than_the_smoothing_stays(self) -> None:
        def speck(points: Tensor) -> Tensor:
            return torch.where(points.norm(dim=1) < 1e-6, 10.0, 0.0)

        kept = TetSurface.from_density(speck, 1.0, lattice_of(8), smoothing_rounds=2)
        assert len(kept.mesh()[1]) > 0

    def test_cavities_are_filled(self) -> None:
        shell = difference(ball((0, 0, 0), 0.7), ball((0, 0, 0), 0.4))
        surface = TetSurface.from_density(solid(union(shell, ball((0, 0, 0), 0.15))), 3.0, lattice_of(20))
        vertices, faces = surface.mesh()
        assert face_components(faces.numpy()).max() == 0
        volume = area_and_volume(vertices.detach().double(), faces)[1]
        assert volume == pytest.approx(4 / 3 * math.pi * 0.7**3, rel=0.05)

    def test_matter_at_the_walls_is_closed_there(self) -> None:
        surface = TetSurface.from_density(solid(ball((0.8, 0, 0), 0.5)), 3.0, lattice_of(12))
        vertices, faces = surface.mesh()
        assert is_watertight(faces.numpy())
        assert euler_characteristic(faces.numpy()) == 2
        assert vertices[:, 0].max() == 1.0

    def test_the_threshold_is_that_of_the_silhouettes(self) -> None:
        field = solid(ball((0, 0, 0), 0.5))
        assert density_threshold(field, 32) == surface_level(sample_density(field, 32))
        with pytest.raises(RunError, match="nothing to extract"):
            density_threshold(lambda points: points[:, 0] * 0, 16)

    @pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
    def test_impossible_thresholds(self, bad: float) -> None:
        with pytest.raises(InputError, match="positive number"):
            TetSurface.from_density(solid(ball((0, 0, 0), 0.5)), bad, lattice_of(3))

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
    def test_a_broken_field_is_a_failed_run(self, bad: float) -> None:
        def field(points: Tensor) -> Tensor:
            return torch.where(points[:, 0] > 0.9, bad, 1.0)

        with pytest.raises(RunError, match="diverged"):
            TetSurface.from_density(field, 0.5, lattice_of(3))

    def test_an_empty_field_is_a_failed_run(self) -> None:
        with pytest.raises(RunError, match="nothing to refine"):
            TetSurface.from_density(lambda points: points[:, 0] * 0 + 1.0, 2.0, lattice_of(3))


class _Positions(torch.nn.Module):
    """`TetSurface.positions` as a module, for functional_call."""

    def __init__(self, surface: TetSurface) -> None:
        super().__init__()
        self.surface = surface

    def forward(self, edges: Tensor) -> Tensor:
        return self.surface.positions(edges)


def _within(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"surface.{name}": value for name, value in parameters.items()}
