"""What training never shows, so that tests can ask whether a prior composes. This is the one place.

About an eighth of four kinds of pairs, each fixed by a checksum and by nothing else, so that a choice does
not move when families or words are added:

- color x family: two of the sixteen main colors of each family, never its natural one;
- material x family: of the main part ("a glass sofa");
- pattern x family: of the main part ("a spotted tower");
- relation x pair of families: ordered as the relation says ("a duck on a crate").

A spec is held out when any of its pairs is. Looks of the other parts, sizes and missing parts never are.
"""

from functools import cache
from typing import Literal, get_args
from zlib import crc32

from dream3d.props.catalogue import FAMILIES
from dream3d.props.finish import MATERIALS, PATTERNS
from dream3d.props.palette import COLORS
from dream3d.props.spec import PropSpec, Spec
from dream3d.things.relations import Relation

PairKind = Literal["color", "material", "pattern", "relation"]
PAIR_KINDS: tuple[PairKind, ...] = get_args(PairKind)
HELD_OUT_COLORS = 2  # of 16 main colors per family
ONE_IN = 8  # of the other pairs


def is_held_out(spec: Spec) -> bool:
    """Whether any pair in the spec is kept out of training."""
    return bool(held_out_pairs(spec))


def held_out_pairs(spec: Spec) -> frozenset[PairKind]:
    """The kinds of pairs in the spec that are kept out of training."""
    if isinstance(spec, PropSpec):
        look = spec.main
        is_out: dict[PairKind, bool] = {
            "color": look.color in held_out_colors(spec.family),
            "material": look.material in held_out_materials(spec.family),
            "pattern": look.pattern in held_out_patterns(spec.family),
        }
        return frozenset(kind for kind in is_out if is_out[kind])
    pairs: set[PairKind] = {*held_out_pairs(spec.first), *held_out_pairs(spec.second)}
    if is_relation_held_out(spec.first.family, spec.relation, spec.second.family):
        pairs.add("relation")
    return frozenset(pairs)


@cache
def held_out_colors(family: str) -> frozenset[str]:
    """The main colors never trained for a family."""
    candidates = [color for color in COLORS if color != FAMILIES[family].parts[0].color]
    ranked = sorted(candidates, key=lambda color: crc32(f"{family}/{color}".encode()))
    return frozenset(ranked[:HELD_OUT_COLORS])


@cache
def held_out_materials(family: str) -> frozenset[str]:
    """The materials never trained for the main part of a family."""
    return frozenset(name for name in MATERIALS if _is_drawn(f"{family}/{name}"))


@cache
def held_out_patterns(family: str) -> frozenset[str]:
    """The patterns never trained for the main part of a family."""
    return frozenset(name for name in PATTERNS if _is_drawn(f"{family}/{name}"))


def is_relation_held_out(first: str, relation: Relation, second: str) -> bool:
    """Whether two families are never trained in this relation."""
    return _is_drawn(f"{first}/{relation}/{second}")


def _is_drawn(name: str) -> bool:
    return crc32(name.encode()) % ONE_IN == 0
