"""What a caption says: one prop, or two and how they stand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dream3d.props.catalogue import FAMILIES
from dream3d.props.finish import Finish
from dream3d.things.relations import Relation

Size = Literal["tall", "short", "wide", "slim", "fat", "long", "small"]
SIZES: tuple[Size, ...] = ("tall", "short", "wide", "slim", "fat", "long", "small")


@dataclass(frozen=True)
class PropSpec:
    """What a caption says about a prop."""

    family: str  # canonical noun, a key of FAMILIES
    finishes: Mapping[str, Finish]  # part name -> look; parts that are not there are missing
    size: Size | None = None

    @property
    def main(self) -> Finish:
        """The look of the first part, which the noun's own adjectives describe."""
        return self.finishes[FAMILIES[self.family].parts[0].name]

    @property
    def colors(self) -> dict[str, str | None]:
        """Part name -> color word, None for the natural color of a material."""
        return {part: finish.color for part, finish in self.finishes.items()}


@dataclass(frozen=True)
class SceneSpec:
    """Two props: the first one stands on, next to (left of) or in front of the second one."""

    first: PropSpec
    relation: Relation
    second: PropSpec


Spec = PropSpec | SceneSpec


def prop_spec(
    family: str,
    looks: Mapping[str, str | Finish | None] | None = None,
    size: Size | None = None,
) -> PropSpec:
    """A spec in which whatever `looks` does not name has its natural look.

    Args:
        family: Canonical noun.
        looks: Part name -> color word, finish, or None where the part is missing.
        size: A word of SIZES.

    Raises:
        ValueError: for a family, part, color or size that does not exist, or a part that cannot be missing.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}")
    looks = looks or {}
    parts = {part.name for part in FAMILIES[family].parts}
    unknown = [name for name in looks if name not in parts]
    fixed = [f"version without {name}" for name in looks if not (looks[name] or can_be_missing(family, name))]
    if unknown or fixed or size not in (None, *SIZES):
        raise ValueError(f"{family} has no {', '.join([*unknown, *fixed]) or size}")
    finishes = {name: Finish(color) for name, color in FAMILIES[family].default_colors.items()}
    for name, look in looks.items():
        if look is None:
            finishes.pop(name, None)
        else:
            finishes[name] = look if isinstance(look, Finish) else Finish(look)
    return PropSpec(family, finishes, size)


def can_be_missing(family: str, part: str) -> bool:
    """Whether a prop of this family can do without the part."""
    return part in FAMILIES[family].optional + FAMILIES[family].extra
