"""The gradient at silhouettes, against pictures with 256 samples per pixel, and good enough to find a
pose."""

import math
from functools import partial

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
from torch import Tensor

from dream3d.ops.antialias import AntialiasMode, EdgeTopology, antialias, build_edge_topology
from dream3d.ops.rasterize import Fragments, rasterize

SIZE = 64  # pixels
SAMPLES = 16  # per pixel and axis
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
    mode: AntialiasMode | None,
) -> Tensor:
    if mode is None:
        return image
    return antialias(image.float(), fragments, clip.float(), scene.faces, edges, mode)


def errors(name: str, modes: tuple[AntialiasMode | None, ...], num_seeds: int = 4) -> list[Tensor]:
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
    without, *found_by_mode = errors(name, (None, *BOUNDS[name]))
    assert without.median() > 0.3  # most of the derivative is at the edges
    for (median, high), found in zip(BOUNDS[name].values(), found_by_mode, strict=True):
        assert found.median() < median
        assert found.quantile(0.95) < high


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
