"""Where the time of a coarse step goes, part by part, against the prior's own forward.

    python scripts/profile_step.py --prior props --prompt "a red mushroom"

Prints the best of several repetitions in milliseconds, wall clock and CPU time over all threads (on a busy
machine only the latter is meaningful), at a few moments of a run.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
import tyro
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.optimize.coarse import CoarseRun, CoarseStats
from dream3d.optimize.distillation import Answer, ask_prior
from dream3d.prior import Prior
from dream3d.render.volume import Render
from dream3d.stage_config import CoarseConfig

Result = TypeVar("Result")


@dataclass(frozen=True)
class Timing:
    """Best wall and CPU time of one part in milliseconds."""

    wall: float
    cpu: float


def best_of(repeats: int, part: Callable[[], Result]) -> tuple[Result, Timing]:
    """Run `part` several times; its last result and its best times."""
    result = part()  # warm up
    wall, cpu = [], []
    for _ in range(repeats):
        start_wall, start_cpu = time.perf_counter(), time.process_time()
        result = part()
        wall.append(time.perf_counter() - start_wall)
        cpu.append(time.process_time() - start_cpu)
    return result, Timing(1e3 * min(wall), 1e3 * min(cpu))


def profile(run: CoarseRun, repeats: int) -> dict[str, Timing]:
    """Time the parts of the step that `run` would do next. The field moves on a little."""
    parts: dict[str, Timing] = {}
    particle = run.particles[0]
    _, parts["occupancy / interval"] = best_of(repeats, lambda: particle.update_occupancy(run.generator))
    interval = run.config.occupancy_interval
    update = parts["occupancy / interval"]
    parts["occupancy / interval"] = Timing(update.wall / interval, update.cpu / interval)
    cameras = run.prior.sample_cameras(run.config.num_views // 4, run.generator)
    render, parts["render"] = best_of(repeats, lambda: run.render(particle, cameras, "albedo"))
    _, parts["render, lit"] = best_of(repeats, lambda: run.render(particle, cameras, "shaded"))
    _, parts["prior"] = best_of(repeats, lambda: answer(run, render, cameras))
    seen = torch.cat([render.color_srgb, render.opacity[..., None]], dim=-1).detach()
    leaf = seen.requires_grad_(True)
    asked = answer(run, replace(render, color_srgb=leaf[..., :3], opacity=leaf[..., 3]), cameras)
    (gradient,) = torch.autograd.grad(asked.surrogate, leaf)

    def surrogate() -> Tensor:
        render = run.render(particle, cameras, "albedo")
        image = torch.cat([render.color_srgb, render.opacity[..., None]], dim=-1)
        return (image * gradient).sum() + run.regularize(render)

    _, both = best_of(repeats, lambda: particle.descend(surrogate(), run.step))
    parts["backward, Adam"] = Timing(both.wall - parts["render"].wall, both.cpu - parts["render"].cpu)
    ours = [parts[name] for name in ("occupancy / interval", "render", "backward, Adam")]
    parts["all but the prior"] = Timing(sum(part.wall for part in ours), sum(part.cpu for part in ours))
    occupied = particle.occupancy.fraction()
    print(f"step {run.step}: {render.num_samples} samples, {occupied:.0%} of the cells occupied")
    return parts


def answer(run: CoarseRun, render: Render, cameras: Cameras) -> Answer:
    """What the prior says of a render of this step."""
    return ask_prior(run.prior, run.guide, render, cameras, "albedo", run.step, run.config.num_steps)


def main(
    prior: str = "props",
    prompt: str = "a red mushroom",
    steps: tuple[int, ...] = (40, 160, 300, 600),
    repeats: int = 5,
    threads: int = 2,
) -> None:
    """Profile the coarse step at the given moments of a run of the default length."""
    torch.set_num_threads(threads)
    model = Prior.from_pretrained(prior)
    draws, spent = torch.Generator().manual_seed(0), CoarseStats(0, 0, 0.0, 0)
    run = CoarseRun(model, model.embed(prompt), CoarseConfig(), draws, "cpu", spent)
    for target in steps:
        while run.step < target:
            run.do_step()
            run.step += 1
        parts = profile(run, repeats)
        for name, timing in parts.items():
            print(f"  {name:22s} {timing.wall:7.1f} ms wall {timing.cpu:7.1f} ms CPU")
        ratio = (parts["all but the prior"].cpu + parts["prior"].cpu) / parts["prior"].cpu
        print(f"  step / prior {ratio:.2f} (CPU time)")


if __name__ == "__main__":
    tyro.cli(main)
