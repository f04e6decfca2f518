"""A frozen, learned judge of pictures: does it show what the words say, part by part, and from which side?

It was trained on renders of the procedural props with seeds, shading and an architecture of its own
(`scripts/train_judge.py`), also on the combinations that the prior has never seen. Its card, beside the
weights, says how often it is right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dream3d.metrics.changes import are_close
from dream3d.metrics.judge_folder import Lexicon, find_judge, read_judge
from dream3d.metrics.judge_network import JudgeNetwork, PartLogits, PictureFeatures
from dream3d.metrics.questions import (
    COLOR_ANSWERS,
    MATERIAL_ANSWERS,
    NONE,
    OWN_COLOR,
    PATTERN_ANSWERS,
    RELATION_ANSWERS,
    SECOND_ANSWERS,
    Kind,
    PartAnswers,
    part_answers,
    props_of,
    said_kinds,
)
from dream3d.props import COLORS, Finish, PropSpec, SceneSpec, Spec, Told

IMAGES_AT_ONCE = 64  # bounds memory
PRESENT, ABSENT = "there", "missing"
SHARE_OF_VIEWS = 0.25  # a part is there when this share of the views, the best ones, show it


@dataclass(frozen=True)
class Answer:
    """What the judge answers to one question about a thing, and what the spec says."""

    kind: Kind
    family: str  # of the object that was asked about
    part: str | None  # None: the whole object
    expected: tuple[str, ...]  # words that count as right; more than one where they look the same
    found: str
    log_prob: float  # of the expected words together
    seen: float  # how surely any of the pictures shows the part, 0 to 1
    is_said: bool  # the caption tells or needs it; otherwise it is what remains natural

    @property
    def is_right(self) -> bool:
        """Whether the most probable answer is an expected one."""
        return self.found in self.expected


def is_exact(answers: Sequence[Answer]) -> bool:
    """Whether everything that the caption says is right (attribute exact match)."""
    return all(answer.is_right for answer in answers if answer.is_said)


class Judge:
    """Answers in float32 on the CPU; the same pictures get the same answers in any company."""

    def __init__(self, network: JudgeNetwork, lexicon: Lexicon, card: dict[str, Any]) -> None:
        self.card = card
        self._network, self._lexicon = network, lexicon

    @staticmethod
    def from_pretrained(name_or_path: str | Path = "props") -> "Judge":
        """Load a judge that ships with the package, or one from a folder.

        Raises:
            InputError: There is none of that name or path, or it is damaged.
        """
        return Judge(*read_judge(find_judge(name_or_path)))

    @torch.no_grad()
    def image_text_scores(self, images: Tensor, captions: Sequence[str]) -> Tensor:
        """How well captions fit pictures; the softmax over captions is the probability of each among them.

        Args:
            images: [N, 64, 64, 4], premultiplied sRGB in [0, 1].
            captions: M texts.

        Returns:
            [N, M] logits.
        """
        texts = self._network.read_captions(self._lexicon.ids(captions, begin=True))
        return torch.cat([self._network.scores(f.places, texts) for f in self._features(images)])

    @torch.no_grad()
    def azimuth_log_probs(self, images: Tensor) -> Tensor:
        """Log-probabilities of the camera's azimuth; bin k of K is centred on 360 k / K degrees.

        Things that look the same after a turn get as many peaks; round things mean nothing here.

        Args:
            images: [N, 64, 64, 4], premultiplied sRGB in [0, 1].

        Returns:
            [N, 36].
        """
        return torch.cat([f.scene.azimuth.log_softmax(-1) for f in self._features(images)])

    @torch.no_grad()
    def attribute_match(self, images: Tensor, spec: Spec, told: Sequence[Told] = ()) -> list[Answer]:
        """Ask for everything that `spec` says about a thing, and for what it leaves natural.

        Log-probabilities are averaged over the pictures; those of a part's look are weighted by how surely
        each picture shows the part. Of a single picture, `Answer.seen` tells whether it can be judged at all.

        Args:
            images: [N, 64, 64, 4], N views of one thing, premultiplied sRGB in [0, 1].
            spec: What it should be, from `parse_caption`. Sizes are not judged.
            told: What the words tell, from `told_looks`: it counts as said also where it is natural.

        Returns:
            One answer per question: families, relation, presence, color, material and pattern of parts.
        """
        parts = list(part_answers(spec, told))
        nouns = self._lexicon.ids([part.family for part in parts])
        names = self._lexicon.ids([part.part for part in parts])
        questions = self._network.part_questions(nouns, names)
        features = list(self._features(images))
        replies = [
            self._network.answer_parts(f.tokens, questions.expand(len(f.tokens), -1, -1)) for f in features
        ]
        logits = PartLogits(*(torch.cat(each) for each in zip(*replies, strict=True)))
        answers = list(self._scene_answers(features, spec))
        for index, part in enumerate(parts):
            answers += _part_answers(PartLogits(*(each[:, index] for each in logits)), part)
        return answers

    def _features(self, images: Tensor) -> Iterator[PictureFeatures]:
        for start in range(0, len(images), IMAGES_AT_ONCE):
            yield self._network.read_pictures(images[start : start + IMAGES_AT_ONCE])

    def _scene_answers(self, features: Sequence[PictureFeatures], spec: Spec) -> Iterator[Answer]:
        """Which objects these are, and how they stand to each other."""
        first, second, relation = (
            torch.cat([f.scene[index] for f in features]).log_softmax(-1) for index in range(3)
        )
        families = self._lexicon.families
        if isinstance(spec, PropSpec):
            weights = torch.ones(len(first))
            yield _answer("family", spec.family, None, first, families, [spec.family], weights, True)
            yield _answer("relation", spec.family, None, relation, RELATION_ANSWERS, [NONE], weights, False)
        else:
            yield from pair_answers(first, second[:, : len(families)], relation, families, spec)


def pair_answers(
    first: Tensor, second: Tensor, relation: Tensor, families: Sequence[str], spec: SceneSpec
) -> Iterator[Answer]:
    """Whether both objects are there, whichever the judge names first, and whether the relation is right.

    Which is which belongs to the relation: a barrel on a candle is not a candle on a barrel. "Next to" says
    the same both ways.

    Args:
        first: [N, families] log-probabilities of the object that the relation names first.
        second: [N, families], of the other one.
        relation: [N, relations].
        families: The judge's names.
        spec: What it should be.
    """
    names = [prop.family for prop in props_of(spec)]
    a, b = (families.index(name) for name in names)
    either = torch.logaddexp(first, second).clamp_max(0.0).mean(0)  # that one of the two is this
    best = [families[int(index)] for index in either.topk(2).indices][: len(set(names))]
    for name in names:
        found = name if name in best else best[0]
        log_prob = float(either[families.index(name)])
        yield Answer("family", name, None, (name,), found, log_prob, 1.0, True)
    ordered = first[:, a] + second[:, b] - first[:, b] - second[:, a]
    found = RELATION_ANSWERS[int(relation.mean(0).argmax())]
    if found == spec.relation != "next to" and set(best) == set(names) and ordered.mean() < 0:
        found += ", the other way round"
    log_prob = float(relation.mean(0)[RELATION_ANSWERS.index(spec.relation)])
    yield Answer("relation", names[0], None, (spec.relation,), found, log_prob, 1.0, True)


def _part_answers(logits: PartLogits, part: PartAnswers) -> Iterator[Answer]:
    """The answers about one part, whose logits are [N, ...]."""
    said = said_kinds(part)
    visible = logits.visible.sigmoid()  # [N]
    count = max(1, round(SHARE_OF_VIEWS * len(visible)))
    seen = float(visible.topk(count).values.mean())
    expected = PRESENT if part.finish else ABSENT
    right = seen if part.finish else 1.0 - seen
    log_prob = float(torch.tensor(right).clamp_min(1e-6).log())
    found = PRESENT if seen > 0.5 else ABSENT
    is_said = "presence" in said
    yield Answer("presence", part.family, part.part, (expected,), found, log_prob, seen, is_said)
    if part.finish is None:
        return
    asked: list[tuple[Kind, Tensor, tuple[str, ...], list[str]]] = [
        ("color", logits.color, COLOR_ANSWERS, accepted_colors(part.finish)),
        ("material", logits.material, MATERIAL_ANSWERS, [part.material]),
        ("pattern", logits.pattern, PATTERN_ANSWERS, [part.pattern]),
    ]
    if part.finish.pattern:
        asked.append(("second color", logits.second, SECOND_ANSWERS, [part.second]))
    for kind, values, words, accepted in asked:
        yield _answer(kind, part.family, part.part, values, words, accepted, visible, kind in said, seen)


def accepted_colors(finish: Finish) -> list[str]:
    """The color answers that are right for a finish: its word, and words that nobody can tell from it."""
    if finish.material is None:
        return [finish.color or OWN_COLOR]
    plain = Finish(None, finish.material)
    if finish.color is None:
        return [OWN_COLOR, *(c for c in COLORS if are_close(plain, Finish(c, finish.material)))]
    same = are_close(plain, Finish(finish.color, finish.material))
    return [finish.color, *([OWN_COLOR] if same else [])]


def _answer(
    kind: Kind,
    family: str,
    part: str | None,
    logits: Tensor,  # [N, words]
    words: Sequence[str],
    accepted: Sequence[str],
    weights: Tensor,  # [N]
    is_said: bool,
    seen: float = 1.0,
) -> Answer:
    """The answer of the log-probabilities averaged over N pictures with weights."""
    log_probs = (logits.log_softmax(-1) * weights[:, None]).sum(0) / weights.sum().clamp_min(1e-6)
    right = log_probs[[words.index(word) for word in accepted]].logsumexp(0)
    found = words[int(log_probs.argmax())]
    return Answer(kind, family, part, tuple(accepted), found, float(right), seen, is_said)
