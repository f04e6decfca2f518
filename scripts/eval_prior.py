"""Look at a prior in 2D, before any 3D: a sheet of samples, and whether it obeys the camera.

    python scripts/eval_prior.py --prior props --sheet sheet.png    # a row per family: azimuths, then colors
    python scripts/eval_prior.py --prior props --azimuths 16        # camera obedience, asymmetric families

Camera obedience: sample a family at a known azimuth, find the azimuth of the best-matching ground-truth
render (lowest squared error over RGBA, several instances), report the circular error. Chance is 90 degrees.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from prior_data import TRAINED_FAMILIES, render_views
from torch import Tensor

from dream3d.cameras import Cameras, orbit
from dream3d.config import Shading
from dream3d.prior import Prior
from dream3d.prior.sampling import sample_images
from dream3d.props import COLORS, FAMILIES, make_prop, prop_spec

ELEVATION_DEG, DISTANCE, FOV_Y_DEG = 20.0, 3.05, 40.0
NUM_INSTANCES = 6
AZIMUTH_GRID = 36


def views(azimuths: list[float]) -> Cameras:
    """Test cameras in the middle of the prior's law."""
    return orbit(azimuths, ELEVATION_DEG, DISTANCE, FOV_Y_DEG)


def ground_truth(family: str, cameras: Cameras, count: int) -> Tensor:
    """Default-coloured instances of a family from every camera, [count, B, H, W, 4]."""
    rng = np.random.default_rng(12345)
    spec = prop_spec(family)
    shading: list[Shading] = ["albedo"] * len(cameras)
    return torch.stack([render_views(make_prop(spec, rng), cameras, shading, 64) for _ in range(count)])


def azimuth_errors(prior: Prior, family: str, num_azimuths: int, scale: float) -> list[float]:
    """Circular azimuth error of each sample, degrees."""
    asked = [360.0 * (k + 0.5) / num_azimuths for k in range(num_azimuths)]
    cameras = views(asked)
    generator = torch.Generator().manual_seed(0)
    samples = sample_images(
        prior, prior.embed(f"a {family}"), cameras, ["albedo"] * num_azimuths, generator, 15, scale
    )
    grid = [360.0 * k / AZIMUTH_GRID for k in range(AZIMUTH_GRID)]
    truth = ground_truth(family, views(grid), NUM_INSTANCES)
    errors = []
    for azimuth, sample in zip(asked, samples, strict=True):
        distance = ((truth - sample) ** 2).mean((2, 3, 4)).min(0).values
        best = grid[int(distance.argmin())]
        errors.append(abs((best - azimuth + 180.0) % 360.0 - 180.0))
    return errors


def over_gray(images: Tensor) -> np.ndarray:
    """Premultiplied [N, H, W, 4] over light gray as bytes [N, H, W, 3]."""
    rgb = images[..., :3] + 0.85 * (1 - images[..., 3:])
    return (rgb.clamp(0, 1) * 255).round().byte().numpy()


def sheet(prior: Prior, families: list[str], path: Path, scale: float) -> None:
    """Rows are families: eight azimuths in the default colours, then eight colours from 30 degrees."""
    rows = []
    colors = list(COLORS)
    for index, family in enumerate(families):
        generator = torch.Generator().manual_seed(index)
        turn = views([45.0 * k for k in range(8)])
        around = sample_images(prior, prior.embed(f"a {family}"), turn, ["albedo"] * 8, generator, 15, scale)
        tinted = []
        for k in range(8):
            color = colors[(index + 2 * k) % len(colors)]
            text = prior.embed(f"a {color} {family}")
            tinted.append(sample_images(prior, text, views([30.0]), ["shaded"], generator, 15, scale))
        rows.append(np.concatenate(over_gray(torch.cat([around, *tinted])), axis=1))
    picture = Image.fromarray(np.concatenate(rows, axis=0))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prior", default="props")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument(
        "--azimuths", type=int, default=0, help="views per family; 0 leaves camera obedience out"
    )
    parser.add_argument("--families", nargs="*", help="all asymmetric ones unless named")
    parser.add_argument("--scale", type=float, default=3.0, help="guidance scale")
    args = parser.parse_args()
    prior = Prior.from_pretrained(args.prior)
    if args.sheet:
        sheet(prior, args.families or list(TRAINED_FAMILIES), args.sheet, args.scale)
    if args.azimuths:
        chosen = args.families or [name for name in TRAINED_FAMILIES if not FAMILIES[name].symmetric]
        errors = {family: azimuth_errors(prior, family, args.azimuths, args.scale) for family in chosen}
        for family, values in errors.items():
            print(
                f"{family:14s} median {np.median(values):6.1f}  over 45: {np.mean(np.array(values) > 45):.2f}"
            )
        pooled = [value for values in errors.values() for value in values]
        print(json.dumps({"median_azimuth_error_deg": float(np.median(pooled)), "samples": len(pooled)}))


if __name__ == "__main__":
    main()
