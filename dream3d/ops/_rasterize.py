"""The kernel behind `rasterize.rasterize`, on bare tensors of checked shapes."""

# ruff: noqa: ARG001 (fakes and context functions must have the signature of their op)

import ctypes
from typing import Any

import torch
from torch import Tensor

from dream3d.ops._barycentrics import barycentrics_backward_op
from dream3d.ops._library import INT64, POINTER, Kernel


class _RasterizeParams(ctypes.Structure):
    """Mirror of D3dRasterizeParams."""

    _fields_ = [
        ("positions", POINTER),
        ("faces", POINTER),
        ("triangle_id", POINTER),
        ("barycentrics", POINTER),
        ("depth", POINTER),
        ("z_buffer", POINTER),
        ("num_views", INT64),
        ("num_vertices", INT64),
        ("num_triangles", INT64),
        ("height", INT64),
        ("width", INT64),
    ]


_RASTERIZE = Kernel("d3d_rasterize", _RasterizeParams)


@torch.library.custom_op("dream3d::rasterize", mutates_args=())
def rasterize_op(positions: Tensor, faces: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The kernel, for contiguous tensors of one device: barycentrics, depth and triangle ids."""
    num_views, num_vertices, _ = positions.shape
    barycentrics, depth, triangle_id = _empty_fragments(positions, height, width)
    on_cuda = positions.device.type == "cuda"
    if on_cuda and positions.data_ptr() % 16:  # a view of something: the kernel loads four numbers at once
        positions = positions.clone()
    z_buffer = torch.empty_like(triangle_id, dtype=torch.int64) if on_cuda else None
    _RASTERIZE.launch(
        positions.device,
        positions=positions,
        faces=faces,
        triangle_id=triangle_id,
        barycentrics=barycentrics,
        depth=depth,
        z_buffer=z_buffer,
        num_views=num_views,
        num_vertices=num_vertices,
        num_triangles=faces.shape[0],
        height=height,
        width=width,
    )
    return barycentrics, depth, triangle_id


@rasterize_op.register_fake
def _(positions: Tensor, faces: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    return _empty_fragments(positions, height, width)


def _setup_context(
    ctx: Any, inputs: tuple[Tensor, Tensor, int, int], output: tuple[Tensor, Tensor, Tensor]
) -> None:
    positions, faces, _, _ = inputs
    _, depth, triangle_id = output
    ctx.mark_non_differentiable(depth, triangle_id)
    ctx.save_for_backward(positions, faces, triangle_id)
    ctx.set_materialize_grads(False)


def _backward(
    ctx: Any, grad_barycentrics: Tensor | None, grad_depth: Tensor | None, grad_id: Tensor | None
) -> tuple[Tensor | None, None, None, None]:
    if grad_barycentrics is None:
        return None, None, None, None
    grad = barycentrics_backward_op(*ctx.saved_tensors, grad_barycentrics.contiguous(), None)
    return grad, None, None, None


rasterize_op.register_autograd(_backward, setup_context=_setup_context)


def _empty_fragments(positions: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    shape = (positions.shape[0], height, width)
    triangle_id = positions.new_empty(shape, dtype=torch.int32)
    return positions.new_empty((*shape, 2)), positions.new_empty(shape), triangle_id
