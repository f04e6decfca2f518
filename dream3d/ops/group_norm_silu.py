"""Group normalisation with a gain and a bias per image, followed by SiLU, in one pass over the image.

    y = z sigmoid(z),   z = gain (x - mean) / sqrt(variance + epsilon) + bias

Wu & He 2018, "Group Normalization". It stands between the convolutions of every residual block of a
diffusion network, where the gain and the bias also carry the timestep and the text. In bfloat16 on a CPU
torch spends a third of the network's time on it. On CUDA this is the plain-torch twin.
"""
# ruff: noqa: ARG001 (fakes and context functions must have the signature of their op)

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dream3d.errors import InputError
from dream3d.ops._checks import check_tensor
from dream3d.ops._library import FLOAT, INT32, INT64, POINTER, Backend, Kernel, resolve_backend

__all__ = ["group_norm_silu", "group_norm_silu_reference"]

LANES = 16  # Channels come in multiples of this.
DTYPES = (torch.float32, torch.bfloat16)


def group_norm_silu(
    images: Tensor, gain: Tensor, bias: Tensor, num_groups: int, epsilon: float, backend: Backend = "auto"
) -> Tensor:
    """Normalise groups of channels of each image, scale, shift, and apply SiLU.

    First-order differentiable to `images`, `gain` and `bias`. The result has the same bits for any number of
    threads.

    Args:
        images: [B, C, H, W] float32 or bfloat16, best in channels-last memory format. C is a multiple of 16.
        gain: [B, C] float32.
        bias: [B, C] float32.
        num_groups: Divides C.
        epsilon: Added to the variance.
        backend: "auto" follows the device of the tensors; "reference" is the plain-torch twin.

    Returns:
        [B, C, H, W] in the dtype of `images`, channels last.

    Raises:
        InputError: A shape, dtype or device does not fit, or the back-end is not available.
    """
    device = images.device
    if resolve_backend(backend, device) != "cpu":
        return group_norm_silu_reference(images, gain, bias, num_groups, epsilon)
    check_tensor("images", images, (None, None, None, None), DTYPES)
    batch, channels = images.shape[:2]
    check_tensor("gain", gain, (batch, channels), device=device)
    check_tensor("bias", bias, (batch, channels), device=device)
    if channels % LANES or channels == 0 or num_groups < 1 or channels % num_groups or 0 in images.shape[2:]:
        raise InputError(
            f"images must have pixels and a multiple of {LANES} channels in equal groups, "
            f"got {list(images.shape)} in {num_groups} groups"
        )
    images = images.contiguous(memory_format=torch.channels_last)
    return _group_norm_silu(images, gain.contiguous(), bias.contiguous(), num_groups, epsilon)[0]


def group_norm_silu_reference(
    images: Tensor, gain: Tensor, bias: Tensor, num_groups: int, epsilon: float
) -> Tensor:
    """Plain-torch twin of `group_norm_silu`, for any float dtype and device."""
    computed = images if images.dtype == torch.float64 else images.float()
    normalized = functional.group_norm(computed, num_groups, eps=epsilon)
    return functional.silu(normalized * gain[:, :, None, None] + bias[:, :, None, None]).to(images.dtype)


class _ForwardParams(ctypes.Structure):
    """Mirror of D3dGroupNormSiluParams."""

    _fields_ = [
        ("input", POINTER),
        ("gain", POINTER),
        ("bias", POINTER),
        ("output", POINTER),
        ("mean", POINTER),
        ("inverse_std", POINTER),
        ("num_images", INT64),
        ("num_pixels", INT64),
        ("num_channels", INT32),
        ("num_groups", INT32),
        ("is_bfloat16", INT32),
        ("epsilon", FLOAT),
    ]


class _BackwardParams(ctypes.Structure):
    """Mirror of D3dGroupNormSiluBackwardParams."""

    _fields_ = [
        ("input", POINTER),
        ("gain", POINTER),
        ("bias", POINTER),
        ("mean", POINTER),
        ("inverse_std", POINTER),
        ("grad_output", POINTER),
        ("grad_input", POINTER),
        ("grad_gain", POINTER),
        ("grad_bias", POINTER),
        ("num_images", INT64),
        ("num_pixels", INT64),
        ("num_channels", INT32),
        ("num_groups", INT32),
        ("is_bfloat16", INT32),
    ]


_FORWARD = Kernel("d3d_group_norm_silu", _ForwardParams)
_BACKWARD = Kernel("d3d_group_norm_silu_backward", _BackwardParams)


@torch.library.custom_op("dream3d::group_norm_silu", mutates_args=(), device_types="cpu")
def _group_norm_silu(
    images: Tensor, gain: Tensor, bias: Tensor, num_groups: int, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The result, and mean and inverse standard deviation of each group [B, G] for the derivative."""
    output = torch.empty_like(images)
    mean, inverse_std = (gain.new_empty(len(images), num_groups) for _ in range(2))
    _FORWARD.launch(
        images.device,
        input=images,
        gain=gain,
        bias=bias,
        output=output,
        mean=mean,
        inverse_std=inverse_std,
        epsilon=epsilon,
        **_sizes(images, num_groups),
    )
    return output, mean, inverse_std


@_group_norm_silu.register_fake
def _(
    images: Tensor, gain: Tensor, bias: Tensor, num_groups: int, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    mean, inverse_std = (gain.new_empty(images.shape[0], num_groups) for _ in range(2))
    return torch.empty_like(images), mean, inverse_std


@torch.library.custom_op("dream3d::group_norm_silu_backward", mutates_args=(), device_types="cpu")
def _group_norm_silu_backward(
    grad_output: Tensor,
    images: Tensor,
    gain: Tensor,
    bias: Tensor,
    mean: Tensor,
    inverse_std: Tensor,
    num_groups: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients to images, gain and bias."""
    gradients = torch.empty_like(images), torch.empty_like(gain), torch.empty_like(bias)
    _BACKWARD.launch(
        images.device,
        input=images,
        gain=gain,
        bias=bias,
        mean=mean,
        inverse_std=inverse_std,
        grad_output=grad_output,
        grad_input=gradients[0],
        grad_gain=gradients[1],
        grad_bias=gradients[2],
        **_sizes(images, num_groups),
    )
    return gradients


@_group_norm_silu_backward.register_fake
def _(
    grad_output: Tensor,
    images: Tensor,
    gain: Tensor,
    bias: Tensor,
    mean: Tensor,
    inverse_std: Tensor,
    num_groups: int,
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(images), torch.empty_like(gain), torch.empty_like(bias)


def _sizes(images: Tensor, num_groups: int) -> dict[str, int]:
    batch, channels, height, width = images.shape
    return {
        "num_images": batch,
        "num_pixels": height * width,
        "num_channels": channels,
        "num_groups": num_groups,
        "is_bfloat16": int(images.dtype == torch.bfloat16),
    }


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    images, gain, bias, ctx.num_groups, _ = inputs
    ctx.mark_non_differentiable(*output[1:])
    ctx.save_for_backward(images, gain, bias, *output[1:])


def _backward(
    ctx: Any, grad_output: Tensor, *_statistics: Tensor
) -> tuple[Tensor, Tensor, Tensor, None, None]:
    upstream = grad_output.contiguous(memory_format=torch.channels_last)
    return *_group_norm_silu_backward(upstream, *ctx.saved_tensors, ctx.num_groups), None, None


_group_norm_silu.register_autograd(_backward, setup_context=_setup_context)
