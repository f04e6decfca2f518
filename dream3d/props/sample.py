"""Draw props of the training distribution: what is shown, and how often."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar, get_args

import numpy as np

from dream3d.props.build import Prop, make_prop
from dream3d.props.catalogue import FAMILIES
from dream3d.props.finish import MATERIALS, PATTERNS, Finish, Material, natural_srgb
from dream3d.props.held_out import (
    held_out_colors,
    held_out_materials,
    held_out_patterns,
    is_relation_held_out,
)
from dream3d.props.palette import COLORS, SRGB
from dream3d.props.spec import SIZES, PropSpec, SceneSpec, Spec
from dream3d.things.relations import RELATIONS

Value = TypeVar("Value")  # Python 3.11 has no type parameter syntax
Attribute = Literal["color", "material", "pattern", "part", "size", "presence"]
ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)

RELATION_RATE = 0.15  # two props instead of one
COUNT_SHARES = (0.2, 0.42, 0.26, 0.12)  # of 0, 1, 2 and 3 attributes of a single prop
PAIR_COUNT_SHARES = (0.45, 0.55)  # the same for each of two props: their captions must stay short
ATTRIBUTE_SHARES: Mapping[Attribute, float] = {
    "color": 0.38,
    "material": 0.16,
    "pattern": 0.14,  # of the main part
    "part": 0.16,
    "size": 0.1,
    "presence": 0.06,  # another part's look; proportions; a part more or less
}
SECOND_COLOR_RATE = 0.5  # a pattern's second color is said
MIN_CONTRAST = 150  # of a pattern's colors, summed over the sRGB channels: golden on yellow cannot be seen
PART_FINISH_RATE = 0.2  # another part gets a material or a pattern instead of a color


def sample_prop(
    rng: np.random.Generator,
    family: str | None = None,
    *,
    families: Sequence[str] = tuple(FAMILIES),
    allow_held_out: bool = False,
) -> Prop:
    """A random prop or pair of props.

    Args:
        rng: Decides everything.
        family: What is shown, or what stands on, next to or in front of something; random unless given.
        families: What may be drawn.
        allow_held_out: Draw from the pairs that training never shows as well.

    Raises:
        KeyError: for an unknown family.
    """
    name = family if family is not None else _choice(families, rng)
    return make_prop(sample_spec(rng, name, families=families, allow_held_out=allow_held_out), rng)


def sample_spec(
    rng: np.random.Generator,
    family: str,
    *,
    families: Sequence[str] = tuple(FAMILIES),
    allow_held_out: bool = False,
) -> Spec:
    """A random spec of a family, with the arguments of `sample_prop`."""
    if rng.random() >= RELATION_RATE:
        return sample_single(rng, family, COUNT_SHARES, allow_held_out=allow_held_out)
    relation = _choice(RELATIONS, rng)
    partners = [
        name
        for name in families
        if name != family
        and (relation != "on" or FAMILIES[name].stand is not None)
        and (allow_held_out or not is_relation_held_out(family, relation, name))
    ]
    if not partners:
        return sample_single(rng, family, COUNT_SHARES, allow_held_out=allow_held_out)
    names = family, _choice(partners, rng)
    first, second = (
        sample_single(rng, name, PAIR_COUNT_SHARES, allow_held_out=allow_held_out) for name in names
    )
    return SceneSpec(first, relation, second)


def sample_single(
    rng: np.random.Generator, family: str, shares: Sequence[float], *, allow_held_out: bool = False
) -> PropSpec:
    """A random spec of one prop, where `shares` are those of 0, 1, 2 ... attributes."""
    parts = FAMILIES[family].parts
    finishes = {name: Finish(color) for name, color in FAMILIES[family].default_colors.items()}
    told = list(
        rng.choice(
            ATTRIBUTES, rng.choice(len(shares), p=shares), replace=False, p=list(ATTRIBUTE_SHARES.values())
        )
    )
    main = parts[0]
    finishes[main.name] = _main_finish(rng, family, told, allow_held_out)
    loose = FAMILIES[family].optional + FAMILIES[family].extra
    if "presence" in told and loose:
        name = _choice(loose, rng)
        if finishes.pop(name, None) is None:
            finishes[name] = Finish(FAMILIES[family].part(name).color)
    others = [part.name for part in parts[1:] if part.name in finishes]
    if "part" in told and others:
        # Earlier parts are larger, so they are drawn more often.
        weights = np.arange(1, len(others) + 1) ** -0.5
        finishes[others[rng.choice(len(others), p=weights / weights.sum())]] = _part_finish(rng)
    return PropSpec(family, finishes, _choice(SIZES, rng) if "size" in told else None)


def _main_finish(rng: np.random.Generator, family: str, told: Sequence[str], allow_held_out: bool) -> Finish:
    def allowed(names: Sequence[Value], held_out: frozenset[str]) -> list[Value | None]:
        return [name for name in names if allow_held_out or name not in held_out] or [None]

    material = _choice(allowed(MATERIALS, held_out_materials(family)), rng) if "material" in told else None
    pattern = _choice(allowed(PATTERNS, held_out_patterns(family)), rng) if "pattern" in told else None
    color = None if material else FAMILIES[family].parts[0].color
    if "color" in told:
        color = _choice(allowed(COLORS, held_out_colors(family)), rng)
    return Finish(color, material, pattern, _second(rng, color, material) if pattern else None)


def _part_finish(rng: np.random.Generator) -> Finish:
    color = _choice(COLORS, rng)
    if rng.random() >= PART_FINISH_RATE:
        return Finish(color)
    if rng.random() < 0.5:
        return Finish(None, _choice(MATERIALS, rng))
    return Finish(color, None, _choice(PATTERNS, rng), _second(rng, color, None))


def _second(rng: np.random.Generator, color: str | None, material: Material | None) -> str | None:
    """The second color of a pattern, where it is said."""
    if rng.random() >= SECOND_COLOR_RATE:
        return None
    first = np.array(natural_srgb(color, material))
    return _choice([c for c in COLORS if np.abs(first - SRGB[c]).sum() >= MIN_CONTRAST], rng)


def _choice(values: Sequence[Value], rng: np.random.Generator) -> Value:
    return values[int(rng.integers(len(values)))]
