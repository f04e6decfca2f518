"""The way back from a caption to what it says. The grammar stands in `captions`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, TypeVar, cast

from dream3d.props.catalogue import FAMILIES
from dream3d.props.family import Family
from dream3d.props.finish import Finish
from dream3d.props.spec import SIZES, PropSpec, SceneSpec, Size, Spec, can_be_missing
from dream3d.props.words import (
    FUNCTION_WORDS,
    MARKERS,
    PATTERN_NOUNS,
    SIZE_SPELLINGS,
    canonical,
    finish_role,
)
from dream3d.things.relations import find_relation

Value = TypeVar("Value")  # Python 3.11 has no type parameter syntax
Mode = Literal["main", "parts", "missing"]  # what the next words tell about
# Part -> the roles of its `Finish` that words tell; none where the part is just named.
Told = Mapping[str, frozenset[str]]
MODES: Mapping[str, Mode] = {
    "that": "main",
    "is": "main",
    "made": "main",
    "of": "main",
    "painted": "main",
    "with": "parts",
    "has": "parts",
    ",": "parts",
    "without": "missing",
    "no": "missing",
}


def parse_caption(text: str) -> Spec | None:
    """The spec that `text` describes, or None where it is not in the grammar or contradicts itself.

    Articles, word order, plural -s, capitals and punctuation do not matter, but commas and "and" tell what
    belongs together.
    """
    found = _parse(text)
    return found[0] if found else None


def told_looks(text: str) -> tuple[Told, ...]:
    """What the words tell of each prop, also where it is natural; empty where `parse_caption` reads nothing.

    "a red mushroom" and "a mushroom" are the same spec, but only the first one tells a color.
    """
    found = _parse(text)
    return found[1] if found else ()


def _parse(text: str) -> tuple[Spec, tuple[Told, ...]] | None:
    words = re.findall(r"[a-z0-9]+|,", text.lower())
    noun = _find_noun(words)
    if noun is None:
        return None
    found = find_relation(words, noun[2])
    if found is None:
        alone = _parse_object(words)
        return (alone[0], (alone[1],)) if alone else None
    relation, is_inverse, start, end = found
    pair = _parse_object(words[:start]), _parse_object(words[end:])
    first, second = reversed(pair) if is_inverse else pair
    if first is None or second is None:
        return None
    return SceneSpec(first[0], relation, second[0]), (first[1], second[1])


class _ContradictionError(Exception):
    """The words cannot all be true, or one of them is not understood."""


@dataclass
class _Reading:
    """What has been understood of one object so far."""

    family: Family
    size: Size | None = None
    looks: dict[str, dict[str, str]] = field(default_factory=dict)  # part -> role -> word; may be empty
    missing: set[str] = field(default_factory=set)

    def tell(self, part: str, said: Mapping[str, str]) -> None:
        """Add words about a part."""
        look = self.looks.setdefault(part, {})
        for role, word in said.items():
            if look.setdefault(role, word) != word:
                raise _ContradictionError

    def tell_size(self, size: str) -> None:
        """Add a size word."""
        if self.size is not None:
            raise _ContradictionError
        self.size = cast(Size, size)

    def told(self) -> Told:
        """What was said of which part."""
        looks = {part: frozenset(look) for part, look in self.looks.items()}
        return looks | dict.fromkeys(self.missing, frozenset())

    def spec(self) -> PropSpec:
        """The natural spec with what was said."""
        finishes = {name: Finish(color) for name, color in self.family.default_colors.items()}
        natural = {part.name: part.color for part in self.family.parts}
        for part, look in self.looks.items():
            color = look.get("color") or (None if look.get("material") else natural[part])
            roles = {role: look.get(role) for role in ("material", "pattern", "second")}
            try:
                finishes[part] = Finish(color, **roles)  # pyright: ignore[reportArgumentType]
            except ValueError:
                raise _ContradictionError from None
        if self.missing & set(self.looks) or not all(
            can_be_missing(self.family.name, p) for p in self.missing
        ):
            raise _ContradictionError
        for part in self.missing:
            finishes.pop(part, None)
        return PropSpec(self.family.name, finishes, self.size)


def _parse_object(words: Sequence[str]) -> tuple[PropSpec, Told] | None:
    noun = _find_noun(words)
    if noun is None:
        return None
    family, start, end = noun
    reading = _Reading(family)
    try:
        _read_head([word for word in words[:start] if word != ","], reading)
        _read_tail(words[end:], reading)
        return reading.spec(), reading.told()
    except _ContradictionError:
        return None


def _read_head(words: Sequence[str], reading: _Reading) -> None:
    """The words before the noun: sizes and the main look."""
    look: list[str] = []
    for word in words:
        size = canonical(word, SIZES, SIZE_SPELLINGS)
        if size is not None:
            reading.tell_size(size)
        elif finish_role(word) or word == "and":
            look.append(word)
        elif word not in FUNCTION_WORDS - MARKERS | {"of"}:  # "a low poly model of a mug"
            raise _ContradictionError
    _tell(reading, reading.family.parts[0].name, look)


def _read_tail(words: Sequence[str], reading: _Reading) -> None:
    """The words after the noun, clause by clause."""
    names = _part_names(reading.family)
    main = reading.family.parts[0].name
    mode: Mode = "parts"
    look: list[str] = []  # finish words that wait for what they belong to
    position = 0
    while position < len(words):
        word = words[position]
        part, length = _match(words, position, names)
        size = canonical(word, SIZES, SIZE_SPELLINGS)
        step = 1
        is_look = finish_role(word) is not None
        if part is not None and is_look and mode == "parts":
            is_look = _is_adjective(words, position, names, is_first=not look)
        if is_look:
            look.append(word)
        elif part is not None:
            step = length
            if mode != "missing":
                _tell(reading, part, look, is_part=True)
            elif look:
                raise _ContradictionError  # "without a red handle"
            else:
                reading.missing.add(part)
            look = []
        elif word in PATTERN_NOUNS:
            said = {"pattern": PATTERN_NOUNS[word]}
            reading.tell(main, said | ({"second": _only_color(look)} if look else {}))
            look = []
        elif word == "and" and look and position + 1 < len(words) and finish_role(words[position + 1]):
            look.append(word)
        elif size is not None:
            reading.tell_size(size)
        elif word in FUNCTION_WORDS or word == ",":
            if word in MODES:
                mode = MODES[word]
            if word in MODES or word in ("and", "or"):
                _tell(reading, main, look)
                look = []
        else:
            raise _ContradictionError
        position += step
    _tell(reading, main, look)


def _tell(reading: _Reading, part: str, words: Sequence[str], is_part: bool = False) -> None:
    """Tell a part the look that finish words joined by "and" spell: "red and white striped wooden"."""
    said: dict[str, str] = {}
    follows_and = False
    for word in words:
        found = finish_role(word)
        if found is None:
            follows_and = True
            continue
        role, name = found
        if role == "color" and follows_and and ("color" in said or "material" in said):
            role = "second"
        if said.setdefault(role, name) != name:
            raise _ContradictionError
        follows_and = False
    if words or is_part:
        reading.tell(part, said)


def _only_color(words: Sequence[str]) -> str:
    roles = [finish_role(word) for word in words]
    if len(roles) != 1 or roles[0] is None or roles[0][0] != "color":
        raise _ContradictionError
    return roles[0][1]


def _is_adjective(
    words: Sequence[str], position: int, names: Mapping[tuple[str, ...], str], is_first: bool
) -> bool:
    """Whether a word that is both a finish and the name of a part is the former: more follows, up to a part.

    "with metal glass" and "with metal and white striped glass", but "with metal and white glass".
    """
    roles = [(finish_role(word) or ("",))[0] for word in words[position + 2 : position + 4]]
    if is_first and words[position + 1 : position + 2] == ["and"] and roles == ["color", "pattern"]:
        return True
    position += 1
    while position < len(words):
        if _match(words, position, names)[0] is not None:
            return True
        if finish_role(words[position]) is None:
            return False
        position += 1
    return False


@cache
def _nouns() -> dict[tuple[str, ...], Family]:
    return {tuple(noun.split()): family for family in FAMILIES.values() for noun in family.nouns}


def _part_names(family: Family) -> dict[tuple[str, ...], str]:
    return {tuple(name.split()): part.name for part in family.parts for name in part.names}


def _find_noun(words: Sequence[str]) -> tuple[Family, int, int] | None:
    """The first, longest family noun: the family and the range of its words."""
    for start in range(len(words)):
        family, length = _match(words, start, _nouns())
        if family is not None:
            return family, start, start + length
    return None


def _match(
    words: Sequence[str], start: int, phrases: Mapping[tuple[str, ...], Value]
) -> tuple[Value | None, int]:
    """The longest phrase that the words at `start` spell, in singular or plural, and its number of words."""
    for length in (3, 2, 1):
        heard = words[start : start + length]
        if len(heard) < length:
            continue
        for last in singulars(heard[-1]):
            value = phrases.get((*heard[:-1], last))
            if value is not None:
                return value, length
    return None, 0


def singulars(word: str) -> tuple[str, ...]:
    """The word, its stems without a plural ending, and its plural: some parts are named in the plural."""
    return word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y", word + "s"
