"""Run `dream3d eval` over a list of prompts and paint its pictures as one contact sheet.

    python scripts/make_gallery.py                    # 24 prompts x 2 seeds, what `make gallery` runs
    python scripts/make_gallery.py --seeds 1 --out out/draft --sheet out/draft.jpg --config draft

Options that are not its own go to `dream3d eval`; a stopped run goes on where it was. Failures stay on the
sheet. Whether an asset is recognisable is judged by looking at it.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from dream3d.cli import main as dream3d

STRIP_WIDTH, STRIP_HEIGHT, TITLE_HEIGHT, COLUMNS = 1024, 128, 14, 2
QUALITY = 88


def paint_sheet(rows: list[dict[str, Any]], folder: Path) -> Image.Image:
    """A titled strip of views per asset, in columns read downwards; errors stand where nothing was made."""
    num_lines = -(-len(rows) // COLUMNS)
    row_height = TITLE_HEIGHT + STRIP_HEIGHT
    sheet = Image.new("RGB", (COLUMNS * STRIP_WIDTH, num_lines * row_height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, row in enumerate(rows):
        left, top = index // num_lines * STRIP_WIDTH, index % num_lines * row_height
        draw.text((left + 4, top + 1), f"{row['prompt']} / seed {row['seed']}", fill="black")
        if row["picture"]:
            sheet.paste(Image.open(folder / row["picture"]), (left, top + TITLE_HEIGHT))
        else:
            draw.text((left + 4, top + TITLE_HEIGHT + 4), f"failed: {row['error']}"[:160], fill="darkred")
    return sheet


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
    rows = [row for row in json.loads(results.read_text("utf-8"))["rows"] if row["kind"] == "asset"]
    args.sheet.parent.mkdir(parents=True, exist_ok=True)
    paint_sheet(rows, args.out).save(args.sheet, quality=QUALITY)
    print(args.sheet)
    return code


if __name__ == "__main__":
    sys.exit(main())
