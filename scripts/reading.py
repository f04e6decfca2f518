"""What a text encoder should be able to tell from a caption, and the heads that ask it.

A denoising loss teaches words slowly: after 730,000 images the prior's encoder told families apart (99.7% by
a linear probe of the pooled text) but hardly materials, patterns and second colors (88.5%, 85.7%, 89.1%,
where always answering "none" gives 79.2%, 80.5%, 90.0%). Captions come with what they say, so the encoder
can learn to read from text alone: linear heads on the pooled text must tell what is shown and how it looks,
and an attention over the tokens, asked for a part by name, must tell that part's look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dream3d.props import COLORS, FAMILIES, MATERIALS, PATTERNS, SIZES
from dream3d.props.captions import caption
from dream3d.props.sample import sample_spec
from dream3d.props.spec import PropSpec, SceneSpec, Spec
from dream3d.things.relations import RELATIONS

NOTHING = "none"
UNSAID = "natural"  # the color that a part has where none is said
LOOK_WORDS: tuple[tuple[str, ...], ...] = (
    (UNSAID, NOTHING, *COLORS),
    (NOTHING, *MATERIALS),
    (NOTHING, *PATTERNS),
    (NOTHING, *COLORS),
    ("there", "missing"),
)
PROP_WORDS: tuple[tuple[str, ...], ...] = (tuple(FAMILIES), (NOTHING, *SIZES))
SCENE_WORDS: tuple[tuple[str, ...], ...] = ((NOTHING, *RELATIONS),)
PARTS = tuple(sorted({part.name for family in FAMILIES.values() for part in family.parts}))
IGNORED = -100  # as torch.nn.functional.cross_entropy calls it
QUERIES = 3  # parts asked for per prop: the main one and two others


@dataclass(frozen=True)
class Reading:
    """Captions and what they say, as indices into the words above; IGNORED where there is no such thing."""

    captions: list[str]
    scene: Tensor  # [B, 1]
    props: Tensor  # [B, 2, 2 + 5]: of the first and the second prop, with the main part's look
    asked: Tensor  # [B, 2, QUERIES], index of PARTS
    looks: Tensor  # [B, 2, QUERIES, 5]


def draw_reading(rng: np.random.Generator, count: int) -> Reading:
    """Draw captions of the training distribution."""
    families = list(FAMILIES)
    specs = [sample_spec(rng, families[rng.integers(len(families))]) for _ in range(count)]
    scene, props, asked, looks = zip(*(_answers(spec, rng) for spec in specs), strict=True)
    return Reading(
        [caption(spec, rng) for spec in specs],
        torch.tensor(scene),
        torch.tensor(props),
        torch.tensor(asked),
        torch.tensor(looks),
    )


def _answers(spec: Spec, rng: np.random.Generator) -> tuple[list, list, list, list]:
    """What one caption says; two nested lists per prop, the second prop's ignored where there is none."""
    pair = (spec.first, spec.second) if isinstance(spec, SceneSpec) else (spec,)
    relation = spec.relation if isinstance(spec, SceneSpec) else NOTHING
    props, asked, looks = [], [], []
    for prop in pair:
        parts = [part.name for part in FAMILIES[prop.family].parts]
        others = rng.choice(parts[1:] or parts, QUERIES - 1).tolist()
        names = [parts[0], *others]
        look = [_look(prop, name) for name in names]
        said = (prop.family, prop.size or NOTHING)
        props.append([words.index(w) for words, w in zip(PROP_WORDS, said, strict=True)] + look[0])
        asked.append([PARTS.index(name) for name in names])
        looks.append(look)
    for _ in range(2 - len(pair)):
        props.append([IGNORED] * len(props[0]))
        asked.append([0] * QUERIES)
        looks.append([[IGNORED] * len(LOOK_WORDS)] * QUERIES)
    return [SCENE_WORDS[0].index(relation)], props, asked, looks


def _look(prop: PropSpec, part: str) -> list[int]:
    """What is said of a part, one index per kind of LOOK_WORDS."""
    finish = prop.finishes.get(part)
    if finish is None:
        return [IGNORED] * (len(LOOK_WORDS) - 1) + [1]
    natural = FAMILIES[prop.family].part(part).color
    color = UNSAID if finish.color == natural and not finish.material else finish.color
    said = (color, finish.material, finish.pattern, finish.second, "there")
    return [words.index(word or NOTHING) for words, word in zip(LOOK_WORDS, said, strict=True)]


@dataclass(frozen=True)
class Answered:
    """Logits and right answers of one question."""

    name: str
    logits: Tensor  # [N, C]
    target: Tensor  # [N], IGNORED where not asked

    def loss(self) -> Tensor:
        """Cross entropy, 0 where nothing is asked."""
        losses = functional.cross_entropy(self.logits, self.target, ignore_index=IGNORED, reduction="sum")
        return losses / (self.target != IGNORED).sum().clamp_min(1)


class Reader(nn.Module):
    """The heads that ask; thrown away after the lesson."""

    def __init__(self, width: int) -> None:
        super().__init__()
        prop_sizes = [len(words) for words in (*PROP_WORDS, *LOOK_WORDS)]
        self.scene = nn.Linear(width, len(SCENE_WORDS[0]))
        self.props = nn.ModuleList([nn.Linear(width, sum(prop_sizes)) for _ in range(2)])
        self.prop_sizes = prop_sizes
        self.query = nn.Embedding(2 * len(PARTS), width)
        self.attention = nn.MultiheadAttention(width, 8, batch_first=True)
        self.look = nn.Linear(width, sum(len(words) for words in LOOK_WORDS))

    def forward(self, pooled: Tensor, tokens: Tensor, is_padding: Tensor, reading: Reading) -> list[Answered]:
        """Answer everything that is asked about a batch.

        Args:
            pooled: [B, D].
            tokens: [B, L, D].
            is_padding: [B, L] bool.
            reading: The questions and their answers.
        """
        answered = [Answered("relation", self.scene(pooled), reading.scene[:, 0])]
        names = ("family", "size", "color", "material", "pattern", "second", "presence")
        for index, head in enumerate(self.props):
            logits = head(pooled).split(self.prop_sizes, dim=-1)
            for kind, name in enumerate(names):
                answered.append(Answered(name, logits[kind], reading.props[:, index, kind]))
        order = torch.arange(2)[None, :, None] * len(PARTS)
        query = self.query((reading.asked + order).flatten(1))  # [B, 2 QUERIES, D]
        seen, _ = self.attention(query, tokens, tokens, is_padding, need_weights=False)
        logits = self.look(seen).flatten(0, 1).split([len(words) for words in LOOK_WORDS], dim=-1)
        targets = reading.looks.flatten(0, 2)
        for kind, name in enumerate(names[2:]):
            answered.append(Answered(f"part {name}", logits[kind], targets[:, kind]))
        return answered


def accuracy(answered: Sequence[Answered]) -> dict[str, tuple[float, float]]:
    """Question -> share of right answers, and of those of the commonest answer."""
    result = {}
    for name in dict.fromkeys(each.name for each in answered):
        mine = [each for each in answered if each.name == name]
        target = torch.cat([each.target for each in mine])
        found = torch.cat([each.logits.argmax(-1) for each in mine])[target != IGNORED]
        target = target[target != IGNORED]
        result[name] = (
            float((found == target).float().mean()),
            float((target == target.mode().values).float().mean()),
        )
    return result
