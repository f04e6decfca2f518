"""Run `dream3d eval` over a list of prompts and paint its pictures, with their numbers, as one contact sheet.

    python scripts/make_gallery.py                    # 24 prompts x 2 seeds, what `make gallery` runs
    python scripts/make_gallery.py --prompts LIST.txt --seeds 1 --out DIR --sheet FILE.jpg
    python scripts/make_gallery.py ... --shard 0/2    # half of the work, for one of two processes; then once
                                                      # without, to paint

Options that are not its own go to `dream3d eval`; a stopped run goes on where it was. Failures stay on the
sheet. Also prints the means of prompts that training shows and of those that it does not.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from half_table import half_of, half_table
from PIL import Image
from sheets import BLACK, RED, Tile, contact_sheet, encode_jpeg

from dream3d.cli import main as dream3d
from dream3d.evaluate.columns import COLUMNS, show
from dream3d.evaluate.rows import Row
from dream3d.export.files import write_files

STRIP_WIDTH, STRIP_HEIGHT, COLUMNS_OF_SHEET = 1024, 128, 2
SHOWN = (
    "exact_match",
    "r_precision",
    "hard_r_precision",
    "azimuth_error_deg",
    "janus",
    "silhouette_iou",
    "color_error",
    "chamfer_relative",
    "floaters",
    "watertight",
    "validator_findings",
    "faces",
    "seconds",
)


def captions(row: Row) -> tuple[tuple[str, str], ...]:
    """What stands under a picture: what was asked for, and its numbers or what went wrong."""
    half = half_of(row.prompt)
    title = f"{row.prompt} / seed {row.seed}" + (f" ({half})" if half else "")
    if row.error:
        return (title, BLACK), (f"failed: {row.error}", RED)
    numbers = [
        f"{column.title} {show(row.metrics[column.name], column.digits)}"
        for column in COLUMNS
        if column.name in SHOWN and column.name in row.metrics
    ]
    return (title, BLACK), (", ".join(numbers), BLACK)


def paint_sheet(rows: Sequence[Row], folder: Path) -> Image.Image:
    """A strip of views per asset, or nothing where nothing was made, with captions."""
    tiles = [
        Tile(Image.open(folder / row.picture) if row.picture else None, captions(row))
        for row in rows
        if row.kind == "asset"
    ]
    return contact_sheet(tiles, COLUMNS_OF_SHEET, STRIP_WIDTH, STRIP_HEIGHT)


def main() -> int:
    """Evaluate, then paint; the exit code is that of `dream3d eval`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=Path, default=Path("assets/prompts/gallery.txt"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/gallery"))
    parser.add_argument("--sheet", type=Path, default=Path("assets/gallery/standard.jpg"))
    args, rest = parser.parse_known_args()
    results = args.out / "results.json"
    results.unlink(missing_ok=True)  # of a run before: what is painted is what this one made
    code = dream3d(["eval", str(args.prompts), "-o", str(args.out), "--seeds", str(args.seeds), *rest])
    if not results.is_file():
        return code
    rows = [Row(**row) for row in json.loads(results.read_text("utf-8"))["rows"]]
    args.sheet.parent.mkdir(parents=True, exist_ok=True)
    write_files({args.sheet: encode_jpeg(paint_sheet(rows, args.out))})
    print(half_table(rows), args.sheet, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
