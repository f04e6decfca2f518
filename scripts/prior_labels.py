"""What is seen where in a training picture, which the prior's network learns to tell beside denoising.

A squared error over pixels teaches slowly which words belong to which place: a caption's "green lid" moves
few pixels, and a material or a pattern hardly any until the noise is low. The renderer knows what every cell
shows. A linear head on the network's features (as in REPA, Yu et al. 2024, arXiv 2410.06940, which asks them
for another network's features) has to tell it, at every noise level: where the picture cannot say, from the
caption. The head is thrown away after training.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dream3d.cameras import Cameras
from dream3d.metrics.questions import present_parts, props_of
from dream3d.ops.rasterize import rasterize
from dream3d.props import COLORS, FAMILIES, MATERIALS, PATTERNS, Prop
from dream3d.props.finish import Finish, second_color
from dream3d.stage_config import Shading

CELL = 4  # Pixels per side; one cell for each feature behind the network's first up block.
NOTHING = "none"
IGNORED = -100  # as torch.nn.functional.cross_entropy calls it
# The answers to what is asked of a cell. Where it is empty, only the first question has one.
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "family": (NOTHING, *FAMILIES),
    "part": tuple(sorted({part.name for family in FAMILIES.values() for part in family.parts})),
    "color": (NOTHING, *COLORS),
    "material": (NOTHING, *MATERIALS),
    "pattern": (NOTHING, *PATTERNS),
    "second color": (NOTHING, *COLORS),
}
SHAPE = ("family", "part")  # Also seen in pictures without colors.
COMMON_WEIGHT = 0.15  # of the answer "none" about a look: nine cells of ten are plain, which teaches little
EMPTY = (0, *[IGNORED] * (len(ANSWERS) - 1))


def cell_labels(prop: Prop, cameras: Cameras, shading: Sequence[Shading], size: int) -> Tensor:
    """Right answers for the middle of every cell.

    Args:
        prop: What the pictures show.
        cameras: B cameras.
        shading: Of the B pictures; no look is asked for where it hides the colors.
        size: Of the pictures, pixels per side.

    Returns:
        [B, Q, size / CELL, size / CELL] int16, an index of each of ANSWERS or IGNORED.
    """
    clip, side = cameras.to_clip(torch.from_numpy(prop.mesh.vertices)), size // CELL
    triangle = rasterize(clip, torch.from_numpy(prop.mesh.faces), side, side).triangle_id.long()  # [B, h, w]
    paint = torch.from_numpy(prop.paint_of_face).long()[triangle.clamp_min(0)]
    table = torch.tensor([*_paint_labels(prop), EMPTY], dtype=torch.int16)  # [paints + 1, Q]
    labels = table[torch.where(triangle < 0, len(table) - 1, paint)].movedim(-1, 1)
    is_colorless = torch.tensor([name in ("textureless", "normals") for name in shading])
    is_look = torch.tensor([name not in SHAPE for name in ANSWERS])
    return labels.masked_fill((is_colorless[:, None] & is_look)[..., None, None], IGNORED)


def _paint_labels(prop: Prop) -> list[tuple[int, ...]]:
    """One row of answers for each of the prop's paints."""
    seen = [
        (spec.family, part, *_look(finish))
        for spec in props_of(prop.spec)
        for part, finish in present_parts(spec)
    ]
    return [tuple(w.index(word) for w, word in zip(ANSWERS.values(), row, strict=True)) for row in seen]


def _look(finish: Finish) -> tuple[str, ...]:
    """Color, material, pattern and second color as they are seen."""
    second = second_color(finish) if finish.pattern else NOTHING
    return finish.color or NOTHING, finish.material or NOTHING, finish.pattern or NOTHING, second


class CellReader(nn.Module):
    """Tells what every cell shows from the features of the network, all questions with one linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, sum(len(words) for words in ANSWERS.values()))
        self.answer_weights = [_answer_weights(name) for name in ANSWERS]

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Sum over the questions of the mean cross entropy, weighted by how common the right answer is.

        Args:
            features: [B, C, h, w].
            labels: [B, Q, h, w] from `cell_labels`.
        """
        rows = functional.layer_norm(features.movedim(1, -1).flatten(0, 2).float(), features.shape[1:2])
        logits = self.head(rows).split([len(words) for words in ANSWERS.values()], dim=1)
        losses = []
        for index, scores in enumerate(logits):
            target = labels[:, index].flatten().long()
            weights = self.answer_weights[index].to(scores)
            each = functional.cross_entropy(scores, target, weights, ignore_index=IGNORED, reduction="sum")
            total = weights[target[target != IGNORED]].sum()
            losses.append(each / total.clamp_min(1.0))
        return torch.stack(losses).sum()


def _answer_weights(question: str) -> Tensor:
    weights = torch.ones(len(ANSWERS[question]))
    if question in ("material", "pattern", "second color"):
        weights[0] = COMMON_WEIGHT
    return weights
