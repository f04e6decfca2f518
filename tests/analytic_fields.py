"""Fields with known shapes and colors: what the asset tests extract, bake and compare with."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dream3d.bake import bake_base_color
from dream3d.config import BakeConfig, ExtractConfig
from dream3d.extract.mesh import extract_mesh
from dream3d.extract.unwrap import unwrap
from dream3d.mesh import Material, TexturedMesh

Distance = Callable[[Tensor], Tensor]  # points [N, 3] -> signed distance [N], negative inside

RED, BLUE, GREEN = (0.8, 0.1, 0.1), (0.1, 0.2, 0.8), (0.2, 0.7, 0.2)  # sRGB


def ball(center: tuple[float, float, float], radius: float) -> Distance:
    return lambda points: (points - points.new_tensor(center)).norm(dim=-1) - radius


def torus(major: float, minor: float) -> Distance:
    """Around the Y axis."""

    def distance(points: Tensor) -> Tensor:
        ring = points[:, [0, 2]].norm(dim=-1) - major
        return torch.stack([ring, points[:, 1]], dim=-1).norm(dim=-1) - minor

    return distance


def box(half: tuple[float, float, float], center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Distance:
    def distance(points: Tensor) -> Tensor:
        q = (points - points.new_tensor(center)).abs() - points.new_tensor(half)
        return q.clamp_min(0.0).norm(dim=-1) + q.max(dim=-1).values.clamp_max(0.0)

    return distance


def union(*shapes: Distance) -> Distance:
    return lambda points: torch.stack([shape(points) for shape in shapes]).min(dim=0).values


def difference(shape: Distance, hole: Distance) -> Distance:
    return lambda points: torch.maximum(shape(points), -hole(points))


def solid(distance: Distance, density: float = 6.0, sharpness: float = 100.0) -> Callable[[Tensor], Tensor]:
    """Density of a shape: constant inside, falling to nothing over a few 1 / sharpness.

    With the defaults, rays that graze a curve of radius 0.2 to 0.6 lose half of their light at distance 0:
    the shape that cameras see is the one asked for. Denser fields look larger, as their tail outside is
    opaque too.
    """
    return lambda points: density * torch.sigmoid(-sharpness * distance(points))


def painted(*parts: tuple[Distance, tuple[float, float, float]]) -> Callable[[Tensor], Tensor]:
    """sRGB color of the nearest part, everywhere in space."""

    def albedo(points: Tensor) -> Tensor:
        nearest = torch.stack([shape(points) for shape, _ in parts]).argmin(dim=0)
        return points.new_tensor([color for _, color in parts])[nearest]

    return albedo


HEAD, BODY, NOSE = ball((0.0, 0.42, 0.0), 0.34), ball((0.0, -0.3, 0.0), 0.5), ball((0.0, 0.4, 0.36), 0.12)
FIGURE = solid(union(HEAD, BODY, NOSE), density=20.0)
FIGURE_ALBEDO = painted((HEAD, RED), (BODY, BLUE), (NOSE, GREEN))  # the nose is in front, at +Z


@functools.cache
def make_figure(
    target_faces: int = 800, texture_size: int = 128, name: str = "a red and blue figure"
) -> TexturedMesh:
    """A red head on a blue body with a green nose, through the whole pipeline."""
    bake = BakeConfig(texture_size=texture_size, depth=0.03)
    surface = extract_mesh(FIGURE, ExtractConfig(target_faces=target_faces, resolution=64))
    mesh = unwrap(surface, texture_size, bake.padding_texels)
    texture = bake_base_color(mesh, FIGURE, FIGURE_ALBEDO, bake)
    metadata: dict[str, object] = {"prompt": name, "seed": 7, "settings": {"faces": target_faces}}
    return TexturedMesh(mesh, Material(texture, roughness_factor=0.7), name, metadata)


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, written again so that a test does not lean on the code it tests."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
