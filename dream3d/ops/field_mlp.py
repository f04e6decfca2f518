"""A radiance field in one op: hash grid encoding followed by a network with one hidden layer.

    output = w2 relu(w1 encode(point) + b1) + b2

This is what a training step spends its time on, so on the CPU both halves run fused over small tiles of
points: the encoding never reaches memory, and the backward pass recomputes it. On CUDA it is the hash grid
kernel followed by matrix products.
"""
# ruff: noqa: ARG001 (fakes and context functions must have the signature of their op)

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dream3d.errors import InputError
from dream3d.ops._checks import check_tensor
from dream3d.ops._library import INT32, INT64, POINTER, Backend, Kernel, resolve_backend
from dream3d.ops.hash_grid import HashGridLevels, LevelsStruct, hash_grid, hash_grid_reference, levels_struct

__all__ = ["field_mlp", "field_mlp_reference"]

MAX_HIDDEN = 128
MAX_OUTPUTS = 8
_SHARD_POINTS = 4096  # D3D_FIELD_SHARD_POINTS
_CHUNK_POINTS = 65536  # D3D_FIELD_CHUNK_POINTS


def field_mlp(
    points: Tensor,
    table: Tensor,
    levels: HashGridLevels,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    backend: Backend = "auto",
) -> Tensor:
    """Evaluate the field at many points. First-order differentiable to everything but `levels`.

    On the CPU the result and all gradients have the same bits for any number of threads. They may differ in
    the last bits between processors with different vector instructions.

    Args:
        points: [N, 3] float32, clamped to [0, 1]. A NaN coordinate makes the output NaN.
        table: [E, F] float32, with E = `levels.num_entries` and F = `levels.features_per_level`.
        levels: Layout of the table.
        w1: [H, L * F] float32, H a multiple of 8 from 8 to 128.
        b1: [H] float32.
        w2: [O, H] float32, O from 1 to 8.
        b2: [O] float32.
        backend: "auto" follows the device of the tensors; "reference" is the plain-torch twin.

    Returns:
        [N, O] float32.

    Raises:
        InputError: A shape, dtype or device does not fit, or the back-end is not available.
    """
    device = table.device
    chosen = resolve_backend(backend, device)
    if chosen == "reference":
        return field_mlp_reference(points, table, levels, w1, b1, w2, b2)
    hidden, outputs = b1.shape[0] if b1.dim() else 0, b2.shape[0] if b2.dim() else 0
    check_tensor("points", points, (None, 3), device=device)
    check_tensor("table", table, (levels.num_entries, levels.features_per_level))
    check_tensor("w1", w1, (hidden, levels.output_dim), device=device)
    check_tensor("b1", b1, (None,), device=device)
    check_tensor("w2", w2, (outputs, hidden), device=device)
    check_tensor("b2", b2, (None,), device=device)
    if not (0 < hidden <= MAX_HIDDEN and hidden % 8 == 0):
        raise InputError(f"the hidden layer must have 8 to {MAX_HIDDEN} units, a multiple of 8, got {hidden}")
    if not 0 < outputs <= MAX_OUTPUTS:
        raise InputError(f"the network must have 1 to {MAX_OUTPUTS} outputs, got {outputs}")
    if chosen == "cuda":
        return _network(hash_grid(points, table, levels, "cuda"), w1, b1, w2, b2)
    tensors = (tensor.contiguous() for tensor in (points, table, w1, b1, w2, b2))
    return _field_mlp(*tensors, levels.resolutions, levels.offsets)


def field_mlp_reference(
    points: Tensor, table: Tensor, levels: HashGridLevels, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor
) -> Tensor:
    """Plain-torch twin of `field_mlp`, for any float dtype and device."""
    return _network(hash_grid_reference(points, table, levels), w1, b1, w2, b2)


def _network(encoded: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """The network on encoded points [N, L * F], giving [N, O]."""
    return functional.linear(functional.relu(functional.linear(encoded, w1, b1)), w2, b2)


class _ForwardParams(ctypes.Structure):
    """Mirror of D3dFieldMlpParams."""

    _fields_ = [
        ("points", POINTER),
        ("table", POINTER),
        ("w1", POINTER),
        ("b1", POINTER),
        ("w2", POINTER),
        ("b2", POINTER),
        ("output", POINTER),
        ("num_points", INT64),
        ("hidden", INT32),
        ("outputs", INT32),
        ("levels", LevelsStruct),
    ]


class _BackwardParams(ctypes.Structure):
    """Mirror of D3dFieldMlpBackwardParams."""

    _fields_ = [
        ("points", POINTER),
        ("table", POINTER),
        ("w1", POINTER),
        ("b1", POINTER),
        ("w2", POINTER),
        ("b2", POINTER),
        ("grad_output", POINTER),
        ("grad_table", POINTER),
        ("grad_weights", POINTER),
        ("grad_points", POINTER),
        ("grad_encoded", POINTER),
        ("shards", POINTER),
        ("num_points", INT64),
        ("hidden", INT32),
        ("outputs", INT32),
        ("levels", LevelsStruct),
    ]


_FORWARD = Kernel("d3d_field_mlp", _ForwardParams)
_BACKWARD = Kernel("d3d_field_mlp_backward", _BackwardParams)


@torch.library.custom_op("dream3d::field_mlp", mutates_args=(), device_types="cpu")
def _field_mlp(
    points: Tensor,
    table: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    resolutions: Sequence[int],
    offsets: Sequence[int],
) -> Tensor:
    output = points.new_empty(points.shape[0], b2.shape[0])
    _FORWARD.launch(
        points.device,
        points=points,
        table=table,
        w1=w1,
        b1=b1,
        w2=w2,
        b2=b2,
        output=output,
        num_points=points.shape[0],
        hidden=b1.shape[0],
        outputs=b2.shape[0],
        levels=levels_struct(resolutions, offsets, table.shape[1]),
    )
    return output


@_field_mlp.register_fake
def _(
    points: Tensor,
    table: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    resolutions: Sequence[int],
    offsets: Sequence[int],
) -> Tensor:
    return points.new_empty(points.shape[0], b2.shape[0])


@torch.library.custom_op("dream3d::field_mlp_backward", mutates_args=(), device_types="cpu")
def _field_mlp_backward(
    grad_output: Tensor,
    points: Tensor,
    table: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    resolutions: Sequence[int],
    offsets: Sequence[int],
    need_points: bool,
    need_table: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients to points, table (empty where not needed) and to w1, b1, w2, b2, flat in one tensor."""
    num_points = points.shape[0]
    grad_points, grad_table, grad_weights = _empty_gradients(points, table, w1, w2, need_points, need_table)
    num_levels = len(resolutions)
    encoded = points.new_empty(num_levels, min(num_points, _CHUNK_POINTS), table.shape[1])
    shards = points.new_empty(-(-num_points // _SHARD_POINTS), grad_weights.shape[0])
    _BACKWARD.launch(
        points.device,
        points=points,
        table=table,
        w1=w1,
        b1=b1,
        w2=w2,
        b2=b2,
        grad_output=grad_output,
        grad_table=grad_table if need_table else None,
        grad_weights=grad_weights,
        grad_points=grad_points if need_points else None,
        grad_encoded=encoded,
        shards=shards,
        num_points=num_points,
        hidden=b1.shape[0],
        outputs=b2.shape[0],
        levels=levels_struct(resolutions, offsets, table.shape[1]),
    )
    return grad_points, grad_table, grad_weights


def _empty_gradients(
    points: Tensor, table: Tensor, w1: Tensor, w2: Tensor, need_points: bool, need_table: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Uninitialised results of the backward op."""
    return (
        torch.empty_like(points) if need_points else points.new_empty(0),
        torch.empty_like(table) if need_table else table.new_empty(0),
        w1.new_empty(w1.numel() + w1.shape[0] + w2.numel() + w2.shape[0]),
    )


@_field_mlp_backward.register_fake
def _(
    grad_output: Tensor,
    points: Tensor,
    table: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    resolutions: Sequence[int],
    offsets: Sequence[int],
    need_points: bool,
    need_table: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return _empty_gradients(points, table, w1, w2, need_points, need_table)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.resolutions, ctx.offsets = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
    points, table, w1, b1, w2, b2 = ctx.saved_tensors
    need_points, need_table = ctx.needs_input_grad[:2]
    grad_points, grad_table, grad_weights = _field_mlp_backward(
        grad_output.contiguous(),
        points,
        table,
        w1,
        b1,
        w2,
        b2,
        ctx.resolutions,
        ctx.offsets,
        need_points,
        need_table,
    )
    parts = grad_weights.split([w1.numel(), b1.numel(), w2.numel(), b2.numel()])
    weights = [part.view_as(weight) for part, weight in zip(parts, (w1, b1, w2, b2), strict=True)]
    return grad_points if need_points else None, grad_table if need_table else None, *weights, None, None


_field_mlp.register_autograd(_backward, setup_context=_setup_context)
