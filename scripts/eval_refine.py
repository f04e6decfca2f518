"""Measure `dream3d refine`: gray shapes of procedural props are painted as their prompts say, and judged.

    python scripts/eval_refine.py -o out/refine               # 24 prompts: shapes, files, table
    python scripts/eval_refine.py -o out/refine --shard 0/2     # half of the work; then once without

Options that are not its own go to `dream3d refine`. The shapes are what a modeller would bring; only this
script reads them, generation never does. A stopped run goes on where it was.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from claims import claim
from trimesh import Trimesh
from trimesh.exchange.obj import export_obj

from dream3d.cli import main as dream3d
from dream3d.cli_refine import Refine
from dream3d.errors import InputError, RunError
from dream3d.evaluate.prompts import read_prompts
from dream3d.finish import choose_device
from dream3d.inputs import default_output, make_folder, parse_shard
from dream3d.overlays import parse
from dream3d.prior import Prior
from dream3d.props import make_prop, parse_caption

SHAPE_SEED = 11  # not that of the instances which assets are compared with


def write_shapes(prompts: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """A gray .obj for each prompt of a list that names a family."""
    for line in read_prompts([prompts]).lines:
        spec = parse_caption(line.text)
        if spec is None:
            print(f"{line.text}: names no family", file=sys.stderr)
            continue
        mesh = make_prop(spec, np.random.default_rng(SHAPE_SEED)).mesh
        path = folder / default_output(line.text, ".obj")
        path.write_text(export_obj(Trimesh(mesh.vertices, mesh.faces, process=False), include_normals=False))
        yield line.text, path


def paint_shapes(work: Iterable[tuple[str, Path]], folder: Path, options: Sequence[str]) -> Iterator[int]:
    """Exit codes of `dream3d refine` for every shape that is not painted yet; one prior serves all."""
    prior: Prior | None = None
    for prompt, shape in work:
        target = folder / f"{shape.stem}.glb"
        if target.exists():
            continue
        words = [str(shape), "-p", prompt, "-o", str(target), "--quiet", *options]
        try:
            command = parse(Refine, words, "dream3d refine")
            settings = command.settings
            device, added = choose_device(settings.device), settings.prior_options
            prior = prior or Prior.from_pretrained(settings.prior, device, options=added)
            yield command.run(prior)
        except (InputError, RunError) as error:
            print(f"{prompt}: {error}", file=sys.stderr)
            yield 2 if isinstance(error, InputError) else 1


def main() -> int:
    """Make the shapes, paint them, judge the files; the exit code is the worst of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, default=Path("assets/prompts/gallery.txt"))
    parser.add_argument("--shard", type=parse_shard)
    args, rest = parser.parse_known_args()
    shapes = list(write_shapes(args.prompts, make_folder(args.out / "shapes")))
    painted = make_folder(args.out / "painted")
    claim(painted / "options.json", {"options": rest})
    work = args.shard.of(shapes) if args.shard else shapes
    codes = list(paint_shapes(work, painted, rest))
    if args.shard is None:
        files = [str(path) for path in sorted(painted.glob("*.glb"))]
        codes.append(dream3d(["eval", *files, "-o", str(args.out / "report")]))
    return max(codes, default=0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"eval_refine: {error}")
