"""Repeat a computation with different numbers of threads."""

from collections.abc import Callable

import torch
from torch import Tensor


def assert_same_bits_for_any_number_of_threads(run: Callable[[], tuple[Tensor, ...]]) -> None:
    """Run with 1, 2, 3 and 7 threads, however many cores there are: the work is split differently."""
    before = torch.get_num_threads()
    results = []
    try:
        for n_threads in (1, 2, 3, 7):
            torch.set_num_threads(n_threads)
            results.append(run())
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
