"""The kernel is compared with its plain-torch twin in the same precision, so both are in the same cells."""

import math

import pytest
import torch
from backends import kernel_name
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops.hash_grid import (
    HashGridLevels,
    _table_gradient_by_sorting,
    hash_grid,
    hash_grid_levels,
    hash_grid_reference,
)

# Levels, features, log2 of the table size, base and finest resolution. The second has hashed levels only, the
# third one level, the last two more features than fit a 64-bit load.
SHAPES = [(8, 2, 12, 4, 64), (3, 1, 3, 4, 9), (1, 2, 19, 16, 16), (5, 4, 10, 3, 40), (2, 8, 9, 2, 100)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_inputs(
    shape: tuple[int, ...], num_points: int, seed: int = 0
) -> tuple[Tensor, Tensor, HashGridLevels]:
    """Points [N, 3] in and slightly around the unit cube, a table [E, F] and its layout."""
    levels = hash_grid_levels(*shape)
    points = torch.rand(num_points, 3, generator=generator(seed)) * 1.1 - 0.05
    table = torch.randn(levels.num_entries, levels.features_per_level, generator=generator(seed + 1))
    return points, table, levels


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return float((actual.cpu() - expected.cpu()).norm() / expected.norm().clamp_min(1e-30))


class TestLevels:
    def test_layout_by_hand(self) -> None:
        levels = hash_grid_levels(3, 2, 8, 2, 8)
        assert levels.resolutions == (2, 4, 8)
        # 3^3 = 27 rows round up to 32, 5^3 = 125 to 128, 9^3 = 729 do not fit into 2^8
        assert levels.offsets == (0, 32, 160, 416)
        assert [levels.is_hashed(level) for level in range(3)] == [False, False, True]
        assert (levels.num_entries, levels.output_dim) == (416, 6)

    @pytest.mark.parametrize(
        ("num_levels", "base", "finest"), [(16, 16, 2048), (8, 8, 96), (2, 5, 5), (5, 3, 1000)]
    )
    def test_resolutions_grow_geometrically_and_end_at_the_finest(
        self, num_levels: int, base: int, finest: int
    ) -> None:
        resolutions = hash_grid_levels(num_levels, 2, 15, base, finest).resolutions
        assert (resolutions[0], resolutions[-1]) == (base, finest)
        growth = (finest / base) ** (1 / (num_levels - 1))
        for level, resolution in enumerate(resolutions):
            assert math.isclose(resolution, base * growth**level, abs_tol=1.0)

    @pytest.mark.parametrize(
        "arguments",
        [(0, 2, 15, 8, 64), (33, 2, 15, 8, 64), (8, 3, 15, 8, 64), (8, 2, 2, 8, 64), (8, 2, 25, 8, 64),
         (8, 2, 15, 0, 64), (8, 2, 15, 65, 64)],
    )  # fmt: skip
    def test_impossible_layouts_are_refused(self, arguments: tuple[int, int, int, int, int]) -> None:
        with pytest.raises(InputError):
            hash_grid_levels(*arguments)


class TestValues:
    @pytest.mark.parametrize("resolution", [1, 2, 7, 32])
    def test_a_dense_level_reproduces_an_affine_function(self, device: torch.device, resolution: int) -> None:
        levels = hash_grid_levels(1, 2, 19, resolution, resolution)
        slope = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-4.0, 0.25]])
        axis = torch.arange(resolution + 1) / resolution
        z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")  # x varies fastest
        vertices = torch.stack([x, y, z], dim=-1).reshape(-1, 3)
        table = torch.zeros(levels.num_entries, 2)
        table[: len(vertices)] = vertices @ slope + 1.0
        corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
        points = torch.cat([torch.rand(500, 3, generator=generator()), vertices, corners])
        encoded = hash_grid(points.to(device), table.to(device), levels, kernel_name(device))
        torch.testing.assert_close(encoded.cpu(), points @ slope + 1.0, rtol=1e-5, atol=1e-5)

    def test_points_on_vertices_read_single_rows(self, device: torch.device) -> None:
        levels = hash_grid_levels(1, 2, 19, 4, 4)
        table = torch.randn(levels.num_entries, 2, generator=generator())
        points = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.25, 0.5, 1.0], [-0.0, 1.0, 0.75]])
        rows = [0, 124, 1 + 5 * (2 + 5 * 4), 5 * (4 + 5 * 3)]
        encoded = hash_grid(points.to(device), table.to(device), levels, kernel_name(device))
        assert torch.equal(encoded.cpu(), table[rows])

    def test_hashed_rows_by_hand(self, device: torch.device) -> None:
        levels = hash_grid_levels(1, 1, 6, 50, 50)
        vertex = (3, 17, 50)
        row = (vertex[0] ^ (vertex[1] * 2654435761) ^ (vertex[2] * 805459861)) % 64
        table = torch.zeros(64, 1)
        table[row] = 2.5
        point = torch.tensor([vertex]) / 50
        assert hash_grid(
            point.to(device), table.to(device), levels, kernel_name(device)
        ).item() == pytest.approx(2.5)

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("num_points", [1, 3, 16, 255, 257, 5000])
    def test_kernel_equals_twin(self, device: torch.device, shape: tuple[int, ...], num_points: int) -> None:
        points, table, levels = random_inputs(shape, num_points)
        encoded = hash_grid(points.to(device), table.to(device), levels, kernel_name(device))
        torch.testing.assert_close(
            encoded.cpu(), hash_grid_reference(points, table, levels), rtol=1e-5, atol=1e-5
        )

    def test_points_outside_are_clamped(self, device: torch.device) -> None:
        points, table, levels = random_inputs(SHAPES[0], 300)
        outside = points * 5 - 2
        outside[0] = torch.tensor([math.inf, -math.inf, 0.5])
        inside = outside.clamp(0, 1)
        backend = kernel_name(device)
        assert torch.equal(
            hash_grid(outside.to(device), table.to(device), levels, backend),
            hash_grid(inside.to(device), table.to(device), levels, backend),
        )

    def test_nan_poisons_its_own_point_only(self, device: torch.device) -> None:
        points, table, levels = random_inputs(SHAPES[0], 40)
        expected = hash_grid_reference(points, table, levels)
        points[7, 1] = math.nan
        for encoded in (
            hash_grid(points.to(device), table.to(device), levels, kernel_name(device)).cpu(),
            hash_grid_reference(points, table, levels),
        ):
            assert encoded[7].isnan().all()
            others = torch.arange(40) != 7
            torch.testing.assert_close(encoded[others], expected[others], rtol=1e-5, atol=1e-5)

    def test_no_points(self, device: torch.device) -> None:
        points, table, levels = random_inputs(SHAPES[0], 0)
        table = table.to(device).requires_grad_()
        encoded = hash_grid(points.to(device), table, levels, kernel_name(device))
        assert encoded.shape == (0, levels.output_dim)
        encoded.sum().backward()
        assert table.grad is not None
        assert table.grad.abs().sum() == 0

    def test_non_contiguous_inputs(self) -> None:
        points, table, levels = random_inputs(SHAPES[0], 100)
        strided_points = points.T.contiguous().T
        strided_table = torch.stack([table, table], dim=1)[:, 0]
        assert torch.equal(hash_grid(strided_points, strided_table, levels), hash_grid(points, table, levels))


class TestGradients:
    def test_gradcheck_of_the_twin(self) -> None:
        levels = hash_grid_levels(3, 2, 6, 2, 7)
        # Away from the boundaries of every level's cells, so that no finite difference crosses one.
        candidates = torch.rand(400, 3, generator=generator(3), dtype=torch.float64)
        distance = torch.stack(
            [(candidates * r - (candidates * r).round()).abs().amin(1) for r in levels.resolutions]
        )
        points = candidates[(distance > 0.01).all(0)][:6].requires_grad_()
        assert len(points) == 6
        table = torch.randn(
            levels.num_entries, 2, generator=generator(), dtype=torch.float64, requires_grad=True
        )
        assert torch.autograd.gradcheck(lambda p, t: hash_grid_reference(p, t, levels), (points, table))

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("num_points", [1, 250, 3001])
    def test_kernel_equals_twin(self, device: torch.device, shape: tuple[int, ...], num_points: int) -> None:
        points, table, levels = random_inputs(shape, num_points, seed=5)
        upstream = torch.randn(num_points, levels.output_dim, generator=generator(9))
        leaves = [points.to(device).requires_grad_(), table.to(device).requires_grad_()]
        gradients = torch.autograd.grad(
            hash_grid(*leaves, levels, kernel_name(device)), leaves, upstream.to(device)
        )
        twins = [points.clone().requires_grad_(), table.clone().requires_grad_()]
        expected = torch.autograd.grad(hash_grid_reference(*twins, levels), twins, upstream)
        for actual, wanted in zip(gradients, expected, strict=True):
            assert relative_error(actual, wanted) < 1e-5

    def test_weights_of_a_point_sum_to_one(self, device: torch.device) -> None:
        points, table, levels = random_inputs(SHAPES[0], 2000)
        table = table.to(device).requires_grad_()
        upstream = torch.rand(2000, levels.output_dim, generator=generator())
        hash_grid(points.to(device), table, levels, kernel_name(device)).backward(upstream.to(device))
        assert table.grad is not None
        gradient = table.grad.cpu().double()
        for level in range(levels.num_levels):
            total = gradient[levels.offsets[level] : levels.offsets[level + 1]].sum(0)
            columns = upstream[:, 2 * level : 2 * level + 2].double()
            torch.testing.assert_close(total, columns.sum(0), rtol=1e-5, atol=1e-5)

    def test_clamped_axes_get_no_gradient(self, device: torch.device) -> None:
        _, table, levels = random_inputs(SHAPES[0], 0)
        points = (
            torch.tensor([[0.5, -0.1, 0.3], [1.5, 0.2, 0.4], [0.0, 1.0, 0.6]]).to(device).requires_grad_()
        )
        hash_grid(points, table.to(device), levels, kernel_name(device)).sum().backward()
        assert points.grad is not None
        zero = points.grad.cpu() == 0
        assert zero.tolist() == [[False, True, False], [True, False, False], [False, False, False]]

    def test_only_what_is_asked_for(self) -> None:
        points, table, levels = random_inputs(SHAPES[0], 100)
        table.requires_grad_()
        (gradient,) = torch.autograd.grad(hash_grid(points, table, levels).sum(), table)
        points.requires_grad_()
        both = torch.autograd.grad(hash_grid(points, table, levels).sum(), [points, table])
        assert torch.equal(gradient, both[1])

    @pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[4]])  # fewer and more levels than threads
    def test_same_bits_for_any_number_of_threads(self, shape: tuple[int, ...]) -> None:
        points, table, levels = random_inputs(shape, 20_000)
        upstream = torch.randn(20_000, levels.output_dim, generator=generator())
        points.requires_grad_()
        table.requires_grad_()

        def run() -> tuple[Tensor, ...]:
            encoded = hash_grid(points, table, levels, "cpu")
            return encoded, *torch.autograd.grad(encoded, [points, table], upstream)

        assert_same_bits_for_any_number_of_threads(run)

    def test_summing_by_sorting_gives_the_same_gradient(self) -> None:
        points, table, levels = random_inputs(SHAPES[0], 500)
        table.requires_grad_()
        upstream = torch.randn(500, levels.output_dim, generator=generator())
        (expected,) = torch.autograd.grad(hash_grid(points, table, levels), table, upstream)
        assert relative_error(_table_gradient_by_sorting(upstream, points, table, levels), expected) < 1e-6

    @pytest.mark.gpu
    def test_deterministic_mode_on_cuda(self) -> None:
        points, table, levels = random_inputs(SHAPES[0], 20_000)
        points, table = points.cuda(), table.cuda().requires_grad_()
        upstream = torch.randn(20_000, levels.output_dim, generator=generator()).cuda()
        torch.use_deterministic_algorithms(True)
        try:
            runs = [
                torch.autograd.grad(hash_grid(points, table, levels), table, upstream)[0] for _ in range(3)
            ]
        finally:
            torch.use_deterministic_algorithms(False)
        assert torch.equal(runs[0], runs[1])
        assert torch.equal(runs[0], runs[2])
        cpu_table = table.detach().cpu().requires_grad_()
        encoded = hash_grid(points.cpu(), cpu_table, levels)
        (expected,) = torch.autograd.grad(encoded, cpu_table, upstream.cpu())
        assert relative_error(runs[0], expected) < 1e-5


class TestRefusals:
    def test_messages_say_what_to_do(self) -> None:
        points, table, levels = random_inputs(SHAPES[0], 10)
        cases = [
            (points[:, :2], table, r"points must have shape \[any, 3\]"),
            (points.double(), table, "points must be float32, got float64; convert it first"),
            (points, table.half(), "table must be float32"),
            (points, table[:-1], r"table must have shape"),
            (points.to("meta"), table, "points is on meta, the other arguments on cpu; move it"),
        ]
        for bad_points, bad_table, message in cases:
            with pytest.raises(InputError, match=message):
                hash_grid(bad_points, bad_table, levels)

    def test_an_unavailable_backend(self) -> None:
        points, table, levels = random_inputs(SHAPES[0], 10)
        with pytest.raises(InputError, match="cuda"):
            hash_grid(points, table, levels, backend="cuda")


def test_the_op_is_registered_correctly(device: torch.device) -> None:
    points, table, levels = random_inputs((2, 2, 6, 2, 9), 20)
    arguments = (
        points.to(device).requires_grad_(),
        table.to(device).requires_grad_(),
        levels.resolutions,
        levels.offsets,
    )
    torch.library.opcheck(torch.ops.dream3d.hash_grid.default, arguments)
