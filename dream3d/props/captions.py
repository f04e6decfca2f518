"""Captions of props: one of the many ways to say a spec. `parsing` is the way back.

    CAPTION  = [prefix] OBJECT [RELATION OBJECT]
    OBJECT   = [article] [size] [LOOK] noun [that is LOOK | , LOOK | painted color | made of material]
               [with PART and PART | , PART] [without PARTS]
    PART     = [a | an] LOOK part-name
    LOOK     = color, pattern and material in several orders: "red and white striped wooden"

Everything a caption leaves unsaid is natural, so parse_caption(caption(spec)) == spec.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from dream3d.props.catalogue import FAMILIES
from dream3d.props.family import Family, Part
from dream3d.props.finish import MATERIAL_SPELLINGS, PATTERN_SPELLINGS, Finish
from dream3d.props.palette import SPELLINGS
from dream3d.props.spec import PropSpec, Spec
from dream3d.props.words import (
    MASS_NOUNS,
    MATERIAL_NOUNS,
    PATTERN_NOUNS,
    PREFIXES,
    SIZE_SPELLINGS,
)
from dream3d.things.relations import INVERSE_RELATIONS, RELATION_SPELLINGS

Value = TypeVar("Value")  # Python 3.11 has no type parameter syntax
PREFIX_RATE, ARTICLE_RATE, SPELLING_RATE, SYNONYM_RATE = 0.06, 0.65, 0.2, 0.3
# How often natural looks are said although they need not be: the main one; one of the other parts. Never of
# pairs, whose captions must fit the text encoder.
NATURAL_RATES = (0.5, 0.12)
STYLE_SHARES: Mapping[str, float] = {"adjective": 0.7, "part": 0.14, "that is": 0.1, "comma": 0.06}
AN_SOUNDS = (*"aeiou", "hour")
APART_RATE = 0.2  # "a wooden chair painted blue", "a blue chair made of wood", "a red mug with stripes"
INVERSE_RATE = 0.15  # "a barrel under a candle"


def caption(spec: Spec, rng: np.random.Generator) -> str:
    """One of the many ways to say `spec`; what is natural is mostly left out."""
    prefix = f"{_choice(PREFIXES, rng)} " if rng.random() < PREFIX_RATE else ""
    article = not prefix and rng.random() < ARTICLE_RATE
    if isinstance(spec, PropSpec):
        return prefix + _object(spec, article, NATURAL_RATES, rng)
    first, second, spellings = spec.first, spec.second, RELATION_SPELLINGS
    if spec.relation in INVERSE_RELATIONS.values() and rng.random() < INVERSE_RATE:
        first, second, spellings = second, first, INVERSE_RELATIONS
    relation = _choice([words for words, name in spellings.items() if name == spec.relation], rng)
    one, other = (_object(each, article, (0.0, 0.0), rng) for each in (first, second))
    return f"{prefix}{one} {relation} {other}"


def _object(
    spec: PropSpec, article: bool, natural_rates: tuple[float, float], rng: np.random.Generator
) -> str:
    family = FAMILIES[spec.family]
    main = family.parts[0]
    look = spec.main
    says_main = look != Finish(main.color) or rng.random() < natural_rates[0]
    shares = np.array(list(STYLE_SHARES.values()))
    style = list(STYLE_SHARES)[rng.choice(len(shares), p=shares)] if says_main else ""
    noun = family.nouns[0] if rng.random() >= SYNONYM_RATE else _choice(family.nouns, rng)
    size = _spelled(spec.size, SIZE_SPELLINGS, rng) if spec.size else ""
    phrases = _part_phrases(family, spec, natural_rates[1], rng)
    words = after = ""
    if style == "adjective":
        words, after, phrase = _divided(look, family, rng)
        phrases = [phrase, *phrases] if phrase else phrases
    elif style == "part":
        phrases.insert(0, _part_phrase(family, main, look, rng))
    elif style:
        is_that = style == "that is" or look.material or look.pattern  # after a comma, "stone" is a part
        after = f" that is {_look(look, rng)}" if is_that else f", {_look(look, rng)}"
    head = " ".join(filter(None, (size, words, noun)))
    head = (f"{_article(head)} {head}" if article else head) + after
    missing = [family.part(name) for name in family.optional if name not in spec.finishes]
    lacking = f" without {_listed(missing, rng)}" if missing else ""
    if phrases and not missing and (style != "comma" or len(phrases) == 1) and rng.random() < 0.1:
        return ", ".join([head, *(re.sub(r"^an? ", "", phrase) for phrase in phrases)])
    return head + (" with " + " and ".join(phrases) if phrases else "") + lacking


def _divided(look: Finish, family: Family, rng: np.random.Generator) -> tuple[str, str, str]:
    """The adjectives of a main look, what follows the noun, and what becomes a phrase among the parts."""
    if rng.random() >= APART_RATE:
        return _look(look, rng), "", ""
    if look.material and look.color and not look.pattern:
        if rng.random() < 0.5:
            return _look(Finish(None, look.material), rng), f" painted {_color(look.color, rng)}", ""
        return _color(look.color, rng), f" made of {MATERIAL_NOUNS.get(look.material, look.material)}", ""
    names = {name.removesuffix("s") for part in family.parts for name in part.names}
    nouns = [noun for noun, pattern in PATTERN_NOUNS.items() if pattern == look.pattern]
    if nouns and not names & {noun.removesuffix("s") for noun in nouns}:
        phrase = f"{_color(look.second, rng)} {_choice(nouns, rng)}" if look.second else _choice(nouns, rng)
        return _look(Finish(look.color, look.material), rng), "", phrase
    return _look(look, rng), "", ""


def _part_phrases(family: Family, spec: PropSpec, natural_rate: float, rng: np.random.Generator) -> list[str]:
    """Phrases for the other parts that do not look natural, and now and then for one that does."""
    others = [part for part in family.parts[1:] if part.name in spec.finishes]
    told = [p for p in others if p.name in family.extra or spec.finishes[p.name] != Finish(p.color)]
    if others and not told and rng.random() < natural_rate:
        told = [_choice(others, rng)]
    return [_part_phrase(family, part, spec.finishes[part.name], rng) for part in told]


def _part_phrase(family: Family, part: Part, look: Finish, rng: np.random.Generator) -> str:
    """Say "a red cap"; a part that need not be there may be named without its natural look: "a handle"."""
    name = part.name if rng.random() < 0.75 else _choice(part.names, rng)
    is_bare = (
        part.name in family.optional + family.extra and look == Finish(part.color) and rng.random() < 0.5
    )
    words = name if is_bare else f"{_look(look, rng)} {name}"
    return words if _is_many(name) or name in MASS_NOUNS else f"{_article(words)} {words}"


def _listed(missing: Sequence[Part], rng: np.random.Generator) -> str:
    """Say "a handle and a lid" or "handle and lid"."""
    names = [_choice(part.names, rng) for part in missing]
    if rng.random() < 0.5:
        names = [n if _is_many(n) or n in MASS_NOUNS else f"{_article(n)} {n}" for n in names]
    return " and ".join(names)


def _look(look: Finish, rng: np.random.Generator) -> str:
    """The words of a finish in one of their orders."""
    material = _spelled(look.material, MATERIAL_SPELLINGS, rng) if look.material else ""
    pattern = _spelled(look.pattern, PATTERN_SPELLINGS, rng) if look.pattern else ""
    color = _color(look.color, rng) if look.color else ""
    if look.second and look.color:
        parts = [f"{color} and {_color(look.second, rng)}", pattern]
    elif look.second:
        # The second color comes after a material's own: "wooden and white striped".
        parts, material = [f"{material} and {_color(look.second, rng)}", pattern], ""
    else:
        parts = [color, pattern] if rng.random() < 0.5 else [pattern, color]
    parts = [*parts, material] if rng.random() < 0.8 or look.second else [material, *parts]
    return " ".join(filter(None, parts))


def _color(word: str, rng: np.random.Generator) -> str:
    return _spelled(word, SPELLINGS, rng)


def _spelled(word: str, spellings: Mapping[str, str], rng: np.random.Generator) -> str:
    """`word` or, one time in five, another spelling of it."""
    variants = [variant for variant, canonical in spellings.items() if canonical == word]
    return _choice(variants, rng) if variants and rng.random() < SPELLING_RATE else word


def _choice(values: Sequence[Value], rng: np.random.Generator) -> Value:
    return values[int(rng.integers(len(values)))]


def _article(words: str) -> str:
    return "an" if words.startswith(AN_SOUNDS) and not words.startswith("ufo") else "a"


def _is_many(name: str) -> bool:
    return name.endswith("s") and not name.endswith(("ss", "us"))
