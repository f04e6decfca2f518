"""The kernels behind `antialias.antialias`, on bare tensors of checked shapes.

One finds what separates neighbouring pixels, one blends over it, one is the gradient of the blending.
"""

import ctypes

import torch
from torch import Tensor

from dream3d.ops._library import INT32, INT64, POINTER, Kernel


class _AntialiasEdgesParams(ctypes.Structure):
    """Mirror of D3dAntialiasEdgesParams."""

    _fields_ = [
        ("positions", POINTER),
        ("faces", POINTER),
        ("neighbors", POINTER),
        ("triangle_id", POINTER),
        ("depth", POINTER),
        ("edge", POINTER),
        ("crossing", POINTER),
        ("num_views", INT64),
        ("num_vertices", INT64),
        ("num_triangles", INT64),
        ("height", INT64),
        ("width", INT64),
    ]


class _AntialiasParams(ctypes.Structure):
    """Mirror of D3dAntialiasParams."""

    _fields_ = [
        ("image", POINTER),
        ("edge", POINTER),
        ("crossing", POINTER),
        ("output", POINTER),
        ("num_views", INT64),
        ("height", INT64),
        ("width", INT64),
        ("num_channels", INT64),
    ]


class _AntialiasBackwardParams(ctypes.Structure):
    """Mirror of D3dAntialiasBackwardParams."""

    _fields_ = [
        ("grad_output", POINTER),
        ("image", POINTER),
        ("positions", POINTER),
        ("faces", POINTER),
        ("triangle_id", POINTER),
        ("edge", POINTER),
        ("crossing", POINTER),
        ("grad_image", POINTER),
        ("grad_positions", POINTER),
        ("num_views", INT64),
        ("num_vertices", INT64),
        ("num_triangles", INT64),
        ("height", INT64),
        ("width", INT64),
        ("num_channels", INT64),
        ("exact", INT32),
    ]


_EDGES = Kernel("d3d_antialias_edges", _AntialiasEdgesParams)
_BLEND = Kernel("d3d_antialias", _AntialiasParams)
_BACKWARD = Kernel("d3d_antialias_backward", _AntialiasBackwardParams)


@torch.library.custom_op("dream3d::antialias_edges", mutates_args=())
def antialias_edges_op(
    positions: Tensor, faces: Tensor, neighbors: Tensor, triangle_id: Tensor, depth: Tensor
) -> tuple[Tensor, Tensor]:
    """What separates each pixel from its right and lower neighbour, for contiguous tensors on one device.

    Returns half-edges [B, H, W, 2] int32 (-1 for nothing, -2 for an intersection) and how far from the
    pixel's centre they cross [B, H, W, 2].
    """
    num_views, height, width = triangle_id.shape
    edge, crossing = _empty_edges(positions, triangle_id)
    _EDGES.launch(
        positions.device,
        positions=positions,
        faces=faces,
        neighbors=neighbors,
        triangle_id=triangle_id,
        depth=depth,
        edge=edge,
        crossing=crossing,
        num_views=num_views,
        num_vertices=positions.shape[1],
        num_triangles=faces.shape[0],
        height=height,
        width=width,
    )
    return edge, crossing


@antialias_edges_op.register_fake
def _(
    positions: Tensor, _faces: Tensor, _neighbors: Tensor, triangle_id: Tensor, _depth: Tensor
) -> tuple[Tensor, Tensor]:
    return _empty_edges(positions, triangle_id)


def _empty_edges(positions: Tensor, triangle_id: Tensor) -> tuple[Tensor, Tensor]:
    shape = (*triangle_id.shape, 2)
    return triangle_id.new_empty(shape), positions.new_empty(shape)


@torch.library.custom_op("dream3d::antialias", mutates_args=())
def antialias_op(
    image: Tensor,
    positions: Tensor,
    faces: Tensor,
    triangle_id: Tensor,
    edge: Tensor,
    crossing: Tensor,
    exact: bool,
) -> Tensor:
    """The blended picture, or a copy if `exact`, for contiguous tensors on one device: [B, H, W, C]."""
    del positions, faces, triangle_id  # only the gradient needs them
    if exact:
        return image.clone()
    num_views, height, width, num_channels = image.shape
    output = torch.empty_like(image)
    _BLEND.launch(
        image.device,
        image=image,
        edge=edge,
        crossing=crossing,
        output=output,
        num_views=num_views,
        height=height,
        width=width,
        num_channels=num_channels,
    )
    return output


@antialias_op.register_fake
def _(
    image: Tensor,
    _positions: Tensor,
    _faces: Tensor,
    _triangle_id: Tensor,
    _edge: Tensor,
    _crossing: Tensor,
    _exact: bool,
) -> Tensor:
    return torch.empty_like(image)


@torch.library.custom_op("dream3d::antialias_backward", mutates_args=())
def _antialias_backward_op(
    grad_output: Tensor,
    image: Tensor,
    positions: Tensor,
    faces: Tensor,
    triangle_id: Tensor,
    edge: Tensor,
    crossing: Tensor,
    exact: bool,
    wants_image: bool,
    wants_positions: bool,
) -> tuple[Tensor, Tensor]:
    num_views, height, width, num_channels = image.shape
    grad_image, grad_positions = _empty_gradients(image, positions, wants_image, wants_positions)
    _BACKWARD.launch(
        image.device,
        grad_output=grad_output,
        image=image,
        positions=positions,
        faces=faces,
        triangle_id=triangle_id,
        edge=edge,
        crossing=crossing,
        grad_image=grad_image if wants_image else None,
        grad_positions=grad_positions if wants_positions else None,
        num_views=num_views,
        num_vertices=positions.shape[1],
        num_triangles=faces.shape[0],
        height=height,
        width=width,
        num_channels=num_channels,
        exact=int(exact),
    )
    return grad_image, grad_positions


@_antialias_backward_op.register_fake
def _(
    _grad_output: Tensor,
    image: Tensor,
    positions: Tensor,
    _faces: Tensor,
    _triangle_id: Tensor,
    _edge: Tensor,
    _crossing: Tensor,
    _exact: bool,
    wants_image: bool,
    wants_positions: bool,
) -> tuple[Tensor, Tensor]:
    return _empty_gradients(image, positions, wants_image, wants_positions)


def _empty_gradients(
    image: Tensor, positions: Tensor, wants_image: bool, wants_positions: bool
) -> tuple[Tensor, Tensor]:
    """What nobody wants is empty."""
    return (
        torch.empty_like(image) if wants_image else image.new_empty(0),
        torch.empty_like(positions) if wants_positions else positions.new_empty(0),
    )


def _setup_context(ctx, inputs: tuple, output: Tensor) -> None:  # noqa: ARG001 (torch names it)
    *tensors, exact = inputs
    ctx.save_for_backward(*tensors)
    ctx.exact = exact


def _backward(ctx, grad_output: Tensor) -> tuple[Tensor | None, ...]:
    wants_image, wants_positions = ctx.needs_input_grad[:2]
    grad_image, grad_positions = _antialias_backward_op(
        grad_output.contiguous(),
        *ctx.saved_tensors,
        ctx.exact,
        wants_image and not ctx.exact,
        wants_positions,
    )
    if ctx.exact:
        grad_image = grad_output
    return (
        grad_image if wants_image else None,
        grad_positions if wants_positions else None,
        *([None] * 5),
    )


antialias_op.register_autograd(_backward, setup_context=_setup_context)
