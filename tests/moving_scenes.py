"""Scenes that move, and two derivatives of their pictures.

One is what it should be, finite differences of a supersampled and box-filtered picture; the other is
autograd's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import trimesh
from raster_scenes import PROJECTION
from torch import Tensor

from dream3d.ops.rasterize import Fragments, interpolate, rasterize

MOTIONS = ("right", "up", "turn", "grow")
Render = Callable[[Tensor, Tensor, Fragments], Tensor]


@dataclass(frozen=True)
class Scene:
    points: Tensor  # [V, 3] float64, camera space
    faces: Tensor  # [T, 3] int32
    colors: Tensor  # [V, 3] float64
    background: Tensor  # [3] float64

    def clip(self, motion: Tensor) -> Tensor:
        """Clip-space positions [1, V, 4] after a motion [4]: right, up, about the view axis, and larger."""
        right, up, turn, grow = motion.unbind()
        center = self.points.mean(0)
        x, y, z = ((self.points - center) * (1 + grow)).unbind(1)
        moved = torch.stack([x * turn.cos() - y * turn.sin(), x * turn.sin() + y * turn.cos(), z], 1) + center
        moved = moved + torch.stack([right, up, torch.zeros_like(up)])
        homogeneous = torch.cat([moved, torch.ones_like(moved[:, :1])], 1)
        return (homogeneous @ torch.tensor(PROJECTION).T)[None]


def make_scene(name: str, seed: int) -> Scene:
    """A "triangle", two that "overlap", a "torus", a "fine" one, or two "boxes" through each other."""
    rng = np.random.default_rng(seed)
    if name in ("triangle", "overlap"):
        count = 1 if name == "triangle" else 2
        angles = (
            rng.uniform(0, 2 * np.pi) + np.array([0, 2.1, 4.2])[None] + rng.uniform(-0.4, 0.4, (count, 3))
        )
        corners = np.stack([np.cos(angles), np.sin(angles), rng.uniform(-0.3, 0.3, (count, 3))], -1) * 0.8
        corners += np.array([0, 0, -3.0]) + np.arange(count)[:, None, None] * np.array([0.3, 0.2, -1])
        points, faces = corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3)
    else:
        points, faces = _solid(name, rng)
    if name in ("torus", "fine"):  # smooth over the surface
        colors = 0.5 + 0.4 * np.sin(2 * points @ rng.normal(size=(3, 3)) + rng.uniform(0, 6, 3))
    else:  # one color per part
        colors = rng.uniform(0, 1, (2, 3))[np.arange(len(points)) * 2 // len(points)]
    return Scene(
        torch.tensor(points),
        torch.tensor(faces).int(),
        torch.tensor(colors),
        torch.tensor(rng.uniform(0, 1, 3)),
    )


def _solid(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if name in ("torus", "fine"):  # 1600 faces, or 40000: smaller than the pixels of a small picture
        sections = 20 if name == "torus" else 100
        mesh = trimesh.creation.torus(0.6, 0.28, major_sections=2 * sections, minor_sections=sections)
    else:
        boxes = [trimesh.creation.box(extents) for extents in ((1.6, 0.5, 0.5), (0.45, 1.4, 0.6))]
        boxes[1].apply_transform(trimesh.transformations.rotation_matrix(0.5, [1, 0.4, 0.3]))
        mesh = boxes[0] + boxes[1]
    mesh.apply_transform(trimesh.transformations.random_rotation_matrix(rng.uniform(size=3)))
    mesh.apply_translation([0, 0, -3])
    return np.array(mesh.vertices), np.array(mesh.faces)


def picture(scene: Scene, motion: Tensor, size: int) -> Tensor:
    """One sample per pixel, [1, H, W, 3] float32, no gradient."""
    clip = scene.clip(motion).float()
    fragments = rasterize(clip, scene.faces, size, size)
    colors = interpolate(scene.colors.float(), scene.faces, fragments)
    return torch.where(fragments.mask[..., None], colors, scene.background.float())


def reference_derivative(scene: Scene, size: int, samples: int, step: float) -> Tensor:
    """[4, H, W, 3]: change of the box-filtered picture with each motion, by central differences."""

    def filtered(motion: Tensor) -> Tensor:
        sharp = picture(scene, motion, size * samples)[0].double()
        return sharp.view(size, samples, size, samples, 3).mean((1, 3))

    moves = torch.eye(4, dtype=torch.float64) * step
    return torch.stack([(filtered(move) - filtered(-move)) / (2 * step) for move in moves])


def shaded(scene: Scene, clip: Tensor, fragments: Fragments) -> Tensor:
    """The picture with its derivative inside of the triangles: barycentrics as functions of the positions."""
    size = fragments.triangle_id.shape[1]
    axis = (torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1
    ndc = torch.stack(
        [axis.expand(size, size), -axis[:, None].expand(size, size), torch.ones(size, size)], -1
    )
    mask = fragments.mask[0]
    corners = scene.faces[fragments.triangle_id[0][mask].long()].long()  # [P, 3]
    matrix = clip[0].double()[corners][..., [0, 1, 3]].transpose(1, 2)
    weights = torch.linalg.solve(matrix, ndc[mask].double())
    weights = weights / weights.sum(1, keepdim=True)
    colors = (weights[..., None] * scene.colors[corners]).sum(1)
    image = scene.background.expand(size, size, 3).index_put(mask.nonzero(as_tuple=True), colors)
    return image[None]


def smooth_weights(rng: np.random.Generator, size: int) -> Tensor:
    """A random loss, linear: what each pixel and channel counts, [1, H, W, 3], in waves of half a picture."""
    x = np.arange(size) / size * 2 * np.pi
    frequencies = np.arange(-2, 3)
    waves = np.exp(1j * frequencies[:, None] * x)  # [5, S]
    amplitudes = rng.normal(size=(5, 5, 3)) + 1j * rng.normal(size=(5, 5, 3))
    return torch.tensor(np.einsum("abc,ay,bx->yxc", amplitudes, waves, waves).real[None])


def motion_gradients(scene: Scene, size: int, render: Render, weights: list[Tensor]) -> Tensor:
    """Derivative of each weighted sum of a rendered picture to the motion, [len(weights), 4].

    `render(picture [1, H, W, 3], clip [1, V, 4], fragments)` adds what happens at edges.
    """
    motion = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    clip = scene.clip(motion)
    fragments = rasterize(clip.detach().float(), scene.faces, size, size)
    image = render(shaded(scene, clip, fragments), clip, fragments)
    rows = [torch.autograd.grad((image * w).sum(), motion, retain_graph=True)[0] for w in weights]
    return torch.stack(rows)


def relative_errors(gradients: Tensor, expected: Tensor) -> Tensor:
    """Differences [N, 4] over the root mean square of what is expected of the same scene and motion."""
    return (gradients - expected).abs() / expected.square().mean(0).sqrt()
