"""The kernel against a convolution by definition in double precision; the prior's layers against torch."""

import copy

import pytest
import torch
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor, nn
from torch.nn import functional

from dream3d.errors import InputError
from dream3d.ops.winograd_conv import pack_winograd_weight, winograd_conv, winograd_conv_reference
from dream3d.prior.fused_blocks import WinogradConv, pack_convolutions

# Images, channels in and out, height, width: a pixel, parts of tiles, more tiles than a chunk holds.
SHAPES = [(1, 16, 16, 1, 1), (2, 16, 48, 4, 4), (3, 48, 16, 5, 7), (1, 32, 32, 3, 13), (2, 64, 32, 33, 38)]


def inputs(shape: tuple[int, int, int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Images, weights and bias in double precision, of values that float32 has."""
    batch, channels, filters, height, width = shape
    source = torch.Generator().manual_seed(5)
    images = torch.randn(batch, channels, height, width, generator=source)
    weight = torch.randn(filters, channels, 3, 3, generator=source) / (3.0 * channels**0.5)
    return images.double(), weight.double(), torch.randn(filters, generator=source).double()


def convolved(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return winograd_conv(images.float(), pack_winograd_weight(weight), bias.float(), backend="cpu")


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_convolution(shape):
    images, weight, bias = inputs(shape)
    expected = functional.conv2d(images, weight, bias, padding=1)
    found = convolved(images, weight, bias)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4)  # results are about 1
    packed = pack_winograd_weight(weight)
    twin = winograd_conv_reference(images, packed, bias)
    torch.testing.assert_close(twin, expected, rtol=0, atol=2e-6)  # the packed weights are float32


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 4), (4, 3), (8, 9)])
def test_an_impulse_shows_the_weights_and_reaches_no_further(row, column):
    """Whole numbers of few bits: the transforms are exact but for their thirds."""
    images = torch.zeros(1, 16, 9, 10)
    images[0, 2, row, column] = 8.0
    weight = torch.zeros(16, 16, 3, 3)
    weight[5, 2] = torch.arange(1.0, 10.0).view(3, 3)
    found = convolved(images.double(), weight.double(), torch.zeros(16).double())
    expected = functional.conv2d(images, weight, padding=1)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)
    assert (found[0, torch.arange(16) != 5] == 0).all()


def test_nan_stays_near_its_pixel():
    images, weight, bias = inputs((2, 16, 16, 12, 12))
    images[1, 3, 6, 6] = torch.nan  # of the middle tile; patches overlap by one pixel
    found = convolved(images, weight, bias)
    assert found[0].isfinite().all()
    assert found[1, :, 5:8, 5:8].isnan().all()
    assert found[1, :, :4].isfinite().all()
    assert found[1, :, :, 8:].isfinite().all()


def test_the_same_bits_for_any_number_of_threads():
    images, weight, bias = inputs((2, 64, 32, 33, 38))
    assert_same_bits_for_any_number_of_threads(lambda: [convolved(images, weight, bias)])


def test_no_images_are_no_images():
    images, weight, bias = inputs((1, 16, 32, 4, 4))
    assert convolved(images[:0], weight, bias).shape == (0, 32, 4, 4)


def test_the_op_is_traceable():
    images, weight, bias = (tensor.float() for tensor in inputs((2, 16, 32, 6, 5)))
    args = (images.contiguous(memory_format=torch.channels_last), pack_winograd_weight(weight), bias)
    torch.library.opcheck(torch.ops.dream3d.winograd_conv.default, args)


@pytest.mark.parametrize(
    ("images", "weight", "bias", "message"),
    [
        ((1, 16, 0, 4), (16, 16, 3, 3), 16, "must have pixels"),
        ((1, 8, 4, 4), (16, 16, 3, 3), 16, "packed must have shape"),
        ((1, 16, 4, 4), (16, 16, 3, 3), 17, "bias must have shape"),
        ((1, 16, 4, 4), (16, 8, 3, 3), 16, "multiples of 16 channels"),
        ((1, 16, 4, 4), (0, 16, 3, 3), 0, "multiples of 16 channels"),
        ((1, 16, 4, 4), (16, 16, 1, 1), 16, "weight must have shape"),
        ((16, 4, 4), (16, 16, 3, 3), 16, "images must have shape"),
    ],
)
def test_what_does_not_fit_is_refused(images, weight, bias, message):
    with pytest.raises(InputError, match=message):
        winograd_conv(
            torch.zeros(images), pack_winograd_weight(torch.zeros(weight)), torch.zeros(bias), "cpu"
        )


def layers() -> nn.Sequential:
    """One that is packed, and one of every kind that is not."""
    torch.manual_seed(0)  # noqa: TID251 - torch initialises layers from the global state
    others = [
        nn.Conv2d(16, 16, 3, stride=2, padding=1),
        nn.Conv2d(16, 16, 3),
        nn.Conv2d(16, 16, 1),
        nn.Conv2d(16, 16, 3, padding=1, groups=2),
        nn.Conv2d(16, 16, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(16, 16, 3, padding=1, bias=False),
        nn.Conv2d(16, 8, 3, padding=1),
    ]
    return nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), *others)


def test_a_packed_network_computes_and_saves_what_it_did():
    plain = layers()
    packed = copy.deepcopy(plain).requires_grad_(False)
    pack_convolutions(packed)
    assert [type(layer) for layer in packed] == [WinogradConv] + 7 * [nn.Conv2d]
    images = torch.randn(2, 16, 24, 20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(packed(images), plain(images), rtol=0, atol=1e-5)
    assert list(packed.state_dict()) == list(plain.state_dict())
    twin = copy.deepcopy(packed)
    assert torch.equal(twin(images), packed(images))


def test_gradients_pass_a_packed_layer():
    plain = layers()[:1]
    packed = copy.deepcopy(plain).requires_grad_(False)
    pack_convolutions(packed)
    images = torch.randn(1, 16, 6, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    found, expected = (torch.autograd.grad(net(images).square().sum(), images)[0] for net in (packed, plain))
    torch.testing.assert_close(found, expected)


def test_adapters_of_packed_layers_learn():
    peft = pytest.importorskip("peft")
    plain = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1)).requires_grad_(False)
    packed = copy.deepcopy(plain)
    pack_convolutions(packed)
    images = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    results = []
    for network in (packed, plain):
        peft.inject_adapter_in_model(peft.LoraConfig(r=16, lora_alpha=16, target_modules=["0"]), network)
        adapters = [weight for weight in network.parameters() if weight.requires_grad]
        for weight in adapters:
            source = torch.Generator().manual_seed(2)
            weight.data.copy_(torch.randn(weight.shape, generator=source) / 12.0)
        output = network(images)
        results.append([output, *torch.autograd.grad(output.square().sum(), adapters)])
        with torch.no_grad():
            torch.testing.assert_close(network(images), output, rtol=0, atol=1e-5)
    assert len(results[0]) == 3
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_packed_network_can_still_compute_in_another_precision():
    packed = layers().requires_grad_(False)
    pack_convolutions(packed)
    images = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(packed.double()(images.double()), layers().double()(images.double()))
