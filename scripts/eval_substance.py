"""Measure how well the prior tells what assets are made of, on props whose parts are known.

    python scripts/eval_substance.py                       # 48 prompts, a table
    python scripts/eval_substance.py --prior DIR --limit 8

Instances of the prompts are unwrapped and their base colors baked, as those of any asset; then every texel is
held against the part that it lies on. Only this script reads the shapes, generation never does.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from prior_labels import NATURALS
from prior_samples import Asked, read_asked
from scipy.spatial import KDTree

from dream3d.bake import fill_background, rasterize_atlas
from dream3d.detail.substance import SUBSTANCES, bake_substance, substance
from dream3d.errors import InputError
from dream3d.extract.samples import sample_surface
from dream3d.extract.unwrap import unwrap
from dream3d.math import linear_to_srgb
from dream3d.mesh import ByteArray, IntArray, Mesh
from dream3d.metrics.questions import present_parts, props_of
from dream3d.prior import Prior
from dream3d.prior.vocabulary import split_words
from dream3d.props import Prop, make_prop

TEXTURE_SIZE, PADDING = 256, 4
POINTS = 200_000  # on a prop, to find the part that a texel lies on


def true_substances(prop: Prop) -> list[str]:
    """What each of the prop's paints is, from the words of its finish."""
    found, said = [], frozenset(split_words(prop.caption))
    for spec in props_of(prop.spec):
        for part, finish in present_parts(spec):
            words = spec.family, part, finish.color or "none", finish.material or "none"
            found.append(substance(NATURALS, said, *words))
    return found


def textured(prop: Prop) -> tuple[Mesh, ByteArray, IntArray]:
    """The prop with an atlas, its base color texture, and which paint each covered texel has."""
    mesh = unwrap(prop.mesh, TEXTURE_SIZE, PADDING)
    positions, normals, covered = rasterize_atlas(mesh, TEXTURE_SIZE)
    samples = sample_surface(prop.mesh, POINTS, np.random.default_rng(0))
    _, nearest = KDTree(samples.at(prop.mesh, prop.mesh.vertices)).query(positions.numpy(), workers=-1)
    face = samples.face[nearest]
    assert prop.mesh.colors is not None
    flat = torch.from_numpy(prop.mesh.colors[prop.mesh.faces[face, 0]])
    colors = linear_to_srgb(prop.surface_color(flat, torch.from_numpy(face), positions, normals).clamp(0, 1))
    image = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE, 3), np.uint8)
    image[covered] = (colors * 255).round().byte().numpy()
    return mesh, fill_background(image, covered), prop.paint_of_face[face]


def confusion(prior: Prior, asked: Asked) -> Counter[tuple[str, str]]:
    """(what a texel is, what it was found to be) -> share of the covered texels."""
    prop = make_prop(asked.spec, np.random.default_rng(asked.seed))
    mesh, texture, paint = textured(prop)
    names = np.array([SUBSTANCES.index(name) for name in true_substances(prop)])
    truth = names[paint]
    found = bake_substance(mesh, texture, prior, prior.embed(asked.prompt))
    told = np.zeros_like(truth) if found is None else found.index
    pairs, counts = np.unique(np.stack([truth, told], axis=1), axis=0, return_counts=True)
    return Counter(
        {(SUBSTANCES[a], SUBSTANCES[b]): n / len(truth) for (a, b), n in zip(pairs, counts, strict=True)}
    )


def table(total: Counter[tuple[str, str]]) -> str:
    """Recall and precision of each substance."""
    lines = ["| substance | share of all texels | found | right where found |", "|---|---:|---:|---:|"]
    everything = sum(total.values())
    for name in SUBSTANCES:
        true = sum(n for (a, _), n in total.items() if a == name)
        told = sum(n for (_, b), n in total.items() if b == name)
        right = total[name, name]
        cells = [f"{true / everything:.1%}", *(f"{right / n:.1%}" if n else "" for n in (true, told))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=Path, default=Path("assets/prompts/prior400.txt"))
    parser.add_argument("--limit", type=int, default=48, help="only the first prompts")
    parser.add_argument("--prior", default="props")
    args = parser.parse_args(words)
    prior = Prior.from_pretrained(args.prior)
    total: Counter[tuple[str, str]] = Counter()
    for asked in read_asked(args.prompts, args.limit):
        each = confusion(prior, asked)
        wrong = {pair: round(share, 2) for pair, share in each.items() if pair[0] != pair[1] and share > 0.05}
        print(asked.prompt, *(f"{a} read as {b}: {share:.0%}" for (a, b), share in wrong.items()), sep="; ")
        total += each
    print(table(total))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"eval_substance: {error}")
