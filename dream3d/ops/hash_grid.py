"""Multi-resolution hash grid encoding, differentiable to the feature table and to the points.

Mueller et al. 2022, "Instant Neural Graphics Primitives with a Multiresolution Hash Encoding", section 3,
with two differences: points are clamped to the unit cube (nothing wraps around), and a level of R cells per
axis has R + 1 vertices, the last of them at x = 1.
"""

# ruff: noqa: ARG001 (fakes and context functions must have the signature of their op)

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dream3d.ops._checks import check_tensor
from dream3d.ops._hash_grid_levels import MAX_LEVELS, HashGridLevels, hash_grid_levels
from dream3d.ops._library import INT32, INT64, POINTER, Backend, Kernel, resolve_backend

__all__ = ["HashGridLevels", "hash_grid", "hash_grid_levels", "hash_grid_reference"]

_PRIMES = (1, 2654435761, 805459861)


def hash_grid(points: Tensor, table: Tensor, levels: HashGridLevels, backend: Backend = "auto") -> Tensor:
    """Encode points: at every level, blend the features of the eight vertices around each.

    First-order differentiable to `table` and `points` (zero along axes on which a point was clamped). On the
    CPU the result and the gradients are the same bits for any number of threads. On CUDA the gradient of the
    table is summed with atomics, in no fixed order, unless `torch.use_deterministic_algorithms(True)` is set:
    then the rows are sorted, which takes longer and more memory.

    Args:
        points: [N, 3] float32, clamped to [0, 1]. A NaN coordinate makes the encoding NaN.
        table: [E, F] float32, with E = `levels.num_entries` and F = `levels.features_per_level`.
        levels: Layout of the table.
        backend: "auto" follows the device of the tensors; "reference" is the plain-torch twin.

    Returns:
        [N, L * F] float32, level-major.

    Raises:
        InputError: A shape, dtype or device does not fit, or the back-end is not available.
    """
    device = table.device
    if resolve_backend(backend, device) == "reference":
        return hash_grid_reference(points, table, levels)
    check_tensor("points", points, (None, 3), device=device)
    check_tensor("table", table, (levels.num_entries, levels.features_per_level))
    return _hash_grid(points.contiguous(), table.contiguous(), levels.resolutions, levels.offsets)


def hash_grid_reference(points: Tensor, table: Tensor, levels: HashGridLevels) -> Tensor:
    """Plain-torch twin of `hash_grid`, for any float dtype and device.

    Args:
        points: [N, 3].
        table: [E, F].
        levels: Layout of the table.

    Returns:
        [N, L * F], level-major.
    """
    clamped = points.clamp(0.0, 1.0)
    return torch.cat(
        [_encode_level(clamped, table, levels, level) for level in range(levels.num_levels)], dim=1
    )


def _encode_level(points: Tensor, table: Tensor, levels: HashGridLevels, level: int) -> Tensor:
    """Trilinear blend of one level's features, [N, F]."""
    resolution = levels.resolutions[level]
    position = points * resolution  # [N, 3]
    # NaN has no cell: any valid one will do, since the fraction stays NaN.
    cell = position.detach().nan_to_num(0.0).floor().clamp_max(resolution - 1)
    fraction = position - cell
    corner = cell.long()
    encoded = points.new_zeros(points.shape[0], levels.features_per_level)
    for offsets in ((x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)):
        rows = _table_rows(corner + corner.new_tensor(offsets), levels, level)
        weight = torch.ones_like(fraction[:, 0])
        for axis, offset in enumerate(offsets):
            weight = weight * (fraction[:, axis] if offset else 1.0 - fraction[:, axis])
        encoded = encoded + weight[:, None] * table[rows]
    return encoded


def _table_rows(vertex: Tensor, levels: HashGridLevels, level: int) -> Tensor:
    """Table rows of the vertices [N, 3] of one level, [N]."""
    if levels.is_hashed(level):
        mask = levels.offsets[level + 1] - levels.offsets[level] - 1
        x, y, z = (vertex[:, axis] * prime for axis, prime in enumerate(_PRIMES))
        return ((x ^ y ^ z) & mask) + levels.offsets[level]
    stride = levels.resolutions[level] + 1
    return vertex[:, 0] + stride * (vertex[:, 1] + stride * vertex[:, 2]) + levels.offsets[level]


class LevelsStruct(ctypes.Structure):
    """Mirror of D3dHashGridLevels."""

    _fields_ = [
        ("num_levels", INT32),
        ("features", INT32),
        ("resolutions", INT32 * MAX_LEVELS),
        ("offsets", INT64 * (MAX_LEVELS + 1)),
    ]


class _ForwardParams(ctypes.Structure):
    """Mirror of D3dHashGridParams."""

    _fields_ = [
        ("points", POINTER),
        ("table", POINTER),
        ("encoded", POINTER),
        ("num_points", INT64),
        ("levels", LevelsStruct),
    ]


class _BackwardParams(ctypes.Structure):
    """Mirror of D3dHashGridBackwardParams."""

    _fields_ = [
        ("points", POINTER),
        ("table", POINTER),
        ("grad_encoded", POINTER),
        ("grad_table", POINTER),
        ("grad_points", POINTER),
        ("num_points", INT64),
        ("levels", LevelsStruct),
    ]


_FORWARD = Kernel("d3d_hash_grid", _ForwardParams)
_BACKWARD = Kernel("d3d_hash_grid_backward", _BackwardParams)


def levels_struct(resolutions: Sequence[int], offsets: Sequence[int], features: int) -> LevelsStruct:
    """The layout as the kernels take it."""
    struct = LevelsStruct(num_levels=len(resolutions), features=features)
    struct.resolutions[: len(resolutions)] = resolutions
    struct.offsets[: len(offsets)] = offsets
    return struct


@torch.library.custom_op("dream3d::hash_grid", mutates_args=())
def _hash_grid(points: Tensor, table: Tensor, resolutions: Sequence[int], offsets: Sequence[int]) -> Tensor:
    features = table.shape[1]
    encoded = table.new_empty(points.shape[0], len(resolutions) * features)
    _FORWARD.launch(
        table.device,
        points=points,
        table=table,
        encoded=encoded,
        num_points=points.shape[0],
        levels=levels_struct(resolutions, offsets, features),
    )
    return encoded


@_hash_grid.register_fake
def _(points: Tensor, table: Tensor, resolutions: Sequence[int], offsets: Sequence[int]) -> Tensor:
    return table.new_empty(points.shape[0], len(resolutions) * table.shape[1])


@torch.library.custom_op("dream3d::hash_grid_backward", mutates_args=())
def _hash_grid_backward(
    grad_encoded: Tensor,
    points: Tensor,
    table: Tensor,
    resolutions: Sequence[int],
    offsets: Sequence[int],
    need_points: bool,
    need_table: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients to points and table; an empty tensor for one that is not needed."""
    grad_points = torch.empty_like(points) if need_points else points.new_empty(0)
    grad_table = torch.empty_like(table) if need_table else table.new_empty(0)
    _BACKWARD.launch(
        table.device,
        points=points,
        table=table,
        grad_encoded=grad_encoded,
        grad_table=grad_table if need_table else None,
        grad_points=grad_points if need_points else None,
        num_points=points.shape[0],
        levels=levels_struct(resolutions, offsets, table.shape[1]),
    )
    return grad_points, grad_table


@_hash_grid_backward.register_fake
def _(
    grad_encoded: Tensor,
    points: Tensor,
    table: Tensor,
    resolutions: Sequence[int],
    offsets: Sequence[int],
    need_points: bool,
    need_table: bool,
) -> tuple[Tensor, Tensor]:
    grad_points = torch.empty_like(points) if need_points else points.new_empty(0)
    grad_table = torch.empty_like(table) if need_table else table.new_empty(0)
    return grad_points, grad_table


def _setup_context(
    ctx: Any, inputs: tuple[Tensor, Tensor, Sequence[int], Sequence[int]], output: Tensor
) -> None:
    points, table, ctx.resolutions, ctx.offsets = inputs
    ctx.save_for_backward(points, table)


def _backward(ctx: Any, grad_encoded: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
    points, table = ctx.saved_tensors
    need_points, need_table = ctx.needs_input_grad[:2]
    by_sorting = need_table and table.is_cuda and torch.are_deterministic_algorithms_enabled()
    grad_points, grad_table = _hash_grid_backward(
        grad_encoded.contiguous(),
        points,
        table,
        ctx.resolutions,
        ctx.offsets,
        need_points,
        need_table and not by_sorting,
    )
    if by_sorting:
        levels = HashGridLevels(tuple(ctx.resolutions), tuple(ctx.offsets), table.shape[1])
        grad_table = _table_gradient_by_sorting(grad_encoded, points, table, levels)
    return grad_points if need_points else None, grad_table if need_table else None, None, None


def _table_gradient_by_sorting(
    grad_encoded: Tensor, points: Tensor, table: Tensor, levels: HashGridLevels
) -> Tensor:
    """Gradient of the table without atomics: torch sorts the rows of an indexed read to sum them in order."""
    with torch.enable_grad():
        leaf = table.detach().requires_grad_()
        encoded = hash_grid_reference(points, leaf, levels)
        return torch.autograd.grad(encoded, leaf, grad_encoded)[0]


_hash_grid.register_autograd(_backward, setup_context=_setup_context)
