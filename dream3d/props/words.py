"""The words of the grammar besides nouns and part names: spellings, sizes, relations, function words."""

from collections.abc import Mapping
from functools import cache

from dream3d.props.catalogue import FAMILIES
from dream3d.props.finish import MATERIAL_SPELLINGS, MATERIALS, PATTERN_SPELLINGS, PATTERNS, Pattern
from dream3d.props.palette import COLORS, SPELLINGS
from dream3d.props.spec import SIZES, Size
from dream3d.things.relations import INVERSE_RELATIONS, RELATION_SPELLINGS
from dream3d.things.sizes import SMALL_WORDS

SIZE_SPELLINGS: dict[str, Size] = {
    "thin": "slim",
    "narrow": "slim",
    "chubby": "fat",
    "thick": "fat",
    "broad": "wide",
    **dict.fromkeys(SMALL_WORDS[1:], "small"),
}
# "a mug with stripes": only where the family has no part of that name.
PATTERN_NOUNS: dict[str, Pattern] = {
    "stripes": "striped",
    "spots": "spotted",
    "dots": "spotted",
    "checks": "checkered",
}
MATERIAL_NOUNS: dict[str, str] = {"wooden": "wood", "brick": "bricks"}  # "made of wood"; others as they are
PREFIXES: tuple[str, ...] = ("a 3d model of", "3d model of", "low poly", "a low poly")
# Words that carry no meaning of their own. The first line is all that the first released prior knows.
FILLERS: frozenset[str] = frozenset(
    ["a", "an", "the", "of", "with", "and", "that", "is", "has", "in", "3d", "model", "low", "poly"]
)
MARKERS: frozenset[str] = frozenset(["with", "has", "without", "no", "that", "is", "made", "of", "painted"])
FUNCTION_WORDS: frozenset[str] = FILLERS | MARKERS | {"or"}
PARTS_WITHOUT_ARTICLE = """
    bread canvas clay coffee dough fabric fire frosting fur glass glaze gold ice icing iron jelly leather
    light liquid meat metal moss paper salad sand skin snow soup stone trim water wax wood wool
    wrapping
"""
MASS_NOUNS: frozenset[str] = frozenset(PARTS_WITHOUT_ARTICLE.split())


def canonical(word: str, names: tuple[str, ...], spellings: Mapping[str, str]) -> str | None:
    """The word of `names` that `word` is or spells, if any."""
    name = spellings.get(word, word)
    return name if name in names else None


def finish_role(word: str) -> tuple[str, str] | None:
    """("color" | "material" | "pattern", canonical word) of a word that describes a finish."""
    for role, names, spellings in (
        ("color", COLORS, SPELLINGS),
        ("material", MATERIALS, MATERIAL_SPELLINGS | {noun: m for m, noun in MATERIAL_NOUNS.items()}),
        ("pattern", PATTERNS, PATTERN_SPELLINGS),
    ):
        name = canonical(word, names, spellings)
        if name is not None:
            return role, name
    return None


@cache
def vocabulary() -> tuple[str, ...]:
    """All words that captions can contain, sorted."""
    texts = [*FUNCTION_WORDS, *PREFIXES, *COLORS, *SPELLINGS, *SIZES, *SIZE_SPELLINGS]
    texts += [*MATERIALS, *MATERIAL_SPELLINGS, *MATERIAL_NOUNS.values()]
    texts += [*PATTERNS, *PATTERN_SPELLINGS, *PATTERN_NOUNS]
    texts += [*RELATION_SPELLINGS, *INVERSE_RELATIONS]
    for family in FAMILIES.values():
        texts += family.nouns
        texts += [name for part in family.parts for name in part.names]
    return tuple(sorted({word for text in texts for word in text.split()}))
