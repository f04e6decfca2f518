"""Training data of the built-in prior: captions and rendered views of procedural props, made on the fly.

Batch number i of a seed is always the same batch, so that training resumes exactly. The views are what
distillation will show the prior later: the same cameras, the same shading law, premultiplied RGBA with
box-filtered edges.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from prior_labels import CellLabels, cell_labels, is_natural, join_labels
from torch import Tensor
from torch.utils.data import Dataset

from dream3d.cameras import Cameras, join_cameras
from dream3d.math import srgb_to_linear
from dream3d.metrics.questions import present_parts
from dream3d.prior.camera_law import CameraLaw
from dream3d.prior.conditioning import SHADINGS
from dream3d.prior.view_words import VIEW_WORDS, view_words
from dream3d.props import (
    COLORS,
    FAMILIES,
    MATERIALS,
    PATTERNS,
    SIZES,
    Prop,
    PropSpec,
    Spec,
    make_prop,
    sample_spec,
)
from dream3d.props.finish import MATERIAL_SPELLINGS, PATTERN_SPELLINGS
from dream3d.props.palette import SPELLINGS
from dream3d.props.words import (
    FUNCTION_WORDS,
    MATERIAL_NOUNS,
    PATTERN_NOUNS,
    SIZE_SPELLINGS,
)
from dream3d.render.shading import TEXTURELESS_ALBEDO, light_directions, light_factor, normal_colors
from dream3d.render.surface import SurfacePoints, render_surface
from dream3d.stage_config import Shading
from dream3d.things.relations import INVERSE_RELATIONS, RELATION_SPELLINGS

SUPERSAMPLING = 3  # Samples per pixel side.
SHADING_SHARES = (0.45, 0.3, 0.12, 0.13)  # In the order of SHADINGS.
FULL_TURN_WEIGHT = 2.0  # Asymmetric families are drawn more often: pose is the hardest part.
# Beyond those that `sample_spec` draws: which thing and which part a word belongs to is learned last.
MORE_HARD = 0.35
TEXT_DROP = 0.1  # Share of groups told "" as their text, for classifier-free guidance.
CAMERA_DROP = 0.1  # Share of groups that are not told their cameras, drawn apart from the text's.
VIEW_WORDS_SHARE = 0.7  # Of these, the share told in words where the camera stands.
CLOSE_UP_SHARE = 0.2
SINGLE_SHARE = 0.25  # Of batches without joint attention, so that the network can do without.
JOINT_VIEWS, SINGLE_VIEWS = 4, 2  # Views drawn of each prop, with and without it.
IMAGE_SIZES: tuple[int, ...] = (32, 64, 128)  # Pixels per side: one network learns all.
BASE_SIZE = 64  # Pixels per side of the images that a batch size counts.


@dataclass(frozen=True)
class Batch:
    """Views with all that the prior is told about them."""

    images: Tensor  # [B, H, W, 4], premultiplied sRGB in [0, 1]
    captions: list[str]
    cameras: Cameras
    shading: list[Shading]
    is_camera_told: Tensor  # [B] bool
    num_views: int  # consecutive images that attend to each other
    labels: CellLabels


def render_views(prop: Prop, cameras: Cameras, shading: list[Shading], size: int) -> Tensor:
    """Render a prop as the prior sees it.

    Returns:
        [B, size, size, 4], premultiplied sRGB color and coverage in [0, 1].
    """
    lights = light_directions(cameras.positions())  # [B, 3]
    c2w = cameras.c2w()
    is_lit = torch.tensor([name in ("shaded", "textureless") for name in shading])
    is_textureless = torch.tensor([name == "textureless" for name in shading])
    is_normals = torch.tensor([name == "normals" for name in shading])

    def shade(points: SurfacePoints) -> Tensor:
        view = points.view
        factor = torch.where(is_lit[view], light_factor(points.normals, lights[view]), 1.0)
        color = prop.surface_color(points.base_color, points.triangle, points.positions, points.normals)
        albedo = torch.where(is_textureless[view][:, None], TEXTURELESS_ALBEDO, color)
        as_colors = srgb_to_linear(normal_colors(points.normals, c2w[view]))  # encoded again by the renderer
        return torch.where(is_normals[view][:, None], as_colors, albedo * factor[:, None])

    render = render_surface(prop.mesh, cameras, size, size, shade, supersample=SUPERSAMPLING)
    return torch.cat([render.color_srgb, render.opacity[..., None]], dim=-1)


class PropViews(Dataset[Batch]):
    """Item i is the i-th batch of this seed: of one image size, with or without joint attention."""

    def __init__(
        self,
        seed: int,
        batch_size: int,
        law: CameraLaw,
        size_shares: Mapping[int, float],
        batches_per_step: int = 1,
    ):
        """Prepare drawing.

        Args:
            seed: What to draw.
            batch_size: Images of `BASE_SIZE` in a batch; of others as many as have the same pixels.
            law: Of the cameras.
            size_shares: Image size -> share of the batches.
            batches_per_step: Consecutive batches that are of one kind: those of the processes that train
                together, which would wait for each other.
        """
        self.seed = seed
        self.batch_size = batch_size
        self.law = law
        self.size_shares = size_shares
        self.batches_per_step = batches_per_step
        weights = np.array([1.0 if family.symmetric else FULL_TURN_WEIGHT for family in FAMILIES.values()])
        self.family_shares = weights / weights.sum()

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, index: int) -> Batch:
        torch.set_num_threads(1)
        kind = np.random.default_rng((self.seed, index // self.batches_per_step, 1))
        size = int(kind.choice(list(self.size_shares), p=list(self.size_shares.values())))
        is_joint = kind.random() >= SINGLE_SHARE
        rng = np.random.default_rng((self.seed, index))
        views = JOINT_VIEWS if is_joint else SINGLE_VIEWS
        num_props = max(1, self.batch_size * BASE_SIZE**2 // (views * size**2))
        groups = [self._views_of_a_prop(rng, views, size, is_joint) for _ in range(num_props)]
        cameras = [group.cameras for group in groups]
        return Batch(
            torch.cat([group.images for group in groups]),
            [text for group in groups for text in group.captions],
            join_cameras(cameras),
            [name for group in groups for name in group.shading],
            torch.cat([group.is_camera_told for group in groups]),
            JOINT_VIEWS if is_joint else 1,
            join_labels([group.labels for group in groups]),
        )

    def _spec(self, rng: np.random.Generator) -> Spec:
        family = list(FAMILIES)[rng.choice(len(FAMILIES), p=self.family_shares)]
        spec, wants_hard = sample_spec(rng, family), rng.random() < MORE_HARD
        while wants_hard and not _is_hard(spec):
            spec = sample_spec(rng, family)
        return spec

    def _views_of_a_prop(self, rng: np.random.Generator, views: int, size: int, is_joint: bool) -> Batch:
        """Views of one prop: around it and drawn alike with joint attention, else independent."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        groups = 1 if is_joint else views
        cameras = self.law.sample(groups, generator, views // groups, CLOSE_UP_SHARE)
        drawn = rng.choice(len(SHADINGS), groups, p=SHADING_SHARES)
        shading: list[Shading] = [SHADINGS[i] for i in np.repeat(drawn, views // groups)]
        prop = make_prop(self._spec(rng), rng)
        has_text, is_told = rng.random() >= TEXT_DROP, rng.random() >= CAMERA_DROP
        captions = [prop.caption if has_text else ""] * views
        if not is_told and has_text and rng.random() < VIEW_WORDS_SHARE:
            captions = [f"{prop.caption}, {words}" for words in view_words(cameras)]
        images = render_views(prop, cameras, shading, size)
        labels = cell_labels(prop, cameras, shading, size)
        return Batch(images, captions, cameras, shading, torch.full((views,), is_told), 1, labels)


def _is_hard(spec: Spec) -> bool:
    """Whether it is of two things, or another part than the main one looks unlike its natural self."""
    if not isinstance(spec, PropSpec):
        return True
    return any(not is_natural(spec.family, part, finish) for part, finish in present_parts(spec)[1:])


def known_words() -> dict[str, list[str]]:
    """The words of all captions, by what they say (dream3d.prior.vocabulary.Vocabulary)."""
    families = FAMILIES.values()
    return {
        "nouns": sorted({noun for family in families for noun in family.nouns}),
        "colors": [*COLORS, *SPELLINGS],
        "parts": sorted({name for family in families for part in family.parts for name in part.names}),
        "sizes": [*SIZES, *SIZE_SPELLINGS],
        "materials": [*MATERIALS, *MATERIAL_SPELLINGS, *MATERIAL_NOUNS.values()],
        "patterns": [*PATTERNS, *PATTERN_SPELLINGS, *PATTERN_NOUNS],
        "relations": [*RELATION_SPELLINGS, *INVERSE_RELATIONS],
        "views": list(VIEW_WORDS),
        "function_words": sorted(FUNCTION_WORDS),
    }
