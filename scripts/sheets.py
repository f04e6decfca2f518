"""Contact sheets: pictures in a grid, each with lines of text under it."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

LINE_HEIGHT, LETTER_WIDTH = 12, 6  # of PIL's own font
GRAY = 0.85
BLACK, RED = "black", "firebrick"


@dataclass(frozen=True)
class Tile:
    """A picture and what is written under it."""

    picture: Image.Image | None
    lines: tuple[tuple[str, str], ...]  # (text, color); cut off at the picture's width


def contact_sheet(tiles: Sequence[Tile], columns: int, width: int, height: int) -> Image.Image:
    """Tiles row by row.

    Args:
        tiles: At least one.
        columns: Tiles in a row.
        width: Of the pictures, in pixels; others are scaled down to it.
        height: Of the pictures.
    """
    num_lines = max(len(tile.lines) for tile in tiles)
    cell_width, cell_height = width + 4, height + num_lines * LINE_HEIGHT + 6
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * cell_width, rows * cell_height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, tile in enumerate(tiles):
        left, top = index % columns * cell_width, index // columns * cell_height
        if tile.picture is not None:
            picture = tile.picture.copy()
            picture.thumbnail((width, height), Image.Resampling.LANCZOS)
            sheet.paste(picture, (left, top))
        for number, (text, color) in enumerate(tile.lines):
            draw.text(
                (left + 2, top + height + number * LINE_HEIGHT), text[: width // LETTER_WIDTH], fill=color
            )
    return sheet


def strip(images: Tensor) -> Image.Image:
    """Premultiplied sRGB views [B, H, W, 4] in [0, 1] side by side over light gray."""
    rgb = (images[..., :3] + GRAY * (1 - images[..., 3:])).clamp(0, 1)
    return Image.fromarray(np.concatenate(list((rgb * 255).round().byte().cpu().numpy()), axis=1))


def encode_jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    """A picture as a file."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
