"""The gradient at silhouettes, against pictures with 256 samples per pixel and beside the published
method; and good enough to find a pose.

`pytest tests/test_antialias_gradients.py -k supersampling -rP` prints the errors.
"""

import math
from functools import partial
from typing import Literal

import numpy as np
import pytest
import torch
from moving_scenes import (
    Scene,
    make_scene,
    motion_gradients,
    picture,
    reference_derivative,
    relative_errors,
    smooth_weights,
)
from published_antialias import antialias_published
from torch import Tensor

from dream3d.ops.antialias import AntialiasMode, EdgeTopology, antialias, build_edge_topology
from dream3d.ops.rasterize import Fragments, rasterize

SIZE = 64  # pixels
SAMPLES = 16  # per pixel and axis
Mode = AntialiasMode | Literal["published"] | None
STEP = 0.005  # 1/8 pixel for a shift, less for a turn or a change of size

# Median and 95th percentile over motions, losses and seeds: 1.5 times what was measured. They are the error
# of one sample of a silhouette per row or column; on the torus also that of colors that change fast where it
# turns away.
BOUNDS: dict[str, dict[AntialiasMode, tuple[float, float]]] = {
    "triangle": {"blend": (0.03, 0.12), "exact": (0.03, 0.12)},
    "overlap": {"blend": (0.045, 0.18), "exact": (0.045, 0.18)},
    "torus": {"blend": (0.14, 0.42), "exact": (0.17, 0.8)},
    "fine": {"blend": (0.11, 0.39), "exact": (0.13, 0.52)},
    "boxes": {"blend": (0.07, 0.24), "exact": (0.07, 0.24)},
}


def with_edges(
    image: Tensor,
    clip: Tensor,
    fragments: Fragments,
    scene: Scene,
    edges: EdgeTopology,
    mode: Mode,
) -> Tensor:
    if mode is None:
        return image
    if mode == "published":
        return antialias_published(image.float(), fragments, clip.float(), scene.faces, edges)
    return antialias(image.float(), fragments, clip.float(), scene.faces, edges, mode)


def errors(name: str, modes: tuple[Mode, ...], num_seeds: int = 4) -> list[Tensor]:
    """Relative errors of the motions' gradients for random losses, for each mode; None is no antialias."""
    found: list[list[Tensor]] = [[] for _ in modes]
    for seed in range(num_seeds):
        scene = make_scene(name, seed)
        rng = np.random.default_rng(seed)
        losses = [smooth_weights(rng, SIZE) for _ in range(8)]
        derivative = reference_derivative(scene, SIZE, SAMPLES, STEP)
        expected = torch.stack([(derivative * loss).sum((1, 2, 3)) for loss in losses])
        edges = build_edge_topology(scene.faces, len(scene.points))
        for mode, of_mode in zip(modes, found, strict=True):
            render = partial(with_edges, scene=scene, edges=edges, mode=mode)
            of_mode.append(relative_errors(motion_gradients(scene, SIZE, render, losses), expected))
    return [torch.cat(of_mode) for of_mode in found]


@pytest.mark.parametrize("name", list(BOUNDS))
def test_gradients_against_supersampling(name: str) -> None:
    without, published, *ours = errors(name, (None, "published", *BOUNDS[name]))
    assert without.median() > 0.3  # most of the derivative is at the edges
    found = dict(zip(BOUNDS[name], ours, strict=True))
    for mode, error in {"published": published, **found}.items():
        print(f"{name:<9} {mode:<10} median {error.median():.3f}  95% {error.quantile(0.95):.3f}")
    for mode, (median, high) in BOUNDS[name].items():
        assert found[mode].median() < median
        assert found[mode].quantile(0.95) < high
    for share in (0.5, 0.95):
        assert (
            found["blend"].quantile(share) <= published.quantile(share) * 1.02
        )  # equal where nothing is fine


def outline(scene: Scene, motion: Tensor, mode: AntialiasMode) -> Tensor:
    """The mask of a scene, differentiable to its motion."""
    clip = scene.clip(motion).float()
    fragments = rasterize(clip, scene.faces, SIZE, SIZE)
    return antialias(fragments.mask[..., None].float(), fragments, clip, scene.faces, mode=mode)


@pytest.mark.parametrize("mode", ["blend", "exact"])
def test_a_pose_is_found_from_its_silhouette(mode: AntialiasMode) -> None:
    scene = make_scene("boxes", 0)
    target_motion = torch.tensor([0.15, -0.1, math.radians(25), 0.0], dtype=torch.float64)
    target = outline(scene, target_motion, mode).detach()
    motion = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    rates = torch.tensor([1.0, 1, 1, 0], dtype=torch.float64)  # the size is known
    optimizer = torch.optim.Adam([motion], lr=0.02)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97)
    first = loss = (outline(scene, motion, mode) - target).square().mean()
    for _ in range(150):
        optimizer.zero_grad()
        loss = (outline(scene, motion * rates, mode) - target).square().mean()
        loss.backward()
        optimizer.step()
        schedule.step()
    pixel = 3 * math.tan(0.4) * 2 / SIZE  # at the distance of the scene
    off = (motion.detach() - target_motion)[:3].abs()
    assert loss.item() < 0.01 * first
    assert off[:2].max() < (0.01 if mode == "blend" else 0.2) * pixel
    assert math.degrees(off[2]) < (0.05 if mode == "blend" else 0.5)


def test_pictures_of_the_scenes_differ() -> None:
    """The scenes are what their names say: something is seen of every part, and the background too."""
    for name in BOUNDS:
        seen = (
            picture(make_scene(name, 0), torch.zeros(4, dtype=torch.float64), SIZE)
            .flatten(0, 2)
            .unique(dim=0)
        )
        assert len(seen) >= (2 if name == "triangle" else 3)
