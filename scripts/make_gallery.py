"""Generate a list of prompts, measure every asset against its family, and paint the contact sheet.

    python scripts/make_gallery.py                    # 24 prompts x 2 seeds, what `make gallery` runs
    python scripts/make_gallery.py --prompts my.txt --seeds 1 --out out/mine --sheet out/mine.png

One folder per prompt and seed; what is already there is kept, so that a stopped run can go on. Failures stay
in the table and on the sheet. Whether an asset is recognisable is judged by looking at the sheet.
"""

import argparse
import json
import resource
import subprocess
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dream3d import Config, Prior, generate
from dream3d.asset import Asset
from dream3d.config import CoarseConfig
from dream3d.errors import RunError
from dream3d.export.glb import slug
from dream3d.metrics.ground_truth import compare_to_family
from dream3d.preview import render_turntable
from dream3d.props import parse_caption

VIEWS, VIEW_SIZE = 8, 128
VALIDATOR = Path(__file__).parent.parent / "tests" / "validate_glb.mjs"


def read_prompts(path: Path) -> list[str]:
    """Prompts of a text file, one a line; # starts a comment."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def validator_findings(path: Path) -> int:
    """Issues of any severity that the Khronos validator reports."""
    answer = subprocess.run(["node", str(VALIDATOR), str(path)], capture_output=True, text=True, check=False)
    report = json.loads(answer.stdout)
    issues = report.get("issues", report)
    return sum(issues[key] for key in ("numErrors", "numWarnings", "numInfos", "numHints"))


def make_one(prompt: str, seed: int, prior: Prior, overlay: dict, folder: Path) -> dict:
    """Generate, save and measure one asset; a failed run is a row too."""
    folder.mkdir(parents=True, exist_ok=True)
    row: dict[str, object] = {"prompt": prompt, "seed": seed}
    try:
        asset = generate(prompt, Config(seed=seed, **overlay), prior=prior)
    except RunError as error:
        return row | {"failed": str(error)}
    glb, _, _ = asset.save(folder / "asset.glb")
    paint_row(asset, f"{prompt} / seed {seed}").save(folder / "row.png")
    row |= dict(asset.metrics) | {"validator_findings": validator_findings(glb)}
    spec = parse_caption(prompt)
    if spec is not None:
        texture = asset.material.base_color_srgb
        row |= asdict(compare_to_family(asset.mesh, texture, spec, np.random.default_rng(99)))
    return row


def paint_row(asset: Asset, title: str) -> Image.Image:
    """Eight views side by side with the prompt above."""
    pictures = render_turntable(asset.textured_mesh, VIEWS, VIEW_SIZE)
    row = Image.new("RGB", (VIEWS * VIEW_SIZE, VIEW_SIZE + 14), "white")
    row.paste(Image.fromarray(np.concatenate(list(pictures), axis=1)), (0, 14))
    ImageDraw.Draw(row).text((4, 1), title, fill="black")
    return row


def summarize(rows: list[dict]) -> dict:
    """Means over what was made, and counts of what was not."""
    made = [row for row in rows if "failed" not in row]
    compared = [row for row in made if "silhouette_iou" in row]
    return {
        "assets": len(rows),
        "failed": len(rows) - len(made),
        "restarts": sum(row["restarts"] for row in made),
        "validator_findings": sum(row["validator_findings"] for row in made),
        "mean_silhouette_iou": float(np.mean([row["silhouette_iou"] for row in compared])),
        "mean_color_error": float(np.mean([row["color_error"] for row in compared])),
        "median_seconds": float(np.median([row["seconds"] for row in made])),
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def main() -> None:
    """Read the options and work through the list."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=Path, default=Path("assets/prompts/gallery.txt"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--prior", default="props")
    parser.add_argument("--num-steps", type=int, default=CoarseConfig().num_steps, help="coarse steps")
    parser.add_argument("--out", type=Path, default=Path("out/gallery"))
    parser.add_argument("--sheet", type=Path, default=Path("assets/gallery/standard.png"))
    args = parser.parse_args()
    prior = Prior.from_pretrained(args.prior)
    overlay = {"prior": args.prior, "coarse": CoarseConfig(num_steps=args.num_steps)}
    rows = []
    for seed in range(args.seeds):
        for prompt in read_prompts(args.prompts):
            folder = args.out / f"{slug(prompt)}_{seed}"
            record = folder / "row.json"
            if not record.exists():
                record_text = json.dumps(make_one(prompt, seed, prior, overlay, folder), indent=1)
                record.write_text(record_text + "\n")
            rows.append(json.loads(record.read_text()))
            print(json.dumps(rows[-1]), flush=True)
    pictures = [Image.open(p) for p in sorted(args.out.glob("*/row.png"))]
    if pictures:
        height = pictures[0].height
        half = (len(pictures) + 1) // 2
        sheet = Image.new("RGB", (2 * pictures[0].width, half * height), "white")
        for index, picture in enumerate(pictures):
            sheet.paste(picture, (index // half * picture.width, index % half * height))
        args.sheet.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(args.sheet)
    summary = json.dumps(summarize(rows), indent=1)
    (args.out / "summary.json").write_text(summary + "\n")
    print(summary)


if __name__ == "__main__":
    main()
