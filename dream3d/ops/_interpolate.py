"""The kernels behind `rasterize.interpolate` and `interpolate_derivatives`, and their plain-torch twin.

All work on bare tensors of checked shapes. What changes across the screen is interpolated like what stands in
a pixel, with the derivatives of the barycentrics as weights, so every function here does both.
"""

# ruff: noqa: ARG001 (fakes and context functions must have the signature of their op)

import ctypes
from typing import Any

import torch
from torch import Tensor

from dream3d.ops._library import INT64, POINTER, Kernel

_SIZES = [
    ("num_attribute_sets", INT64),
    ("num_views", INT64),
    ("num_vertices", INT64),
    ("num_triangles", INT64),
    ("num_pixels", INT64),
    ("num_channels", INT64),
]


class _InterpolateParams(ctypes.Structure):
    """Mirror of D3dInterpolateParams."""

    _fields_ = [
        ("attributes", POINTER),
        ("faces", POINTER),
        ("triangle_id", POINTER),
        ("weights", POINTER),
        ("image", POINTER),
        *_SIZES,
    ]


class _InterpolateBackwardParams(ctypes.Structure):
    """Mirror of D3dInterpolateBackwardParams."""

    _fields_ = [
        ("grad_image", POINTER),
        ("attributes", POINTER),
        ("faces", POINTER),
        ("triangle_id", POINTER),
        ("weights", POINTER),
        ("grad_attributes", POINTER),
        ("grad_weights", POINTER),
        *_SIZES,
    ]


_VALUES = Kernel("d3d_interpolate", _InterpolateParams)
_VALUES_BACKWARD = Kernel("d3d_interpolate_backward", _InterpolateBackwardParams)
_DERIVATIVES = Kernel("d3d_interpolate_derivatives", _InterpolateParams)
_DERIVATIVES_BACKWARD = Kernel("d3d_interpolate_derivatives_backward", _InterpolateBackwardParams)


def interpolate_reference_tensors(
    attributes: Tensor, faces: Tensor, triangle_id: Tensor, weights: Tensor
) -> Tensor:
    """Attributes [A, V, C] at the pixels of fragments [B, H, W]. Any floating dtype.

    With barycentrics [B, H, W, 2] as weights: the values, [B, H, W, C]. With their screen derivatives
    [B, H, W, 2, 2]: those of the values, [B, H, W, C, 2].
    """
    image = attributes.new_zeros((*triangle_id.shape, attributes.shape[-1], *weights.shape[4:]))
    view, row, column = torch.nonzero(triangle_id >= 0, as_tuple=True)  # [P] each
    corners = faces[triangle_id[view, row, column].long()].long()  # [P, 3]
    attribute_set = view if attributes.shape[0] > 1 else torch.zeros_like(view)
    first, second, last = attributes[attribute_set[:, None], corners].unbind(1)  # [P, C] each
    edges = torch.stack([first - last, second - last], dim=1)  # [P, 2, C]
    uv = weights[view, row, column].to(attributes.dtype)  # [P, 2] or [P, 2, 2]
    if uv.dim() == 3:
        values = torch.einsum("pil,pic->pcl", uv, edges)
    else:
        values = last + torch.einsum("pi,pic->pc", uv, edges)
    return image.index_put((view, row, column), values)


@torch.library.custom_op("dream3d::interpolate", mutates_args=())
def interpolate_op(attributes: Tensor, faces: Tensor, triangle_id: Tensor, weights: Tensor) -> Tensor:
    """The kernels, for contiguous float32 tensors on one device; shapes as in the reference."""
    kernel = _VALUES if weights.dim() == 4 else _DERIVATIVES
    image = _empty_image(attributes, triangle_id, weights)
    kernel.launch(
        attributes.device,
        attributes=attributes,
        faces=faces,
        triangle_id=triangle_id,
        weights=weights,
        image=image,
        **_sizes(list(attributes.shape), faces, triangle_id),
    )
    return image


@interpolate_op.register_fake
def _(attributes: Tensor, faces: Tensor, triangle_id: Tensor, weights: Tensor) -> Tensor:
    return _empty_image(attributes, triangle_id, weights)


def _empty_image(attributes: Tensor, triangle_id: Tensor, weights: Tensor) -> Tensor:
    return attributes.new_empty((*triangle_id.shape, attributes.shape[-1], *weights.shape[4:]))


@torch.library.custom_op("dream3d::interpolate_backward", mutates_args=())
def _backward_op(
    grad_image: Tensor,
    attributes: Tensor | None,
    faces: Tensor,
    triangle_id: Tensor,
    weights: Tensor,
    attribute_shape: list[int],
    wants_attributes: bool,
) -> tuple[Tensor, Tensor]:
    """The gradients to attributes [A, V, C], if wanted, and to the weights, if there are attributes.

    What nobody wants is empty.
    """
    wants_weights = attributes is not None
    grad_attributes, grad_weights = _empty_gradients(
        weights, attribute_shape, wants_attributes, wants_weights
    )
    kernel = _VALUES_BACKWARD if weights.dim() == 4 else _DERIVATIVES_BACKWARD
    kernel.launch(
        grad_image.device,
        grad_image=grad_image,
        attributes=attributes,
        faces=faces,
        triangle_id=triangle_id,
        weights=weights,
        grad_attributes=grad_attributes if wants_attributes else None,
        grad_weights=grad_weights if wants_weights else None,
        **_sizes(attribute_shape, faces, triangle_id),
    )
    return grad_attributes, grad_weights


def _empty_gradients(
    weights: Tensor, attribute_shape: list[int], wants_attributes: bool, wants_weights: bool
) -> tuple[Tensor, Tensor]:
    return (
        weights.new_empty(attribute_shape if wants_attributes else 0),
        torch.empty_like(weights) if wants_weights else weights.new_empty(0),
    )


_backward_op.register_fake(
    lambda _grad, attributes, _faces, _ids, weights, attribute_shape, wants_attributes: _empty_gradients(
        weights, attribute_shape, wants_attributes, attributes is not None
    )
)


def _setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Tensor], output: Tensor) -> None:
    attributes, faces, triangle_id, weights = inputs
    needs_weights = ctx.needs_input_grad[3]  # else the attributes need not be kept
    ctx.save_for_backward(attributes if needs_weights else None, faces, triangle_id, weights)
    ctx.attribute_shape = list(attributes.shape)


def _backward(ctx: Any, grad_image: Tensor) -> tuple[Tensor | None, None, None, Tensor | None]:
    attributes, faces, triangle_id, weights = ctx.saved_tensors
    wants_attributes = ctx.needs_input_grad[0]
    grad_attributes, grad_weights = _backward_op(
        grad_image.contiguous(),
        attributes,
        faces,
        triangle_id,
        weights,
        ctx.attribute_shape,
        wants_attributes,
    )
    return (
        grad_attributes if wants_attributes else None,
        None,
        None,
        grad_weights if attributes is not None else None,
    )


interpolate_op.register_autograd(_backward, setup_context=_setup_context)


def _sizes(attribute_shape: list[int], faces: Tensor, triangle_id: Tensor) -> dict[str, int]:
    num_views, height, width = triangle_id.shape
    return {
        "num_attribute_sets": attribute_shape[0],
        "num_views": num_views,
        "num_vertices": attribute_shape[1],
        "num_triangles": faces.shape[0],
        "num_pixels": height * width,
        "num_channels": attribute_shape[2],
    }
