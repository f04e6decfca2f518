"""What a part is made of: the words of a finish, and the base color they give every point of a surface.

A finish is view-independent: base color is a function of the position in the unit scene and of the normal.
All features have a fixed size there, so that they cover the same number of pixels on every prop.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dream3d.props.palette import COLORS, SRGB, linear_color, linear_rgb

Material = Literal["wooden", "stone", "metal", "glass", "brick", "marble"]
Pattern = Literal["striped", "spotted", "checkered"]

# The color of a material when none is said. It is also what it contrasts with: wood is lighter than "brown".
MATERIAL_SRGB: dict[Material, tuple[int, int, int]] = {
    "wooden": (186, 122, 66),
    "stone": (146, 146, 142),
    "metal": (158, 166, 178),
    "glass": (150, 212, 232),
    "brick": (186, 78, 54),
    "marble": (240, 238, 232),
}
MATERIALS: tuple[Material, ...] = tuple(MATERIAL_SRGB)
PATTERNS: tuple[Pattern, ...] = ("striped", "spotted", "checkered")
MATERIAL_SPELLINGS: dict[str, Material] = {
    "wood": "wooden",
    "metallic": "metal",
    "iron": "metal",
    "steel": "metal",
    "rocky": "stone",
}
PATTERN_SPELLINGS: dict[str, Pattern] = {
    "stripy": "striped",
    "dotted": "spotted",
    "checked": "checkered",
    "chequered": "checkered",
}

STRIPE_PERIOD = 0.27  # of two stripes; scene units, as all lengths here
CHECK_SIDE = 0.2
SPOT_PITCH, SPOT_RADIUS = 0.27, 0.085
BRICK_SIZE = (0.27, 0.135)  # width and height with the joint
BLOCK_SIZE = (0.42, 0.3)
LIGHT_LUMA = 180  # of 255; white would not show on colors that are lighter


@dataclass(frozen=True)
class Finish:
    """The look of a part in words.

    Raises:
        ValueError: for a word that does not exist, a finish without any color, or a second color that has
            no pattern or equals the first.
    """

    color: str | None  # a word of COLORS; None: the natural color of the material
    material: Material | None = None
    pattern: Pattern | None = None
    second: str | None = None  # the pattern's other color; None: white, or black on light colors

    def __post_init__(self) -> None:
        known = (
            self.color in (*COLORS, None)
            and self.second in (*COLORS, None)
            and self.material in (*MATERIALS, None)
            and self.pattern in (*PATTERNS, None)
        )
        if not known or (self.color is None and self.material is None):
            raise ValueError(f"there is no such finish: {self.words or 'nothing'}")
        if self.second is not None and (self.pattern is None or self.second == self.color):
            raise ValueError(f"a second color needs a pattern and a different first color: {self.words}")

    @property
    def words(self) -> str:
        """The finish as plain words, for messages and file names."""
        return " ".join(filter(None, (self.color, self.second, self.pattern, self.material)))


@dataclass(frozen=True)
class Paint:
    """A finish in numbers, fixed to a place: what `base_color` needs."""

    first: tuple[float, ...]  # linear RGB
    second: tuple[float, ...]  # linear RGB; of the pattern
    material: Material | None
    pattern: Pattern | None
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)  # where patterns start
    axis: int = 1  # the long axis: stripes follow each other along it, and wood grain runs along it

    @property
    def is_plain(self) -> bool:
        """Whether every point has the color `first`."""
        return self.material is None and self.pattern is None


def natural_srgb(color: str | None, material: Material | None) -> tuple[int, int, int]:
    """The first color of a finish as bytes: what is said, or else the material's own."""
    if color is not None:
        return SRGB[color]
    assert material is not None
    return MATERIAL_SRGB[material]


def second_color(finish: Finish) -> str:
    """The color word of a pattern's other color: what is said, or else what shows on the first."""
    luma = float(np.dot(natural_srgb(finish.color, finish.material), (0.299, 0.587, 0.114)))  # ITU-R BT.601
    return finish.second or ("black" if luma > LIGHT_LUMA else "white")


def mix_paint(finish: Finish, rng: np.random.Generator) -> Paint:
    """Choose the exact colors of a finish: each word has a small variation."""
    srgb = natural_srgb(finish.color, finish.material)
    first = second = linear_rgb(srgb, rng)
    if finish.pattern is not None:
        second = linear_color(second_color(finish), rng)
    return Paint(tuple(first.tolist()), tuple(second.tolist()), finish.material, finish.pattern)


def base_color(paint: Paint, positions: Tensor, normals: Tensor) -> Tensor:
    """The base color of surface points.

    Args:
        paint: What covers them.
        positions: [N, 3] in the unit scene.
        normals: [N, 3], unit.

    Returns:
        [N, 3] linear RGB in [0, 1].
    """
    first = positions.new_tensor(paint.first)
    if paint.is_plain:
        return first.expand(len(positions), 3)
    local = positions - positions.new_tensor(paint.origin)
    flat = _unrolled(local, normals)
    color = first.expand(len(local), 3)
    if paint.pattern is not None:
        share = _pattern_share(paint, local, flat)  # [N]
        color = torch.lerp(first, positions.new_tensor(paint.second), share[:, None])
    match paint.material:
        case None:
            return color
        case "wooden":
            return _wood(color, local, paint.axis)
        case "stone":
            return _masonry(color, flat, BLOCK_SIZE, joint=0.05, spread=0.4, mortar=0.05, speckles=0.25)
        case "brick":
            return _masonry(color, flat, BRICK_SIZE, joint=0.035, spread=0.3, mortar=0.62, speckles=0.0)
        case "metal":
            return _metal(color, local, normals)
        case "glass":
            return _glass(color, local, normals)
        case "marble":
            return _marble(color, local)


def _unrolled(local: Tensor, normals: Tensor) -> Tensor:
    """Coordinates on the side of a cube that a surface faces most: across and up, [N, 2]."""
    x, y, z = local.unbind(1)
    side, up, front = normals.abs().unbind(1)
    is_flat = up > torch.maximum(side, front) * 1.2  # walls that lean are still walls
    across = torch.where(is_flat | (front >= side), x, z)
    return torch.stack([across, torch.where(is_flat, z, y)], dim=1)


def _pattern_share(paint: Paint, local: Tensor, flat: Tensor) -> Tensor:
    """How much of the second color each point has, [N] of 0 and 1."""
    match paint.pattern:
        case "striped":
            return ((local[:, paint.axis] / STRIPE_PERIOD) % 1.0 > 0.5).float()
        case "checkered":
            cells = (flat / CHECK_SIDE).floor()
            return cells.sum(1) % 2.0
        case _:  # spotted: rows of dots, every second one moved by half a pitch
            row = (flat[:, 1] / (SPOT_PITCH * 0.87)).round()
            across = flat[:, 0] / SPOT_PITCH + 0.5 * (row % 2.0)
            offset = torch.stack(
                [(across - across.round()) * SPOT_PITCH, flat[:, 1] - row * SPOT_PITCH * 0.87]
            )
            return (offset.square().sum(0) < SPOT_RADIUS**2).float()


def _noise(cells: Tensor) -> Tensor:
    """A number in [0, 1) for each pair of whole numbers [N, 2], the same on every machine."""
    column, row = cells.long().unbind(1)
    mixed = column * 73856093 + row * 19349663
    mixed = (mixed ^ (mixed >> 13)) * 1274126177
    return ((mixed >> 16) & 1023) / 1024


def _wood(color: Tensor, local: Tensor, axis: int) -> Tensor:
    """Dark and light grain along the long axis, bent a little."""
    along = local[:, axis]
    across = local[:, (axis + 1) % 3] * 1.3 + local[:, (axis + 2) % 3] + 0.035 * torch.sin(along * 7.0)
    rings = 0.5 + 0.5 * torch.sin(across * (2 * torch.pi / 0.16) + 1.5 * torch.sin(across * 9.0))
    return color * (0.36 + 0.64 * rings[:, None])


def _masonry(
    color: Tensor,
    flat: Tensor,
    size: tuple[float, float],
    joint: float,
    spread: float,
    mortar: float,
    speckles: float,
) -> Tensor:
    """Rows of blocks, every second one moved by half a block, with joints of a gray."""
    scaled = flat / flat.new_tensor(size)
    row = scaled[:, 1].floor()
    across = scaled[:, 0] + 0.5 * (row % 2.0)
    cells = torch.stack([across.floor(), row], dim=1)
    inside = torch.stack([(across - cells[:, 0]) * size[0], (scaled[:, 1] - row) * size[1]], dim=1)  # [N, 2]
    is_joint = inside.amin(1) < joint
    tone = 1.0 - spread * _noise(cells)
    if speckles:
        tone = tone - speckles * (_noise((flat / 0.045).floor()) > 0.6)
    return torch.where(is_joint[:, None], mortar, color * tone[:, None])


def _metal(color: Tensor, local: Tensor, normals: Tensor) -> Tensor:
    """Bands of light and dark, as a sky and a floor would be mirrored."""
    height = local[:, 1] + 0.45 * local[:, 0] + 0.3 * local[:, 2] + 0.35 * normals[:, 1]
    shine = torch.sin(height * (2 * torch.pi / 0.62))[:, None]  # -1 to 1
    dark = color * (1.0 + 0.75 * shine.clamp_max(0.0))
    return torch.lerp(dark, torch.ones_like(color), 0.8 * (shine.clamp_min(0.0) ** 3))


def _glass(color: Tensor, local: Tensor, normals: Tensor) -> Tensor:
    """Pale, with narrow slanted gleams and a stronger tint underneath."""
    tint = torch.lerp(color, torch.ones_like(color), 0.2 + 0.2 * normals[:, 1:2])
    tint = tint * tint.new_tensor((0.74, 0.88, 0.94))  # so that gleams show on white glass too
    slant = ((local[:, 0] + local[:, 1] - local[:, 2]) / 0.55) % 1.0
    gleam = ((slant < 0.16) | ((slant > 0.26) & (slant < 0.34)))[:, None]
    return torch.where(gleam, 1.0, tint)


def _marble(color: Tensor, local: Tensor) -> Tensor:
    """Thin dark veins through a clean body."""
    x, y, z = (local * 5.0).unbind(1)
    warp = torch.sin(1.7 * y + 2.0 * torch.sin(z)) + torch.sin(1.3 * x - 1.1 * z)
    vein = 1.0 - torch.sin(1.1 * x + 1.9 * y + 0.8 * z + 1.6 * warp).abs()
    return color * (1.0 - 0.85 * vein[:, None] ** 3)
