"""The kernel behind `texture.sample_texture`, on tensors of checked shapes."""

# ruff: noqa: ARG001 (fakes and context functions must have the signature of their op)

import ctypes
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from dream3d.ops._library import INT32, INT64, POINTER, Kernel

Filter = Literal["nearest", "bilinear", "trilinear"]
Boundary = Literal["wrap", "clamp", "cube"]
# in the order of D3dTextureFilter and D3dTextureBoundary
FILTERS: tuple[Filter, ...] = get_args(Filter)
BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)

_MAX_MIP_LEVELS = 16


class _Layout(ctypes.Structure):
    """Mirror of D3dTextureLayout."""

    _fields_ = [
        ("filter", INT32),
        ("boundary", INT32),
        ("num_levels", INT32),
        ("num_channels", INT32),
        ("heights", INT32 * _MAX_MIP_LEVELS),
        ("widths", INT32 * _MAX_MIP_LEVELS),
        ("offsets", INT64 * (_MAX_MIP_LEVELS + 1)),
    ]


_SIZES = [
    ("num_textures", INT64),
    ("num_views", INT64),
    ("num_pixels", INT64),
    ("layout", _Layout),
]


class _ForwardParams(ctypes.Structure):
    """Mirror of D3dTextureParams."""

    _fields_ = [
        ("texels", POINTER),
        ("uv", POINTER),
        ("uv_derivatives", POINTER),
        ("mip_bias", POINTER),
        ("image", POINTER),
        *_SIZES,
    ]


class _BackwardParams(ctypes.Structure):
    """Mirror of D3dTextureBackwardParams."""

    _fields_ = [
        ("grad_image", POINTER),
        ("texels", POINTER),
        ("uv", POINTER),
        ("uv_derivatives", POINTER),
        ("mip_bias", POINTER),
        ("grad_texels", POINTER),
        ("grad_uv", POINTER),
        ("grad_uv_derivatives", POINTER),
        ("grad_mip_bias", POINTER),
        *_SIZES,
    ]


_FORWARD = Kernel("d3d_texture", _ForwardParams)
_BACKWARD = Kernel("d3d_texture_backward", _BackwardParams)


@torch.library.custom_op("dream3d::sample_texture", mutates_args=())
def sample_texture_op(
    texels: Tensor,
    uv: Tensor,
    uv_derivatives: Tensor | None,
    mip_bias: Tensor | None,
    sizes: Sequence[int],
    filter_mode: str,
    boundary_mode: str,
) -> Tensor:
    """The kernel, for contiguous float32 tensors on one device: [B, H, W, C].

    `texels` is [A, M, C]: all levels behind each other, of `sizes` height, width, height, width, ...
    """
    image = _empty_image(texels, uv)
    _FORWARD.launch(
        texels.device,
        texels=texels,
        uv=uv,
        uv_derivatives=uv_derivatives,
        mip_bias=mip_bias,
        image=image,
        **_sizes(texels, uv, sizes, filter_mode, boundary_mode),
    )
    return image


@sample_texture_op.register_fake
def _(
    texels: Tensor,
    uv: Tensor,
    uv_derivatives: Tensor | None,
    mip_bias: Tensor | None,
    sizes: Sequence[int],
    filter_mode: str,
    boundary_mode: str,
) -> Tensor:
    return _empty_image(texels, uv)


@torch.library.custom_op("dream3d::sample_texture_backward", mutates_args=())
def _sample_texture_backward_op(
    grad_image: Tensor,
    texels: Tensor,
    uv: Tensor,
    uv_derivatives: Tensor | None,
    mip_bias: Tensor | None,
    sizes: Sequence[int],
    filter_mode: str,
    boundary_mode: str,
    needed: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients to texels, uv, uv_derivatives and mip_bias; an empty tensor for one that is not needed."""
    gradients = _empty_gradients(texels, uv, uv_derivatives, mip_bias, needed)
    names = ("grad_texels", "grad_uv", "grad_uv_derivatives", "grad_mip_bias")
    _BACKWARD.launch(
        texels.device,
        grad_image=grad_image,
        texels=texels,
        uv=uv,
        uv_derivatives=uv_derivatives,
        mip_bias=mip_bias,
        **{
            name: gradient if wanted else None
            for name, gradient, wanted in zip(names, gradients, needed, strict=True)
        },
        **_sizes(texels, uv, sizes, filter_mode, boundary_mode),
    )
    return gradients


@_sample_texture_backward_op.register_fake
def _(
    grad_image: Tensor,
    texels: Tensor,
    uv: Tensor,
    uv_derivatives: Tensor | None,
    mip_bias: Tensor | None,
    sizes: Sequence[int],
    filter_mode: str,
    boundary_mode: str,
    needed: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _empty_gradients(texels, uv, uv_derivatives, mip_bias, needed)


def _setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
    texels, uv, uv_derivatives, mip_bias, *ctx.modes = inputs
    ctx.save_for_backward(texels, uv, uv_derivatives, mip_bias)


def _backward(ctx: Any, grad_image: Tensor) -> tuple[Tensor | None, ...]:
    needed = list(ctx.needs_input_grad[:4])
    if ctx.modes[1] == "nearest":
        needed[1:] = [False] * 3
    gradients = _sample_texture_backward_op(grad_image.contiguous(), *ctx.saved_tensors, *ctx.modes, needed)
    wanted = (gradient if need else None for gradient, need in zip(gradients, needed, strict=True))
    return *wanted, None, None, None


sample_texture_op.register_autograd(_backward, setup_context=_setup_context)


def _empty_image(texels: Tensor, uv: Tensor) -> Tensor:
    return texels.new_empty((*uv.shape[:-1], texels.shape[-1]))


def _empty_gradients(
    texels: Tensor,
    uv: Tensor,
    uv_derivatives: Tensor | None,
    mip_bias: Tensor | None,
    needed: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    def empty(tensor: Tensor | None, need: bool) -> Tensor:
        return torch.empty_like(tensor) if need and tensor is not None else texels.new_empty(0)

    return (
        empty(texels, needed[0]),
        empty(uv, needed[1]),
        empty(uv_derivatives, needed[2]),
        empty(mip_bias, needed[3]),
    )


def _sizes(
    texels: Tensor, uv: Tensor, sizes: Sequence[int], filter_mode: str, boundary_mode: str
) -> dict[str, int | _Layout]:
    heights, widths = sizes[::2], sizes[1::2]
    layout = _Layout(
        filter=FILTERS.index(filter_mode),
        boundary=BOUNDARIES.index(boundary_mode),
        num_levels=len(heights),
        num_channels=texels.shape[-1],
    )
    num_faces = 6 if boundary_mode == "cube" else 1
    for level, (height, width) in enumerate(zip(heights, widths, strict=True)):
        layout.heights[level] = height
        layout.widths[level] = width
        layout.offsets[level + 1] = layout.offsets[level] + num_faces * height * width
    return {
        "num_textures": texels.shape[0],
        "num_views": uv.shape[0],
        "num_pixels": uv.shape[1] * uv.shape[2],
        "layout": layout,
    }
