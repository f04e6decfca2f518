"""Closed forms, the twin, and the samples that break a naive derivative: opaque, faint, out of reach."""

import math
from collections.abc import Callable
from typing import Literal

import pytest
import torch
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops.composite import Composited, composite, composite_reference

Composite = Callable[..., Composited]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu), "reference"])
def run(request: pytest.FixtureRequest) -> Composite:
    """Each back-end, taking and returning CPU tensors."""
    backend: Literal["cpu", "cuda", "reference"] = request.param
    device = "cuda" if backend == "cuda" else "cpu"

    def call(*tensors: Tensor, early_stop: float = 0.0) -> Composited:
        result = composite(*(tensor.to(device) for tensor in tensors), early_stop=early_stop, backend=backend)
        return Composited(*(value.cpu() for value in fields(result)))

    return call


def random_samples(
    counts: list[int], channels: int, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Density, values, starts, ends and packed info of rays with the given numbers of samples."""
    source = generator(seed)
    num_samples = sum(counts)
    gaps = torch.rand(num_samples, 2, generator=source, dtype=dtype) * 0.1
    t_ends = gaps.sum(1).cumsum(0)
    density = torch.rand(num_samples, generator=source, dtype=dtype) * 15
    values = torch.randn(num_samples, channels, generator=source, dtype=dtype)
    count = torch.tensor(counts, dtype=torch.int32)
    packed_info = torch.stack([count.cumsum(0).int() - count, count], dim=1)
    return density, values, t_ends - gaps[:, 1], t_ends, packed_info


def fields(result: Composited) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return result.values, result.opacity, result.depth, result.weights


def gradients(
    function: Composite, tensors: tuple[Tensor, ...], upstream: list[Tensor | None], early_stop: float = 0.0
) -> list[Tensor]:
    """Gradients to density and values for upstream gradients to values, opacity, depth and weights."""
    density, values, *rest = tensors
    leaves = [density.detach().clone().requires_grad_(), values.detach().clone().requires_grad_()]
    result = fields(function(*leaves, *rest, early_stop=early_stop))
    chosen = [(output, grad) for output, grad in zip(result, upstream, strict=True) if grad is not None]
    found = torch.autograd.grad(
        [output for output, _ in chosen],
        leaves,
        [grad.to(output.dtype) for output, grad in chosen],
        allow_unused=True,
    )
    return [
        torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, found, strict=True)
    ]


COUNTS = [3, 0, 17, 1, 40, 0, 128, 5]


class TestClosedForms:
    def test_two_samples_by_hand(self, run: Composite) -> None:
        # exp(-tau) = 1/2 twice: weights 1/2 and 1/4
        result = run(
            torch.full((2,), math.log(2.0)),
            torch.tensor([[1.0, 10.0], [2.0, -4.0]]),
            torch.tensor([0.0, 1.0]),
            torch.tensor([1.0, 2.0]),
            torch.tensor([[0, 2]], dtype=torch.int32),
        )
        torch.testing.assert_close(result.weights, torch.tensor([0.5, 0.25]))
        torch.testing.assert_close(result.opacity, torch.tensor([0.75]))
        torch.testing.assert_close(result.values, torch.tensor([[1.0, 4.0]]))
        torch.testing.assert_close(result.depth, torch.tensor([0.5 * 0.5 + 0.25 * 1.5]))

    @pytest.mark.parametrize("sigma", [0.01, 1.0, 30.0])
    def test_homogeneous_medium(self, run: Composite, sigma: float) -> None:
        num_samples, length = 1000, 2.0
        edges = torch.linspace(0, length, num_samples + 1, dtype=torch.float64).float()
        result = run(
            torch.full((num_samples,), sigma),
            torch.full((num_samples, 1), 0.7),
            edges[:-1],
            edges[1:],
            torch.tensor([[0, num_samples]], dtype=torch.int32),
        )
        opacity = -math.expm1(-sigma * length)
        # the integral of t sigma exp(-sigma t) over the ray
        depth = (1 - math.exp(-sigma * length) * (1 + sigma * length)) / sigma
        assert result.opacity.item() == pytest.approx(opacity, rel=2e-5)
        assert result.values.item() == pytest.approx(0.7 * opacity, rel=2e-5)
        assert result.depth.item() == pytest.approx(depth, rel=5e-4)  # midpoints: an error of tau^2 / 12

    def test_weights_of_thin_samples_keep_their_digits(self, run: Composite) -> None:
        density = torch.tensor([3.3e-7])
        one, zero = torch.ones(1), torch.zeros(1)
        result = run(density, one[:, None], zero, one, torch.tensor([[0, 1]], dtype=torch.int32))
        assert result.weights.item() == pytest.approx(3.3e-7, rel=1e-5)

    def test_transmittance_telescopes(self, run: Composite) -> None:
        tensors = random_samples(COUNTS, 2)
        density, _, t_starts, t_ends, packed_info = tensors
        result = run(*tensors)
        depth = (density * (t_ends - t_starts)).double()
        for ray, (start, count) in enumerate(packed_info.tolist()):
            expected = -torch.expm1(-depth[start : start + count].sum())
            assert result.opacity[ray].item() == pytest.approx(expected.item(), rel=1e-5)
            assert result.weights[start : start + count].sum().item() == pytest.approx(
                expected.item(), rel=1e-5
            )


class TestAgainstTwin:
    @pytest.mark.parametrize("channels", [0, 1, 3, 4, 9])
    @pytest.mark.parametrize("early_stop", [0.0, 1e-4, 0.3])
    def test_results(self, run: Composite, channels: int, early_stop: float) -> None:
        tensors = random_samples(COUNTS, channels)
        expected = composite_reference(
            *(t.double() if t.is_floating_point() else t for t in tensors), early_stop
        )
        result = run(*tensors, early_stop=early_stop)
        for actual, wanted in zip(fields(result), fields(expected), strict=True):
            torch.testing.assert_close(actual, wanted.float(), rtol=2e-5, atol=2e-6)

    @pytest.mark.parametrize("which", [(0,), (1,), (2,), (3,), (0, 1, 2, 3)])
    @pytest.mark.parametrize("early_stop", [0.0, 0.3])
    def test_gradients(self, run: Composite, which: tuple[int, ...], early_stop: float) -> None:
        tensors = random_samples(COUNTS, 3, seed=1)
        shapes = [(len(COUNTS), 3), (len(COUNTS),), (len(COUNTS),), (sum(COUNTS),)]
        upstream = [
            torch.randn(shape, generator=generator(index)) if index in which else None
            for index, shape in enumerate(shapes)
        ]
        doubles = tuple(t.double() if t.is_floating_point() else t for t in tensors)
        expected = gradients(composite_reference, doubles, upstream, early_stop=early_stop)
        actual = gradients(run, tensors, upstream, early_stop=early_stop)
        for mine, wanted in zip(actual, expected, strict=True):
            torch.testing.assert_close(mine, wanted.float(), rtol=1e-4, atol=1e-5)

    def test_gradcheck_of_the_twin(self) -> None:
        density, values, *rest = random_samples([4, 0, 6, 1], 2, dtype=torch.float64)

        def outputs(density: Tensor, values: Tensor) -> tuple[Tensor, ...]:
            return fields(composite_reference(density, values, *rest, early_stop=0.0))

        assert torch.autograd.gradcheck(outputs, (density.requires_grad_(), values.requires_grad_()))

    def test_same_bits_for_any_number_of_threads(self) -> None:
        tensors = random_samples([20] * 3000, 4)
        upstream = [
            torch.randn(shape, generator=generator()) for shape in [(3000, 4), (3000,), (3000,), (60_000,)]
        ]

        def both() -> tuple[Tensor, ...]:
            result = composite(*tensors, backend="cpu")
            return *fields(result), *gradients(composite, tensors, upstream)

        assert_same_bits_for_any_number_of_threads(both)


class TestEarlyStop:
    def test_nothing_behind_the_stop_weighs_or_learns(self, run: Composite) -> None:
        # each sample lets a tenth through: 1, .1, .01, .001
        density = torch.full((4,), math.log(10.0))
        values = torch.ones(4, 2)
        edges = torch.arange(5.0)
        tensors = (density, values, edges[:-1], edges[1:], torch.tensor([[0, 4]], dtype=torch.int32))
        result = run(*tensors, early_stop=0.05)
        torch.testing.assert_close(result.weights, torch.tensor([0.9, 0.09, 0.0, 0.0]))
        assert (result.weights[2:] == 0).all()
        upstream = [torch.ones(1, 2), torch.ones(1), torch.ones(1), torch.ones(4)]
        grad_density, grad_values = gradients(run, tensors, upstream, early_stop=0.05)
        assert (grad_density[2:] == 0).all()
        assert (grad_values[2:] == 0).all()
        assert (grad_density[:2] != 0).all()


class TestExtremes:
    @pytest.mark.parametrize("opaque", [1e4, 1e30, math.inf])
    @pytest.mark.parametrize("early_stop", [0.0, 1e-4])
    def test_an_opaque_sample_hides_the_rest(self, run: Composite, opaque: float, early_stop: float) -> None:
        tensors = list(random_samples([6], 2))
        tensors[0][2] = opaque
        result = run(*tensors, early_stop=early_stop)
        assert result.opacity.item() == pytest.approx(1.0)
        assert (result.weights[3:] == 0).all()
        upstream = [torch.ones(1, 2), torch.ones(1), torch.ones(1), None]
        grad_density, grad_values = gradients(run, tuple(tensors), upstream, early_stop=early_stop)
        assert grad_density.isfinite().all()
        assert grad_values.isfinite().all()
        assert (grad_density[2:] == 0).all()  # more of it changes nothing
        assert (grad_density[:2] != 0).all()

    def test_underflow_of_the_transmittance(self, run: Composite) -> None:
        num_samples = 500
        edges = torch.arange(num_samples + 1.0)
        tensors = (
            torch.full((num_samples,), 1.0),
            torch.ones(num_samples, 1),
            edges[:-1],
            edges[1:],
            torch.tensor([[0, num_samples]], dtype=torch.int32),
        )
        assert run(*tensors).opacity.item() == pytest.approx(1.0)
        upstream = [torch.ones(1, 1), torch.ones(1), torch.ones(1), None]
        grad_density, _ = gradients(run, tensors, upstream)
        assert grad_density.isfinite().all()

    def test_zero_density_is_transparent_but_learns(self, run: Composite) -> None:
        tensors = list(random_samples([5], 2))
        tensors[0] = torch.zeros(5)
        result = run(*tensors)
        assert result.opacity.item() == 0
        grad_density, _ = gradients(run, tuple(tensors), [None, torch.ones(1), None, None])
        torch.testing.assert_close(grad_density, tensors[3] - tensors[2])

    def test_nan_stays_on_its_ray(self, run: Composite) -> None:
        tensors = list(random_samples([4, 5, 6], 2))
        clean = run(*tensors)
        tensors[0][6] = math.nan
        result = run(*tensors)
        assert result.opacity[1].isnan()
        assert torch.equal(result.weights[:6], clean.weights[:6])
        assert torch.equal(result.values[[0, 2]], clean.values[[0, 2]])

    def test_no_rays_and_no_samples(self, run: Composite) -> None:
        none = torch.zeros(0)
        no_rays = run(none, none.view(0, 3), none, none, torch.zeros(0, 2, dtype=torch.int32))
        assert [tuple(value.shape) for value in fields(no_rays)] == [(0, 3), (0,), (0,), (0,)]
        empty_rays = run(none, none.view(0, 3), none, none, torch.zeros(5, 2, dtype=torch.int32))
        assert torch.equal(empty_rays.values, torch.zeros(5, 3))
        assert torch.equal(empty_rays.opacity, torch.zeros(5))

    def test_rays_in_any_order_and_samples_of_no_ray(self, run: Composite) -> None:
        density, values, t_starts, t_ends, _ = random_samples([3, 4, 2, 5], 2)
        packed_info = torch.tensor([[9, 5], [0, 3]], dtype=torch.int32)  # samples 3 to 8 belong to nobody
        tensors = (density, values, t_starts, t_ends, packed_info)
        result = run(*tensors)
        for ray, (start, end) in enumerate([(9, 14), (0, 3)]):
            alone = run(
                density[start:end],
                values[start:end],
                t_starts[start:end],
                t_ends[start:end],
                torch.tensor([[0, end - start]], dtype=torch.int32),
            )
            torch.testing.assert_close(result.values[ray], alone.values[0])
        assert (result.weights[3:9] == 0).all()
        upstream = [torch.ones(2, 2), torch.ones(2), torch.ones(2), torch.ones(14)]
        for gradient in gradients(run, tensors, upstream):
            assert (gradient[3:9] == 0).all()


class TestRefusals:
    def test_messages_say_what_to_do(self) -> None:
        density, values, t_starts, t_ends, packed_info = random_samples([3, 4], 2)
        for tensors, message in [
            ((density[:, None], values, t_starts, t_ends, packed_info), r"density must have shape \[any\]"),
            ((density, values[:-1], t_starts, t_ends, packed_info), r"values must have shape \[7, any\]"),
            ((density, values.double(), t_starts, t_ends, packed_info), "values must be float32"),
            ((density, values, t_starts[1:], t_ends, packed_info), "t_starts must have shape"),
            ((density, values, t_starts, t_ends, packed_info.long()), "packed_info must be int32, got int64"),
            ((density, values, t_starts, t_ends.to("meta"), packed_info), "t_ends is on meta"),
            ((density, values, t_starts, t_ends, packed_info + 1), "samples that do not exist"),
            ((density, values, t_starts, t_ends, packed_info - 1), "samples that do not exist"),
        ]:
            with pytest.raises(InputError, match=message):
                composite(*tensors)

    def test_non_contiguous_inputs(self) -> None:
        density, values, t_starts, t_ends, packed_info = random_samples(COUNTS, 3)
        strided = composite(
            torch.stack([density, density], 1)[:, 0],
            values.T.contiguous().T,
            t_starts,
            t_ends,
            packed_info.T.contiguous().T,
        )
        expected = composite(density, values, t_starts, t_ends, packed_info)
        assert torch.equal(strided.values, expected.values)


def test_the_op_is_registered_correctly(device: torch.device) -> None:
    density, values, *rest = (tensor.to(device) for tensor in random_samples([3, 0, 5], 2))
    arguments = (density.requires_grad_(), values.requires_grad_(), *rest, 1e-4)
    torch.library.opcheck(torch.ops.dream3d.composite.default, arguments)
