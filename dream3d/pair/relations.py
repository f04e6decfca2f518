"""Words for how two things stand to each other, and prompts that say so."""

import re
from collections.abc import Sequence
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


@dataclass(frozen=True)
class Pair:
    """Two things: the first one stands on, next to (left of) or in front of the second one."""

    first: str
    relation: Relation
    second: str


def split_pair(prompt: str) -> Pair | None:
    """What a prompt says of two things, by its first relation; None where it has none between two texts."""
    words = list(re.finditer(r"\w+", prompt))
    found = find_relation([word[0].lower() for word in words], 1)
    if found is None or found[3] == len(words):
        return None
    relation, is_inverse, start, end = found
    before, after = prompt[: words[start].start()].strip(" ,"), prompt[words[end].start() :].strip()
    return Pair(after, relation, before) if is_inverse else Pair(before, relation, after)


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
