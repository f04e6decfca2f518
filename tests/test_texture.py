"""Textures: values against closed forms and torch's own sampler, mip levels, edge cases, refusals."""

from itertools import pairwise

import pytest
import torch
from backends import kernel_name
from rasterizers import Draw
from texture_looks import random_look
from torch import Tensor
from torch.nn.functional import grid_sample

from dream3d.errors import InputError
from dream3d.ops.rasterize import interpolate
from dream3d.ops.texture import build_mipmaps, sample_texture


class TestValues:
    @pytest.mark.parametrize("filter_mode", ["nearest", "bilinear"])
    @pytest.mark.parametrize("boundary_mode", ["clamp", "wrap"])
    def test_like_the_sampler_of_torch(
        self, device: torch.device, filter_mode: str, boundary_mode: str
    ) -> None:
        texture = torch.rand(2, 5, 7, 3, device=device)
        uv = torch.rand(2, 30, 40, 2, device=device) * 2.6 - 0.8
        image = sample_texture(
            texture,
            uv,
            filter_mode=filter_mode,
            boundary_mode=boundary_mode,
            backend=kernel_name(device),
        )
        channels_first = texture.permute(0, 3, 1, 2)
        if boundary_mode == "wrap":  # one period in the middle of three
            channels_first, uv = channels_first.repeat(1, 1, 3, 3), (uv + 1) / 3
        expected = grid_sample(
            channels_first, 2 * uv - 1, mode=filter_mode, padding_mode="border", align_corners=False
        )
        torch.testing.assert_close(image, expected.permute(0, 2, 3, 1), atol=1e-5, rtol=0)

    def test_a_quad_with_gltf_uv_shows_the_texture_upright(
        self, device: torch.device, draw_with_kernel: Draw
    ) -> None:
        corners = torch.tensor([[-1.0, 1, 0, 1], [1, 1, 0, 1], [1, -1, 0, 1], [-1, -1, 0, 1]])[None]
        faces = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)
        fragments = draw_with_kernel(corners, faces, 6, 9)
        uv = interpolate(
            torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]], device=device), faces.to(device), fragments
        )
        texture = torch.rand(1, 6, 9, 3, device=device)
        for filter_mode in ("nearest", "bilinear"):
            image = sample_texture(texture, uv, filter_mode=filter_mode)
            torch.testing.assert_close(image, texture, atol=1e-5, rtol=0)

    def test_level_is_log2_of_the_longer_axis(self, device: torch.device) -> None:
        """Every level holds its own number, so the picture is the level."""
        levels = [
            torch.full_like(level, index)
            for index, level in enumerate(build_mipmaps(torch.zeros(1, 64, 16, 1, device=device)))
        ]
        generator = torch.Generator().manual_seed(0)
        derivatives = torch.randn(1, 20, 30, 2, 2, generator=generator)
        derivatives *= torch.randn(1, 20, 30, 1, 1, generator=generator).mul(2).exp() / 30
        bias = torch.randn(1, 20, 30, generator=generator)
        texels = derivatives.double() * torch.tensor([[16.0], [64.0]])
        expected = (torch.linalg.matrix_norm(texels, ord=2).log2() + bias).clamp(0, 6)
        assert 50 < ((expected > 0) & (expected < 6)).sum() < 550  # both kinds
        for backend in (kernel_name(device), "reference"):
            image = sample_texture(
                levels,
                torch.rand(1, 20, 30, 2, generator=generator).to(device),
                uv_derivatives=derivatives.to(device),
                mip_bias=bias.to(device),
                filter_mode="trilinear",
                backend=backend,
            )
            torch.testing.assert_close(image[..., 0].cpu().double(), expected, atol=1e-5, rtol=0)

    def test_a_cube_holds_a_function_of_direction(self, device: torch.device) -> None:
        """Independent of the tables: texels are filled through nearest look-ups, then blended everywhere."""
        size = 32
        step = (torch.arange(size) + 0.5) * (2 / size) - 1
        centers = torch.stack(torch.meshgrid(step, step, indexing="ij"), -1).view(-1, 2)
        directions = torch.cat(
            [
                torch.cat([centers[:, :axis], torch.full_like(centers[:, :1], sign), centers[:, axis:]], 1)
                for axis in range(3)
                for sign in (-1.0, 1.0)
            ]
        ).to(device)  # [6 s^2, 3], one for every texel
        index = torch.arange(6.0 * size * size, device=device).view(1, 6, size, size, 1)
        where = sample_texture(index, directions[None, None], filter_mode="nearest", boundary_mode="cube")
        order = where.flatten().long()
        assert torch.equal(order.sort().values, torch.arange(len(order), device=device))

        def function(d: Tensor) -> Tensor:
            return d / d.norm(dim=-1, keepdim=True)

        texture = torch.empty(6 * size * size, 3, device=device)
        texture[order] = function(directions)
        texture = texture.view(1, 6, size, size, 3)
        probes = torch.randn(1, 100, 100, 3, device=device)
        image = sample_texture(texture, probes, boundary_mode="cube", backend=kernel_name(device))
        assert (image - function(probes)).abs().max() < 0.02  # at the corners a texel's mean is a bit inside
        assert (image - function(probes)).abs().mean() < 5e-4

    @pytest.mark.parametrize("size", [1, 2, 5])
    def test_no_seams_in_a_cube(self, device: torch.device, size: int) -> None:
        """Along a path over edges and near corners a random cube changes by no more than its slope allows."""
        texture = torch.rand(1, 6, size, size, 1, device=device)
        angle = torch.linspace(0, 6.2832, 40001, device=device)
        for tilt in (0.0, 0.5, 0.6154797, 0.7853982, 1.0):  # 0.615: through corners of the cube
            path = torch.stack([angle.cos(), angle.sin() * tilt, angle.sin()], -1)
            path = path @ torch.tensor([[0.8, 0.6, 0], [-0.6, 0.8, 0], [0, 0, 1.0]], device=device)
            image = sample_texture(
                texture, path[None, None], boundary_mode="cube", backend=kernel_name(device)
            )
            steps = image.flatten().diff().abs()
            assert steps.max() < 4 * size * (6.2832 / 40000) * 1.5
            assert image.std() > 1e-3


class TestMipmaps:
    @pytest.mark.parametrize("size", [(8, 4), (7, 5), (1, 9), (13, 1), (1, 1), (6, 3)])
    def test_texels_are_means_of_what_they_cover(self, size: tuple[int, int]) -> None:
        texture = torch.rand(2, *size, 3, dtype=torch.float64)
        levels = build_mipmaps(texture)
        assert levels[0] is texture
        assert levels[-1].shape == (2, 1, 1, 3)
        for fine, coarse in pairwise(levels):
            (h, w), (new_h, new_w) = fine.shape[1:3], coarse.shape[1:3]
            assert (new_h, new_w) == (max(1, h // 2), max(1, w // 2))
            # cut every texel into new_h x new_w equal parts, h x w of which make a new texel
            parts = fine.repeat_interleave(new_h, 1).repeat_interleave(new_w, 2)
            means = parts.view(2, new_h, h, new_w, w, 3).mean((2, 4))
            torch.testing.assert_close(coarse, means)
        torch.testing.assert_close(levels[-1][:, 0, 0], texture.mean((1, 2)))

    def test_gradient_and_number_of_levels(self) -> None:
        texture = torch.rand(1, 6, 5, 5, 2, dtype=torch.float64, requires_grad=True)
        levels = build_mipmaps(texture, max_levels=2)
        assert [tuple(level.shape) for level in levels] == [(1, 6, 5, 5, 2), (1, 6, 2, 2, 2)]
        assert len(build_mipmaps(texture, max_levels=99)) == 3
        assert torch.autograd.gradcheck(lambda t: build_mipmaps(t)[-1], texture)

    def test_refuses(self) -> None:
        for texture, max_levels in (
            (torch.rand(1, 0, 4, 3), None),
            (torch.zeros(1, 4, 4, 3, dtype=torch.uint8), None),
            (torch.rand(4, 3), None),
            (torch.rand(1, 4, 4, 3), 0),
        ):
            with pytest.raises(InputError):
                build_mipmaps(texture, max_levels)


class TestEdges:
    @pytest.mark.parametrize("backend", ["kernel", "reference"])
    def test_what_is_not_finite_is_zero_and_has_no_gradient(self, device: torch.device, backend: str) -> None:
        backend = kernel_name(device) if backend == "kernel" else backend
        look = random_look("trilinear", "clamp", (4, 4), (1, 4))
        with torch.no_grad():
            look.uv[0, 0, 0, 1] = torch.nan
            look.uv[0, 0, 1, 0] = -torch.inf
            look.optional["uv_derivatives"][0, 0, 2, 1, 0] = torch.inf
            look.optional["mip_bias"][0, 0, 3] = torch.nan
        look = look.copy(lambda tensor: tensor.to(device))
        image = look.sample(backend)
        assert (image[0] == 0).all()
        assert (image[1] != 0).any(-1).all()
        for gradient in look.gradients(backend)[1:]:
            assert gradient is not None
            assert (gradient[0] == 0).all()
        gradient = look.gradients(backend)[0]
        assert gradient is not None
        assert gradient.isfinite().all()

    @pytest.mark.parametrize("backend", ["kernel", "reference"])
    def test_no_direction(self, device: torch.device, backend: str) -> None:
        directions = torch.tensor([[0.0, -0.0, 0], [torch.nan, 1, 0], [1, torch.inf, 0], [0, 0, 1e-30]])
        uv = directions.view(1, 1, 4, 3).to(device).requires_grad_()
        texture = torch.ones(1, 6, 2, 2, 1, device=device, requires_grad=True)
        backend = kernel_name(device) if backend == "kernel" else backend
        image = sample_texture(texture, uv, boundary_mode="cube", backend=backend)
        image.sum().backward()
        assert image.flatten().tolist() == pytest.approx([0, 0, 0, 1])
        assert uv.grad is not None
        assert texture.grad is not None
        assert (uv.grad[0, 0, :3] == 0).all()
        assert texture.grad.sum().item() == pytest.approx(1)

    @pytest.mark.parametrize("shape", [(0, 4, 4), (2, 0, 4), (2, 4, 0)])
    @pytest.mark.parametrize("channels", [0, 3])
    def test_nothing_to_read(self, device: torch.device, shape: tuple[int, int, int], channels: int) -> None:
        texture = torch.rand(1, 4, 4, channels, device=device, requires_grad=True)
        uv = torch.rand(*shape, 2, device=device, requires_grad=True)
        for backend in (kernel_name(device), "reference"):
            image = sample_texture(texture, uv, backend=backend)
            assert image.shape == (*shape, channels)
            gradients = torch.autograd.grad(image.sum(), [texture, uv])
            assert all((gradient == 0).all() for gradient in gradients)

    def test_without_channels(self, device: torch.device) -> None:
        uv = torch.rand(2, 3, 3, 2, device=device, requires_grad=True)
        image = sample_texture(torch.rand(1, 4, 4, 0, device=device), uv, backend=kernel_name(device))
        image.sum().backward()
        assert image.shape == (2, 3, 3, 0)
        assert torch.equal(uv.grad, torch.zeros_like(uv))

    def test_strided_inputs_and_far_away_points(self, device: torch.device) -> None:
        texture = torch.rand(1, 3, 4, 6, device=device).permute(0, 2, 3, 1)
        uv = torch.rand(1, 2, 5, 7, device=device).permute(0, 2, 3, 1) * 1e20 - 5e19
        image = sample_texture(texture, uv, backend=kernel_name(device))
        plain = sample_texture(texture.contiguous(), uv.contiguous(), backend=kernel_name(device))
        assert torch.equal(image, plain)
        edges = torch.stack([texture[0, y, x] for y in (0, -1) for x in (0, -1)])
        assert (image[0, :, :, None] == edges).all(-1).any(-1).all()

    @pytest.mark.parametrize(("filter_mode", "boundary_mode"), [("trilinear", "wrap"), ("nearest", "cube")])
    def test_opcheck(self, device: torch.device, filter_mode: str, boundary_mode: str) -> None:
        look = random_look(filter_mode, boundary_mode, (4, 4), (3, 3)).copy(lambda t: t.to(device))
        texels = look.texture.detach().flatten(1, -2).requires_grad_()
        optional = [look.optional.get(name) for name in ("uv_derivatives", "mip_bias")]
        sizes = [4, 4]
        if filter_mode == "nearest":
            look.uv.requires_grad_(False)
        arguments = (texels, look.uv, *optional, sizes, filter_mode, boundary_mode)
        torch.library.opcheck(torch.ops.dream3d.sample_texture.default, arguments)


class TestRefusals:
    texture = torch.rand(1, 4, 4, 3)
    cube = torch.rand(1, 6, 4, 4, 3)
    uv = torch.rand(2, 5, 5, 2)
    directions = torch.rand(2, 5, 5, 3)

    @pytest.mark.parametrize("backend", ["cpu", "reference"])
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"filter_mode": "cubic"}, "nearest, bilinear, trilinear"),
            ({"boundary_mode": "zero"}, "wrap, clamp, cube"),
            ({"texture": []}, "empty list"),
            ({"texture": torch.rand(4, 4, 3)}, r"\[A, h, w, C\] for clamp"),
            ({"texture": torch.rand(3, 4, 4, 3)}, "for each of 2 views"),
            ({"texture": torch.rand(1, 0, 4, 3)}, "1 to 32768"),
            ({"texture": torch.zeros(1, 4, 4, 3, dtype=torch.uint8)}, "convert it first"),
            ({"texture": torch.rand(1, 4, 4, 3, device="meta")}, "meta"),
            ({"texture": [texture, torch.rand(1, 3, 2, 3)]}, "mip level 1"),
            ({"texture": cube, "boundary_mode": "cube"}, r"uv must have shape \[any, any, any, 3\]"),
            ({"texture": cube[:, :5], "boundary_mode": "cube"}, r"\[A, 6, s, s, C\]"),
            ({"texture": cube[..., :3, :], "boundary_mode": "cube"}, r"\[A, 6, s, s, C\]"),
            ({"uv": directions}, "uv must have shape"),
            ({"uv": uv.int()}, "convert it first"),
            ({"uv": uv.half()}, "convert it first"),
            ({"mip_bias": torch.rand(2, 5, 5)}, "use trilinear"),
            ({"filter_mode": "trilinear"}, "needs uv_derivatives or mip_bias"),
            ({"filter_mode": "trilinear", "mip_bias": torch.rand(2, 5)}, "mip_bias must have shape"),
            ({"filter_mode": "trilinear", "uv_derivatives": torch.rand(2, 5, 5, 4)}, "uv_derivatives must"),
            (
                {
                    "texture": cube,
                    "uv": directions,
                    "boundary_mode": "cube",
                    "filter_mode": "trilinear",
                    "uv_derivatives": torch.rand(2, 5, 5, 2, 2),
                },
                "cube has no uv_derivatives",
            ),
        ],
    )
    def test_wrong_arguments(self, backend: str, change: dict, message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            sample_texture(**{"texture": self.texture, "uv": self.uv, "backend": backend, **change})
        assert "\n" not in str(caught.value)

    def test_the_kernel_takes_float32_only(self) -> None:
        with pytest.raises(InputError, match="float32, got float64"):
            sample_texture(self.texture.double(), self.uv.double(), backend="cpu")
        assert (
            sample_texture(self.texture.double(), self.uv.double(), backend="reference").dtype
            == torch.float64
        )
