"""What a surface is made of, as metallic and roughness over its atlas.

A base color does not say whether it is gold or custard. The prior reads pictures of the asset, cell by cell:
which thing, which part of it, which material. Each texel then follows the nearest places, in space and in
color, that were read: in color too, so that the border between blade and handle lies where the colors change.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from dream3d.bake import fill_background, rasterize_atlas
from dream3d.cameras import FRAME_DISTANCE, FRAME_FOV_Y_DEG, Cameras, join_cameras, orbit
from dream3d.mesh import FRAME_RADIUS, ByteArray, FloatArray, Frame, IntArray, Mesh
from dream3d.prior import Prior, TextEmbedding
from dream3d.prior.cell_reader import Naturals
from dream3d.prior.vocabulary import split_words
from dream3d.render.surface import render_surface

PLAIN = "plain"
# (metallic, roughness), from how the real things shine; what is plain keeps the roughness it is given.
SHINE: Mapping[str, tuple[float, float]] = {
    "metal": (1.0, 0.35),
    "glass": (0.0, 0.08),
    "marble": (0.0, 0.3),
    "wooden": (0.0, 0.7),
    "stone": (0.0, 0.9),
    "brick": (0.0, 0.9),
}
SUBSTANCES = (PLAIN, *SHINE)
QUESTIONS = ("family", "part", "color", "material")
GOLD, GOLD_WORDS = "golden", frozenset({"gold", "golden"})
TIMESTEP = 100  # of 1000: little noise, so that the picture decides, and enough that no renderer drew it
COLOR_UNIT = 2.0  # scene units from black to white in one channel: a clear change of color is far away
NUM_NEIGHBORS = 25
MAX_SIZE = 1024  # texels per side that are looked up; larger atlases get them in blocks
CHUNK_TEXELS = 1 << 16
# Mean share of a substance among the neighbors of its texels. Parts that are there have 0.8 to 1; what is
# read here and there, as metal on a chest whose trim was drawn as a shade of its wood, 0.65.
MIN_AGREEMENT = 0.75


@dataclass(frozen=True)
class Substances:
    """What an atlas is made of."""

    index: IntArray  # [P] into SUBSTANCES, of the covered texels in row-major order
    covered: NDArray[np.bool_]  # [s, s]; s is that of the atlas, or `MAX_SIZE`


@dataclass(frozen=True)
class Readings:
    """Places of a surface that were read."""

    positions: Tensor  # [N, 3]
    colors: Tensor  # [N, 3] sRGB encoded
    substance: Tensor  # [N] int64, index of SUBSTANCES


@torch.no_grad()
def bake_substance(
    mesh: Mesh, base_color_srgb: ByteArray, prior: Prior, embedding: TextEmbedding
) -> Substances | None:
    """Find out what each texel is made of.

    Args:
        mesh: With UVs and normals, anywhere.
        base_color_srgb: [S, S, 3], its texture.
        prior: What reads the pictures.
        embedding: Of what they show.

    Returns:
        The substances; None where the prior cannot read, or all is plain.
    """
    if prior.reader is None or not set(QUESTIONS) <= set(prior.reader.answers):
        return None
    framed = Frame.around(mesh, FRAME_RADIUS).enter(mesh)
    readings = read_surface(framed, base_color_srgb, prior, embedding)
    if not bool(readings.substance.any()):
        return None
    block = max(1, len(base_color_srgb) // MAX_SIZE)
    texture = base_color_srgb[block // 2 :: block, block // 2 :: block]
    positions, _, covered = rasterize_atlas(framed, len(texture))
    colors = torch.from_numpy(texture[covered]).float() / 255.0
    index = spread(readings, positions, colors)
    return Substances(index, covered) if index.any() else None


def reading_cameras() -> Cameras:
    """Twelve views: eight around, four from above."""
    around = orbit([45.0 * k for k in range(8)], 12.0, FRAME_DISTANCE, FRAME_FOV_Y_DEG)
    above = orbit([22.5 + 90.0 * k for k in range(4)], 50.0, FRAME_DISTANCE, FRAME_FOV_Y_DEG)
    return join_cameras([around, above])


def read_surface(mesh: Mesh, base_color_srgb: ByteArray, prior: Prior, embedding: TextEmbedding) -> Readings:
    """Read a mesh that fills the frame from all sides."""
    cameras, size = reading_cameras(), max(prior.image_sizes)
    render = render_surface(mesh, cameras, size, size, base_color_srgb=base_color_srgb)
    pictures = torch.cat([render.color_srgb, render.opacity[..., None]], dim=-1)
    told = prior.read_cells(pictures, TIMESTEP, embedding, cameras, torch.Generator().manual_seed(0))
    substance = _substance_of(told, prior, embedding.prompt)  # [B, h, w]
    side = substance.shape[1]
    seen = render_surface(mesh, cameras, side, side, base_color_srgb=base_color_srgb, supersample=1)
    is_seen = seen.opacity > 0.5
    rays = cameras.rays(side, side)
    positions = rays.origins + rays.directions * seen.depth[..., None]
    return Readings(positions[is_seen], seen.color_srgb[is_seen], substance[is_seen])


def spread(readings: Readings, positions: Tensor, colors: Tensor) -> IntArray:
    """What most of the nearest readings say about points [P, 3] of colors [P, 3]: index of SUBSTANCES [P]."""
    tree = KDTree(_place(readings.positions, readings.colors))
    kinds, number = readings.substance.numpy().astype(np.int8), min(NUM_NEIGHBORS, len(readings.substance))
    shares = np.zeros((len(positions), len(SUBSTANCES)), np.float32)
    for start in range(0, len(positions), CHUNK_TEXELS):
        part = slice(start, start + CHUNK_TEXELS)
        _, nearest = tree.query(_place(positions[part], colors[part]), number, workers=-1)
        votes = kinds[nearest].reshape(-1, number)
        shares[part] = np.stack([(votes == index).mean(axis=1) for index in range(len(SUBSTANCES))], axis=1)
    winner, agreement = shares.argmax(axis=1), shares.max(axis=1)
    total = np.bincount(winner, agreement, len(SUBSTANCES))
    is_misread = total < MIN_AGREEMENT * np.bincount(winner, minlength=len(SUBSTANCES))
    return np.where(is_misread[winner], SUBSTANCES.index(PLAIN), winner).astype(np.int32)


def packed_orm(
    occlusion: FloatArray | None, found: Substances | None, metallic: float, roughness: float, size: int
) -> ByteArray:
    """Occlusion, roughness and metallic in one picture (glTF 2.0, section 3.9), [size, size, 3].

    Args:
        occlusion: [size, size] in [0, 1]; None: nothing is hidden.
        found: What the texels are made of; None: all are plain.
        metallic: Of what is plain.
        roughness: Of what is plain.
        size: Side in texels.
    """
    orm = np.ones((size, size, 3), np.float32)
    orm[..., 1:] = roughness, metallic
    if found is not None:
        table = np.array([(roughness, metallic), *((r, m) for m, r in SHINE.values())], np.float32)
        shine = np.zeros((*found.covered.shape, 2), np.float32)
        shine[found.covered] = table[found.index]
        block = size // len(found.covered)
        orm[..., 1:] = fill_background(shine, found.covered).repeat(block, 0).repeat(block, 1)
    if occlusion is not None:
        orm[..., 0] = occlusion
    return np.round(np.clip(orm, 0.0, 1.0) * 255.0).astype(np.uint8)


def _place(positions: Tensor, colors: Tensor) -> FloatArray:
    """Where a point is in space and color, [N, 6]."""
    return torch.cat([positions, COLOR_UNIT * colors], dim=1).cpu().numpy()


def _substance_of(told: Mapping[str, Tensor], prior: Prior, prompt: str) -> Tensor:
    """Index of SUBSTANCES [B, h, w] of what was read."""
    assert prior.reader is not None
    answers = [prior.reader.answers[question] for question in QUESTIONS]
    chosen = torch.stack([told[question].argmax(-1) for question in QUESTIONS], -1).cpu()  # [B, h, w, 4]
    rows, which = chosen.flatten(0, 2).unique(dim=0, return_inverse=True)
    naturals, said = prior.reader.naturals, frozenset(split_words(prompt))
    names = [
        substance(naturals, said, *(words[i] for words, i in zip(answers, row, strict=True)))
        for row in rows.tolist()
    ]
    return torch.tensor([SUBSTANCES.index(name) for name in names])[which].view(chosen.shape[:3])


def substance(naturals: Naturals, said: Set[str], family: str, part: str, color: str, material: str) -> str:
    """What a part is made of that looks like this.

    Args:
        naturals: What parts are made of in their natural colors.
        said: Words of the prompt. Golden is metal where they ask for gold; else it is a color, as of bread.
        family: What it belongs to.
        part: Its canonical name.
        color: As it is seen.
        material: A word of SUBSTANCES, or none of them where the picture shows no material.
    """
    if material in SHINE:
        return material
    natural_color, made_of = naturals.get((family, part), ("", PLAIN))
    is_painted = color in said and color != natural_color
    if made_of in SHINE and not (made_of == "metal" and is_painted):
        return made_of
    return "metal" if color == GOLD and said & GOLD_WORDS else PLAIN
