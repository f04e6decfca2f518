"""Computations with a given number of threads, or with several."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads compute what is inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def assert_same_bits_for_any_number_of_threads(run: Callable[[], tuple[Tensor, ...]]) -> None:
    """Run with 1, 2, 3 and 7 threads, however many cores there are: the work is split differently."""
    results = []
    for n_threads in (1, 2, 3, 7):
        with threads(n_threads):
            results.append(run())
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
