"""The rasteriser against OpenGL in software, DEODR and the torch twin, in one run.

python scripts/bench_rasterizer.py [--sizes 512 1024] [--triangles 10000 100000 1000000] [--rounds 5]

Everyone draws the same bumpy torus with a color per vertex. They take turns, so that whatever else the
machine does meets all of them. The Markdown table has medians in milliseconds, in brackets their range, and
the median of the ratios within a round. pyrender and DEODR come with the extra "dev"; without them, or
without a headless OpenGL, a row says so.
"""

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

os.environ.setdefault("LP_NUM_THREADS", "2")  # of the software OpenGL driver; read when it is loaded

import numpy as np
import torch
from opengl_baseline import OpenGLBaseline
from torch import Tensor

from dream3d.math import perspective
from dream3d.ops.antialias import EdgeTopology, antialias, build_edge_topology
from dream3d.ops.rasterize import interpolate, rasterize

FOV_RAD, NEAR, FAR = 0.7, 0.5, 10.0
TWIN_PAIRS = 10_000_000  # pixels x triangles: the twin visits each pair, and takes minutes beyond
TWIN_SKIPPED = "left out: minutes"
Run = Callable[[], object]


@dataclass(frozen=True)
class Subject:
    """What is drawn, and how large."""

    points: Tensor  # [V, 3], camera space
    clip: Tensor  # [1, V, 4]
    faces: Tensor  # [T, 3] int32
    colors: Tensor  # [V, 3]
    edges: EdgeTopology  # made once: faces do not change while vertices move
    size: int  # rows and columns of the picture


def main() -> None:
    """Print one row per contender, picture size and number of triangles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--triangles", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{arguments.threads} threads, medians of {arguments.rounds} rounds in ms; DEODR has one thread\n")
    print("| pixels | triangles | what | time | of ours |\n|---|---|---|---|---|", flush=True)
    bench(make_subject(1000, 64), arguments.rounds)  # small enough for the twin
    for size in arguments.sizes:
        for triangles in arguments.triangles:
            bench(make_subject(triangles, size), arguments.rounds)


def bench(subject: Subject, rounds: int) -> None:
    """The rows of one subject: all forward, then all forward and backward."""
    gl, deodr = opengl(subject), deodr_runs(subject)
    twin = subject.size**2 * len(subject.faces) <= TWIN_PAIRS
    groups: list[dict[str, Run | str]] = [
        {
            "ours: triangles, depth, barycentrics": partial(rasterize_alone, subject),
            **({"OpenGL": gl} if isinstance(gl, str) else opengl_rows(gl)),
        },
        {
            "ours: smooth-edged picture": partial(picture, subject, subject.clip, subject.colors, "auto"),
            "torch twin": partial(picture, subject, subject.clip, subject.colors, "reference")
            if twin
            else TWIN_SKIPPED,
            "DEODR": deodr if isinstance(deodr, str) else deodr[0],
        },
        {
            "ours: picture and gradient": partial(gradient, subject, "auto"),
            "torch twin": partial(gradient, subject, "reference") if twin else TWIN_SKIPPED,
            "DEODR": deodr if isinstance(deodr, str) else deodr[1],
        },
    ]
    for group in groups:
        print_rows(subject, group, measure(group, rounds))
    if isinstance(gl, OpenGLBaseline):
        gl.close()


def make_subject(num_triangles: int, size: int) -> Subject:
    """A torus with ripples, tilted, that hides parts of itself and fills half of the picture."""
    rows = max(3, round(math.sqrt(num_triangles / 4)))
    columns = 2 * rows
    u, v = torch.meshgrid(
        torch.arange(columns) * (2 * math.pi / columns),
        torch.arange(rows) * (2 * math.pi / rows),
        indexing="ij",
    )
    tube = 0.4 + 0.03 * torch.sin(7 * u) * torch.sin(5 * v)
    ring = 0.8 + tube * v.cos()
    flat = torch.stack([ring * u.cos(), ring * u.sin(), tube * v.sin()], -1).view(-1, 3)
    tilt = torch.tensor(0.9)
    x, y, z = flat.unbind(1)
    points = torch.stack([x, y * tilt.cos() - z * tilt.sin(), y * tilt.sin() + z * tilt.cos() - 3.8], 1)
    corner = torch.arange(columns)[:, None] * rows + torch.arange(rows)
    right, up = corner.roll(-1, 0), corner.roll(-1, 1)
    quads = [[corner, right, up], [up, right, right.roll(-1, 1)]]
    faces = torch.stack([torch.stack(quad, -1) for quad in quads], 2).view(-1, 3).int()
    homogeneous = torch.cat([points, torch.ones(len(points), 1)], 1)
    clip = (homogeneous @ perspective(torch.tensor([FOV_RAD]), 1.0, NEAR, FAR)[0].T)[None]
    colors = 0.5 + 0.5 * torch.sin(points * 3)
    return Subject(points, clip, faces, colors, build_edge_topology(faces, len(points)), size)


def rasterize_alone(subject: Subject) -> Tensor:
    """What is seen at every pixel, [1, H, W] int32."""
    return rasterize(subject.clip, subject.faces, subject.size, subject.size).triangle_id


def picture(subject: Subject, clip: Tensor, colors: Tensor, backend: Literal["auto", "reference"]) -> Tensor:
    """[1, H, W, 3] with blended silhouettes."""
    fragments = rasterize(clip, subject.faces, subject.size, subject.size, backend)
    image = interpolate(colors, subject.faces, fragments, backend)
    return antialias(image, fragments, clip, subject.faces, subject.edges, backend=backend)


def gradient(subject: Subject, backend: Literal["auto", "reference"]) -> tuple[Tensor, ...]:
    """Draw, then differentiate the sum of squares to positions and colors."""
    clip, colors = subject.clip.clone().requires_grad_(), subject.colors.clone().requires_grad_()
    image = picture(subject, clip, colors, backend)
    return torch.autograd.grad(image, [clip, colors], 2 * image.detach())


def deodr_runs(subject: Subject) -> tuple[Run, Run] | str:
    """DEODR's picture, and picture and gradient, with one thread.

    The vertices in pixels and the list of silhouette edges that it takes are made beforehand. It has no
    perspective within a triangle, and culls faces that look away.
    """
    try:
        from deodr.differentiable_renderer import Scene2D
    except ImportError:
        return "not installed"
    scene = deodr_scene(Scene2D, subject)

    def forward() -> np.ndarray:
        return scene.render()[0]

    def both() -> None:
        scene.clear_gradients()
        scene.render_backward(2 * forward(), make_copies=False)

    return forward, both


def deodr_scene(scene_type: Callable[..., Any], subject: Subject) -> Any:
    """The subject as DEODR takes it."""
    clip, faces, size = subject.clip[0].double(), subject.faces.long(), subject.size
    pixels = (clip[:, :2] / clip[:, 3:] * clip.new_tensor([0.5, -0.5]) + 0.5) * size
    a, b, c = pixels[faces].unbind(1)
    faces_us = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) < 0  # y is down
    across = subject.edges.neighbors.long() // 3
    indices = subject.faces.numpy().astype(np.uint32)
    return scene_type(
        faces=indices,
        faces_uv=indices,
        ij=pixels.numpy(),
        depths=clip[:, 3].numpy().copy(),
        textured=np.zeros(len(faces), bool),
        uv=np.zeros((len(clip), 2)),
        shade=np.zeros(len(clip)),
        colors=subject.colors.double().numpy(),
        shaded=np.zeros(len(faces), bool),
        edgeflags=(faces_us[:, None] & ~faces_us[across]).numpy(),
        height=size,
        width=size,
        nb_colors=3,
        texture=np.zeros((0, 0)),
        background_color=np.zeros(3),
        backface_culling=True,
        integer_pixel_centers=False,
    )


def opengl(subject: Subject) -> OpenGLBaseline | str:
    """OpenGL with the mesh loaded, or why there is none."""
    points, clip = subject.points.numpy(), subject.clip[0].numpy()
    faces, colors = subject.faces.numpy(), subject.colors.numpy()
    try:
        return OpenGLBaseline(points, clip, faces, colors, (FOV_RAD, NEAR, FAR), subject.size)
    except ImportError:
        return "not installed"
    except Exception as error:  # the OpenGL stack raises nearly anything where it is incomplete
        return f"no headless OpenGL: {type(error).__name__}"


def opengl_rows(gl: OpenGLBaseline) -> dict[str, Run | str]:
    """What it is timed at."""
    name = gl.driver().split(" ")[0]
    return {
        f"OpenGL ({name}), not read back": gl.draw,
        f"OpenGL ({name}), read back": gl.draw_and_read,
        f"pyrender ({name}), read back": gl.by_pyrender,
    }


def measure(group: dict[str, Run | str], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each, in turns, after one round that is not counted."""
    times: dict[str, list[float]] = {name: [] for name, run in group.items() if not isinstance(run, str)}
    for index in range(rounds + 1):
        for name, run in group.items():
            if isinstance(run, str):
                continue
            start = time.perf_counter()
            run()
            if index > 0:
                times[name].append((time.perf_counter() - start) * 1e3)
    return times


def print_rows(subject: Subject, group: dict[str, Run | str], times: dict[str, list[float]]) -> None:
    """The first of the group is ours; ratios are medians over the rounds."""
    ours = times[next(iter(group))]
    for name, run in group.items():
        case = f"| {subject.size}^2 | {len(subject.faces):,} | {name} |"
        if isinstance(run, str):
            print(f"{case} {run} | |")
            continue
        took = times[name]
        ratio = statistics.median(other / own for other, own in zip(took, ours, strict=True))
        spread = f"{statistics.median(took):.1f} [{min(took):.1f}, {max(took):.1f}]"
        print(f"{case} {spread} | {ratio:.1f}x |", flush=True)


if __name__ == "__main__":
    main()
