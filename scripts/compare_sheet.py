"""Assets before and after, as a contact sheet, a prompt a row.

    python scripts/compare_sheet.py COARSE REFINED -o sheet.jpg --looks shaded wireframe normals
    python scripts/compare_sheet.py TOGETHER APART -o sheet.jpg --names together apart --abreast 3
    python scripts/compare_sheet.py COARSE REFINED -o sheet.jpg --prompts assets/prompts/gallery.txt

The two are folders of .glb files, such as `dream3d generate` leaves without and with an option, or the
folders `assets/` of two runs of `dream3d eval`. Files of one name make a row; with a list, files named as
`dream3d generate` does it. What is missing or damaged stays on the sheet.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from PIL import Image
from sheets import BLACK, RED, Tile, contact_sheet, encode_jpeg

from dream3d.errors import InputError
from dream3d.evaluate.prompts import read_prompts
from dream3d.export.files import write_files
from dream3d.export.load_model import load_textured_mesh
from dream3d.inputs import check_output, default_output
from dream3d.mesh import TexturedMesh
from dream3d.preview import render_looks
from dream3d.render.looks import Look

AZIMUTH_DEG = 30.0  # the front and a side


@dataclass(frozen=True)
class Side:
    """One of the two folders, and how its assets are shown."""

    name: str
    folder: Path
    looks: tuple[Look, ...] = ("shaded",)


def file_names(sides: Sequence[Side], prompts: Path | None) -> list[str]:
    """One for each row.

    Raises:
        InputError: There is none, or the list cannot be read.
    """
    if prompts is not None:
        return [default_output(line.text).name for line in read_prompts([prompts]).lines if not line.error]
    names = sorted({path.name for side in sides for path in side.folder.glob("*.glb")})
    if not names:
        raise InputError(f"there is no .glb file in {' or '.join(str(side.folder) for side in sides)}")
    return names


def row_of(name: str, sides: Sequence[Side], size: int) -> list[Tile]:
    """A tile for each look, the prompt under the first."""
    title, tiles = name, list[Tile]()
    for side in sides:
        path = side.folder / name
        try:
            asset = load_textured_mesh(path)
            title = str(asset.metadata.get("prompt") or title)
            tiles += _tiles(asset, side, size)
        except InputError as error:
            fault = str(error).removeprefix(str(path)).strip(": ")
            gaps = [Tile(None, ())] * (len(side.looks) - 1)
            tiles += [Tile(None, ((f"{side.name}: {fault}", RED),)), *gaps]
    return [Tile(tiles[0].picture, ((title, BLACK), *tiles[0].lines)), *tiles[1:]]


def _tiles(asset: TexturedMesh, side: Side, size: int) -> list[Tile]:
    pictures = render_looks(asset, side.looks, num_views=1, size=size, azimuth_deg=AZIMUTH_DEG)[:, 0]
    return [
        Tile(Image.fromarray(picture), ((f"{side.name}, {look}, {len(asset.mesh.faces)} triangles", BLACK),))
        for look, picture in zip(side.looks, pictures, strict=True)
    ]


def main() -> None:
    """Read the options and paint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--names", nargs=2, default=("coarse", "refined"), help="of the two folders")
    parser.add_argument(
        "--looks", nargs="+", choices=get_args(Look), default=("shaded",), help="of the second"
    )
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--size", type=int, default=224, help="pixels of a view")
    parser.add_argument("--abreast", type=int, default=2, help="prompts beside each other")
    args = parser.parse_args()
    check_output(args.out, (".jpg", ".jpeg"))
    sides = Side(args.names[0], args.before), Side(args.names[1], args.after, tuple(args.looks))
    tiles = [tile for name in file_names(sides, args.prompts) for tile in row_of(name, sides, args.size)]
    columns = args.abreast * sum(len(side.looks) for side in sides)
    write_files({args.out: encode_jpeg(contact_sheet(tiles, columns, args.size, args.size))})
    print(args.out)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"compare_sheet: {error}")
