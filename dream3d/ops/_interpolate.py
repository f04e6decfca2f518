"""The kernel behind `rasterize.interpolate` and its plain-torch twin, on bare tensors of checked shapes."""

import ctypes

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
        ("barycentrics", POINTER),
        ("image", POINTER),
        *_SIZES,
    ]


class _InterpolateBackwardParams(ctypes.Structure):
    """Mirror of D3dInterpolateBackwardParams."""

    _fields_ = [
        ("grad_image", POINTER),
        ("faces", POINTER),
        ("triangle_id", POINTER),
        ("barycentrics", POINTER),
        ("grad_attributes", POINTER),
        *_SIZES,
    ]


_INTERPOLATE = Kernel("d3d_interpolate", _InterpolateParams)
_INTERPOLATE_BACKWARD = Kernel("d3d_interpolate_backward", _InterpolateBackwardParams)


def interpolate_reference_tensors(
    attributes: Tensor, faces: Tensor, triangle_id: Tensor, barycentrics: Tensor
) -> Tensor:
    """Attributes [A, V, C] at the pixels of fragments [B, H, W]: [B, H, W, C]. Any floating dtype."""
    image = attributes.new_zeros((*triangle_id.shape, attributes.shape[-1]))
    view, row, column = torch.nonzero(triangle_id >= 0, as_tuple=True)  # [P] each
    corners = faces[triangle_id[view, row, column].long()].long()  # [P, 3]
    attribute_set = view if attributes.shape[0] > 1 else torch.zeros_like(view)
    per_corner = attributes[attribute_set[:, None], corners]  # [P, 3, C]
    uv = barycentrics[view, row, column].to(attributes.dtype)  # [P, 2]
    weights = torch.cat([uv, 1 - uv.sum(-1, keepdim=True)], dim=-1)  # [P, 3]
    return image.index_put((view, row, column), (weights[..., None] * per_corner).sum(1))


@torch.library.custom_op("dream3d::interpolate", mutates_args=())
def interpolate_op(attributes: Tensor, faces: Tensor, triangle_id: Tensor, barycentrics: Tensor) -> Tensor:
    """The kernel, for contiguous float32 tensors on one device: [B, H, W, C]."""
    image = attributes.new_empty((*triangle_id.shape, attributes.shape[-1]))
    _INTERPOLATE.launch(
        attributes.device,
        attributes=attributes,
        faces=faces,
        triangle_id=triangle_id,
        barycentrics=barycentrics,
        image=image,
        **_sizes(list(attributes.shape), faces, triangle_id),
    )
    return image


@interpolate_op.register_fake
def _(attributes: Tensor, _faces: Tensor, triangle_id: Tensor, _barycentrics: Tensor) -> Tensor:
    return attributes.new_empty((*triangle_id.shape, attributes.shape[-1]))


@torch.library.custom_op("dream3d::interpolate_backward", mutates_args=())
def _interpolate_backward_op(
    grad_image: Tensor, faces: Tensor, triangle_id: Tensor, barycentrics: Tensor, attribute_shape: list[int]
) -> Tensor:
    grad_attributes = grad_image.new_empty(attribute_shape)
    _INTERPOLATE_BACKWARD.launch(
        grad_image.device,
        grad_image=grad_image,
        faces=faces,
        triangle_id=triangle_id,
        barycentrics=barycentrics,
        grad_attributes=grad_attributes,
        **_sizes(attribute_shape, faces, triangle_id),
    )
    return grad_attributes


@_interpolate_backward_op.register_fake
def _(
    grad_image: Tensor,
    _faces: Tensor,
    _triangle_id: Tensor,
    _barycentrics: Tensor,
    attribute_shape: list[int],
) -> Tensor:
    return grad_image.new_empty(attribute_shape)


def _setup_context(ctx, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001 (torch names it)
    attributes, faces, triangle_id, barycentrics = inputs
    ctx.save_for_backward(faces, triangle_id, barycentrics)
    ctx.attribute_shape = list(attributes.shape)


def _backward(ctx, grad_image: Tensor) -> tuple[Tensor, None, None, None]:
    faces, triangle_id, barycentrics = ctx.saved_tensors
    grad = _interpolate_backward_op(
        grad_image.contiguous(), faces, triangle_id, barycentrics, ctx.attribute_shape
    )
    return grad, None, None, None


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
