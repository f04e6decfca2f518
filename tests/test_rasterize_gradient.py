"""Gradients of barycentrics to clip-space positions: twin, finite differences, invariants, edge cases."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from backends import kernel_name
from raster_scenes import PROJECTION, as_tensors, random_soup, to_clip
from rasterizers import Draw
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.ops._barycentrics import barycentrics_reference_tensors
from dream3d.ops.rasterize import (
    Fragments,
    interpolate,
    interpolate_reference,
    rasterize,
    rasterize_reference,
    screen_derivatives,
)

SIZE = 32


def soup(crossing: bool, num_triangles: int = 40) -> tuple[Tensor, Tensor]:
    """One view of triangles in front of the camera, or around and behind it."""
    points, faces = random_soup(27, num_triangles, 2.0 if crossing else 0.8, crossing)
    return as_tensors(to_clip(points, PROJECTION), faces)


def shared_in_three_views() -> tuple[Tensor, Tensor]:
    """Triangles that share vertices, seen from three places; some are behind the camera there."""
    points, _ = random_soup(21, 12, 0.7, crossing=True)
    faces = np.random.default_rng(0).integers(0, len(points), (50, 3))
    shifts = np.array([[0, 0, 0], [0.2, -0.1, -1], [-0.3, 0.2, 0.5]])
    views = np.stack([to_clip(points + shift, PROJECTION) for shift in shifts])
    return torch.tensor(views, dtype=torch.float32), torch.tensor(faces, dtype=torch.int32)


SCENES: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "perspective": lambda: soup(crossing=False),
    "crossing": lambda: soup(crossing=True),
    "shared": shared_in_three_views,
}


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    return SCENES[request.param]()


def random_like(tensor: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor)


def kernel_gradient(positions: Tensor, faces: Tensor, device: torch.device) -> tuple[Tensor, Fragments]:
    """The kernel's fragments, and its gradient of a random linear loss of the barycentrics."""
    leaf = positions.to(device).requires_grad_()
    fragments = rasterize(leaf, faces.to(device), SIZE, SIZE, backend=kernel_name(device))
    (gradient,) = torch.autograd.grad(fragments.barycentrics, leaf, random_like(fragments.barycentrics))
    return gradient.cpu(), fragments


def assert_close_to_largest(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """A pixel at the rim of a thin triangle has a gradient of thousands: errors are relative to it."""
    error = (actual.double() - expected).abs().amax(-1)
    assert (error <= tolerance * (1 + expected.abs().amax(-1))).all(), float(error.max())
    assert expected.abs().sum() > 100


def test_scenes_hold_what_they_promise() -> None:
    positions, faces = soup(crossing=True)
    seen = rasterize(positions, faces, SIZE, SIZE).triangle_id.unique()
    corners = positions[0][faces[seen[seen >= 0].long()].long()]  # [N, 3, 4]
    behind = (corners[..., 3] <= 0).any(1)
    before_near = ((corners[..., 2] < -corners[..., 3]) & (corners[..., 3] > 0)).any(1)
    assert behind.sum() > 2
    assert before_near.sum() > 1


class TestAgainstTwin:
    def test_kernel_equals_reference(self, scene: tuple[Tensor, Tensor], device: torch.device) -> None:
        positions, faces = scene
        gradient, fragments = kernel_gradient(positions, faces, device)
        exact = positions.double().requires_grad_()
        weights, _ = barycentrics_reference_tensors(exact, faces, fragments.triangle_id.cpu())
        (expected,) = torch.autograd.grad(weights, exact, random_like(weights.float()).double())
        torch.testing.assert_close(fragments.barycentrics.detach().cpu().double(), weights, atol=1e-6, rtol=0)
        assert_close_to_largest(gradient, expected, 2e-5)
        assert (gradient[..., 2] == 0).all()

    def test_float32_reference(self, scene: tuple[Tensor, Tensor]) -> None:
        positions, faces = scene
        leaf = positions.clone().requires_grad_()
        fragments = rasterize(leaf, faces, SIZE, SIZE, backend="reference")
        (gradient,) = torch.autograd.grad(fragments.barycentrics, leaf, random_like(fragments.barycentrics))
        expected, kernel = kernel_gradient(positions, faces, torch.device("cpu"))
        if torch.equal(kernel.triangle_id, fragments.triangle_id):
            assert_close_to_largest(gradient, expected.double(), 2e-5)
        else:  # clipped edges are drawn a little differently: see rasterize_reference
            assert (kernel.triangle_id != fragments.triangle_id).float().mean() < 0.02

    @pytest.mark.parametrize("crossing", [False, True])
    def test_gradcheck_of_the_reference(self, crossing: bool) -> None:
        positions, faces = soup(crossing, 20)
        ids = rasterize_reference(positions, faces, 6, 7).triangle_id
        assert len(ids.unique()) > 3
        exact = positions.double().requires_grad_()
        assert torch.autograd.gradcheck(lambda p: barycentrics_reference_tensors(p, faces, ids), exact)

    def test_gradcheck_through_visibility(self) -> None:
        """No edge of these triangles passes within a step of a pixel centre."""
        positions, faces = soup(crossing=True, num_triangles=8)
        exact = positions.double().requires_grad_()
        assert torch.autograd.gradcheck(lambda p: rasterize_reference(p, faces, 5, 5).barycentrics, exact)


class TestTruths:
    def test_finite_differences_of_a_picture(
        self, scene: tuple[Tensor, Tensor], device: torch.device
    ) -> None:
        """Drawn with each coordinate moved: pixels that keep their triangle change as the gradient says."""
        positions, faces = scene
        attributes = torch.rand(positions.shape[1], 3, generator=torch.Generator().manual_seed(1))
        fragments = rasterize(positions, faces, SIZE, SIZE)
        step, rng = 1e-5, np.random.default_rng(2)
        visible = faces[fragments.triangle_id[fragments.mask].long()].unique()
        largest = 0.0
        for vertex in rng.choice(visible.numpy(), 6, replace=False):
            view, axis = rng.integers(len(positions)), rng.choice([0, 1, 3])
            images, ids = [], [fragments.triangle_id]
            for sign in (1, -1):
                moved = positions.double()
                moved[view, vertex, axis] += sign * step
                drawn = rasterize_reference(moved, faces, SIZE, SIZE)
                images.append(interpolate_reference(attributes.double(), faces, drawn))
                ids.append(drawn.triangle_id)
            same = (ids[0] == ids[1]) & (ids[1] == ids[2])
            upstream = random_like(images[0]) * same[..., None]
            expected = ((images[0] - images[1]) * upstream).sum() / (2 * step)

            leaf = positions.to(device).requires_grad_()
            drawn = rasterize(leaf, faces.to(device), SIZE, SIZE, backend=kernel_name(device))
            image = interpolate(attributes.to(device), faces.to(device), drawn, backend=kernel_name(device))
            (gradient,) = torch.autograd.grad(image, leaf, upstream.float().to(device))
            assert gradient[view, vertex, axis].item() == pytest.approx(expected.item(), rel=1e-3, abs=1e-3)
            largest = max(largest, abs(expected.item()))
        assert largest > 0.1

    def test_moving_the_scene_is_moving_the_pixel(
        self, scene: tuple[Tensor, Tensor], device: torch.device
    ) -> None:
        """x + t w for all vertices shifts the picture by t; a scale of all coordinates changes nothing."""
        positions, faces = scene
        leaf, on_device = positions.to(device).requires_grad_(), faces.to(device)
        weights = rasterize(leaf, on_device, SIZE, SIZE).barycentrics
        fragments = rasterize(leaf.detach(), on_device, SIZE, SIZE)
        slopes = screen_derivatives(leaf.detach(), on_device, fragments).double()
        # clamped weights do not move with the pixel
        is_inside = (weights > 0).all(-1) & (weights.sum(-1) < 1)
        upstream = random_like(weights) * is_inside[..., None]
        exact = torch.autograd.grad(weights, leaf, upstream)[0].cpu().double()
        x, y, _, w = positions.double().unbind(-1)
        along = (slopes * upstream[..., None]).sum((1, 2, 3)).cpu() * (SIZE / 2)  # [B, 2]
        scale = exact.abs().sum((1, 2))
        assert (((exact[..., 0] * w).sum(1) + along[:, 0]).abs() < 1e-5 * scale).all()
        assert (((exact[..., 1] * w).sum(1) - along[:, 1]).abs() < 1e-5 * scale).all()  # y is up there
        radial = exact[..., 0] * x + exact[..., 1] * y + exact[..., 3] * w
        assert (radial.sum(1).abs() < 1e-5 * scale).all()
        assert (along.abs() > 1e-3 * scale[:, None]).any()

    def test_depth_by_interpolation(self, device: torch.device) -> None:
        """Plane z = 0.3 x: lifted by dz its depth grows by dz, moved by dx it falls by 0.3 dx, everywhere."""
        corners = torch.tensor([[-9.0, 9, 0, 1], [9, 9, 0, 1], [0, -9, 0, 1]])
        corners[:, 2] = 0.3 * corners[:, 0]
        positions = corners[None].to(device).requires_grad_()
        faces = torch.tensor([[0, 1, 2]], dtype=torch.int32, device=device)
        fragments = rasterize(positions, faces, 8, 8)
        assert fragments.mask.all()
        assert not fragments.depth.requires_grad
        z, w = interpolate(positions[..., 2:], faces, fragments).unbind(-1)
        torch.testing.assert_close(z / w, fragments.depth, atol=1e-6, rtol=0)
        (z / w).sum().backward()
        assert positions.grad is not None
        torch.testing.assert_close(
            positions.grad.sum((0, 1)).cpu()[:3], torch.tensor([-0.3 * 64, 0, 64]), atol=1e-3, rtol=0
        )

    def test_clamped_weights(self, device: torch.device) -> None:
        """An edge 0.001 pixels right of a centre, snapped onto it: the weight of what is opposite stays 0."""
        left = -0.75 + 0.5 * 0.001  # the centre of column 0 of 4 is at x = -0.75
        corners = torch.tensor([[1.2, 0.1, 0, 1], [left, 1.5, 0, 1], [left, -1.5, 0, 1]])
        faces = torch.tensor([[0, 1, 2]], dtype=torch.int32)
        positions = corners[None].to(device).requires_grad_()
        drawn = rasterize(positions, faces.to(device), 4, 4, backend=kernel_name(device))
        column = drawn.barycentrics[0, 1:3, 0]
        assert drawn.mask[0, 1:3, 0].all()
        assert (column[:, 0] == 0).all()
        assert (torch.autograd.grad(column[:, 0].sum(), positions, retain_graph=True)[0] == 0).all()
        (gradient,) = torch.autograd.grad(column[:, 1].sum(), positions)
        # v = (y - y_2) / (y_1 - y_2) along the edge; the centres are at y = 0.25 and -0.25, v = 7/12 and 5/12
        assert gradient[0, 1, 1].item() == pytest.approx(-(7 / 12 + 5 / 12) / 3, rel=1e-3)
        assert gradient[0, 2, 1].item() == pytest.approx(-(5 / 12 + 7 / 12) / 3, rel=1e-3)


class TestEdgeCases:
    def test_nothing_visible(self, draw: Draw) -> None:
        for positions in (torch.full((2, 3, 4), torch.nan), torch.zeros(2, 3, 4), -torch.ones(2, 3, 4)):
            leaf = positions.requires_grad_()
            drawn = draw(leaf, torch.tensor([[0, 1, 2]], dtype=torch.int32), 4, 5)
            assert not drawn.mask.any()
            (gradient,) = torch.autograd.grad(drawn.barycentrics.sum(), leaf)
            assert torch.equal(gradient, torch.zeros_like(gradient))

    def test_empty(self, draw: Draw) -> None:
        for shape, num_triangles, size in (((0, 3, 4), 1, 4), ((1, 3, 4), 0, 4), ((1, 3, 4), 1, 0)):
            leaf = torch.ones(shape, requires_grad=True)
            faces = torch.tensor([[0, 1, 2]], dtype=torch.int32)[:num_triangles]
            (gradient,) = torch.autograd.grad(draw(leaf, faces, size, 3).barycentrics.sum(), leaf)
            assert torch.equal(gradient, torch.zeros(shape))

    def test_broken_triangles_do_not_spoil_others(self, draw: Draw) -> None:
        """A NaN vertex, a doubled index and a triangle without area beside a good one."""
        positions, faces = soup(crossing=False, num_triangles=5)
        broken = torch.tensor([[torch.nan, 0, 0, 1], [0.3, 0.2, 0, 1], [0.6, 0.4, 0, 1], [0.9, 0.6, 0, 1]])
        more = torch.tensor([[15, 0, 1], [16, 16, 2], [16, 17, 18]], dtype=torch.int32)
        gradients = []
        for extra_points, extra_faces in ((broken[:0], more[:0]), (broken, more)):
            leaf = torch.cat([positions[0], extra_points])[None].requires_grad_()
            drawn = draw(leaf, torch.cat([faces, extra_faces]), 12, 12)
            gradients.append(
                torch.autograd.grad(drawn.barycentrics, leaf, random_like(drawn.barycentrics))[0]
            )
        alone, beside = gradients
        torch.testing.assert_close(beside[:, :15], alone, atol=1e-6, rtol=1e-5)
        assert (beside[:, 15:] == 0).all()

    def test_nearly_edge_on_is_finite(self, draw: Draw) -> None:
        """A sliver far thinner than float32 resolves, drawn because snapping widens it."""
        for height in (1e-3, 1e-9, 1e-18, 1e-30, 1e-38):
            corners = torch.tensor([[-1.0, 0.0019, 0, 1], [1, 0.0021, 0, 1], [0, 0.0019 + height, 0, 1]])
            leaf = corners[None].requires_grad_()
            drawn = draw(leaf, torch.tensor([[0, 1, 2], [2, 1, 0]], dtype=torch.int32), 33, 33)
            (gradient,) = torch.autograd.grad(drawn.barycentrics.sum(), leaf)
            assert gradient.isfinite().all()

    def test_strided_input_and_gradient(self, device: torch.device) -> None:
        positions, faces = soup(crossing=False)
        expected, _ = kernel_gradient(positions, faces, device)
        strided = torch.cat([positions, positions], -1).to(device)[..., :4].requires_grad_()
        assert not strided.is_contiguous()
        drawn = rasterize(strided, faces.to(device), SIZE, SIZE, backend=kernel_name(device))
        upstream = random_like(drawn.barycentrics).transpose(1, 2).contiguous().transpose(1, 2)
        (gradient,) = torch.autograd.grad(drawn.barycentrics, strided, upstream)
        torch.testing.assert_close(gradient.cpu(), expected, atol=1e-4, rtol=1e-4)

    def test_same_bits_for_any_number_of_threads(self) -> None:
        positions, faces = shared_in_three_views()

        def run() -> tuple[Tensor, ...]:
            leaf = positions.clone().requires_grad_()
            drawn = rasterize(leaf, faces, 90, 110, backend="cpu")
            return torch.autograd.grad(drawn.barycentrics, leaf, random_like(drawn.barycentrics))

        assert_same_bits_for_any_number_of_threads(run)

    def test_opcheck(self, device: torch.device) -> None:
        positions, faces = soup(crossing=True, num_triangles=10)
        arguments = (positions.to(device).requires_grad_(), faces.to(device), 9, 11)
        torch.library.opcheck(torch.ops.dream3d.rasterize.default, arguments)
