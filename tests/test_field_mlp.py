"""The fused kernel against its plain-torch twin in double precision.

The field has kinks (cell walls, the ReLU). Points within rounding of one are given no upstream gradient,
since there float32 and float64 may rightly be on different sides.
"""

import math

import pytest
import torch
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops.field_mlp import field_mlp, field_mlp_reference
from dream3d.ops.hash_grid import HashGridLevels, hash_grid, hash_grid_levels

# Levels, features, log2 of the table size; hidden units, outputs.
SHAPES = [
    ((8, 2, 12), 32, 4),
    ((5, 1, 8), 64, 3),
    ((3, 4, 10), 8, 7),
    ((2, 8, 9), 16, 1),
    ((1, 2, 14), 128, 8),
]
NAMES = ("points", "table", "w1", "b1", "w2", "b2")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_field(
    grid: tuple[int, int, int], hidden: int, outputs: int, num_points: int, seed: int = 0
) -> tuple[HashGridLevels, list[Tensor]]:
    """Layout and the tensors of `NAMES`."""
    source = generator(seed)
    levels = hash_grid_levels(*grid, 4, 50)
    return levels, [
        torch.rand(num_points, 3, generator=source),
        torch.randn(levels.num_entries, levels.features_per_level, generator=source),
        torch.randn(hidden, levels.output_dim, generator=source) / math.sqrt(levels.output_dim),
        torch.randn(hidden, generator=source),
        torch.randn(outputs, hidden, generator=source) / math.sqrt(hidden),
        torch.randn(outputs, generator=source),
    ]


def kinked(levels: HashGridLevels, tensors: list[Tensor]) -> Tensor:
    """Points [N] whose gradient float32 cannot decide."""
    points, table, w1, b1, *_ = (tensor.double() for tensor in tensors)
    near_wall = torch.zeros(len(points), dtype=torch.bool)
    for resolution in levels.resolutions:
        position = points * resolution
        near_wall |= ((position - position.round()).abs() < 1e-4).any(1)
    activation = hash_grid(points, table, levels, "reference") @ w1.T + b1
    return near_wall | (activation.abs() < 1e-4).any(1)


def run(
    tensors: list[Tensor], levels: HashGridLevels, upstream: Tensor, backend: str
) -> tuple[Tensor, dict[str, Tensor]]:
    """Output and the gradients to all tensors, by name."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    points, table, *weights = leaves
    output = field_mlp(points, table, levels, *weights, backend=backend)
    return output, dict(zip(NAMES, torch.autograd.grad(output, leaves, upstream), strict=True))


def assert_matches_twin(levels: HashGridLevels, tensors: list[Tensor], device: torch.device) -> None:
    num_points, outputs = len(tensors[0]), len(tensors[-1])
    upstream = torch.randn(num_points, outputs, generator=generator(7))
    excluded = kinked(levels, tensors)
    assert excluded.float().mean() < 0.15 or num_points < 100
    upstream[excluded] = 0.0
    expected, wanted = run([t.double() for t in tensors], levels, upstream.double(), "reference")
    output, gradients = run([t.to(device) for t in tensors], levels, upstream.to(device), device.type)
    torch.testing.assert_close(output.cpu(), expected.float(), rtol=1e-4, atol=1e-4)
    for name, gradient in gradients.items():
        error = (gradient.cpu().double() - wanted[name]).norm() / wanted[name].norm().clamp_min(1e-30)
        assert error < 1e-4, name


class TestAgainstTwin:
    @pytest.mark.parametrize(("grid", "hidden", "outputs"), SHAPES)
    def test_all_sizes(
        self, device: torch.device, grid: tuple[int, int, int], hidden: int, outputs: int
    ) -> None:
        levels, tensors = random_field(grid, hidden, outputs, 1003)
        assert_matches_twin(levels, tensors, device)

    # around the widths of a vector (4, 8, 16), a tile (256), a shard (4096) and a chunk (65536)
    @pytest.mark.parametrize("num_points", [1, 4, 5, 15, 17, 255, 256, 257, 4096, 4097, 66_000])
    def test_all_remainders(self, device: torch.device, num_points: int) -> None:
        levels, tensors = random_field((2, 2, 8), 8, 2, num_points)
        assert_matches_twin(levels, tensors, device)

    def test_gradcheck_of_the_twin(self) -> None:
        levels, tensors = random_field((2, 2, 6), 8, 2, 60)
        keep = ~kinked(levels, tensors)
        tensors[0] = tensors[0][keep][:5]
        leaves = [tensor.double().requires_grad_() for tensor in tensors]

        def field(points: Tensor, table: Tensor, *weights: Tensor) -> Tensor:
            return field_mlp_reference(points, table, levels, *weights)

        assert torch.autograd.gradcheck(field, leaves, eps=1e-7)


class TestBehaviour:
    levels, tensors = random_field((4, 2, 10), 16, 4, 3000, seed=3)

    def evaluate(self, points: Tensor) -> Tensor:
        return field_mlp(points, self.tensors[1], self.levels, *self.tensors[2:], backend="cpu")

    def test_equals_the_composition_of_the_ops(self) -> None:
        points, table, w1, b1, w2, b2 = self.tensors
        hidden = (hash_grid(points, table, self.levels) @ w1.T + b1).relu()
        torch.testing.assert_close(self.evaluate(points), hidden @ w2.T + b2, rtol=1e-5, atol=1e-5)

    def test_a_point_does_not_depend_on_its_neighbours(self) -> None:
        points = self.tensors[0]
        together = self.evaluate(points)
        assert torch.equal(self.evaluate(points[1000:1001]), together[1000:1001])
        assert torch.equal(self.evaluate(points.flip(0)).flip(0), together)

    def test_no_points(self, device: torch.device) -> None:
        tensors = [self.tensors[0][:0], *self.tensors[1:]]
        leaves = [tensor.clone().to(device).requires_grad_() for tensor in tensors]
        points, table, *weights = leaves
        output = field_mlp(points, table, self.levels, *weights, backend=device.type)
        assert output.shape == (0, 4)
        for gradient in torch.autograd.grad(output.sum(), leaves):
            assert (gradient == 0).all()

    @pytest.mark.parametrize("backend", ["cpu", "reference"])
    def test_nan_poisons_its_own_point_only(self, backend: str) -> None:
        points = self.tensors[0].clone()
        clean = self.evaluate(points)
        points[77, 2] = math.nan
        output = field_mlp(points, self.tensors[1], self.levels, *self.tensors[2:], backend=backend)
        assert output[77].isnan().all()
        others = torch.arange(len(points)) != 77
        torch.testing.assert_close(output[others], clean[others], rtol=1e-4, atol=1e-4)

    def test_a_nan_in_the_last_partial_vector_reaches_no_gradient(self) -> None:
        # The lanes behind the last point repeat it; without upstream gradient they must add nothing.
        tensors = [self.tensors[0][:5], *self.tensors[1:]]
        upstream = torch.ones(5, 4)
        _, gradients = run(tensors, self.levels, upstream, "cpu")
        _, longer = run(
            [torch.cat([tensors[0], tensors[0][4:]]), *tensors[1:]],
            self.levels,
            torch.cat([upstream, torch.zeros(1, 4)]),
            "cpu",
        )
        for name in NAMES[1:]:
            assert torch.equal(gradients[name], longer[name])

    def test_gradients_that_are_not_needed_change_nothing(self) -> None:
        upstream = torch.randn(3000, 4, generator=generator())
        _, everything = run(self.tensors, self.levels, upstream, "cpu")
        for wanted in [("table",), ("w1", "b2"), ("points",)]:
            leaves = [
                tensor.clone().requires_grad_(name in wanted)
                for name, tensor in zip(NAMES, self.tensors, strict=True)
            ]
            points, table, *weights = leaves
            output = field_mlp(points, table, self.levels, *weights, backend="cpu")
            asked = [leaf for leaf in leaves if leaf.requires_grad]
            for name, gradient in zip(wanted, torch.autograd.grad(output, asked, upstream), strict=True):
                assert torch.equal(gradient, everything[name])

    @pytest.mark.parametrize("num_levels", [2, 8])  # fewer and more levels than threads
    def test_same_bits_for_any_number_of_threads(self, num_levels: int) -> None:
        levels, tensors = random_field((num_levels, 2, 12), 32, 4, 70_000)
        upstream = torch.randn(70_000, 4, generator=generator())

        def both() -> tuple[Tensor, ...]:
            output, gradients = run(tensors, levels, upstream, "cpu")
            return output, *gradients.values()

        assert_same_bits_for_any_number_of_threads(both)


class TestRefusals:
    def test_messages_say_what_to_do(self) -> None:
        levels, tensors = random_field((4, 2, 10), 16, 4, 10)
        points, table, w1, b1, w2, b2 = tensors
        for arguments, message in [
            ((points.double(), table, w1, b1, w2, b2), "points must be float32"),
            ((points[:, :2], table, w1, b1, w2, b2), r"points must have shape \[any, 3\]"),
            ((points, table[1:], w1, b1, w2, b2), "table must have shape"),
            ((points, table, w1[:, 1:], b1, w2, b2), r"w1 must have shape \[16, 8\]"),
            ((points, table, w1, b1[:, None], w2, b2), "b1 must have shape"),
            ((points, table, w1, b1, w2.T, b2), r"w2 must have shape \[4, 16\]"),
            ((points, table, w1, b1, w2, b2.half()), "b2 must be float32"),
            ((points, table, w1.to("meta"), b1, w2, b2), "w1 is on meta"),
            ((points, table, w1[:12], b1[:12], w2[:, :12], b2), "8 to 128 units, a multiple of 8, got 12"),
            ((points, table, w1, b1, w2.repeat(3, 1), b2.repeat(3)), "1 to 8 outputs, got 12"),
        ]:
            first, second, *weights = arguments
            with pytest.raises(InputError, match=message):
                field_mlp(first, second, levels, *weights)

    def test_non_contiguous_inputs(self) -> None:
        levels, tensors = random_field((4, 2, 10), 16, 4, 50)
        strided = [tensor.T.contiguous().T if tensor.dim() == 2 else tensor for tensor in tensors]
        points, table, *weights = strided
        expected = field_mlp(tensors[0], tensors[1], levels, *tensors[2:])
        assert torch.equal(field_mlp(points, table, levels, *weights), expected)


def test_the_op_is_registered_correctly() -> None:
    levels, tensors = random_field((2, 2, 6), 8, 2, 20)
    arguments = (*(tensor.requires_grad_() for tensor in tensors), levels.resolutions, levels.offsets)
    torch.library.opcheck(torch.ops.dream3d.field_mlp.default, arguments)
