"""How barycentrics change across the screen: closed forms, neighbouring pixels, the twin, gradients."""

import pytest
import torch
from backends import kernel_name
from raster_scenes import PROJECTION, as_tensors, random_soup, to_clip
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops.rasterize import (
    Fragments,
    interpolate,
    interpolate_derivatives,
    rasterize,
    rasterize_reference,
    screen_derivatives,
)

HEIGHT, WIDTH = 30, 42
FACE = torch.tensor([[0, 1, 2]], dtype=torch.int32)


@pytest.fixture(params=[False, True], ids=["perspective", "crossing"])
def views(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """Two mirrored views of triangles in front of the camera, or around and behind it."""
    points, faces = random_soup(27, 40, 2.0 if request.param else 0.8, request.param)
    positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
    return torch.cat([positions, positions * torch.tensor([-1.0, 1, 1, 1])]), faces_tensor


def is_inside(fragments: Fragments) -> Tensor:
    """Pixels whose weights are not clamped to their triangle, [B, H, W]."""
    weights = fragments.barycentrics
    return fragments.mask & (weights > 0).all(-1) & (weights.sum(-1) < 1)


def random_like(tensor: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor)


class TestClosedForms:
    @pytest.mark.parametrize("backend", ["kernel", "reference"])
    def test_without_perspective(self, device: torch.device, backend: str) -> None:
        """Over the whole image u = 1 - x / W - y / H and v = x / W, with y down."""
        corners = torch.tensor([[[-1.0, 1, 0, 1], [1, 1, 0, 1], [-1, -1, 0, 1]]], device=device)
        faces = FACE.to(device)
        fragments = rasterize(corners, faces, HEIGHT, WIDTH)
        name = kernel_name(device) if backend == "kernel" else "reference"
        slopes = screen_derivatives(corners, faces, fragments, backend=name)
        expected = torch.tensor([[-1 / WIDTH, -1 / HEIGHT], [1 / WIDTH, 0]], device=device)
        torch.testing.assert_close(
            slopes[is_inside(fragments)], expected.expand_as(slopes[is_inside(fragments)]), atol=1e-7, rtol=0
        )
        assert (slopes[~fragments.mask] == 0).all()
        assert (~fragments.mask).any()

    def test_a_floor_to_the_horizon(self, device: torch.device) -> None:
        """Seen from height 1 at focal length 1, the row at Y < 0 shows the floor at distance 1 / -Y."""
        world = torch.tensor([[-60.0, -1, 40], [60, -1, 40], [0, -1, -100]])  # the first two are behind
        x, y, z = world.unbind(-1)
        clip = torch.stack([x, y, -0.5 * z, -z], -1)[None].to(device)  # z / w = 1/2: nothing is clipped but w
        faces = FACE.to(device)
        fragments = rasterize(clip, faces, HEIGHT, WIDTH)
        slopes = screen_derivatives(clip, faces, fragments)
        # z = 40 (u + v) - 100 (1 - u - v), and z = 1 / Y
        pixel_y = 1 - (torch.arange(HEIGHT) + 0.5) * 2 / HEIGHT
        expected = (2 / HEIGHT / pixel_y**2 / 140)[:, None].expand(HEIGHT, WIDTH).to(device)
        inside = is_inside(fragments)[0]
        sum_slope = slopes[0].sum(-2)
        assert inside.sum() > 0.4 * inside.numel()
        torch.testing.assert_close(sum_slope[..., 1][inside], expected[inside], atol=0, rtol=1e-4)
        assert (sum_slope[..., 0][inside].abs() < 1e-6).all()

    def test_a_texture_seen_from_the_front(self, device: torch.device) -> None:
        """Texture coordinates that cover the image once: a pixel is one texel of W x H, v grows downwards."""
        corners = torch.tensor([[-1.0, 1, 0, 1], [3, 1, 0, 1], [-1, -3, 0, 1]])[None].to(device)
        uvs = torch.tensor([[0.0, 0], [2, 0], [0, 2]], device=device)
        faces = FACE.to(device)
        fragments = rasterize(corners, faces, HEIGHT, WIDTH)
        footprint = interpolate_derivatives(
            uvs, faces, fragments, screen_derivatives(corners, faces, fragments)
        )
        expected = torch.diag(torch.tensor([1 / WIDTH, 1 / HEIGHT])).to(device)
        torch.testing.assert_close(footprint, expected.expand_as(footprint), atol=1e-7, rtol=0)


@pytest.mark.parametrize("axis", [0, 1], ids=["x", "y"])
def test_neighbouring_pixels(views: tuple[Tensor, Tensor], device: torch.device, axis: int) -> None:
    """u is a ratio of linear functions: u(x + 1) - u(x) = du/dx w(x + 1) / w(x) exactly, in one triangle."""
    positions, faces = views
    exact = positions.double()
    fragments = rasterize_reference(exact, faces, HEIGHT, WIDTH)
    slopes = screen_derivatives(
        positions.to(device),
        faces.to(device),
        Fragments(
            fragments.triangle_id.to(device), fragments.barycentrics.to(device), fragments.depth.to(device)
        ),
        backend=kernel_name(device),
    )
    w = interpolate(exact[..., 3:], faces, fragments)
    inside = is_inside(fragments)
    dim = 2 - axis

    def pair(image: Tensor) -> tuple[Tensor, Tensor]:
        size = image.shape[dim] - 1
        return image.narrow(dim, 0, size), image.narrow(dim, 1, size)

    (id_a, id_b), (inside_a, inside_b), (w_a, w_b) = pair(fragments.triangle_id), pair(inside), pair(w)
    same = (id_a == id_b) & inside_a & inside_b
    before, after = pair(fragments.barycentrics)
    slope = pair(slopes[..., axis].cpu().double())[0]
    assert same.sum() > 500
    predicted = slope * w_b / w_a
    torch.testing.assert_close(predicted[same], (after - before)[same], atol=1e-6, rtol=1e-5)

    attributes = torch.rand(positions.shape[1], 3, dtype=torch.float64)
    change = interpolate_derivatives(
        attributes, faces, fragments, screen_derivatives(exact, faces, fragments)
    )
    values_a, values_b = pair(interpolate(attributes, faces, fragments))
    predicted = pair(change[..., axis])[0] * w_b / w_a
    torch.testing.assert_close(predicted[same], (values_b - values_a)[same], atol=1e-12, rtol=1e-9)


class TestAgainstTwin:
    def test_values_and_gradient(self, views: tuple[Tensor, Tensor], device: torch.device) -> None:
        positions, faces = views
        fragments = rasterize(positions.to(device), faces.to(device), HEIGHT, WIDTH)
        leaf = positions.to(device).requires_grad_()
        slopes = screen_derivatives(leaf, faces.to(device), fragments, backend=kernel_name(device))
        exact = positions.double().to(device).requires_grad_()
        expected = screen_derivatives(exact, faces.to(device), fragments)
        assert expected.dtype == torch.float64
        torch.testing.assert_close(slopes.double(), expected, atol=1e-7, rtol=1e-5)
        upstream = random_like(expected)
        (gradient,) = torch.autograd.grad(slopes, leaf, upstream.float())
        (exact_gradient,) = torch.autograd.grad(expected, exact, upstream.float().double())
        error = (gradient.double() - exact_gradient).abs().amax(-1)
        assert (error <= 2e-5 * (1 + exact_gradient.abs().amax(-1))).all()
        assert exact_gradient.abs().sum() > 10
        assert (gradient[..., 2] == 0).all()

    def test_gradcheck_of_the_reference(self, views: tuple[Tensor, Tensor]) -> None:
        positions, faces = views
        small = positions[:, :60].double().requires_grad_()
        fragments = rasterize_reference(small.detach(), faces[:20], 5, 6)
        assert len(fragments.triangle_id.unique()) > 3
        assert torch.autograd.gradcheck(lambda p: screen_derivatives(p, faces[:20], fragments), small)

    def test_same_bits_for_any_number_of_threads(self, views: tuple[Tensor, Tensor]) -> None:
        positions, faces = views
        fragments = rasterize(positions, faces, 90, 110)

        def run() -> tuple[Tensor, ...]:
            leaf = positions.clone().requires_grad_()
            slopes = screen_derivatives(leaf, faces, fragments, backend="cpu")
            return slopes.detach(), *torch.autograd.grad(slopes, leaf, random_like(slopes))

        assert_same_bits_for_any_number_of_threads(run)

    def test_opcheck(self, views: tuple[Tensor, Tensor], device: torch.device) -> None:
        positions, faces = (tensor.to(device) for tensor in views)
        ids = rasterize(positions, faces, 9, 11).triangle_id
        arguments = (positions.requires_grad_(), faces, ids)
        torch.library.opcheck(torch.ops.dream3d.screen_derivatives.default, arguments)
        upstream = torch.randn(*ids.shape, 2, device=device)
        backward = (positions.detach(), faces, ids, upstream, None)
        torch.library.opcheck(torch.ops.dream3d.barycentrics_backward.default, backward)


class TestEdgeCases:
    @pytest.mark.parametrize("backend", ["kernel", "reference"])
    def test_no_derivative_is_zero(self, device: torch.device, backend: str) -> None:
        """Fragments of another scene: where a triangle has no plane, nothing that is not finite comes out."""
        name = kernel_name(device) if backend == "kernel" else "reference"
        good = torch.tensor([[[-1.0, 1, 0, 1], [1, 1, 0, 1], [-1, -1, 0, 1]]], device=device)
        fragments = rasterize(good, FACE.to(device), 4, 4)
        for bad in (
            good * torch.nan,
            good * torch.inf,
            good * 0,
            good * torch.tensor([1, 0, 1, 1.0], device=device),
        ):
            leaf = bad.clone().requires_grad_()
            slopes = screen_derivatives(leaf, FACE.to(device), fragments, backend=name)
            assert torch.equal(slopes, torch.zeros_like(slopes))
            (gradient,) = torch.autograd.grad(slopes.sum(), leaf)
            assert torch.equal(gradient, torch.zeros_like(gradient))

    def test_empty(self, device: torch.device) -> None:
        positions = torch.rand(2, 3, 4, device=device, requires_grad=True)
        for num_views, height, num_triangles in ((0, 3, 1), (2, 0, 1), (2, 3, 0)):
            part, faces = positions[:num_views], FACE[:num_triangles].to(device)
            slopes = screen_derivatives(part, faces, rasterize(part.detach(), faces, height, 5))
            assert slopes.shape == (num_views, height, 5, 2, 2)
            slopes.sum().backward()

    def test_refusals(self) -> None:
        positions = torch.rand(1, 4, 4)
        fragments = rasterize(positions, FACE, 4, 5)
        slopes = screen_derivatives(positions, FACE, fragments)
        with pytest.raises(InputError, match=r"positions_clip must be \[1, V, 4\]"):
            screen_derivatives(torch.rand(2, 4, 4), FACE, fragments)
        with pytest.raises(InputError, match=r"positions_clip must be \[1, V, 4\]"):
            screen_derivatives(torch.rand(1, 4, 3), FACE, fragments)
        with pytest.raises(TypeError, match="positions_clip must be floating point"):
            screen_derivatives(positions.int(), FACE, fragments)
        with pytest.raises(TypeError, match=r"positions_clip must be torch.float32 for the kernel"):
            screen_derivatives(positions.double(), FACE, fragments, backend="cpu")
        with pytest.raises(TypeError, match=r"faces must be torch.int32"):
            screen_derivatives(positions, FACE.long(), fragments)
        with pytest.raises(InputError, match="meta"):
            screen_derivatives(positions.to("meta"), FACE, fragments)
        with pytest.raises(InputError, match=r"derivatives must be \[1, 4, 5, 2, 2\]"):
            interpolate_derivatives(positions[0], FACE, fragments, slopes[:, :3])
        with pytest.raises(InputError, match=r"derivatives must be .* on cpu.* on meta"):
            interpolate_derivatives(positions[0], FACE, fragments, slopes.to("meta"))
