"""The ways of looking at an asset: shaded, base color, normals, wireframe. One picture at a time.

Samples are averaged in linear light before the sRGB curve, normals as they are stored; the backdrop is one
light gray, and only `shaded` and `wireframe` let the object stand on a ground that takes its shadow.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.math import linear_to_srgb, normalize, srgb_to_linear
from dream3d.ops.texture import sample_texture
from dream3d.render.occlusion import ShadowMaps, openness, visibility
from dream3d.render.shading import normal_colors
from dream3d.render.studio import Lit, light_axes, radiance_samples, studio_shade
from dream3d.render.visible import Samples, Textured, see

Look = Literal["shaded", "color", "normals", "wireframe"]

BACKDROP_SRGB = 0.88
CLAY, CLAY_ROUGHNESS = 0.62, 0.9  # linear, of the object under its wireframe
LINE_SRGB = (0.11, 0.14, 0.19)
LINE_WIDTH = 1.2  # pixels
CLEAR_HEIGHT = 5.0  # pixels; triangles lower than this get fainter lines, else they would drown in them
GROUND_RADIUS, GROUND_CELLS = 1.4, 80  # of the disc that takes the shadow; cells along its side
SHADOW_STRENGTH = 0.9
SHADOW_BLOCK = 2  # side in pixels of the blocks for which shadows on the object are found
BORDER = 0.1  # share of the picture's side over which the shadow fades out


@dataclass(frozen=True)
class Stage:
    """An object inside the unit sphere, and what casts and takes its shadows."""

    object: Textured
    maps: ShadowMaps
    ground_height: float
    ground_seen: Tensor  # [D, G * G] which lights the cells of the ground see


@dataclass(frozen=True)
class Light:
    """The studio as it stands around one camera."""

    axes: Tensor  # [3, 3] of `light_axes`
    radiance: Tensor  # [D] in the directions of the shadow maps


def set_stage(textured: Textured, maps: ShadowMaps) -> Stage:
    """Put a ground under an object and find out what light reaches it from every direction."""
    used = textured.vertices[textured.faces.long().flatten()]
    height = float(used[:, 1].min())
    side = torch.linspace(-GROUND_RADIUS, GROUND_RADIUS, GROUND_CELLS + 1)
    middle = 0.5 * (side[1:] + side[:-1])
    z, x = torch.meshgrid(middle, middle, indexing="ij")
    cells = torch.stack([x, torch.full_like(x, height), z], dim=-1).view(-1, 3)
    up = torch.tensor([0.0, 1.0, 0.0]).expand_as(cells)
    seen = visibility(maps, cells, up).view(-1, 1, GROUND_CELLS, GROUND_CELLS)
    for _ in range(2):  # so that the outlines of single maps blend into one another
        seen = torch.nn.functional.avg_pool2d(seen, 5, 1, 2, count_include_pad=False)
    return Stage(textured, maps, height, seen.flatten(1))


def paint(
    stage: Stage, camera: Cameras, looks: tuple[Look, ...], size: int, supersample: int
) -> list[Tensor]:
    """Pictures of the object from one camera.

    Args:
        stage: The object on its ground.
        camera: One, looking at the origin.
        looks: What to paint.
        size: Side in pixels.
        supersample: Samples per pixel along each axis.

    Returns:
        One picture [size, size, 3] for every look, sRGB in [0, 1].
    """
    light = _light(stage, camera)
    samples = see(stage.object, camera, size * supersample)
    backdrop = srgb_to_linear(torch.tensor(BACKDROP_SRGB)).expand(size, size, 3)
    needs_ground = "shaded" in looks or "wireframe" in looks
    ground = backdrop * _shadow(stage, camera, light, size) if needs_ground else backdrop
    pictures: list[Tensor] = []
    for look in looks:
        index, behind = samples.index, backdrop
        match look:
            case "shaded":
                colors, behind = _shade(stage, camera, light, samples, supersample), ground
            case "color":
                colors = samples.base_color
            case "normals":  # stored as they are; the curve is undone because it will be applied
                colors = srgb_to_linear(normal_colors(samples.normals, camera.c2w()[0]))
            case "wireframe":
                front = see(stage.object, camera, size * supersample, wires=True)
                assert front.edges is not None
                clay = replace(
                    front,
                    base_color=torch.full_like(front.base_color, CLAY),
                    occlusion=torch.ones_like(front.occlusion),
                    roughness=torch.full_like(front.roughness, CLAY_ROUGHNESS),
                    metallic=torch.zeros_like(front.metallic),
                )
                colors = _draw_lines(
                    _shade(stage, camera, light, clay, supersample), front.edges, supersample
                )
                index, behind = front.index, ground
        pictures.append(_composite(index, colors, behind, supersample))
    return pictures


def _light(stage: Stage, camera: Cameras) -> Light:
    """The studio as it stands around this camera."""
    axes = light_axes(camera.azimuth_deg[0])
    return Light(axes, radiance_samples(stage.maps.directions, axes))


def _shade(stage: Stage, camera: Cameras, light: Light, samples: Samples, supersample: int) -> Tensor:
    """Linear color [P, 3] of what a camera sees, under the studio light."""
    to_camera = normalize(camera.positions() - samples.positions)
    lit = Lit(samples.base_color, samples.normals, to_camera, samples.roughness, samples.metallic)
    open_share = _open_share(stage, light, samples, SHADOW_BLOCK * supersample) * samples.occlusion
    return studio_shade(lit, open_share, light.axes)


def _open_share(stage: Stage, light: Light, samples: Samples, block: int) -> Tensor:
    """Share of the light from above that reaches each sample, [P].

    Shadows are soft: they are found once per block of samples, and blended between the blocks.
    """
    side = -(-samples.size // block)
    row, column = samples.index // samples.size, samples.index % samples.size
    cell = (row // block) * side + column // block
    # Any sample speaks for its block; the last one, so that the choice is always the same.
    order = torch.arange(len(cell))
    speaker = torch.full((side * side,), -1).scatter_reduce(0, cell, order, "amax")
    is_seen = speaker >= 0
    chosen = speaker[is_seen]
    seen = visibility(stage.maps, samples.positions[chosen], samples.face_normals[chosen])
    cosines = stage.maps.directions @ samples.normals[chosen].T
    known = torch.zeros(side * side, 2)
    known[is_seen] = torch.stack([openness(seen, cosines, light.radiance), torch.ones(len(chosen))], dim=1)
    where = torch.stack([column + 0.5, row + 0.5], dim=-1) / (side * block)
    sums = sample_texture(known.view(1, side, side, 2), where[None, None])[0, 0]
    return sums[:, 0] / sums[:, 1].clamp_min(1e-6)  # of those neighbours that know it


def _draw_lines(colors: Tensor, edges: Tensor, supersample: int) -> Tensor:
    """Colors [P, 3] with lines over them; each of the two triangles at an edge draws half of its line."""
    distance, height = edges.unbind(-1)
    cover = (0.5 * LINE_WIDTH * supersample + 0.5 - distance).clamp(0.0, 1.0)
    cover = cover * (height / (CLEAR_HEIGHT * supersample)).clamp(0.2, 1.0)
    line = srgb_to_linear(torch.tensor(LINE_SRGB))
    return torch.lerp(colors.clamp(0.0, 1.0), line, cover[:, None])


def _shadow(stage: Stage, camera: Cameras, light: Light, size: int) -> Tensor:
    """Factor [size, size, 1] on the backdrop where the ground lies in the object's shadow."""
    # Where the rays through the pixels meet the ground: origin + t direction, in rows of one height each.
    c2w = camera.c2w()[0]
    half = float(torch.tan(torch.deg2rad(camera.fov_y_deg[0]) / 2))
    across = half * ((torch.arange(size) + 0.5) * (2.0 / size) - 1.0)
    middles = c2w[:3, 1] * -across[:, None] - c2w[:3, 2]  # [H, 3]; right is level: y is that of the whole row
    distance = (stage.ground_height - c2w[1, 3]) / middles[:, 1].clamp_max(-1e-3)  # [H]
    ground = c2w[:3, 3] + distance[:, None] * middles
    x, z = (ground[:, axis, None] + distance[:, None] * across * c2w[axis, 0] for axis in (0, 2))
    uv = 0.5 + torch.stack([x, z], dim=-1) / (2 * GROUND_RADIUS)
    shade = openness(stage.ground_seen, stage.maps.directions[:, 1:2], light.radiance)
    found = sample_texture(shade.view(1, GROUND_CELLS, GROUND_CELLS, 1), uv[None])[0, ..., 0]
    fade = (1.0 - (x**2 + z**2) / GROUND_RADIUS**2).clamp_min(0.0) ** 2
    is_below = (middles[:, 1] < -1e-3) & (distance > 0.0)
    # Pictures stand side by side on sheets: the shadow ends before their borders.
    along = torch.minimum(torch.arange(size) + 0.5, size - 0.5 - torch.arange(size)) / (BORDER * size)
    inset = along.clamp_max(1.0).square()
    fade = fade * (inset * is_below)[:, None] * inset
    return (1.0 - SHADOW_STRENGTH * fade * (1.0 - found) ** 1.5)[..., None]


def _composite(index: Tensor, colors: Tensor, behind: Tensor, supersample: int) -> Tensor:
    """Average samples [P, 3] at places in the fine grid over a picture [H, W, 3]: sRGB in [0, 1]."""
    size = len(behind)
    values = torch.cat([colors.clamp(0.0, 1.0), torch.ones_like(colors[:, :1])], dim=1)
    fine = values.new_zeros((size * supersample) ** 2, 4).index_copy_(0, index, values)
    rows = fine.view(size, supersample, -1).sum(dim=1)
    image = rows.view(size * size, supersample, 4).sum(dim=1).view(size, size, 4) / supersample**2
    return linear_to_srgb((image[..., :3] + (1.0 - image[..., 3:]) * behind).clamp(0.0, 1.0))
