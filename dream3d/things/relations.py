"""Words for how things stand to each other, and prompts that say so."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

Relation = Literal["on", "next to", "in front of"]
RELATIONS: tuple[Relation, ...] = ("on", "next to", "in front of")
RELATION_SPELLINGS: dict[str, Relation] = {
    **{name: name for name in RELATIONS},
    "on top of": "on",
    "beside": "next to",
    "near": "next to",
}
INVERSE_RELATIONS: dict[str, Relation] = {"under": "on", "below": "on", "behind": "in front of"}

_HAS = re.compile(r"\b(?:with(?:out)?|ha(?:s|ve|ving))\b", re.IGNORECASE)
_ITS = re.compile(r"(?:the|its|his|her|their|each)\b", re.IGNORECASE)
_NEXT = "|".join(("and", "that", "with", "without", *RELATION_SPELLINGS, *INVERSE_RELATIONS))
_PLACE = re.compile(rf"\s+(on(?: top of)? {_ITS.pattern}.*?)(?=\s*(?:,|$|\b(?:{_NEXT})\b))", re.IGNORECASE)


@dataclass(frozen=True)
class Join:
    """How the next thing stands to all that was named before it."""

    relation: Relation
    is_inverse: bool  # the next one is on (next to, in front of) the others, not they on it


@dataclass(frozen=True)
class Things:
    """What a prompt names, in its order: "a candle on a barrel next to a chest"."""

    texts: tuple[str, ...]  # at least one
    joins: tuple[Join, ...]  # one less
    sizes: tuple[float, ...]  # of each, in units of the usual one


def split_things(
    prompt: str, names_thing: Callable[[str], bool], names_part: Callable[[str], bool] | None = None
) -> Things:
    """The things that a prompt names, apart from each other.

    Args:
        prompt: Text.
        names_thing: Whether a text names a thing; relations between others ("on fire") are a part of one.
        names_part: Whether a text names what can be a part of one. On a part that was spoken of lies no other
            thing, but another part: "a castle with a flag on the tower".
    """
    words = list(re.finditer(r"\w+", prompt))
    heard = [word[0].lower() for word in words]
    texts, joins, begin, found = list[str](), list[Join](), 0, find_relation(heard, 1)
    while found and found[3] < len(words):
        relation, is_inverse, start, end = found
        found = find_relation(heard, end + 1)
        after = slice(words[end].start(), words[found[2]].start() if found else None)
        before = prompt[begin : words[start].start()].strip(" ,")
        is_within = relation == "on" and not is_inverse and _HAS.search(before) and _ITS.match(prompt[after])
        if is_within and names_part is not None and names_part(prompt[after]):
            continue
        if names_thing(before) and names_thing(prompt[after]):
            texts.append(before)
            joins.append(Join(relation, is_inverse))
            begin = after.start
    texts.append(prompt[begin:].strip())
    return Things(tuple(texts), tuple(joins), (1.0,) * len(texts))


def split_places(text: str) -> tuple[str, tuple[str, ...]]:
    """The text of one thing without the words that say where its parts are, and these.

    "a castle with a flag on the tower" is "a castle with a flag" and "on the tower". The built-in prior knows
    "on" between two things only, and makes a lump of such a castle.
    """
    owner = _HAS.search(text)
    if owner is None:
        return text, ()
    places = tuple(found[1] for found in _PLACE.finditer(text, owner.end()))
    return text[: owner.end()] + _PLACE.sub("", text[owner.end() :]), places


def find_relation(words: Sequence[str], start: int) -> tuple[Relation, bool, int, int] | None:
    """The first relation from a position on: its name, whether it is inverse, and the range of its words."""
    for position in range(start, len(words)):
        for length in (3, 2, 1):
            heard = tuple(words[position : position + length])
            found = _relations().get(heard)
            if found is not None:
                return *found, position, position + len(heard)
    return None


@cache
def _relations() -> dict[tuple[str, ...], tuple[Relation, bool]]:
    return {
        tuple(words.split()): (name, is_inverse)
        for is_inverse, spellings in ((False, RELATION_SPELLINGS), (True, INVERSE_RELATIONS))
        for words, name in spellings.items()
    }
