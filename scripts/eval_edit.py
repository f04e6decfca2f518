"""Measure edits by two prompts: props whose edited look is known are repainted, and held against it.

    python scripts/eval_edit.py -o out/edits                  # 12 pairs: delta denoising and plain repainting
    python scripts/eval_edit.py -o out/edits --shard 0/2      # half of the pairs; then once without

Of each pair both props are built with the same random shape; the first one is refined with the second one's
prompt, once as an edit (`from_prompt`) and once as plain repainting. In 24 unlit views, pixels where both
props look alike should stay, the others should change to the second. Only this script reads the shapes.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from claims import claim
from sheets import BLACK, Tile, contact_sheet, encode_jpeg, strip

from dream3d.errors import InputError
from dream3d.export.files import write_files
from dream3d.export.load_model import load_model
from dream3d.inputs import default_output, make_folder, parse_shard
from dream3d.mesh import TexturedMesh
from dream3d.metrics.ground_truth import untextured
from dream3d.metrics.views import Views, in_frame, look
from dream3d.prior import Prior
from dream3d.props import make_prop, parse_caption
from dream3d.refine import refine
from dream3d.stage_config import PaintConfig

SHAPE_SEED = 11  # not that of the instances which assets are compared with
SAME = 0.04  # sRGB difference, mean over the channels, below which two props look alike in a pixel
WAYS = ("edit", "repaint")
SHOWN = (1, 7, 19)  # of the 24 views


@dataclass(frozen=True)
class Pair:
    """A prop, and what it should become."""

    before: str
    after: str

    @property
    def name(self) -> str:
        """For files."""
        return default_output(f"{self.before} to {self.after}", ".glb").stem

    def props(self) -> tuple[TexturedMesh, TexturedMesh]:
        """Both, of one shape, in the frame.

        Raises:
            InputError: A prompt names no family, or the shapes differ.
        """
        made = []
        for prompt in (self.before, self.after):
            spec = parse_caption(prompt)
            if spec is None:
                raise InputError(f"{prompt!r} names no family")
            prop = make_prop(spec, np.random.default_rng(SHAPE_SEED))
            made.append(in_frame(untextured(prop.painted_mesh())))
        one, other = (np.stack([p.mesh.vertices.min(axis=0), p.mesh.vertices.max(axis=0)]) for p in made)
        if not np.allclose(one, other, atol=1e-3):  # materials cut faces, but bounds stay
            raise InputError(f"{self.before!r} and {self.after!r} have different shapes")
        return made[0], made[1]


@dataclass(frozen=True)
class Score:
    """How an edit went; differences are mean absolute ones in sRGB."""

    kept: float  # change of the pixels that should stay; 0 is right
    reached: float  # share of the way from the first look to the second, where they differ; 1 is right
    share: float  # of the pixels that should change


def score(before: Views, after: Views, edited: Views) -> Score:
    """Hold an edit against what it should be, in pixels that all three show."""
    seen = before.mask & after.mask & edited.mask
    wanted = (before.color_srgb - after.color_srgb).abs().mean(-1)
    missing = (edited.color_srgb - after.color_srgb).abs().mean(-1)
    stays = seen & (wanted < SAME)
    changes = seen & ~stays
    kept = missing[stays].mean().item() if stays.any() else 0.0
    reached = 1.0 - missing[changes].mean().item() / max(wanted[changes].mean().item(), 1e-6)
    return Score(kept, reached, changes.sum().item() / max(seen.sum().item(), 1))


def read_pairs(path: Path) -> list[Pair]:
    """Lines `BEFORE -> AFTER`; # starts a comment."""
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [Pair(*(side.strip() for side in line.split("->"))) for line in lines if line]


def edit(pair: Pair, folder: Path, prior: Prior, steps: int) -> Iterator[Path]:
    """Files of the edit and of the repainting; those that are there are kept."""
    paint = replace(PaintConfig(), num_steps=steps)
    for way in WAYS:
        path = folder / f"{pair.name}-{way}.glb"
        if not path.exists():
            source = pair.before if way == "edit" else None
            refine(pair.props()[0], pair.after, paint=paint, prior=prior, from_prompt=source).save(path)
        yield path


def report(pairs: list[Pair], folder: Path, prior: Prior, steps: int) -> str:
    """The table, and a sheet beside the files."""
    lines = [
        "| edit | share that changes | kept: edit, repaint | reached: edit, repaint |",
        "|---|---:|---:|---:|",
    ]
    scores: dict[str, list[Score]] = {way: [] for way in WAYS}
    tiles = []
    for pair in pairs:
        before, after = (look(prop) for prop in pair.props())
        seen = [look(in_frame(load_model(path))) for path in edit(pair, folder, prior, steps)]
        own = [score(before, after, views) for views in seen]
        for way, each in zip(WAYS, own, strict=True):
            scores[way].append(each)
        title = f"{pair.before} -> {pair.after}"
        numbers = [", ".join(f"{getattr(each, name):.2f}" for each in own) for name in ("kept", "reached")]
        cells = [f"{own[0].share:.0%}", *numbers]
        lines.append(f"| {title} | {' | '.join(cells)} |")
        for name, views in zip(("before", "truth", *WAYS), (before, after, *seen), strict=True):
            rgba = torch.cat([views.color_srgb, views.mask[..., None].float()], dim=-1)
            tiles.append(Tile(strip(rgba[list(SHOWN)]), ((f"{name}: {title}", BLACK),)))
    means = [
        ", ".join(f"{np.mean([getattr(each, name) for each in scores[way]]):.3f}" for way in WAYS)
        for name in ("kept", "reached")
    ]
    lines.append(f"| **mean** | | {' | '.join(means)} |")
    sheet = contact_sheet(tiles, 4, 288, 96)
    write_files({folder / "sheet.jpg": encode_jpeg(sheet, 85)})
    return "\n".join(lines)


def main() -> None:
    """Edit and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, default=Path("assets/prompts/edits12.txt"))
    parser.add_argument("--prior", default="props")
    parser.add_argument("--steps", type=int, default=PaintConfig().num_steps)
    parser.add_argument("--shard", type=parse_shard)
    args = parser.parse_args()
    pairs, folder = read_pairs(args.pairs), make_folder(args.out)
    prior = Prior.from_pretrained(args.prior)
    claim(folder / "settings.json", {"prior": prior.sha256, "steps": args.steps})
    if args.shard is None:
        print(report(pairs, folder, prior, args.steps))
    else:
        for pair in args.shard.of(pairs):
            print(*edit(pair, folder, prior, args.steps), sep="\n", flush=True)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"eval_edit: {error}")
