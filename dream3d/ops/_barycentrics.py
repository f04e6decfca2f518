"""The kernels behind the gradient of `rasterize` and behind `screen_derivatives`, and their plain-torch twin.

All work on bare tensors of checked shapes. Both quantities come from the clip-space positions and the
triangle that each pixel sees: `cuda/include/dream3d/barycentrics.h` has the mathematics.
"""

# ruff: noqa: ARG001 (fakes and context functions must have the signature of their op)

import ctypes
from typing import Any

import torch
from torch import Tensor

from dream3d.ops._library import INT64, POINTER, Kernel

MAX_SLOPE = 1e30  # as in the kernel: a triangle with a steeper weight is seen edge-on

_SIZES = [
    ("num_views", INT64),
    ("num_vertices", INT64),
    ("num_triangles", INT64),
    ("height", INT64),
    ("width", INT64),
]


class _ScreenDerivativesParams(ctypes.Structure):
    """Mirror of D3dScreenDerivativesParams."""

    _fields_ = [
        ("positions", POINTER),
        ("faces", POINTER),
        ("triangle_id", POINTER),
        ("derivatives", POINTER),
        *_SIZES,
    ]


class _BackwardParams(ctypes.Structure):
    """Mirror of D3dBarycentricsBackwardParams."""

    _fields_ = [
        ("positions", POINTER),
        ("faces", POINTER),
        ("triangle_id", POINTER),
        ("grad_barycentrics", POINTER),
        ("grad_derivatives", POINTER),
        ("grad_positions", POINTER),
        *_SIZES,
    ]


_SCREEN_DERIVATIVES = Kernel("d3d_screen_derivatives", _ScreenDerivativesParams)
_BACKWARD = Kernel("d3d_barycentrics_backward", _BackwardParams)


def barycentrics_reference_tensors(
    positions: Tensor, faces: Tensor, triangle_id: Tensor
) -> tuple[Tensor, Tensor]:
    """Barycentrics [B, H, W, 2] and screen derivatives [B, H, W, 2, 2], 0 where triangle_id [B, H, W] is -1.

    Both are differentiable to positions [B, V, 4], of any floating dtype; the work is done in float64.
    """
    height, width = triangle_id.shape[1:]
    view, row, column = torch.nonzero(triangle_id >= 0, as_tuple=True)  # [P] each
    corners = faces[triangle_id[view, row, column].long()].long()  # [P, 3]
    matrix = positions.double()[view[:, None], corners][..., [0, 1, 3]]  # [P, 3, xyw]
    # A triangle without derivatives counts as zero, so that not even a NaN comes back from it.
    matrix = torch.where(_is_regular(matrix.detach())[:, None, None], matrix, 0.0)
    planes = _planes(matrix)
    determinant = (planes[:, 0] * matrix[:, 0]).sum(-1).detach()
    planes = planes * determinant.sign()[:, None, None]

    x = (column.double() + 0.5) / width * 2 - 1
    y = 1 - (row.double() + 0.5) / height * 2
    center = torch.stack([x, y, torch.ones_like(x)], -1)
    weights = torch.einsum("pik,pk->pi", planes, center).clamp_min(0)
    total = weights.sum(-1, keepdim=True)  # [P, 1]
    has_weight = total > 0
    safe_total = torch.where(has_weight, total, 1.0)
    weights = torch.where(has_weight, weights / safe_total, 1 / 3)[:, :2]
    slopes = planes[:, :2, :2] - weights[..., None] * planes[..., :2].sum(1, keepdim=True)  # [P, uv, xy]
    per_pixel = torch.tensor([0.5 * width, -0.5 * height], dtype=torch.float64, device=positions.device)
    slopes = torch.where(has_weight[..., None], slopes / (safe_total[..., None] * per_pixel), 0.0)

    barycentrics = positions.new_zeros((*triangle_id.shape, 2))
    derivatives = positions.new_zeros((*triangle_id.shape, 2, 2))
    pixels = (view, row, column)
    return (
        barycentrics.index_put(pixels, weights.to(positions.dtype)),
        derivatives.index_put(pixels, slopes.to(positions.dtype)),
    )


def _planes(matrix: Tensor) -> Tensor:
    """Row i is the cross product of the other two corners of matrix [P, 3, xyw]: [P, 3, 3]."""
    return torch.linalg.cross(matrix[:, [1, 2, 0]], matrix[:, [2, 0, 1]])


def _is_regular(matrix: Tensor) -> Tensor:
    """Triangles [P, 3, xyw] that are finite and not seen edge-on, [P]."""
    planes = _planes(matrix)
    determinant = (planes[:, 0] * matrix[:, 0]).sum(-1)
    return (planes / determinant[:, None, None]).abs().amax((1, 2)) <= MAX_SLOPE  # False for NaN


@torch.library.custom_op("dream3d::barycentrics_backward", mutates_args=())
def barycentrics_backward_op(
    positions: Tensor,
    faces: Tensor,
    triangle_id: Tensor,
    grad_barycentrics: Tensor | None,
    grad_derivatives: Tensor | None,
) -> Tensor:
    """Gradient to positions [B, V, 4] of those to what is in the pixels; None is zero. Contiguous float32."""
    grad_positions = torch.empty_like(positions)
    _BACKWARD.launch(
        positions.device,
        positions=positions,
        faces=faces,
        triangle_id=triangle_id,
        grad_barycentrics=grad_barycentrics,
        grad_derivatives=grad_derivatives,
        grad_positions=grad_positions,
        **_sizes(positions, faces, triangle_id),
    )
    return grad_positions


@barycentrics_backward_op.register_fake
def _(
    positions: Tensor,
    faces: Tensor,
    triangle_id: Tensor,
    grad_barycentrics: Tensor | None,
    grad_derivatives: Tensor | None,
) -> Tensor:
    return torch.empty_like(positions)


@torch.library.custom_op("dream3d::screen_derivatives", mutates_args=())
def screen_derivatives_op(positions: Tensor, faces: Tensor, triangle_id: Tensor) -> Tensor:
    """The kernel, for contiguous float32 positions [B, V, 4]: d(u, v) / d(x, y), [B, H, W, 2, 2]."""
    derivatives = positions.new_empty((*triangle_id.shape, 2, 2))
    _SCREEN_DERIVATIVES.launch(
        positions.device,
        positions=positions,
        faces=faces,
        triangle_id=triangle_id,
        derivatives=derivatives,
        **_sizes(positions, faces, triangle_id),
    )
    return derivatives


@screen_derivatives_op.register_fake
def _(positions: Tensor, faces: Tensor, triangle_id: Tensor) -> Tensor:
    return positions.new_empty((*triangle_id.shape, 2, 2))


def _setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad_derivatives: Tensor) -> tuple[Tensor, None, None]:
    grad = barycentrics_backward_op(*ctx.saved_tensors, None, grad_derivatives.contiguous())
    return grad, None, None


screen_derivatives_op.register_autograd(_backward, setup_context=_setup_context)


def _sizes(positions: Tensor, faces: Tensor, triangle_id: Tensor) -> dict[str, int]:
    num_views, height, width = triangle_id.shape
    return {
        "num_views": num_views,
        "num_vertices": positions.shape[1],
        "num_triangles": faces.shape[0],
        "height": height,
        "width": width,
    }
