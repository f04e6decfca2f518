"""Training data of the learned judge: renders of props, made on the fly, with all that is true of them.

Batch number i of a seed is always the same batch. Props come in pairs: a random one and one that differs from
it in one attribute, each with its own pictures, so that nothing but the picture tells which caption is right.
Seeds, shading and degradations are not the prior's; combinations held out from its training are shown here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from judge_degrade import degrade
from torch import Tensor
from torch.utils.data import Dataset

from dream3d.cameras import Cameras
from dream3d.math import normalize
from dream3d.metrics.changes import CHANGE_KINDS, ChangeKind, one_attribute_changes
from dream3d.metrics.questions import (
    COLOR_ANSWERS,
    MATERIAL_ANSWERS,
    PATTERN_ANSWERS,
    RELATION_ANSWERS,
    SECOND_ANSWERS,
    PartAnswers,
    part_answers,
    props_of,
    turn_of,
)
from dream3d.props import FAMILIES, Prop, PropSpec, Spec, caption, make_prop, sample_spec
from dream3d.render.surface import SurfacePoints, render_surface

IMAGE_SIZE = 64
SUPERSAMPLING = 2
JUDGE_SEED = 4_000_000  # the prior draws from (0, index), the metrics from 99 and 7
GROUP_SIZE = 2  # a prop and one that differs from it in one attribute
WRONG_CAPTIONS = 4
MORE_PAIRS = 0.2  # beyond those that `sample_spec` makes: how two props stand takes many examples
MAX_QUESTIONS = 10  # parts of two props
UNLIT_RATE = 0.45  # assets are looked at unlit
SEEN_PIXELS, HIDDEN_PIXELS = 5.0, 1.0  # a part counts as seen from, and as hidden up to
IGNORED = -100  # cross_entropy's own mark
FAMILY_NAMES = tuple(FAMILIES)
FAMILY_PARTS = tuple((name, part.name) for name, family in FAMILIES.items() for part in family.parts)
PART_INDEX = {pair: index for index, pair in enumerate(FAMILY_PARTS)}


@dataclass(frozen=True)
class Batch:
    """B pictures of G props, and the truth: indices into the answers of dream3d.metrics.questions."""

    images: Tensor  # [B, 64, 64, 4], premultiplied sRGB in [0, 1]
    captions: list[str]  # G
    wrong_captions: list[str]  # of changes of the props, with no picture of their own
    caption_of: Tensor  # [B] int64 into `captions`
    families: Tensor  # [B, 2] int64; len(FAMILIES) where there is no second prop
    relation: Tensor  # [B] int64
    azimuth_deg: Tensor  # [B]
    turn_deg: Tensor  # [B] int64, after which it looks the same; 0 for round
    part: Tensor  # [B, K] int64 into FAMILY_PARTS
    visible: Tensor  # [B, K] 1, 0, or -1 where a part is barely seen or the place is not used
    looks: Tensor  # [B, K, 4] int64: color, second, material, pattern; IGNORED where nothing is seen

    def to(self, device: torch.device) -> "Batch":
        """Move all tensors."""
        moved = {name: x.to(device) for name, x in vars(self).items() if isinstance(x, Tensor)}
        return replace(self, **moved)


@dataclass(frozen=True)
class Light:
    """A sky, a sun and a gloss for each of V views: hemisphere ambient, Lambert, Blinn-Phong."""

    sky: Tensor  # [V] ambient from above
    ground: Tensor  # [V] ambient from below
    sun: Tensor  # [V]
    direction: Tensor  # [V, 3] towards the sun, unit
    gloss: Tensor  # [V]
    exponent: Tensor  # [V]
    is_lit: Tensor  # [V] bool

    @staticmethod
    def sample(cameras: Cameras, rng: np.random.Generator) -> "Light":
        """Random ones; the sun stands anywhere on the camera's side or above."""
        count = len(cameras)

        def uniform(low: float, high: float) -> Tensor:
            return torch.from_numpy(rng.uniform(low, high, count)).float()

        around = torch.from_numpy(rng.normal(size=(count, 3))).float()
        sun = normalize(normalize(cameras.positions()) + torch.tensor([0.0, 0.5, 0.0]) + 0.6 * around)
        is_lit = torch.from_numpy(rng.random(count) >= UNLIT_RATE)
        sky = uniform(0.35, 0.75)
        gloss = uniform(0.0, 0.25)
        return Light(
            sky, sky * uniform(0.4, 1.0), uniform(0.2, 0.6), sun, gloss, 2 ** uniform(3.0, 6.0), is_lit
        )

    def shaded(self, albedo: Tensor, points: SurfacePoints, eyes: Tensor) -> Tensor:
        """Linear colors [P, 3] of points of this albedo [P, 3], seen from eyes [V, 3]."""
        view = points.view
        upward = 0.5 + 0.5 * points.normals[:, 1]
        ambient = torch.lerp(self.ground[view], self.sky[view], upward)
        direction = self.direction[view]
        lambert = (points.normals * direction).sum(1).clamp_min(0)
        half = normalize(direction + normalize(eyes[view] - points.positions))
        shine = (points.normals * half).sum(1).clamp_min(0) ** self.exponent[view] * self.gloss[view]
        lit = albedo * (ambient + self.sun[view] * lambert)[:, None] + (shine * (lambert > 0))[:, None]
        return torch.where(self.is_lit[view][:, None], lit, albedo)


class JudgeViews(Dataset[Batch]):
    """Item i is the i-th batch of this seed."""

    def __init__(self, seed: int, num_groups: int, views_per_prop: int, degraded: bool = True):
        self.seed, self.num_groups, self.views_per_prop, self.degraded = (
            seed,
            num_groups,
            views_per_prop,
            degraded,
        )

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, index: int) -> Batch:
        torch.set_num_threads(1)
        rng = np.random.default_rng((JUDGE_SEED + self.seed, index))
        specs = [spec for _ in range(self.num_groups) for spec in sample_group(rng)]
        props = [make_prop(spec, rng) for spec in specs]
        cameras = sample_cameras(len(props) * self.views_per_prop, rng)
        images, pixels = [], []
        for place, prop in enumerate(props):
            start = place * self.views_per_prop
            picture, seen = render(prop, cameras[start : start + self.views_per_prop], rng)
            images.append(picture)
            pixels.append(seen)
        picture = torch.cat(images)
        if self.degraded:
            picture = degrade(picture, rng)
        wrong = [text for prop in props for text in wrong_captions(prop.spec, rng)]
        return label(props, wrong, picture, cameras.azimuth_deg, torch.cat(pixels), self.views_per_prop)


def sample_group(rng: np.random.Generator) -> list[Spec]:
    """A random spec and one that differs from it in one attribute, all kinds of change equally often."""
    family = FAMILY_NAMES[int(rng.integers(len(FAMILY_NAMES)))]
    spec = sample_spec(rng, family, allow_held_out=True)
    wants_pair = rng.random() < MORE_PAIRS
    while wants_pair and isinstance(spec, PropSpec):
        spec = sample_spec(rng, family, allow_held_out=True)
    # Captions mostly leave parts natural; here any look must be expected, or it is guessed from the family.
    for _ in range(int(rng.choice(4, p=(0.3, 0.3, 0.2, 0.2)))):
        spec = changed(spec, rng, ("color", "color", "material", "pattern", "swap"))
    return [spec, *(changed(spec, rng, CHANGE_KINDS) for _ in range(GROUP_SIZE - 1))]


def changed(spec: Spec, rng: np.random.Generator, kinds: Sequence[ChangeKind]) -> Spec:
    """The spec with a random change of a random kind among those that it can have."""
    while True:
        found = one_attribute_changes(spec, (kinds[int(rng.integers(len(kinds)))],))
        if found:
            return found[int(rng.integers(len(found)))].spec


def wrong_captions(spec: Spec, rng: np.random.Generator) -> list[str]:
    """Captions of a few changes of a spec: families aside, which other pictures tell apart."""
    found = one_attribute_changes(spec, CHANGE_KINDS[1:])
    kinds = sorted({change.kind for change in found})
    chosen = [kinds[int(rng.integers(len(kinds)))] for _ in range(WRONG_CAPTIONS)]
    groups = [[change.spec for change in found if change.kind == kind] for kind in chosen]
    return [caption(specs[int(rng.integers(len(specs)))], rng) for specs in groups]


def sample_cameras(count: int, rng: np.random.Generator) -> Cameras:
    """Every azimuth, from a little below to well above, at about the distance of the metrics' cameras."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, count)).float()

    return Cameras(
        uniform(0, 360), uniform(-10, 45), uniform(2.8, 3.4), uniform(37, 43), torch.zeros(count, 3)
    )


def render(prop: Prop, cameras: Cameras, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pictures [V, 64, 64, 4] and how many of their pixels each part covers, [V, MAX_QUESTIONS]."""
    light, eyes = Light.sample(cameras, rng), cameras.positions()
    pixels = torch.zeros(len(cameras), MAX_QUESTIONS)
    part_of_face = torch.from_numpy(prop.paint_of_face).long()

    def shade(points: SurfacePoints) -> Tensor:
        place = points.view * MAX_QUESTIONS + part_of_face[points.triangle]
        pixels.copy_(torch.bincount(place, minlength=pixels.numel()).view_as(pixels))
        albedo = prop.surface_color(points.base_color, points.triangle, points.positions, points.normals)
        return light.shaded(albedo, points, eyes)

    seen = render_surface(prop.mesh, cameras, IMAGE_SIZE, IMAGE_SIZE, shade, supersample=SUPERSAMPLING)
    return torch.cat([seen.color_srgb, seen.opacity[..., None]], dim=-1), pixels / SUPERSAMPLING**2


def label(
    props: list[Prop],
    wrong: list[str],
    images: Tensor,
    azimuth_deg: Tensor,
    pixels: Tensor,
    views_per_prop: int,
) -> Batch:
    """The truth about pictures of props, `views_per_prop` each, whose parts cover pixels [B, questions]."""
    specs = [prop.spec for prop in props]
    answers = [list(part_answers(spec)) for spec in specs]
    part = torch.zeros(len(specs), MAX_QUESTIONS, dtype=torch.long)
    is_used, is_there = torch.zeros_like(part, dtype=torch.bool), torch.zeros_like(part, dtype=torch.bool)
    looks = torch.full((*part.shape, 4), IGNORED)
    for row, asked in enumerate(answers):
        for column, answer in enumerate(asked):
            part[row, column], is_used[row, column] = PART_INDEX[answer.family, answer.part], True
            if answer.finish is not None:
                is_there[row, column] = True
                looks[row, column] = torch.tensor(_look_indices(answer))

    def spread(values: Tensor) -> Tensor:
        return values.repeat_interleave(views_per_prop, 0)

    is_seen = spread(is_there) & (pixels >= SEEN_PIXELS)
    is_hidden = spread(is_used) & (pixels <= HIDDEN_PIXELS)
    visible = torch.where(is_seen, 1, torch.where(is_hidden, 0, -1))
    relations = [0 if isinstance(spec, PropSpec) else RELATION_ANSWERS.index(spec.relation) for spec in specs]
    return Batch(
        images,
        [prop.caption for prop in props],
        wrong,
        spread(torch.arange(len(props))),
        spread(torch.tensor([_family_indices(spec) for spec in specs])),
        spread(torch.tensor(relations)),
        azimuth_deg,
        spread(torch.tensor([turn_of(spec) for spec in specs])),
        spread(part),
        visible,
        torch.where(is_seen[..., None], spread(looks), IGNORED),
    )


def azimuth_target(azimuth_deg: Tensor, turn_deg: Tensor, num_bins: int) -> Tensor:
    """A narrow bell at the azimuth and at every turn that looks the same: [B, bins]."""
    centers = torch.arange(num_bins, device=azimuth_deg.device) * (360.0 / num_bins)
    offset = torch.deg2rad(centers - azimuth_deg[:, None])
    turns = torch.where(turn_deg > 0, 360 / turn_deg.clamp_min(1), 0.0)[:, None]  # 1, 2, 4; 0: no azimuth
    sharpness = (180.0 / math.pi / 8.0) ** 2  # a bell of 8 degrees
    bell = torch.exp(sharpness * (torch.cos(offset * turns) - 1) / turns.clamp_min(1) ** 2)
    return bell / bell.sum(1, keepdim=True)


def _family_indices(spec: Spec) -> list[int]:
    names = [FAMILY_NAMES.index(prop.family) for prop in props_of(spec)]
    return [*names, len(FAMILY_NAMES)][:2]


def _look_indices(answer: PartAnswers) -> list[int]:
    return [
        COLOR_ANSWERS.index(answer.color),
        SECOND_ANSWERS.index(answer.second),
        MATERIAL_ANSWERS.index(answer.material),
        PATTERN_ANSWERS.index(answer.pattern),
    ]
