"""The command `dream3d preview`: pictures of a .glb from all around."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from dream3d.errors import InputError
from dream3d.inputs import check_file, check_output

MIN_SIZE, MAX_SIZE, MAX_VIEWS = 16, 2048, 360
MAX_PIXELS = 1 << 28  # of all pictures together; they wait in memory until the file is whole


@dataclass(frozen=True)
class Preview:
    """Render a turntable of a .glb to a picture or an animation."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE.glb")]
    """The file to render."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="OUT.{png,gif,mp4}")]
    """Where to write the picture."""
    mode: Literal["shaded", "color", "normals", "wireframe", "all"] = "shaded"
    """Under a neutral studio light, unlit base color, normals as the camera sees them, or the triangles; all
    has a row for each in a .png, a quarter for each in an animation."""
    views: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Pictures of one turn; without this 8 in a .png, 60 in a .gif, 90 in an .mp4."""
    size: Annotated[int, tyro.conf.arg(metavar="PX")] = 256
    """Side of each picture in pixels."""

    def run(self) -> int:
        """Render and write."""
        if self.views is not None and not 1 <= self.views <= MAX_VIEWS:
            raise InputError(f"--views must be between 1 and {MAX_VIEWS}, not {self.views}")
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise InputError(f"--size must be between {MIN_SIZE} and {MAX_SIZE}, not {self.size}")
        check_file(self.file, ".glb")
        check_output(self.output, (".png", ".gif", ".mp4"))
        # Heavy: torch.
        from dream3d.preview import count_pictures, preview_file

        count = count_pictures(self.output, self.mode, self.views)
        if count * self.size**2 > MAX_PIXELS:
            raise InputError(
                f"--size: {count} pictures of {self.size} pixels are too many; "
                f"{int((MAX_PIXELS / count) ** 0.5)} is the most"
            )
        preview_file(self.file, self.output, self.size, self.mode, self.views)
        print(self.output)
        return 0
