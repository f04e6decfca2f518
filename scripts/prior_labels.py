"""What is seen where in a training picture, which the prior's network learns to tell beside denoising.

A squared error over pixels teaches slowly which words belong to which place: a caption's "green lid" moves
few pixels, and a material or a pattern hardly any until the noise is low. The renderer knows what every cell
shows. A linear head on the network's features (as in REPA, Yu et al. 2024, arXiv 2410.06940, which asks them
for another network's features) has to tell it, at every noise level: where the picture cannot say, from the
caption. The head (dream3d/prior/cell_reader.py) travels with the prior: it tells what an asset is made of.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dream3d.cameras import Cameras
from dream3d.metrics.questions import present_parts, props_of
from dream3d.ops.rasterize import rasterize
from dream3d.prior.cell_reader import CELL, CellReader
from dream3d.props import COLORS, FAMILIES, MATERIALS, PATTERNS, Prop
from dream3d.props.finish import Finish, second_color
from dream3d.stage_config import Shading

NOTHING = "none"
# The answers to what is asked of a cell. Where it is empty, only the first question has one.
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "family": (NOTHING, *FAMILIES),
    "part": tuple(sorted({part.name for family in FAMILIES.values() for part in family.parts})),
    "color": (NOTHING, *COLORS),
    "material": (NOTHING, *MATERIALS),
    "pattern": (NOTHING, *PATTERNS),
    "second color": (NOTHING, *COLORS),
}
NATURALS = {
    (name, part.name): (part.color, part.made_of)
    for name, family in FAMILIES.items()
    for part in family.parts
    if part.made_of
}
SHAPE = ("family", "part")  # Also seen in pictures without colors.
UNSAID = ("material", "pattern", "second color")  # mostly "none"
# Of a look that nobody has to say, and of the answer "none" about it: nine of ten are, which teaches little.
COMMON_WEIGHT = 0.15


@dataclass(frozen=True)
class CellLabels:
    """What is seen in the middle of every cell, and how much each answer counts."""

    answers: Tensor  # [B, Q, h, w] int16, an index of each of ANSWERS
    weights: Tensor  # [B, Q, h, w], 0 where nothing is asked


def join_labels(labels: Sequence[CellLabels]) -> CellLabels:
    """One batch of several."""
    return CellLabels(torch.cat([x.answers for x in labels]), torch.cat([x.weights for x in labels]))


def cell_labels(prop: Prop, cameras: Cameras, shading: Sequence[Shading], size: int) -> CellLabels:
    """Right answers for the middle of every cell.

    A part counts in a picture by the root of its area there: by its area, a handle would hardly be asked for.

    Args:
        prop: What the pictures show.
        cameras: B cameras.
        shading: Of the B pictures; no look is asked for where it hides the colors.
        size: Of the pictures, pixels per side; h = w = size / CELL.
    """
    clip, side = cameras.to_clip(torch.from_numpy(prop.mesh.vertices)), size // CELL
    triangle = rasterize(clip, torch.from_numpy(prop.mesh.faces), side, side).triangle_id.long()  # [B, h, w]
    answers, weights = _paint_table(prop)  # [paints + 1, Q]
    paint = torch.from_numpy(prop.paint_of_face).long()[triangle.clamp_min(0)]
    paint = torch.where(triangle < 0, len(answers) - 1, paint)
    area = torch.stack([torch.bincount(each.flatten(), minlength=len(answers)) for each in paint])
    area = area.gather(1, paint.flatten(1)).reshape(paint.shape)
    is_colorless = torch.tensor([name in ("textureless", "normals") for name in shading])
    is_look = torch.tensor([name not in SHAPE for name in ANSWERS])
    hidden = (is_colorless[:, None] & is_look)[..., None, None]
    weight = weights[paint].movedim(-1, 1) / area[:, None].sqrt()
    return CellLabels(answers[paint].movedim(-1, 1), weight.masked_fill(hidden, 0.0))


def _paint_table(prop: Prop) -> tuple[Tensor, Tensor]:
    """Answers and weights [paints + 1, Q] of each of the prop's paints, and of nothing."""
    answers, weights = [], []
    for spec in props_of(prop.spec):
        for part, finish in present_parts(spec):
            look = _look(finish)
            natural = is_natural(spec.family, part, finish)
            is_common = [natural, *(natural or word == NOTHING for word in look[1:])]  # of UNSAID
            row = (spec.family, part, *look)
            answers.append([words.index(word) for words, word in zip(ANSWERS.values(), row, strict=True)])
            weights.append([1.0, 1.0, *(COMMON_WEIGHT if common else 1.0 for common in is_common)])
    answers.append([0] * len(ANSWERS))
    weights.append([1.0] + [0.0] * (len(ANSWERS) - 1))
    return torch.tensor(answers, dtype=torch.int16), torch.tensor(weights)


def is_natural(family: str, part: str, finish: Finish) -> bool:
    """Whether a part looks as it does when nothing is said about it."""
    return finish == Finish(FAMILIES[family].part(part).color)


def _look(finish: Finish) -> tuple[str, ...]:
    """Color, material, pattern and second color as they are seen."""
    second = second_color(finish) if finish.pattern else NOTHING
    return finish.color or NOTHING, finish.material or NOTHING, finish.pattern or NOTHING, second


def telling_loss(scores: Mapping[str, Tensor], labels: CellLabels) -> Tensor:
    """Sum over the questions of the weighted mean cross entropy.

    Args:
        scores: Of the `CellReader`, logits [B, h, w, answers] of each question.
        labels: Of the same cells.
    """
    losses = []
    for index, question in enumerate(ANSWERS):
        logits = scores[question].flatten(0, 2)
        answers = labels.answers[:, index].flatten().to(logits.device, torch.int64)
        weights = labels.weights[:, index].flatten().to(logits)
        each = functional.cross_entropy(logits, answers, reduction="none")
        losses.append((each * weights).sum() / weights.sum().clamp_min(1e-6))
    return torch.stack(losses).sum()


def calibrated(reader: CellReader, weight: float = COMMON_WEIGHT) -> CellReader:
    """The reader as it is used: training weighed "none" down, so it was told too rarely.

    Args:
        reader: One that was trained; left as it is.
        weight: How much "none" counted. The inverse makes of one that is used one to train on.
    """
    result = copy.deepcopy(reader)
    start = 0
    with torch.no_grad():
        for question, words in reader.answers.items():
            if question in UNSAID:
                result.head.bias[start + words.index(NOTHING)] -= math.log(weight)
            start += len(words)
    return result
