"""Training data of the built-in prior: captions and rendered views of procedural props, made on the fly.

Batch number i of a seed is always the same batch, so that training resumes exactly. The views are what
distillation will show the prior later: the same cameras, the same shading law, premultiplied RGBA with
box-filtered edges.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dream3d.cameras import Cameras
from dream3d.config import Shading
from dream3d.prior.camera_law import CameraLaw
from dream3d.prior.conditioning import SHADINGS
from dream3d.props import COLORS, FAMILIES, MATERIALS, PATTERNS, SIZES, Prop, sample_prop
from dream3d.props.finish import MATERIAL_SPELLINGS, PATTERN_SPELLINGS
from dream3d.props.palette import SPELLINGS
from dream3d.props.words import (
    FUNCTION_WORDS,
    INVERSE_RELATIONS,
    MATERIAL_NOUNS,
    PATTERN_NOUNS,
    RELATION_SPELLINGS,
    SIZE_SPELLINGS,
)
from dream3d.render.shading import TEXTURELESS_ALBEDO, light_directions, light_factor
from dream3d.render.surface import SurfacePoints, render_surface

SUPERSAMPLING = 3  # Samples per pixel side.
SHADING_SHARES = (0.5, 0.35, 0.15)  # In the order of SHADINGS.
# What the released prior was trained on, kept until it is trained anew: dream3d.props has 127 families and,
# since that training, materials, patterns, optional parts and relations. A new training takes them all.
TRAINED_FAMILIES: tuple[str, ...] = (
    *("mushroom", "pine tree", "tree", "cactus", "flower", "donut", "ice cream", "cupcake", "apple"),
    *("pumpkin", "carrot", "chair", "stool", "table", "bed", "sofa", "lamp", "crate", "barrel", "chest"),
    *("lantern", "mug", "teapot", "bottle", "potion", "house", "tower", "snowman", "car", "rocket"),
    *("shield", "crown", "duck", "penguin", "fish", "robot"),
)
FULL_TURN_WEIGHT = 2.0  # Asymmetric families are drawn more often: pose is the hardest part.
TEXT_DROP = 0.1  # Share of captions replaced by "", for classifier-free guidance.


@dataclass(frozen=True)
class Batch:
    """Views with all that the prior is told about them."""

    images: Tensor  # [B, H, W, 4], premultiplied sRGB in [0, 1]
    captions: list[str]
    cameras: Cameras
    shading: list[Shading]


def render_views(prop: Prop, cameras: Cameras, shading: list[Shading], size: int) -> Tensor:
    """Render a prop as the prior sees it.

    Returns:
        [B, size, size, 4], premultiplied sRGB color and coverage in [0, 1].
    """
    lights = light_directions(cameras.positions())  # [B, 3]
    is_lit = torch.tensor([name != "albedo" for name in shading])
    is_textureless = torch.tensor([name == "textureless" for name in shading])

    def shade(points: SurfacePoints) -> Tensor:
        factor = light_factor(points.normals, lights[points.view])
        factor = torch.where(is_lit[points.view], factor, 1.0)
        color = prop.surface_color(points.base_color, points.triangle, points.positions, points.normals)
        albedo = torch.where(is_textureless[points.view][:, None], TEXTURELESS_ALBEDO, color)
        return albedo * factor[:, None]

    render = render_surface(prop.mesh, cameras, size, size, shade, supersample=SUPERSAMPLING)
    return torch.cat([render.color_srgb, render.opacity[..., None]], dim=-1)


class PropViews(Dataset[Batch]):
    """Item i is the i-th batch of this seed."""

    def __init__(self, seed: int, batch_size: int, views_per_prop: int, image_size: int, law: CameraLaw):
        self.seed = seed
        self.batch_size = batch_size
        self.views_per_prop = views_per_prop
        self.image_size = image_size
        self.law = law
        weights = np.array(
            [1.0 if FAMILIES[name].symmetric else FULL_TURN_WEIGHT for name in TRAINED_FAMILIES]
        )
        self.shares = weights / weights.sum()

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, index: int) -> Batch:
        torch.set_num_threads(1)
        rng = np.random.default_rng((self.seed, index))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        images, captions = [], []
        cameras = self.law.sample(self.batch_size, generator, views_per_group=1)
        shading = [SHADINGS[i] for i in rng.choice(len(SHADINGS), self.batch_size, p=SHADING_SHARES)]
        for start in range(0, self.batch_size, self.views_per_prop):
            views = slice(start, start + self.views_per_prop)
            family = TRAINED_FAMILIES[rng.choice(len(TRAINED_FAMILIES), p=self.shares)]
            prop = sample_prop(rng, family, families=TRAINED_FAMILIES)
            images.append(render_views(prop, cameras[views], shading[views], self.image_size))
            captions += [prop.caption] * self.views_per_prop
        kept = [text if rng.random() >= TEXT_DROP else "" for text in captions]
        return Batch(torch.cat(images), kept, cameras, shading)


def known_words() -> dict[str, list[str]]:
    """The words of the trained families' captions, by what they say (dream3d.prior.text.Vocabulary)."""
    families = [FAMILIES[name] for name in TRAINED_FAMILIES]
    return {
        "nouns": sorted({noun for family in families for noun in family.nouns}),
        "colors": [*COLORS, *SPELLINGS],
        "parts": sorted({name for family in families for part in family.parts for name in part.names}),
        "sizes": [*SIZES, *SIZE_SPELLINGS],
        "materials": [*MATERIALS, *MATERIAL_SPELLINGS, *MATERIAL_NOUNS.values()],
        "patterns": [*PATTERNS, *PATTERN_SPELLINGS, *PATTERN_NOUNS],
        "relations": [*RELATION_SPELLINGS, *INVERSE_RELATIONS],
        "function_words": sorted(FUNCTION_WORDS),
    }
