"""Look at what the prior is shown: a contact sheet of captions, each from the front left and from behind.

python scripts/prop_sheet.py -o sheet.png                               # every family
python scripts/prop_sheet.py -o sheet.png "a striped mug on a table"    # these captions
python scripts/prop_sheet.py -o sheet.png --random 32                   # the training distribution
"""

import argparse
from pathlib import Path

import numpy as np
from prior_data import render_views
from sheets import BLACK, Tile, contact_sheet, strip

from dream3d.cameras import FRAME_DISTANCE, FRAME_FOV_Y_DEG, orbit
from dream3d.errors import InputError
from dream3d.props import FAMILIES, Prop, make_prop, parse_caption, sample_prop
from dream3d.stage_config import Shading

AZIMUTHS_DEG, ELEVATION_DEG = (30.0, 210.0), 20.0


def prop_of(text: str, seed: int) -> Prop:
    """The prop that a caption describes.

    Raises:
        InputError: The grammar does not know the caption.
    """
    spec = parse_caption(text)
    if spec is None:
        raise InputError(f"{text!r} is not in the grammar of dream3d/props/captions.py")
    return make_prop(spec, np.random.default_rng(seed))


def tile(title: str, prop: Prop, size: int, shading: Shading) -> Tile:
    """The views of a prop side by side."""
    cameras = orbit(list(AZIMUTHS_DEG), ELEVATION_DEG, FRAME_DISTANCE, FRAME_FOV_Y_DEG)
    views = render_views(prop, cameras, [shading] * len(AZIMUTHS_DEG), size)  # [B, size, size, 4]
    return Tile(strip(views), ((title, BLACK),))


def main() -> None:
    """Read the options and paint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("captions", nargs="*")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--random", type=int, default=0, help="this many draws instead of captions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=128, help="pixels of a view; the prior sees 64")
    parser.add_argument("--shading", choices=("albedo", "shaded"), default="shaded")
    args = parser.parse_args()
    if args.random:
        rng = np.random.default_rng(args.seed)
        drawn = [sample_prop(rng) for _ in range(args.random)]
        props = [(prop.caption, prop) for prop in drawn]
    else:
        props = [(text, prop_of(text, args.seed)) for text in args.captions or list(FAMILIES)]
    tiles = [tile(text, prop, args.size, args.shading) for text, prop in props]
    contact_sheet(tiles, 4, len(AZIMUTHS_DEG) * args.size, args.size).save(args.out)


if __name__ == "__main__":
    main()
