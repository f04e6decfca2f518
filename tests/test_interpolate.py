"""Interpolation: pixels get back what their triangle's vertices carry, and vertices the exact gradient."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from backends import kernel_name
from raster_scenes import PROJECTION, as_tensors, pixel_centers_ndc, random_soup, to_clip
from rasterizers import Draw, rasterizer
from thread_counts import assert_same_bits_for_any_number_of_threads

from dream3d.errors import InputError
from dream3d.ops._library import Backend
from dream3d.ops.rasterize import (
    Fragments,
    interpolate,
    interpolate_derivatives,
    interpolate_reference,
    rasterize,
)


def two_views(device: torch.device, per_view: bool) -> tuple[torch.Tensor, torch.Tensor, Fragments]:
    """Attributes [V, 5] or [2, V, 5], faces that share vertices, and two mirrored views of 24 x 24 pixels."""
    points, _ = random_soup(12, 10, 0.5, crossing=True)
    faces = torch.tensor(np.random.default_rng(0).integers(0, len(points), (40, 3)), dtype=torch.int32)
    positions = torch.tensor(to_clip(points, PROJECTION), dtype=torch.float32)
    views = torch.stack([positions, positions * torch.tensor([-1.0, 1, 1, 1])])
    fragments = rasterizer(device.type)(views, faces, 24, 24)
    assert fragments.mask.any()
    shape = (2, len(points), 5) if per_view else (len(points), 5)
    attributes = torch.rand(shape, generator=torch.Generator().manual_seed(0)) + 0.1
    return attributes.to(device), faces.to(device), fragments


def random_upstream() -> torch.Tensor:
    """Gradients [2, 24, 24, 5] to the image of `two_views`."""
    return torch.randn(2, 24, 24, 5, generator=torch.Generator().manual_seed(1))


class TestInterpolate:
    def test_clip_positions_come_back_to_the_pixel(
        self, draw_with_kernel: Draw, device: torch.device
    ) -> None:
        """The interpolated clip-space position must project to the pixel's centre, at the pixel's depth."""
        points, faces = random_soup(11, 100, 0.8, crossing=True)
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
        result = draw_with_kernel(positions, faces_tensor, 40, 40)
        at = interpolate(positions.double().to(device), faces_tensor.to(device), result)[0].cpu()
        mask = result.mask[0].cpu()
        ndc = torch.tensor(pixel_centers_ndc(40, 40))
        # centres in the snapping band are clamped into the triangle: at most 1/256 pixel away
        torch.testing.assert_close((at[..., :2] / at[..., 3:])[mask], ndc[mask], atol=2e-4, rtol=0)
        error = (at[..., 2] / at[..., 3] - result.depth[0].cpu())[mask].abs()
        assert error.median() < 1e-6

    @pytest.mark.parametrize("per_view", [False, True])
    def test_kernel_equals_reference(self, device: torch.device, per_view: bool) -> None:
        attributes, faces, fragments = two_views(device, per_view)
        image = interpolate(attributes, faces, fragments, backend=kernel_name(device))
        expected = interpolate_reference(attributes.double(), faces, fragments)
        assert image.shape == (2, 24, 24, 5)
        torch.testing.assert_close(image.double(), expected, atol=1e-6, rtol=0)
        assert (image[~fragments.mask] == 0).all()
        assert (image[fragments.mask] != 0).any(-1).all()

    @pytest.mark.parametrize("per_view", [False, True])
    def test_gradient_equals_reference(self, device: torch.device, per_view: bool) -> None:
        attributes, faces, fragments = two_views(device, per_view)
        upstream = random_upstream().to(device)
        leaf = attributes.clone().requires_grad_()
        interpolate(leaf, faces, fragments, backend=kernel_name(device)).backward(upstream)
        exact = attributes.double().requires_grad_()
        interpolate_reference(exact, faces, fragments).backward(upstream.double())
        assert leaf.grad is not None
        assert exact.grad is not None
        torch.testing.assert_close(leaf.grad.double(), exact.grad, atol=2e-5, rtol=1e-5)
        assert exact.grad.abs().sum() > 1

    def test_gradient_has_the_same_bits_for_any_number_of_threads(self) -> None:
        attributes, faces, fragments = two_views(torch.device("cpu"), per_view=False)
        upstream = random_upstream()

        def run() -> tuple[torch.Tensor, ...]:
            leaf = attributes.clone().requires_grad_()
            interpolate(leaf, faces, fragments, backend="cpu").backward(upstream)
            assert leaf.grad is not None
            return (leaf.grad,)

        assert_same_bits_for_any_number_of_threads(run)

    def test_gradcheck_of_the_reference(self, device: torch.device, draw_with_kernel: Draw) -> None:
        points, faces = random_soup(13, 6, 0.8, crossing=False)
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
        result = draw_with_kernel(positions, faces_tensor, 8, 8)
        attributes = torch.rand(1, len(points), 2, dtype=torch.float64, device=device, requires_grad=True)
        assert result.mask.any()
        assert torch.autograd.gradcheck(lambda a: interpolate(a, faces_tensor.to(device), result), attributes)

    def test_nothing_visible(self, device: torch.device, draw_with_kernel: Draw) -> None:
        fragments = draw_with_kernel(torch.rand(1, 3, 4), torch.zeros((0, 3), dtype=torch.int32), 3, 2)
        attributes = torch.rand(3, 4, device=device, requires_grad=True)
        image = interpolate(attributes, torch.zeros((0, 3), dtype=torch.int32, device=device), fragments)
        image.sum().backward()
        assert torch.equal(image, torch.zeros_like(image))
        assert torch.equal(attributes.grad, torch.zeros_like(attributes))

    def test_opcheck(self, device: torch.device) -> None:
        attributes, faces, fragments = two_views(device, per_view=True)
        arguments = (attributes.requires_grad_(), faces, fragments.triangle_id, fragments.barycentrics)
        torch.library.opcheck(torch.ops.dream3d.interpolate.default, arguments)


class TestWeights:
    """Gradients to what pixels are made of: barycentrics, or their screen derivatives (here any numbers)."""

    @staticmethod
    def both(
        attributes: torch.Tensor,
        faces: torch.Tensor,
        fragments: Fragments,
        slopes: torch.Tensor,
        name: Backend,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        image = interpolate(attributes, faces, fragments, backend=name)
        return image, interpolate_derivatives(attributes, faces, fragments, slopes, backend=name)

    @pytest.mark.parametrize("per_view", [False, True])
    def test_kernel_equals_reference(self, device: torch.device, per_view: bool) -> None:
        attributes, faces, fragments = two_views(device, per_view)
        slopes = torch.randn(2, 24, 24, 2, 2, generator=torch.Generator().manual_seed(2)).to(device)
        results = []
        variants: list[tuple[torch.dtype, Backend]] = [
            (torch.float32, kernel_name(device)),
            (torch.float64, "reference"),
        ]
        for dtype, name in variants:
            leaves = [
                tensor.detach().to(dtype).requires_grad_()
                for tensor in (attributes, fragments.barycentrics, slopes)
            ]
            drawn = Fragments(fragments.triangle_id, leaves[1], fragments.depth)
            image, change = self.both(leaves[0], faces, drawn, leaves[2], name)
            assert image.shape == (2, 24, 24, 5)
            assert change.shape == (2, 24, 24, 5, 2)
            upstream = random_upstream().to(image)
            loss = (image * upstream).sum() + (change * torch.stack([upstream, upstream.sin()], -1)).sum()
            results.append([image, change, *torch.autograd.grad(loss, leaves)])
        for actual, expected in zip(*results, strict=True):
            torch.testing.assert_close(actual.double(), expected, atol=5e-5, rtol=1e-5)
            assert expected.abs().sum() > 1
        for gradient in results[0][3:]:
            assert (gradient[~fragments.mask] == 0).all()

    def test_gradcheck_of_the_reference(self, device: torch.device) -> None:
        attributes, faces, fragments = two_views(device, per_view=True)
        part = Fragments(
            *(t[:, 8:12, 8:12] for t in (fragments.triangle_id, fragments.barycentrics, fragments.depth))
        )
        assert part.mask.any()
        leaves = [
            attributes[..., :2].double(),
            part.barycentrics.double(),
            torch.randn(2, 4, 4, 2, 2, dtype=torch.float64, device=device),
        ]

        def draw(
            attributes: torch.Tensor, weights: torch.Tensor, slopes: torch.Tensor
        ) -> tuple[torch.Tensor, ...]:
            drawn = Fragments(part.triangle_id, weights, part.depth)
            return self.both(attributes, faces, drawn, slopes, "reference")

        assert torch.autograd.gradcheck(draw, [leaf.requires_grad_() for leaf in leaves])

    def test_a_constant_does_not_change(self, device: torch.device) -> None:
        attributes, faces, fragments = two_views(device, per_view=False)
        slopes = torch.randn(2, 24, 24, 2, 2).to(device)
        change = interpolate_derivatives(
            torch.full_like(attributes, 0.1), faces, fragments, slopes, backend=kernel_name(device)
        )
        assert torch.equal(change, torch.zeros_like(change))

    def test_what_is_not_asked_for_is_not_computed(self, device: torch.device) -> None:
        """Attributes may change between forward and backward unless the weights need them."""
        attributes, faces, fragments = two_views(device, per_view=False)
        leaf = attributes.clone().requires_grad_()
        held = leaf * 1
        image = interpolate(held, faces, fragments, backend=kernel_name(device))
        held.data.zero_()
        with torch.no_grad():
            held.add_(1)  # would be refused by autograd if it had been kept
        image.sum().backward()
        assert leaf.grad is not None
        assert leaf.grad.sum().item() == pytest.approx(5 * fragments.mask.sum().item(), rel=1e-5)

    def test_same_bits_for_any_number_of_threads(self) -> None:
        attributes, faces, fragments = two_views(torch.device("cpu"), per_view=True)
        slopes = torch.randn(2, 24, 24, 2, 2, generator=torch.Generator().manual_seed(2))

        def run() -> tuple[torch.Tensor, ...]:
            leaves = [t.clone().requires_grad_() for t in (attributes, fragments.barycentrics, slopes)]
            drawn = Fragments(fragments.triangle_id, leaves[1], fragments.depth)
            image, change = self.both(leaves[0], faces, drawn, leaves[2], "cpu")
            loss = (image * random_upstream()).sum() + (change**2).sum()
            return image, change, *torch.autograd.grad(loss, leaves)

        assert_same_bits_for_any_number_of_threads(run)

    def test_opcheck(self, device: torch.device) -> None:
        attributes, faces, fragments = two_views(device, per_view=True)
        slopes = torch.randn(2, 24, 24, 2, 2).to(device)
        for weights in (fragments.barycentrics, slopes):
            arguments = (attributes.requires_grad_(), faces, fragments.triangle_id, weights.requires_grad_())
            torch.library.opcheck(torch.ops.dream3d.interpolate.default, arguments)


class TestRefusals:
    positions = torch.rand(1, 4, 4)
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32)

    def test_interpolate_shapes(self) -> None:
        fragments = rasterize(self.positions, self.faces, 4, 4)
        with pytest.raises(InputError, match=r"\[V, C\] or \[1, V, C\]"):
            interpolate(torch.rand(2, 4, 3), self.faces, fragments)
        with pytest.raises(TypeError, match=r"\.float\(\)"):
            interpolate(torch.ones(4, 3, dtype=torch.int64), self.faces, fragments)
        with pytest.raises(TypeError, match=r"float32 for the kernel"):
            interpolate(torch.rand(4, 3).double(), self.faces, fragments, backend="cpu")
        with pytest.raises(InputError, match="meta"):
            interpolate(torch.rand(4, 3, device="meta"), self.faces, fragments)

    def test_fragments_of_several_pictures(self) -> None:
        small, large = (rasterize(self.positions, self.faces, size, size) for size in (2, 4))
        mixed = replace(large, barycentrics=small.barycentrics)
        with pytest.raises(InputError, match=r"fragments\.barycentrics"):
            interpolate(torch.rand(4, 3), self.faces, mixed)
        with pytest.raises(InputError, match=r"fragments\.triangle_id"):
            interpolate(torch.rand(4, 3), self.faces, replace(large, triangle_id=large.triangle_id.long()))
