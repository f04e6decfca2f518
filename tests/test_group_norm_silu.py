"""The fused kernel against its plain-torch twin in double precision; the blocks of diffusers against ours."""

import copy

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from prior_folders import make_unet
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops.group_norm_silu import group_norm_silu, group_norm_silu_reference
from dream3d.prior.fused_blocks import FusedResnetBlock, fuse_blocks

# Images, channels, height, width, groups: one pixel, odd sizes, groups narrower and wider than a vector.
SHAPES = [(2, 16, 1, 1, 1), (3, 48, 5, 7, 16), (1, 64, 8, 8, 16), (2, 112, 3, 2, 7), (1, 320, 4, 4, 16)]


def inputs(shape: tuple[int, int, int, int, int], mean: float = 0.0) -> tuple[list[Tensor], Tensor]:
    """Images, gain and bias, and an upstream gradient, in double precision."""
    batch, channels, height, width, _ = shape
    source = torch.Generator().manual_seed(3)
    images = torch.randn(batch, channels, height, width, generator=source).double() + mean
    gain, bias = torch.randn(2, batch, channels, generator=source).double()
    return [images, gain, bias], torch.randn(images.shape, generator=source).double()


def run(tensors: list[Tensor], upstream: Tensor, groups: int, dtype: torch.dtype, backend) -> list[Tensor]:
    """Output, then the gradients."""
    images, gain, bias = tensors
    others = torch.float32 if dtype == torch.bfloat16 else dtype
    leaves = [t.detach().requires_grad_() for t in (images.to(dtype), gain.to(others), bias.to(others))]
    output = group_norm_silu(*leaves, groups, 1e-5, backend=backend)
    return [output, *torch.autograd.grad(output, leaves, upstream.to(dtype))]


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_matches_the_twin_in_double(shape):
    tensors, upstream = inputs(shape)
    expected = run(tensors, upstream, shape[-1], torch.float64, "reference")
    for found, wanted in zip(run(tensors, upstream, shape[-1], torch.float32, "cpu"), expected, strict=True):
        torch.testing.assert_close(found.double(), wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_bfloat16_is_rounded_once(shape):
    tensors, upstream = inputs(shape)
    rounded = [tensors[0].bfloat16().double(), *tensors[1:]]
    expected = run(rounded, upstream.bfloat16().double(), shape[-1], torch.float64, "reference")
    found = run(rounded, upstream, shape[-1], torch.bfloat16, "cpu")
    for result, wanted in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(result.double(), wanted, rtol=2.0**-8, atol=1e-5)  # half a step
    for result, wanted in zip(found[2:], expected[2:], strict=True):
        torch.testing.assert_close(result.double(), wanted, rtol=2e-5, atol=2e-5)


def test_gradients_of_the_twin_agree_with_finite_differences():
    tensors, _ = inputs((2, 16, 2, 3, 4))
    leaves = [tensor.requires_grad_() for tensor in tensors]
    assert torch.autograd.gradcheck(lambda *t: group_norm_silu_reference(*t, 4, 1e-5), leaves)


def test_a_large_mean_costs_no_precision():
    tensors, upstream = inputs((1, 16, 16, 16, 4), mean=1000.0)
    tensors[0] = tensors[0].float().double()
    expected = run(tensors, upstream, 4, torch.float64, "reference")[0]
    found = run(tensors, upstream, 4, torch.float32, "cpu")[0]
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3)


def test_extreme_values_saturate_and_nan_stays_in_its_image():
    images = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    gain, bias = torch.full((2, 16), 1e4), torch.zeros(2, 16)
    for dtype in (torch.float32, torch.bfloat16):
        output = group_norm_silu(images.to(dtype), gain, bias, 4, 1e-5, "cpu").float()
        assert output.isfinite().all()
        assert output.min() > -0.3  # SiLU is never below -0.2785
        broken = images.clone()
        broken[1, 3, 2, 1] = torch.nan
        output = group_norm_silu(broken.to(dtype), gain, bias, 4, 1e-5, "cpu")
        assert output[0].isfinite().all()
        assert output[1, :4].isnan().all()  # its group
        assert output[1, 4:].isfinite().all()


def test_same_bits_for_any_number_of_threads():
    tensors, upstream = inputs((5, 48, 5, 7, 16))

    def results() -> list[Tensor]:
        return run(tensors, upstream, 16, torch.float32, "cpu")

    assert_same_bits_for_any_number_of_threads(results)


@pytest.mark.parametrize(
    ("shape", "groups"), [((1, 15, 2, 2), 1), ((1, 16, 2, 2), 3), ((1, 16, 0, 2), 4), ((1, 16, 2, 2), 0)]
)
def test_what_does_not_fit_is_refused(shape, groups):
    gain = torch.ones(shape[:2])
    with pytest.raises(InputError, match="groups"):
        group_norm_silu(torch.ones(shape), gain, gain, groups, 1e-5)
    with pytest.raises(InputError, match="gain must have shape"):
        group_norm_silu(torch.ones(shape), gain[:, :8], gain, groups, 1e-5)


def test_the_network_is_the_same_function_with_fused_blocks():
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(3)
        unet = make_unet((16, 16, 32))
        for parameter in unet.conv_out.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    fused = copy.deepcopy(unet)
    fuse_blocks(fused)
    assert not any(type(block) is ResnetBlock2D for block in fused.modules())
    assert any(isinstance(block, FusedResnetBlock) for block in fused.modules())
    assert fused.state_dict().keys() == unet.state_dict().keys()
    source = torch.Generator().manual_seed(0)
    sample = torch.randn(4, unet.config.in_channels, 16, 16, generator=source)
    text = torch.randn(4, 6, unet.config.cross_attention_dim, generator=source)
    labels = torch.randn(4, unet.config.projection_class_embeddings_input_dim, generator=source)
    results = []
    for network in (unet, fused):
        output = network(sample, torch.tensor([3, 500, 900, 999]), text, class_labels=labels).sample
        gradients = torch.autograd.grad(output.square().sum(), list(network.parameters()))
        # All gradients in one vector: those of biases before a normalisation are zero but for rounding.
        results.append([output, torch.cat([gradient.flatten() for gradient in gradients])])
    for expected, found in zip(*results, strict=True):
        assert (expected - found).norm() <= 1e-4 * expected.norm()
