"""What a prop family is: names, parts with their natural colors, and a recipe for its shape."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dream3d.props.finish import Material
from dream3d.props.shapes import Solid

Build = list[tuple[str, Solid]]  # (part name, geometry); a part may appear many times

FULL_TURN = 360  # only one azimuth shows the front
HALF_TURN = 180
QUARTER_TURN = 90
ROUND = 0  # looks the same from every azimuth

WHOLE_TOP = (0.0, 1.0)


@dataclass(frozen=True)
class Part:
    """A part of a prop that can be named in a caption."""

    name: str
    color: str  # a word of `palette.COLORS`: what the part looks like when nothing is said about it
    also: tuple[str, ...] = ()  # other names
    made_of: Material | None = (
        None  # how it shines in its natural color; pictures of base colors do not show it
    )

    @classmethod
    def metal(cls, name: str, color: str, also: tuple[str, ...] = ()) -> "Part":
        """A part that shines like metal in its natural color."""
        return cls(name, color, also, "metal")

    @classmethod
    def glass(cls, name: str, color: str, also: tuple[str, ...] = ()) -> "Part":
        """A part that shines like glass."""
        return cls(name, color, also, "glass")

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the canonical one first."""
        return (self.name, *self.also)


class Vary:
    """Modest random proportions: `vary(0.5)` is 0.5 give or take 8%."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def __call__(self, value: float, spread: float = 0.08) -> float:
        """`value` times a factor drawn uniformly from [1 - spread, 1 + spread]."""
        return value * (1.0 + spread * (2.0 * self.rng.random() - 1.0))


@dataclass(frozen=True)
class Family:
    """A kind of prop. The first part carries the main color: "a blue mushroom" has a blue cap."""

    nouns: tuple[str, ...]  # synonyms, the canonical one first
    parts: tuple[Part, ...]
    build: Callable[[Vary], Build]
    turn: int = FULL_TURN  # degrees about the vertical axis after which it looks (nearly) the same again
    optional: tuple[str, ...] = ()  # parts that "without" takes away
    extra: tuple[str, ...] = ()  # parts that are there only when named: "a barrel with a lid"
    # Where other props can stand on it: from which to which share of the depth of its bounding box, from the
    # back. None: nothing is put on it in training.
    stand: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """The canonical noun."""
        return self.nouns[0]

    @property
    def symmetric(self) -> bool:
        """Whether some turn leaves it (nearly) unchanged, so that one view does not tell the azimuth."""
        return self.turn < FULL_TURN

    @property
    def default_colors(self) -> dict[str, str]:
        """Part name -> natural color word, of the parts that are there when nothing is said."""
        return {part.name: part.color for part in self.parts if part.name not in self.extra}

    def part(self, name: str) -> Part:
        """The part of this canonical name.

        Raises:
            KeyError: There is none.
        """
        return {part.name: part for part in self.parts}[name]


def parts(solids: list[Solid], name: str) -> Build:
    """Give several solids the same part name."""
    return [(name, solid) for solid in solids]
