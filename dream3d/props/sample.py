"""Draw props: colors, proportions, mesh and caption."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np

from dream3d.mesh import Mesh
from dream3d.props.captions import SIZES, PropSpec, caption
from dream3d.props.catalogue import FAMILIES
from dream3d.props.family import QUARTER_TURN, Build, Family, Vary
from dream3d.props.palette import COLORS, linear_color

RADIUS = 0.9  # of the farthest vertex, inside the unit scene
HELD_OUT_PER_FAMILY = 2  # of 16 main colors: 12.5%
NATURAL_COLOR_RATE = 0.35  # main part keeps its natural color, as plain prompts ask; otherwise any color
SECOND_PART_RATE = 0.3  # another part gets any color
SIZE_RATE = 0.2
STRETCH: Mapping[str, tuple[float, float]] = {  # size word -> (width, height) factors
    "tall": (1.0, 1.4),
    "short": (1.0, 0.68),
    "wide": (1.4, 1.0),
    "slim": (0.68, 1.0),
}


@dataclass(frozen=True)
class Prop:
    """A procedural prop inside the sphere of radius 0.9, with what it shows and how to say it."""

    mesh: Mesh  # with normals and linear colors per vertex
    spec: PropSpec
    caption: str


def sample_prop(rng: np.random.Generator, family: str | None = None, *, allow_held_out: bool = False) -> Prop:
    """A random prop, of a random family unless one is named.

    Raises:
        KeyError: for an unknown family.
    """
    name = family if family is not None else _names()[rng.integers(len(_names()))]
    return make_prop(sample_spec(rng, name, allow_held_out=allow_held_out), rng)


def sample_spec(rng: np.random.Generator, family: str, *, allow_held_out: bool = False) -> PropSpec:
    """Random colors and size for a family."""
    main, *others = FAMILIES[family].parts
    colors = FAMILIES[family].default_colors
    if rng.random() >= NATURAL_COLOR_RATE:
        choices = [color for color in COLORS if allow_held_out or color not in held_out_colors(family)]
        colors[main.name] = choices[rng.integers(len(choices))]
    # Earlier parts are larger, so they are recolored more often; a second recoloring may follow the first.
    for part in others:
        if rng.random() < SECOND_PART_RATE / len(others) ** 0.5:
            colors[part.name] = COLORS[rng.integers(len(COLORS))]
    size = SIZES[rng.integers(len(SIZES))] if rng.random() < SIZE_RATE else None
    return PropSpec(family, colors, size)


def make_prop(spec: PropSpec, rng: np.random.Generator) -> Prop:
    """Build the prop that `spec` describes; `rng` decides the proportions and the wording."""
    family = FAMILIES[spec.family]
    build = family.build(Vary(rng))
    shades = {part: linear_color(color, rng) for part, color in spec.colors.items()}
    return Prop(_assemble(build, shades, _stretch(family, spec.size)), spec, caption(spec, rng))


def is_held_out(family: str, color: str) -> bool:
    """Whether the pair of a family and a main color is kept out of training, to test composition."""
    return color in held_out_colors(family)


@cache
def held_out_colors(family: str) -> frozenset[str]:
    """The main colors never trained for a family: fixed by a checksum, never the natural color.

    The choice for one family does not depend on which other families exist.
    """
    candidates = [color for color in COLORS if color != FAMILIES[family].parts[0].color]
    ranked = sorted(candidates, key=lambda color: crc32(f"{family}/{color}".encode()))
    return frozenset(ranked[:HELD_OUT_PER_FAMILY])


@cache
def _names() -> tuple[str, ...]:
    return tuple(FAMILIES)


def _stretch(family: Family, size: str | None) -> np.ndarray:
    """Scale along x, y, z. Round things are stretched in depth too, others keep theirs."""
    width, height = STRETCH[size] if size else (1.0, 1.0)
    return np.array((width, height, width if family.turn <= QUARTER_TURN else 1.0))


def _assemble(build: Build, shades: Mapping[str, np.ndarray], stretch: np.ndarray) -> Mesh:
    """Join the solids, stretch them, center the bounding box and scale to RADIUS."""
    counts = [len(solid.vertices) for _, solid in build]
    starts = np.cumsum([0, *counts[:-1]])
    vertices = np.concatenate([solid.vertices for _, solid in build]) * stretch
    vertices -= (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    vertices *= RADIUS / np.sqrt(np.einsum("vc,vc->v", vertices, vertices).max())
    normals = np.concatenate([solid.normals for _, solid in build]) / stretch
    normals /= np.sqrt(np.einsum("vc,vc->v", normals, normals))[:, None]
    faces = np.concatenate([solid.faces + start for (_, solid), start in zip(build, starts, strict=True)])
    colors = np.repeat(np.array([shades[part] for part, _ in build]), counts, axis=0)
    return Mesh(
        vertices.astype(np.float32),
        faces.astype(np.int32),
        normals=normals.astype(np.float32),
        colors=colors.astype(np.float32),
    )
