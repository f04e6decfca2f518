"""Time every kernel against its plain-torch twin.

python scripts/bench_ops.py [--device cpu|cuda] [--only NAME]

One function per op; each prints rows of kernel ms, twin ms and their ratio (best of several runs).
"""

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from dream3d.ops.rasterize import interpolate, interpolate_reference, rasterize, rasterize_reference


def main() -> None:
    """Run the sections that were asked for."""
    sections = {"rasterize": bench_rasterize}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--only", choices=sorted(sections))
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(f"{'on ' + name:<52}{'kernel ms':>11}{'twin ms':>11}{'ratio':>9}")
    for section, bench in sections.items():
        if arguments.only in (None, section):
            bench(device)


def bench_rasterize(device: torch.device) -> None:
    """Spheres of 144 to 409,600 triangles at the sizes of training, preview and baking."""
    for rings, views, size in ((6, 1, 64), (20, 4, 192), (160, 1, 1024), (320, 1, 2048)):
        positions, faces = _sphere_views(rings, views, device)
        case = f"rasterize {views} x {size} px, {len(faces)} triangles"
        small = size <= 64  # the twin visits every pixel with every triangle
        _row(
            case,
            lambda p=positions, f=faces, s=size: rasterize(p, f, s, s),
            (lambda p=positions, f=faces, s=size: rasterize_reference(p, f, s, s)) if small else None,
        )
        fragments = rasterize(positions, faces, size, size)
        attributes = torch.rand(positions.shape[1], 8, device=device)
        _row(
            f"interpolate {views} x {size} px, 8 channels",
            lambda a=attributes, f=faces, g=fragments: interpolate(a, f, g),
            lambda a=attributes, f=faces, g=fragments: interpolate_reference(a, f, g),
        )


def _sphere_views(rings: int, views: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Clip-space positions [views, V, 4] of a sphere seen from around it, and its faces [T, 3]."""
    polar = torch.linspace(0, math.pi, rings + 1)
    azimuth = torch.linspace(0, 2 * math.pi, 2 * rings + 1)
    theta, phi = torch.meshgrid(polar, azimuth, indexing="ij")
    points = torch.stack([theta.sin() * phi.sin(), theta.cos(), theta.sin() * phi.cos()], -1).view(-1, 3)
    row = 2 * rings + 1
    corner = (torch.arange(rings)[:, None] * row + torch.arange(2 * rings)).flatten()
    quads = [[corner, corner + row, corner + 1], [corner + 1, corner + row, corner + row + 1]]
    faces = torch.cat([torch.stack(quad, -1) for quad in quads]).int()
    clips = []
    for view in range(views):
        angle = torch.tensor(0.3 + view * math.pi / 2)
        x = points[:, 0] * angle.cos() + points[:, 2] * angle.sin()
        z = points[:, 2] * angle.cos() - points[:, 0] * angle.sin() - 3.0
        near, far, focal = 0.1, 10.0, 2.5
        depth = (far + near) / (near - far) * z + 2 * far * near / (near - far)
        clips.append(torch.stack([focal * x, focal * points[:, 1], depth, -z], -1))
    return torch.stack(clips).to(device), faces.to(device)


def _row(case: str, kernel: Callable[[], object], twin: Callable[[], object] | None) -> None:
    kernel_ms = _milliseconds(kernel)
    twin_ms = _milliseconds(twin, runs=1) if twin else math.nan
    print(f"{case:<52}{kernel_ms:>11.3f}{twin_ms:>11.1f}{twin_ms / kernel_ms:>9.0f}", flush=True)


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


if __name__ == "__main__":
    main()
