"""Prompts that say almost the same: what a judge must tell from the prompt itself.

A change differs from the spec in one attribute (or exchanges two) and in how it looks: a finish that nobody
can tell from the one it replaces, white marble for marble, is none. Sizes are left out: assets are judged in
a frame of fixed radius, in which fat and short things look the same.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import Literal, get_args

import numpy as np

from dream3d.props import (
    COLORS,
    FAMILIES,
    MATERIALS,
    PATTERNS,
    RELATIONS,
    Finish,
    PropSpec,
    SceneSpec,
    Spec,
    caption,
    sample_spec,
)
from dream3d.props.finish import natural_srgb, second_color
from dream3d.props.palette import SRGB
from dream3d.props.sample import MIN_CONTRAST

ChangeKind = Literal["family", "color", "material", "pattern", "second color", "presence", "swap", "relation"]
CHANGE_KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
MIN_DIFFERENCE = 110  # of a material's own color and a color word, summed over the sRGB channels
NUM_RANDOM, RANDOM_SEED = 100, 31


@dataclass(frozen=True)
class Change:
    """A spec that differs from another one in one attribute."""

    kind: ChangeKind
    spec: Spec


def one_attribute_changes(spec: Spec, kinds: Collection[ChangeKind] = CHANGE_KINDS) -> list[Change]:
    """Every spec that differs from `spec` in one attribute and can be told from it, in a fixed order.

    Args:
        spec: What is changed.
        kinds: Which attributes.
    """
    if isinstance(spec, PropSpec):
        return [Change(kind, changed) for kind, changed in _changes(spec, kinds)]
    names = spec.first.family, spec.second.family
    found = [Change(kind, replace(spec, first=prop)) for kind, prop in _changes(spec.first, kinds, names)]
    found += [Change(kind, replace(spec, second=prop)) for kind, prop in _changes(spec.second, kinds, names)]
    if "relation" in kinds:
        others = [replace(spec, relation=name) for name in RELATIONS if name != spec.relation]
        found += [Change("relation", other) for other in others]
        found.append(Change("relation", SceneSpec(spec.second, spec.relation, spec.first)))
    one, other = spec.first, spec.second
    if "swap" in kinds and not looks_alike(one.main, other.main):
        swapped = replace(spec, first=_painted(one, other.main), second=_painted(other, one.main))
        found.append(Change("swap", swapped))
    return [change for change in found if _can_stand(change.spec)]


def random_captions(spec: Spec, count: int = NUM_RANDOM) -> list[str]:
    """Captions of the grammar that say something else than `spec`, always the same for the same spec."""
    rng = np.random.default_rng(RANDOM_SEED)
    names = list(FAMILIES)
    found: list[str] = []
    while len(found) < count:
        other = sample_spec(rng, names[int(rng.integers(len(names)))], allow_held_out=True)
        text = caption(other, rng)
        if other != spec:
            found.append(text)
    return found


def changed_captions(spec: Spec) -> list[str]:
    """One wording of every one-attribute change, always the same for the same spec."""
    rng = np.random.default_rng(RANDOM_SEED)
    return [caption(change.spec, rng) for change in one_attribute_changes(spec)]


def looks_alike(one: Finish, other: Finish) -> bool:
    """Whether two finishes cannot be told apart: a color word is close to a material's own color."""
    if (one.material, one.pattern) != (other.material, other.pattern):
        return False
    if one.pattern is not None and second_color(one) != second_color(other):
        return False
    return one.color == other.color or are_close(one, other)


def are_close(one: Finish, other: Finish) -> bool:
    """Whether the first colors are those of a material and of a word, and hardly differ."""
    if one.color is not None and other.color is not None:
        return False
    colors = [np.array(natural_srgb(look.color, look.material)) for look in (one, other)]
    return bool(np.abs(colors[0] - colors[1]).sum() < MIN_DIFFERENCE)


def _changes(
    spec: PropSpec, kinds: Collection[ChangeKind], taken: Collection[str] = ()
) -> Iterator[tuple[ChangeKind, PropSpec]]:
    """The changes of one prop whose family must not become one of those that are taken."""
    family = FAMILIES[spec.family]
    for name in FAMILIES if "family" in kinds else ():
        if name != spec.family and name not in taken:
            looks = {**_natural_looks(name), _main(name): spec.main}
            yield "family", PropSpec(name, looks, spec.size)
    for part, look in spec.finishes.items():
        for kind, other in _look_changes(look, family.part(part).color):
            if kind in kinds and not looks_alike(look, other):
                yield kind, replace(spec, finishes={**spec.finishes, part: other})
    for one, other in combinations(spec.finishes, 2) if "swap" in kinds else ():
        looks = spec.finishes[one], spec.finishes[other]
        if not looks_alike(*looks):
            swapped = {**spec.finishes, one: looks[1], other: looks[0]}
            yield "swap", replace(spec, finishes=swapped)
    for part in family.optional + family.extra if "presence" in kinds else ():
        finishes = dict(spec.finishes)
        if finishes.pop(part, None) is None:
            finishes[part] = Finish(family.part(part).color)
        yield "presence", replace(spec, finishes=finishes)


def _look_changes(look: Finish, natural: str) -> Iterator[tuple[ChangeKind, Finish]]:
    """Finishes that differ from `look` in one role; a natural color gives way to a material's own."""

    def second_with(color: str | None) -> str | None:
        return look.second if look.second != color else None

    second = look.second
    for color in (*COLORS, *([None] if look.material else [])):
        if color != look.color:
            yield "color", replace(look, color=color, second=second_with(color))
    for material in (None, *MATERIALS):
        if material != look.material:
            color = look.color
            if material is None:
                color = color or natural
            elif color == natural:
                color = None
            yield (
                "material",
                replace(look, color=color, material=material, second=second_with(color)),
            )
    for pattern in (None, *PATTERNS):
        if pattern != look.pattern:
            yield "pattern", replace(look, pattern=pattern, second=second if pattern else None)
    if look.pattern is not None:
        first = np.array(natural_srgb(look.color, look.material))
        for color in COLORS:
            if color not in (second, look.color) and np.abs(first - SRGB[color]).sum() >= MIN_CONTRAST:
                yield "second color", replace(look, second=color)


def _painted(spec: PropSpec, look: Finish) -> PropSpec:
    """The prop with its main part in another look."""
    return replace(spec, finishes={**spec.finishes, _main(spec.family): look})


@cache
def _natural_looks(family: str) -> Mapping[str, Finish]:
    """Part name -> look, of a prop of which nothing is said."""
    return {part: Finish(color) for part, color in FAMILIES[family].default_colors.items()}


def _main(family: str) -> str:
    return FAMILIES[family].parts[0].name


def _can_stand(spec: Spec) -> bool:
    """Whether the second of two props carries things, where it has to."""
    if isinstance(spec, PropSpec) or spec.relation != "on":
        return True
    return FAMILIES[spec.second.family].stand is not None
