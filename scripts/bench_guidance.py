"""What guidance methods cost: time and memory relative to SDS in the same run, and the frozen UNet's share.

    python scripts/bench_guidance.py                       # on the built-in prior, 4 views of 64 pixels
    python scripts/bench_guidance.py --prior DIR --views words
    python scripts/bench_guidance.py --shape sd21 --views words    # as large as Stable Diffusion 2.1, random
                                                                   # weights; also --prior-precision

Each method runs in a process of its own, so that its peak memory is its own. "ms" is the guidance alone; the
share is that of the frozen UNet, without a copy that learns, in the whole step: render, guidance, backward
pass and Adam. Times are medians.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
import tyro
from random_prior import Shape, random_prior

from dream3d.config import PriorOptions
from dream3d.finish import choose_device
from dream3d.optimize.coarse import CoarseRun, CoarseStats
from dream3d.prior import Prior
from dream3d.prior.parts import Denoiser
from dream3d.stage_config import CoarseConfig, GuidanceConfig, GuidanceMethod, ViewConditioning

METHODS: tuple[GuidanceMethod, ...] = get_args(GuidanceMethod)
LEVEL = 0.5  # of all timesteps; the costs of ISM and SDI grow with it


@dataclass(frozen=True)
class Bench:
    """Measure what guidance methods cost."""

    prior: str = "props"
    """The prior; or --shape."""
    shape: Shape | None = None
    """A latent prior of this shape with random weights."""
    views: ViewConditioning = "joint"
    """How it is told where the views stand."""
    options: PriorOptions = field(default_factory=PriorOptions)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where."""
    methods: tuple[GuidanceMethod, ...] = METHODS
    """Which; SDS comes first in any case."""
    repeats: int = 7
    """Steps that are timed, after one that is not."""
    only: GuidanceMethod | None = None
    """Print the numbers of one method as JSON."""

    def run(self) -> None:
        """Print the table."""
        if self.only is not None:
            print(json.dumps(self.measure(self.only)))
            return
        rows: dict[str, dict[str, float]] = {}
        for method in dict.fromkeys(("sds", *self.methods)):
            words = [sys.executable, __file__, *sys.argv[1:], "--only", method]
            output = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
            rows[method] = json.loads(output.splitlines()[-1])
        print("| method | images denoised a step | ms | times SDS | frozen UNet | peak MB | more than SDS |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for method, row in rows.items():
            print(f"| {method} | {_cells(row, rows['sds'])} |")

    def measure(self, method: GuidanceMethod) -> dict[str, float]:
        """Medians of one method: milliseconds, the frozen UNet's share, evaluations a step, megabytes."""
        prior, device = self._prior(), torch.device(choose_device(self.device))
        same = GuidanceConfig(t_max_start=LEVEL, t_max_end=LEVEL, t_min_start=LEVEL, t_min_end=LEVEL)
        guidance = replace(same, method=method, views=self.views, opening=0.0)
        config = CoarseConfig(num_steps=self.repeats + 1, half_size_until=0.0, guidance=guidance)
        draws, spent = torch.Generator().manual_seed(0), CoarseStats(0, 0, 0.0, 0)
        run = CoarseRun(prior, prior.embed("a red mushroom"), config, draws, device, spent)
        run.do_step()
        whole, guide, unet = watches = [Stopwatch(device) for _ in range(3)]
        run.prior = replace(prior, denoiser=TimedDenoiser(prior.denoiser, unet))
        run.guide.gradient = guide.around(run.guide.gradient)
        step, before, laps = whole.around(run.do_step), run.guide.evaluations, []
        for run.step in range(1, self.repeats + 1):
            step()
            laps.append([watch.lap() for watch in watches])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(device) / 1024**2
        return {
            "ms": 1e3 * statistics.median(in_guide for _, in_guide, _ in laps),
            "unet_share": statistics.median(in_unet / total for total, _, in_unet in laps),
            "evaluations": (run.guide.evaluations - before) / self.repeats,
            "peak_mb": peak,
        }

    def _prior(self) -> Prior:
        device = choose_device(self.device)
        if self.shape is not None:
            return random_prior(self.shape, torch.device(device), self.options)
        return Prior.from_pretrained(self.prior, device, options=self.options)


class Stopwatch:
    """Seconds that calls take, the device's work included."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = self._now()
            result = call(*args, **kwargs)
            self.seconds += self._now() - start
            return result

        return timed

    def lap(self) -> float:
        """Seconds since the last lap."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


class TimedDenoiser:
    """A denoiser whose answers are timed; a hook in the network would be compiled with it."""

    def __init__(self, denoiser: Denoiser, watch: Stopwatch) -> None:
        self.unet = denoiser.unet
        self.predict_x0 = watch.around(denoiser.predict_x0)


def _cells(row: dict[str, float], sds: dict[str, float]) -> str:
    """The rest of a line of the table."""
    times, more = row["ms"] / sds["ms"], row["peak_mb"] - sds["peak_mb"]
    numbers = f"{row['evaluations']:g} | {row['ms']:.0f} | {times:.2f} | {row['unet_share']:.0%}"
    return f"{numbers} | {row['peak_mb']:.0f} | {more:+.0f}"


if __name__ == "__main__":
    tyro.cli(Bench).run()
