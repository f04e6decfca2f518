"""What refinement does, as a contact sheet: coarse, refined, its triangles and its normals, a prompt a row.

    python scripts/refine_sheet.py COARSE REFINED -o sheet.jpg
    python scripts/refine_sheet.py COARSE REFINED -o sheet.jpg --prompts assets/prompts/gallery.txt

COARSE and REFINED are folders of .glb files, such as `dream3d generate` leaves without and with
`--refine.num-steps 100`, or the folders `assets/` of two runs of `dream3d eval`. Files of one name make a
row; with a list, files named as `dream3d generate` does it. What is missing or damaged stays on the sheet.
"""

import argparse
import sys
from pathlib import Path

from PIL import Image
from sheets import BLACK, RED, Tile, contact_sheet, encode_jpeg

from dream3d.errors import InputError
from dream3d.evaluate.prompts import read_prompts
from dream3d.export.files import write_files
from dream3d.export.load import load_textured_mesh
from dream3d.inputs import check_output, default_output
from dream3d.mesh import TexturedMesh
from dream3d.preview import render_looks
from dream3d.render.looks import Look

AZIMUTH_DEG = 30.0  # the front and a side
COARSE_LOOKS: tuple[Look, ...] = ("shaded",)
REFINED_LOOKS: tuple[Look, ...] = ("shaded", "wireframe", "normals")


def file_names(coarse: Path, refined: Path, prompts: Path | None) -> list[str]:
    """One for each row.

    Raises:
        InputError: There is none, or the list cannot be read.
    """
    if prompts is not None:
        return [default_output(line.text).name for line in read_prompts([prompts]).lines if not line.error]
    names = sorted({path.name for folder in (coarse, refined) for path in folder.glob("*.glb")})
    if not names:
        raise InputError(f"there is no .glb file in {coarse} or {refined}")
    return names


def row_of(name: str, coarse: Path, refined: Path, size: int) -> list[Tile]:
    """A tile for each look, the prompt under the first."""
    sides = [("coarse", coarse / name, COARSE_LOOKS), ("refined", refined / name, REFINED_LOOKS)]
    title, tiles = name, []
    for side, path, looks in sides:
        try:
            asset = load_textured_mesh(path)
            title = str(asset.metadata.get("prompt") or title)
            tiles += _tiles(asset, side, looks, size)
        except InputError as error:
            fault = str(error).removeprefix(str(path)).strip(": ")
            tiles += [Tile(None, ((f"{side}: {fault}", RED),)), *[Tile(None, ())] * (len(looks) - 1)]
    return [Tile(tiles[0].picture, ((title, BLACK), *tiles[0].lines)), *tiles[1:]]


def _tiles(asset: TexturedMesh, side: str, looks: tuple[Look, ...], size: int) -> list[Tile]:
    pictures = render_looks(asset, looks, num_views=1, size=size, azimuth_deg=AZIMUTH_DEG)[:, 0]
    return [
        Tile(Image.fromarray(picture), ((f"{side}, {look}, {len(asset.mesh.faces)} triangles", BLACK),))
        for look, picture in zip(looks, pictures, strict=True)
    ]


def main() -> None:
    """Read the options and paint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("coarse", type=Path)
    parser.add_argument("refined", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--size", type=int, default=224, help="pixels of a view")
    parser.add_argument("--abreast", type=int, default=2, help="prompts beside each other")
    args = parser.parse_args()
    check_output(args.out, (".jpg", ".jpeg"))
    names = file_names(args.coarse, args.refined, args.prompts)
    tiles = [tile for name in names for tile in row_of(name, args.coarse, args.refined, args.size)]
    columns = args.abreast * len(COARSE_LOOKS + REFINED_LOOKS)
    write_files({args.out: encode_jpeg(contact_sheet(tiles, columns, args.size, args.size))})
    print(args.out)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"refine_sheet: {error}")
