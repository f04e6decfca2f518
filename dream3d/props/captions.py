"""Captions of props and their way back: `caption`, `parse_caption`, `vocabulary`.

    [prefix] [article] [size] [color] noun [that is color | , color] [with PART and PART | , PART]
    PART = [a | an] color part-name

Everything a caption leaves unsaid has its natural color, so parse(caption(spec)) == spec.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np

from dream3d.props.catalogue import FAMILIES
from dream3d.props.family import Family, Part
from dream3d.props.palette import COLORS, SPELLINGS

Value = TypeVar("Value")  # Python 3.11 has no type parameter syntax

SIZES: tuple[str, ...] = ("tall", "short", "wide", "slim")
SIZE_SPELLINGS: dict[str, str] = {"thin": "slim"}
PREFIXES: tuple[str, ...] = ("a 3d model of", "3d model of", "low poly", "a low poly")
PARTS_WITHOUT_ARTICLE = """
    bread canvas clay coffee dough fabric fire frosting fur glass glaze ice icing iron jelly leather
    light liquid meat metal moss paper salad sand skin snow soup stone trim water wax wood wool
    wrapping
"""
MASS_NOUNS: frozenset[str] = frozenset(PARTS_WITHOUT_ARTICLE.split())
FILLERS: frozenset[str] = frozenset(
    ["a", "an", "the", "of", "with", "and", "that", "is", "has", "in", "3d", "model", "low", "poly"]
)


@dataclass(frozen=True)
class PropSpec:
    """What a caption says about a prop."""

    family: str  # canonical noun, a key of FAMILIES
    colors: Mapping[str, str]  # part name -> color word, for every part of the family
    size: str | None = None  # a word of SIZES


def prop_spec(family: str, colors: Mapping[str, str] | None = None, size: str | None = None) -> PropSpec:
    """A spec with natural colors for the parts that `colors` does not name.

    Raises:
        ValueError: for a family, part, color or size that does not exist.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}")
    complete = FAMILIES[family].default_colors
    unknown = [*(set(colors or {}) - set(complete)), *(set((colors or {}).values()) - set(COLORS))]
    if unknown or size not in (None, *SIZES):
        raise ValueError(f"{family} has no {', '.join(unknown) or size}")
    return PropSpec(family, complete | dict(colors or {}), size)


def caption(spec: PropSpec, rng: np.random.Generator) -> str:
    """One of the many ways to say `spec`; parts with natural colors are mostly left out."""
    family = FAMILIES[spec.family]
    main, *others = family.parts
    main_color = spec.colors[main.name]
    colored = [part for part in others if spec.colors[part.name] != part.color]
    if not colored and rng.random() < 0.15:
        colored = [others[rng.integers(len(others))]]
    says_main = main_color != main.color or rng.random() < 0.5
    noun = family.nouns[0] if rng.random() < 0.7 else family.nouns[rng.integers(len(family.nouns))]
    size = _spelled(spec.size, SIZE_SPELLINGS, rng) if spec.size else ""
    word = _spelled(main_color, SPELLINGS, rng) if says_main else ""
    style = (
        rng.choice(("adjective", "part", "that is", "comma"), p=(0.7, 0.14, 0.1, 0.06)) if says_main else ""
    )
    phrases = [_part_phrase(part, spec.colors[part.name], rng) for part in colored]
    if style == "part":
        phrases.insert(0, _part_phrase(main, main_color, rng))
    head = " ".join(filter(None, (size, word if style == "adjective" else "", noun)))
    head = _with_article(head, rng)
    if style in ("that is", "comma"):
        head += f" that is {word}" if style == "that is" else f", {word}"
    if phrases and rng.random() < 0.1:
        return ", ".join([head, *(re.sub(r"^an? ", "", phrase) for phrase in phrases)])
    return head + (" with " + " and ".join(phrases) if phrases else "")


def parse_caption(text: str) -> PropSpec | None:
    """The spec that `text` describes, or None where it is not in the grammar or contradicts itself.

    Articles, word order, plural -s, capitals and punctuation do not matter.
    """
    words = re.findall(r"[a-z0-9]+", text.lower())
    found = _find_noun(words)
    if found is None:
        return None
    family, start, end = found
    names = _part_names(family)
    colors: dict[str, str] = {}
    size: str | None = None
    main = family.parts[0].name
    position = 0
    while position < len(words):
        word = words[position]
        color = SPELLINGS.get(word, word)
        step = 1
        if position == start:
            step = end - start
        elif color in COLORS:
            part, length = (None, 0) if position + 1 == start else _match(words, position + 1, names)
            part, step = part or main, 1 + length
            if colors.setdefault(part, color) != color:
                return None
        elif SIZE_SPELLINGS.get(word, word) in SIZES:
            if size is not None:
                return None
            size = SIZE_SPELLINGS.get(word, word)
        elif word not in FILLERS:
            return None
        position += step
    return PropSpec(family.name, family.default_colors | colors, size)


@cache
def vocabulary() -> tuple[str, ...]:
    """All words that captions can contain, sorted."""
    texts = [*FILLERS, *PREFIXES, *COLORS, *SPELLINGS, *SIZES, *SIZE_SPELLINGS]
    for family in FAMILIES.values():
        texts += family.nouns
        texts += [name for part in family.parts for name in part.names]
    return tuple(sorted({word for text in texts for word in text.split()}))


def _spelled(word: str, spellings: Mapping[str, str], rng: np.random.Generator) -> str:
    """`word` or, one time in five, another spelling of it."""
    variants = [variant for variant, canonical in spellings.items() if canonical == word]
    return variants[rng.integers(len(variants))] if variants and rng.random() < 0.2 else word


def _with_article(words: str, rng: np.random.Generator) -> str:
    if rng.random() < 0.06:
        return f"{PREFIXES[rng.integers(len(PREFIXES))]} {words}"
    return f"{_article(words)} {words}" if rng.random() < 0.65 else words


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"


def _part_phrase(part: Part, color: str, rng: np.random.Generator) -> str:
    name = part.name if rng.random() < 0.75 else part.names[rng.integers(len(part.names))]
    words = f"{_spelled(color, SPELLINGS, rng)} {name}"
    plural = name.endswith("s") and not name.endswith("ss")
    return words if plural or name in MASS_NOUNS else f"{_article(words)} {words}"


@cache
def _nouns() -> dict[tuple[str, ...], Family]:
    return {tuple(noun.split()): family for family in FAMILIES.values() for noun in family.nouns}


def _part_names(family: Family) -> dict[tuple[str, ...], str]:
    return {tuple(name.split()): part.name for part in family.parts for name in part.names}


def _find_noun(words: list[str]) -> tuple[Family, int, int] | None:
    """The first, longest family noun: the family and the range of its words."""
    for start in range(len(words)):
        family, length = _match(words, start, _nouns())
        if family is not None:
            return family, start, start + length
    return None


def _match(
    words: list[str], start: int, phrases: Mapping[tuple[str, ...], Value]
) -> tuple[Value | None, int]:
    """The longest phrase that the words at `start` spell, in singular or plural, and its number of words."""
    for length in (3, 2, 1):
        heard = words[start : start + length]
        if len(heard) < length:
            continue
        for last in _singulars(heard[-1]):
            value = phrases.get((*heard[:-1], last))
            if value is not None:
                return value, length
    return None, 0


def _singulars(word: str) -> tuple[str, ...]:
    """The word, its stems without a plural ending, and its plural: some parts are named in the plural."""
    return word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y", word + "s"
