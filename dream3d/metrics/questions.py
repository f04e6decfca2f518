"""What a judge is asked about a spec, and the right answers: indices into fixed lists of words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dream3d.props import COLORS, FAMILIES, MATERIALS, PATTERNS, RELATIONS, Finish, PropSpec, Spec, Told
from dream3d.props.family import FULL_TURN, ROUND
from dream3d.props.finish import second_color

Kind = Literal["family", "relation", "presence", "color", "second color", "material", "pattern"]

OWN_COLOR = "the material's own"
NONE = "none"
COLOR_ANSWERS = (*COLORS, OWN_COLOR)
SECOND_ANSWERS = (*COLORS, NONE)
MATERIAL_ANSWERS = (NONE, *MATERIALS)
PATTERN_ANSWERS = (NONE, *PATTERNS)
RELATION_ANSWERS = (NONE, *RELATIONS)
KIND_OF_ROLE: Mapping[str, Kind] = {
    "color": "color",
    "material": "material",
    "pattern": "pattern",
    "second": "second color",
}


@dataclass(frozen=True)
class PartAnswers:
    """The truth about one part of one prop."""

    family: str
    part: str
    finish: Finish | None  # None: the part is not there
    told: frozenset[Kind] = frozenset()  # what the words ask for, also where it is natural

    @property
    def color(self) -> str:
        """The color word, or that of the material."""
        assert self.finish is not None
        return self.finish.color or OWN_COLOR

    @property
    def second(self) -> str:
        """The other color of a pattern, also where it is not said."""
        assert self.finish is not None
        return second_color(self.finish) if self.finish.pattern else NONE

    @property
    def material(self) -> str:
        """The material, or that nothing is visible of one."""
        assert self.finish is not None
        return self.finish.material or NONE

    @property
    def pattern(self) -> str:
        """The pattern, or none."""
        assert self.finish is not None
        return self.finish.pattern or NONE


def props_of(spec: Spec) -> tuple[PropSpec, ...]:
    """The one prop, or the two in the order of the relation."""
    return (spec,) if isinstance(spec, PropSpec) else (spec.first, spec.second)


def part_answers(spec: Spec, told: Sequence[Told] = ()) -> Iterator[PartAnswers]:
    """First the parts that are there, in the order of `Prop.paints`; then those that are not.

    Args:
        spec: What is asked for.
        told: Of each of its props, from `told_looks`; without it only what is not natural counts as said.
    """
    props = props_of(spec)
    looks: Sequence[Told] = told or [{}] * len(props)
    for prop, told_of in zip(props, looks, strict=True):
        for part, finish in present_parts(prop):
            yield PartAnswers(prop.family, part, finish, _told_kinds(prop.family, part, told_of))
    for prop, told_of in zip(props, looks, strict=True):
        for part in FAMILIES[prop.family].parts:
            if part.name not in prop.finishes:
                yield PartAnswers(prop.family, part.name, None, _told_kinds(prop.family, part.name, told_of))


def _told_kinds(family: str, part: str, told: Told) -> frozenset[Kind]:
    """The questions that words about a part ask. One that is named must be there; the main one always is."""
    if part not in told:
        return frozenset()
    asked: set[Kind] = {KIND_OF_ROLE[role] for role in told[part]}
    if part != FAMILIES[family].parts[0].name:
        asked.add("presence")
    return frozenset(asked)


def present_parts(prop: PropSpec) -> list[tuple[str, Finish]]:
    """The parts that are there and their looks, in the order of the family."""
    names = [part.name for part in FAMILIES[prop.family].parts]
    return [(name, prop.finishes[name]) for name in names if name in prop.finishes]


def turn_of(spec: Spec) -> int:
    """Degrees about the vertical axis after which what is shown looks the same again; 0 for round things."""
    if not isinstance(spec, PropSpec) and spec.relation != "on":
        return FULL_TURN
    turns = [FAMILIES[prop.family].turn for prop in props_of(spec)]
    return max(turns) if any(turns) else ROUND


def said_kinds(answers: PartAnswers) -> frozenset[Kind]:
    """What a caption must say about a part, and what this one tells; the rest is natural."""
    family, finish = FAMILIES[answers.family], answers.finish
    is_there_by_default = answers.part not in family.extra
    said: set[Kind] = set(answers.told)
    if (finish is not None) != is_there_by_default:
        said.add("presence")
    if finish is None:
        return frozenset(said)
    if finish.color is not None and (finish.material or finish.color != family.part(answers.part).color):
        said.add("color")
    if finish.material:
        said.add("material")
    if finish.pattern:
        said.add("pattern")
    if finish.second:
        said.add("second color")
    return frozenset(said)
