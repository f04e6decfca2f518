"""Convolution with 3 x 3 weights by Winograd's minimal filtering: a quarter of the products.

    Y = A^T [ sum_c (G g_c G^T) * (B^T d_c B) ] A

F(4 x 4, 3 x 3) of Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308),
section 4.3. In float32 on a CPU without AVX-512 these convolutions are half of a generation's time. The
rounding error is some ten times that of torch's convolution. On CUDA this is the plain-torch twin.
"""
# ruff: noqa: ARG001 (fakes must have the signature of their op)

import ctypes

import torch
from torch import Tensor
from torch.nn import functional

from dream3d.errors import InputError
from dream3d.ops._checks import check_tensor
from dream3d.ops._library import INT32, INT64, POINTER, Backend, Kernel, resolve_backend

__all__ = ["pack_winograd_weight", "winograd_conv", "winograd_conv_reference"]

PANEL = 16  # Channels come in multiples of this.
PRODUCTS = 36  # of a tile and a pair of channels


def pack_winograd_weight(weight: Tensor) -> Tensor:
    """G g G^T of all weights [K, C, 3, 3], as `winograd_conv` reads them: [36, K / 16, C, 16] float32.

    Raises:
        InputError: The weights are not 3 x 3, or channels do not come in multiples of 16.
    """
    check_tensor("weight", weight, (None, None, 3, 3), (torch.float32, torch.float64))
    filters, channels = weight.shape[:2]
    if not filters or not channels or filters % PANEL or channels % PANEL:
        raise InputError(f"weight must have multiples of {PANEL} channels, got {list(weight.shape)}")
    g = _weight_transform(weight.device)
    transformed = torch.einsum("ia,kcab,jb->ijck", g, weight.detach().double(), g).float()
    return transformed.reshape(PRODUCTS, channels, filters // PANEL, PANEL).transpose(1, 2).contiguous()


def winograd_conv(images: Tensor, packed: Tensor, bias: Tensor, backend: Backend = "auto") -> Tensor:
    """Convolve with stride 1 and one pixel of zeros around the images.

    Not differentiable. The result has the same bits for any number of threads.

    Args:
        images: [B, C, H, W] float32, best in channels-last memory format.
        packed: [36, K / 16, C, 16] float32, of `pack_winograd_weight`.
        bias: [K] float32.
        backend: "auto" follows the device of the tensors; "reference" is the plain-torch twin.

    Returns:
        [B, K, H, W], channels last.

    Raises:
        InputError: A shape, dtype or device does not fit, or the back-end is not available.
    """
    device = images.device
    if resolve_backend(backend, device) != "cpu":
        return winograd_conv_reference(images, packed, bias)
    check_tensor("images", images, (None, None, None, None))
    check_tensor("packed", packed, (PRODUCTS, None, images.shape[1], PANEL), device=device)
    check_tensor("bias", bias, (packed.shape[1] * PANEL,), device=device)
    if images.shape[2] == 0 or images.shape[3] == 0:
        raise InputError(f"images must have pixels, got {list(images.shape)}")
    images = images.detach().contiguous(memory_format=torch.channels_last)
    return _winograd_conv(images, packed.contiguous(), bias.detach().contiguous())


def winograd_conv_reference(images: Tensor, packed: Tensor, bias: Tensor) -> Tensor:
    """Plain-torch twin of `winograd_conv`, by the definition of a convolution."""
    channels = packed.shape[2]
    inverse = torch.linalg.pinv(_weight_transform(packed.device))  # G has full rank: the weights come back
    transformed = packed.double().transpose(1, 2).reshape(6, 6, channels, -1)
    weight = torch.einsum("ai,ijck,bj->kcab", inverse, transformed, inverse)
    return functional.conv2d(images, weight.to(images.dtype), bias.to(images.dtype), padding=1)


def _weight_transform(device: torch.device) -> Tensor:
    """G [6, 3] for the points 0, 1, -1, 2, -2 and infinity."""
    rows = [(6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24)]
    return torch.tensor(rows, dtype=torch.float64, device=device) / 24.0


class _Params(ctypes.Structure):
    """Mirror of D3dWinogradConvParams."""

    _fields_ = [
        ("input", POINTER),
        ("weight", POINTER),
        ("bias", POINTER),
        ("output", POINTER),
        ("num_images", INT64),
        ("height", INT32),
        ("width", INT32),
        ("in_channels", INT32),
        ("out_channels", INT32),
    ]


_KERNEL = Kernel("d3d_winograd_conv", _Params)


@torch.library.custom_op("dream3d::winograd_conv", mutates_args=(), device_types="cpu")
def _winograd_conv(images: Tensor, packed: Tensor, bias: Tensor) -> Tensor:
    output = _empty_output(images, bias)
    num_images, channels, height, width = images.shape
    _KERNEL.launch(
        images.device,
        input=images,
        weight=packed,
        bias=bias,
        output=output,
        num_images=num_images,
        height=height,
        width=width,
        in_channels=channels,
        out_channels=len(bias),
    )
    return output


@_winograd_conv.register_fake
def _(images: Tensor, packed: Tensor, bias: Tensor) -> Tensor:
    return _empty_output(images, bias)


def _empty_output(images: Tensor, bias: Tensor) -> Tensor:
    num_images, _, height, width = images.shape
    shape = (num_images, bias.shape[0], height, width)
    return torch.empty(shape, dtype=images.dtype, memory_format=torch.channels_last)
