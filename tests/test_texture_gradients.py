"""Gradients of texture look-up: the kernel against the twin, the twin against differences, and their use."""

import pytest
import torch
from backends import kernel_name
from texture_looks import MODES, Look, random_look
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.ops.texture import sample_texture


class TestGradients:
    @pytest.mark.parametrize("num_textures", [1, 2])
    @pytest.mark.parametrize(("filter_mode", "boundary_mode", "size"), MODES)
    def test_kernel_equals_reference(
        self,
        device: torch.device,
        filter_mode: str,
        boundary_mode: str,
        size: tuple[int, int],
        num_textures: int,
    ) -> None:
        look = random_look(filter_mode, boundary_mode, size, (20, 30), num_textures)
        look = look.copy(lambda tensor: tensor.to(device))
        exact = look.copy(lambda tensor: tensor.double())
        image = look.sample(kernel_name(device))
        assert image.shape == (2, 20, 30, 3)
        torch.testing.assert_close(image.double(), exact.sample("reference"), atol=1e-5, rtol=0)
        pairs = zip(look.gradients(kernel_name(device)), exact.gradients("reference"), strict=True)
        for index, (gradient, expected) in enumerate(pairs):
            if filter_mode == "nearest" and index > 0:
                assert gradient is None
                continue
            assert gradient is not None
            assert expected is not None
            torch.testing.assert_close(gradient.double(), expected, atol=3e-4, rtol=1e-4)

    @pytest.mark.parametrize("filter_mode", ["nearest", "bilinear", "trilinear"])
    @pytest.mark.parametrize(
        ("boundary_mode", "size"),
        [("wrap", (4, 3)), ("wrap", (1, 2)), ("clamp", (3, 5)), ("cube", (3, 3)), ("cube", (1, 1))],
    )
    def test_gradcheck_of_the_reference(
        self, filter_mode: str, boundary_mode: str, size: tuple[int, int]
    ) -> None:
        look = random_look(filter_mode, boundary_mode, size, (2, 2)).copy(lambda tensor: tensor.double())
        if filter_mode == "nearest":
            look.uv.requires_grad_(False)

        def sample(texture: Tensor, uv: Tensor, *optional: Tensor) -> Tensor:
            named = dict(zip(look.optional, optional, strict=True))
            return Look(texture, uv, look.modes, named).sample("reference")

        assert torch.autograd.gradcheck(sample, look.leaves())

    def test_finite_differences_of_the_kernel(self, device: torch.device) -> None:
        """Between texels bilinear look-up is linear along an axis: differences are exact but for rounding."""
        generator = torch.Generator().manual_seed(5)
        texture = torch.rand(1, 8, 8, 3, generator=generator).to(device)
        texel = torch.randint(0, 7, (1, 10, 10, 2), generator=generator)
        uv = ((texel + 0.6 + 0.8 * torch.rand(1, 10, 10, 2, generator=generator)) / 8).to(device)
        step = 0.05 / 8
        leaf = uv.clone().requires_grad_()
        sample_texture(texture, leaf, backend=kernel_name(device)).sum().backward()
        assert leaf.grad is not None
        for axis in range(2):
            offset = torch.zeros(2, device=device)
            offset[axis] = step
            ends = [
                sample_texture(texture, uv + sign * offset, backend=kernel_name(device)) for sign in (1, -1)
            ]
            slope = (ends[0] - ends[1]).sum(-1) / (2 * step)
            torch.testing.assert_close(leaf.grad[..., axis], slope, atol=2e-3, rtol=1e-3)

    @pytest.mark.parametrize("boundary_mode", ["wrap", "clamp", "cube"])
    def test_every_pixel_gives_its_gradient_away(self, device: torch.device, boundary_mode: str) -> None:
        """Weights sum to one, through all levels and box filters down to the texture; odd sizes too."""
        look = random_look("trilinear", boundary_mode, (13, 13), (40, 50)).copy(lambda t: t.to(device))
        look.sample(kernel_name(device)).sum().backward()
        assert look.texture.grad is not None
        total = look.texture.grad.double().sum().item()
        assert total == pytest.approx(2 * 40 * 50 * 3, rel=1e-5)
        assert (look.texture.grad > 0).all()

    def test_levels_of_ones_own_get_their_own_gradients(self, device: torch.device) -> None:
        levels = [torch.rand(1, 8 >> i, 4 >> i, 2, device=device).requires_grad_() for i in range(3)]
        uv, level = torch.rand(1, 5, 5, 2, device=device), torch.full((1, 5, 5), 1.25, device=device)
        image = sample_texture(
            levels, uv, mip_bias=level, filter_mode="trilinear", backend=kernel_name(device)
        )
        parts = [sample_texture(levels[i], uv, backend="reference") for i in (1, 2)]
        torch.testing.assert_close(image, 0.75 * parts[0] + 0.25 * parts[1])
        image.sum().backward()
        sums = [level.grad.sum().item() for level in levels if level.grad is not None]
        assert sums == pytest.approx([0, 0.75 * 50, 0.25 * 50])
        coarse = sample_texture(levels, uv)  # other filters read the finest level only
        assert torch.equal(coarse, sample_texture(levels[0], uv))

    @pytest.mark.parametrize(("filter_mode", "boundary_mode"), [("trilinear", "wrap"), ("bilinear", "cube")])
    def test_same_bits_for_any_number_of_threads(self, filter_mode: str, boundary_mode: str) -> None:
        look = random_look(filter_mode, boundary_mode, (64, 64), (150, 150))

        def run() -> tuple[Tensor, ...]:
            gradients = look.gradients("cpu")
            assert all(gradient is not None for gradient in gradients)
            return (look.sample("cpu"), *(g for g in gradients if g is not None))

        assert_same_bits_for_any_number_of_threads(run)

    def test_recovers_a_texture_from_pictures(self, device: torch.device) -> None:
        """Gradient descent through mip levels finds the texels that views of it were made of."""
        generator = torch.Generator().manual_seed(1)
        target = torch.rand(1, 8, 8, 3, generator=generator).to(device)
        uv = torch.rand(1, 64, 64, 2, generator=generator).to(device)
        level = torch.rand(1, 64, 64, generator=generator).to(device)
        options = {"mip_bias": level, "filter_mode": "trilinear", "boundary_mode": "wrap"}
        picture = sample_texture(target, uv, **options)
        texture = torch.full_like(target, 0.5).requires_grad_()
        optimizer = torch.optim.Adam([texture], lr=0.05)
        for _ in range(150):
            optimizer.zero_grad()
            (sample_texture(texture, uv, **options) - picture).square().mean().backward()
            optimizer.step()
        assert (texture - target).abs().max() < 0.02
