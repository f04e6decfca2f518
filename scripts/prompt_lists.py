"""Write the prompt lists that results are measured on: assets/prompts/*.txt, always the same ones.

    python scripts/prompt_lists.py

Half of each list says a combination that training never shows, a quarter of these for each kind of pair. Its
neighbour in the list says the same kind of thing in a combination that training does show, so that both
halves differ in nothing else. No two lists share a spec, in whatever words. Results on lists that were drawn
anew cannot be compared with older ones.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dream3d.evaluate.prompts import read_prompts
from dream3d.props import (
    FAMILIES,
    PAIR_KINDS,
    PairKind,
    PropSpec,
    Spec,
    caption,
    held_out_pairs,
    parse_caption,
    sample_spec,
)

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "prompts"
SEED = 3
REPEAT_FACTOR = 0.1  # on the chance of a family for each time it is in the list already


@dataclass(frozen=True)
class Plan:
    """A list that is to be drawn."""

    name: str
    count: int
    about: str
    is_asymmetric: bool = False  # only families whose front one view tells
    kinds: tuple[PairKind, ...] = PAIR_KINDS  # what its prompts say


PLANS = (
    Plan("prior400", 400, "The prior's own samples are measured on these (scripts/eval_prior.py)."),
    Plan("standard100", 100, "Assets of the standard effort are measured on these."),
    Plan("draft40", 40, "Assets of the draft effort are measured on these."),
    Plan("gallery40", 40, "The unselected page of the gallery; never look at these while tuning."),
    Plan("ablation12", 12, "Defaults are settled on these (scripts/ablate.py).", is_asymmetric=True),
    Plan("guidance16", 16, "Methods are compared on these (scripts/compare_guidance.py).", True, ("color",)),
)


@dataclass(frozen=True)
class Prompt:
    """A line of a list."""

    text: str
    spec: Spec
    kind: PairKind  # that of the pair which training shows or does not show
    is_held_out: bool

    @property
    def line(self) -> str:
        """The prompt, and what it tests as a comment."""
        return f"{self.text:80s}  # {'held out' if self.is_held_out else 'seen'}: {self.kind}"


def draw_lists(families: Sequence[str]) -> dict[str, list[Prompt]]:
    """All lists by name, drawn from these families in whatever order."""
    rng = np.random.default_rng(SEED)
    taken = [parse_caption(line.text) for line in read_prompts([FOLDER / "gallery.txt"]).lines]
    lists: dict[str, list[Prompt]] = {}
    for plan in PLANS:
        names = [n for n in sorted(families) if not (plan.is_asymmetric and FAMILIES[n].symmetric)]
        lists[plan.name] = list(draw_list(rng, plan.count, names, taken, plan.kinds))
    return lists


def draw_list(
    rng: np.random.Generator,
    count: int,
    families: Sequence[str],
    taken: list[Spec | None],
    kinds: Sequence[PairKind] = PAIR_KINDS,
) -> Iterator[Prompt]:
    """Draw prompts, seen and held out in turn; what is drawn is added to `taken`."""
    uses: Counter[str] = Counter()
    for index in range(count):
        kind, is_held_out = kinds[index // 2 % len(kinds)], index % 2 == 1

        def is_wanted(spec: Spec, kind: PairKind = kind, is_held_out: bool = is_held_out) -> bool:
            return spec not in taken and says_pair(spec, kind, is_held_out)

        spec = _draw_spec(rng, families, uses, is_wanted)
        taken.append(spec)
        yield Prompt(caption(spec, rng), spec, kind, is_held_out)


def says_pair(spec: Spec, kind: PairKind, is_held_out: bool) -> bool:
    """Whether the spec says a pair of this kind, and no other pair but that one may be held out."""
    if held_out_pairs(spec) != ({kind} if is_held_out else frozenset()):
        return False
    if not isinstance(spec, PropSpec):
        return kind == "relation"
    look, natural = spec.main, FAMILIES[spec.family].parts[0].color
    match kind:
        case "color":
            return look.color not in (None, natural)
        case "material":
            return look.material is not None
        case "pattern":
            return look.pattern is not None
        case "relation":
            return False


def _draw_spec(
    rng: np.random.Generator, families: Sequence[str], uses: Counter[str], is_wanted: Callable[[Spec], bool]
) -> Spec:
    """The first wanted spec of random families, of those that came up seldom so far rather than others."""
    shares = np.array([REPEAT_FACTOR ** uses[name] for name in families])
    shares /= shares.sum()
    while True:
        name = families[rng.choice(len(families), p=shares)]
        spec = sample_spec(rng, name, families=families, allow_held_out=True)
        if is_wanted(spec):
            uses[name] += 1
            return spec


def encode(plan: Plan, prompts: Sequence[Prompt]) -> str:
    """The content of a list's file."""
    head = f"# {plan.about}\n# Drawn by scripts/prompt_lists.py; half of the combinations were held out.\n"
    return head + "".join(f"{prompt.line}\n" for prompt in prompts)


def main() -> None:
    """Draw and write."""
    lists = draw_lists(list(FAMILIES))
    for plan in PLANS:
        path = FOLDER / f"{plan.name}.txt"
        path.write_text(encode(plan, lists[plan.name]), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
