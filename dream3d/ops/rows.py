"""Rows of a table by their numbers, and back, with sums in a fixed order on the CPU.

Plain indexing adds gradients in the order of the threads; `index_select` and `index_add` of whole rows keep
the order but take many times as long as those of single numbers, which these are made of. On CUDA sums are
atomic, unless `torch.use_deterministic_algorithms(True)` is set.
"""

import torch
from torch import Tensor


def gather_rows(table: Tensor, index: Tensor) -> Tensor:
    """table[index]. Differentiable to the table, also twice.

    Args:
        table: [V, ...].
        index: [N] rows, in any order and number.

    Returns:
        [N, ...].
    """
    picked = table.reshape(-1).index_select(0, flat_index(index, table[:1].numel()))
    return picked.view(index.shape[0], *table.shape[1:])


def add_rows(rows: Tensor, index: Tensor, size: int) -> Tensor:
    """Sum of the rows that have the same number; the adjoint of `gather_rows`.

    Args:
        rows: [N, ...].
        index: [N] in [0, size).
        size: Rows V of the result.

    Returns:
        [V, ...], zero where no row goes.
    """
    shape = (size, *rows.shape[1:])
    flat = flat_index(index, rows[:1].numel())
    return rows.new_zeros(shape).view(-1).index_add(0, flat, rows.reshape(-1)).view(shape)


def flat_index(index: Tensor, width: int) -> Tensor:
    """Numbers of the elements of rows of a width, [N * width]."""
    return (index.long()[:, None] * width + torch.arange(width, device=index.device)).view(-1)
