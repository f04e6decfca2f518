"""Rows of `bench_ops.py`: a kernel's milliseconds, its torch twin's, and their ratio."""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor


def print_header(machine: str) -> None:
    """What the columns are."""
    print(f"{'on ' + machine:<52}{'kernel ms':>11}{'twin ms':>11}{'ratio':>9}")


def time_both_ways(
    case: str,
    kernel: Callable[[], Tensor],
    twin: Callable[[], Tensor],
    leaves: list[Tensor],
    upstream: Tensor,
) -> None:
    """One row for the result, one for the gradients to `leaves`."""
    time_row(f"{case}, forward", kernel, twin)
    outputs = [kernel(), twin()]
    gradients = [
        lambda o=output: torch.autograd.grad(o, leaves, upstream, retain_graph=True) for output in outputs
    ]
    time_row(f"{case}, backward", *gradients)


def time_row(case: str, kernel: Callable[[], object], twin: Callable[[], object] | None) -> None:
    """Print one row; without a twin its columns are NaN."""
    kernel_ms = _milliseconds(kernel)
    twin_ms = _milliseconds(twin, runs=1) if twin else math.nan
    print(f"{case:<52}{kernel_ms:>11.3f}{twin_ms:>11.1f}{twin_ms / kernel_ms:>9.1f}", flush=True)


def _milliseconds(run: Callable[[], object], runs: int = 20) -> float:
    """The best of `runs` timed runs after one warm-up, with the device idle before and after each."""
    best = math.inf
    for index in range(runs + 1):
        _synchronize()
        start = time.perf_counter()
        run()
        _synchronize()
        if index > 0:
            best = min(best, time.perf_counter() - start)
    return best * 1e3


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
