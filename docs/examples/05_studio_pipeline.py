"""A list of props to files that passed some checks, and a report about all of them.

Every prop gets as many seeds as it needs, up to `MAX_SEEDS`; what never passes is kept for a person to look
at. A run that was killed goes on where it was: each has a folder of its own, removed when its file is there.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import dream3d

PROPS = {"a red mushroom": 0.3, "a wooden barrel": 0.9, "a xylophone of fog": 1.0}  # heights in metres
MAX_SEEDS = 2
MAX_FACES = 5000


def faults(asset: dream3d.Asset) -> list[str]:
    """What an art director would send back."""
    shape = asset.to_trimesh()
    found = list(asset.warnings)
    if len(shape.faces) > MAX_FACES:
        found.append(f"{len(shape.faces)} faces, not {MAX_FACES}")
    if asset.textures["baseColorTexture"].std() < 2:
        found.append("one color all over")
    if min(shape.extents) < 0.05 * max(shape.extents):
        found.append("flat")
    return found


def make(pipeline: dream3d.Pipeline, prompt: str, height: float, folder: Path) -> dict[str, object]:
    """The row of the report for one prop."""
    settings = dream3d.load_config("draft")
    row: dict[str, object] = {"prompt": prompt}
    for seed in range(MAX_SEEDS):
        run_dir = folder / "runs" / f"{prompt.replace(' ', '-')}-{seed}"
        try:
            asset = pipeline.generate(prompt, replace(settings, seed=seed), run_dir=run_dir)
            paths = asset.save(folder / f"{prompt.replace(' ', '-')}.glb", height=height)
        except (dream3d.InputError, dream3d.RunError) as error:
            return row | {"error": str(error)}
        shutil.rmtree(run_dir)
        row |= {"file": paths[0].name, "seed": seed, "faces": len(asset.mesh.faces), "faults": faults(asset)}
        if not row["faults"]:
            break
    return row


def main() -> None:
    """Make all props and write the report."""
    folder = Path("props")
    folder.mkdir(exist_ok=True)
    pipeline = dream3d.Pipeline.from_pretrained("props")
    report = [make(pipeline, prompt, height, folder) for prompt, height in PROPS.items()]
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    for row in report:
        print(row["prompt"], row.get("error") or row["faults"] or "fine", sep=": ")


if __name__ == "__main__":
    main()
