"""What guidance methods cost: time and memory of a step, relative to SDS in the same run.

    python scripts/bench_guidance.py                       # on the built-in prior, 4 views of 64 pixels
    python scripts/bench_guidance.py --prior DIR --views words

Each method runs in a process of its own, so that its peak memory is its own; the clock is read around the
guidance alone, without rendering. Times are medians.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from typing import get_args

import torch
import tyro

from dream3d.cameras import Cameras
from dream3d.guidance.guide import Shown
from dream3d.optimize.distillation import make_guide
from dream3d.prior import Prior
from dream3d.stage_config import GuidanceConfig, GuidanceMethod, ViewConditioning

METHODS: tuple[GuidanceMethod, ...] = get_args(GuidanceMethod)
TIMESTEP = 0.5  # of all; the costs of ISM and SDI grow with it


def time_method(method: GuidanceMethod, prior_name: str, views: ViewConditioning, repeats: int) -> dict:
    """Median milliseconds, evaluations a step and peak megabytes of one method."""
    prior = Prior.from_pretrained(prior_name)
    generator = torch.Generator().manual_seed(0)
    config = replace(GuidanceConfig(), method=method, views=views)
    guide = make_guide(prior, prior.embed("a red mushroom"), config, generator)
    shown = random_views(prior, prior.sample_cameras(1, generator), generator)
    timestep = round(TIMESTEP * (len(prior.alphas_cumprod) - 1))
    guide.gradient(shown, timestep)
    before, times = guide.evaluations, []
    for _ in range(repeats):
        start = time.perf_counter()
        guide.gradient(shown, timestep)
        times.append(1e3 * (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    evaluations = (guide.evaluations - before) / repeats
    return {"ms": statistics.median(times), "evaluations": evaluations, "peak_mb": peak}


def random_views(prior: Prior, cameras: Cameras, generator: torch.Generator) -> Shown:
    """Noise in place of renders: the cost does not depend on what is seen."""
    size = prior.image_size
    images = torch.rand(len(cameras), size, size, prior.image_channels, generator=generator)
    points = torch.rand(len(cameras), size, size, 3, generator=generator) - 0.5
    return Shown(images, cameras, "albedo", points, torch.ones(len(cameras), size, size))


def main(
    prior: str = "props",
    views: ViewConditioning = "joint",
    repeats: int = 7,
    only: GuidanceMethod | None = None,
) -> None:
    """Print the table; with `only`, the numbers of one method as JSON."""
    if only is not None:
        print(json.dumps(time_method(only, prior, views, repeats)))
        return
    rows = {}
    for method in METHODS:
        words = [sys.executable, __file__, "--prior", prior, "--views", views]
        words += ["--repeats", str(repeats), "--only", method]
        output = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        rows[method] = json.loads(output.splitlines()[-1])
    print("| method | images denoised a step | ms | times SDS | peak MB | more than SDS |")
    print("|---|---:|---:|---:|---:|---:|")
    for method, row in rows.items():
        times, more = row["ms"] / rows["sds"]["ms"], row["peak_mb"] - rows["sds"]["peak_mb"]
        numbers = (
            f"{row['evaluations']:g} | {row['ms']:.0f} | {times:.2f} | {row['peak_mb']:.0f} | {more:+.0f}"
        )
        print(f"| {method} | {numbers} |")


if __name__ == "__main__":
    tyro.cli(main)
