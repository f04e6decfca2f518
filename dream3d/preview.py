"""Pictures of a finished asset under a neutral studio light: a sheet of views, a turntable animation."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dream3d.cameras import orbit
from dream3d.errors import InputError
from dream3d.export.animation import encode_gif, encode_mp4, video_writer
from dream3d.export.files import write_files
from dream3d.export.load_model import load_textured_mesh
from dream3d.export.material import encode_png
from dream3d.mesh import ByteArray, TexturedMesh, fit_sphere
from dream3d.render.looks import BACKDROP_SRGB, Look, paint, set_stage
from dream3d.render.occlusion import shadow_maps
from dream3d.render.visible import prepare

Mode = Literal["shaded", "color", "normals", "wireframe", "all"]
LOOKS: tuple[Look, ...] = get_args(Look)

FIELD_OF_VIEW_DEG = 30.0
ELEVATION_DEG = 15.0
MARGIN = 1.06  # half the frame over the radius of the object
SHEET_VIEWS, SHEET_COLUMNS = 8, 4  # of a .png
DEFAULT_VIEWS = {".png": SHEET_VIEWS, ".gif": 60, ".mp4": 90}  # of one turn
SECONDS_PER_TURN = 3.0


def render_turntable(
    asset: TexturedMesh,
    num_views: int = SHEET_VIEWS,
    size: int = 256,
    elevation_deg: float = ELEVATION_DEG,
    supersample: int = 2,
) -> ByteArray:
    """Shaded pictures from all around, starting at the front and turning towards +X.

    Args:
        asset: In any unit; it is centred and scaled to fill the frame.
        num_views: B, spread evenly over 360 degrees.
        size: Side of each picture in pixels.
        elevation_deg: Of the camera.
        supersample: Samples per pixel along each axis.

    Returns:
        [B, size, size, 3] sRGB bytes over a light gray backdrop.

    Raises:
        InputError: There is nothing to see: no triangle with finite corners, or no extent.
    """
    return render_looks(asset, ("shaded",), num_views, size, elevation_deg, supersample)[0]


def render_looks(
    asset: TexturedMesh,
    looks: Sequence[Look],
    num_views: int = SHEET_VIEWS,
    size: int = 256,
    elevation_deg: float = ELEVATION_DEG,
    supersample: int = 2,
    azimuth_deg: float = 0.0,
) -> ByteArray:
    """As `render_turntable`, in one or more looks and from an azimuth on: [M, B, size, size, 3]."""
    textured = prepare(_framed(asset))
    stage = set_stage(textured, shadow_maps(textured.vertices, textured.faces))
    # The unit sphere fills the frame, with a margin for the shadow at its feet.
    distance = MARGIN / float(np.sin(np.radians(FIELD_OF_VIEW_DEG) / 2))
    pictures = np.empty((len(looks), num_views, size, size, 3), np.uint8)
    for view in range(num_views):  # one at a time: pictures of all views at once would need much memory
        azimuth = azimuth_deg + 360.0 * view / num_views
        camera = orbit([azimuth], elevation_deg, distance, FIELD_OF_VIEW_DEG)
        for look, picture in enumerate(paint(stage, camera, tuple(looks), size, supersample)):
            pictures[look, view] = (picture * 255.0).round().byte().numpy()
    return pictures


def encode_png_preview(asset: TexturedMesh) -> bytes:
    """The sheet of eight shaded views as a PNG file."""
    return encode_png(sheet(render_turntable(asset), SHEET_COLUMNS))


def sheet(pictures: NDArray[np.uint8], columns: int) -> ByteArray:
    """Arrange pictures [B, H, W, 3] in rows of `columns`; what the last row lacks is left as backdrop."""
    num_pictures, height, width, channels = pictures.shape
    rows = -(-num_pictures // columns)
    grid = np.full((rows * columns, height, width, channels), round(BACKDROP_SRGB * 255), np.uint8)
    grid[:num_pictures] = pictures
    grid = grid.reshape(rows, columns, height, width, channels)
    return np.ascontiguousarray(grid.transpose(0, 2, 1, 3, 4)).reshape(-1, columns * width, channels)


def write_preview(
    asset: TexturedMesh, path: Path, size: int = 256, mode: Mode = "shaded", num_views: int | None = None
) -> None:
    """Write a sheet (.png) or a turning animation (.gif, .mp4), whole or not at all.

    Args:
        asset: What to show.
        path: Its ending chooses the kind.
        size: Side of each picture in pixels.
        mode: How to look at it. "all" has a row for each look on a sheet, a quarter for each in an animation.
        num_views: How many pictures one turn has; 8, 60 (.gif) or 90 (.mp4) when None.

    Raises:
        InputError: The ending is another one, .mp4 is asked for without the `video` extra, the path is
            impossible, or there is nothing to see.
        RunError: The disk is full or failed.
    """
    looks = _looks(mode)
    num_views = num_views or DEFAULT_VIEWS.get(path.suffix.lower(), 1)
    match path.suffix.lower():
        case ".png":
            views = render_looks(asset, looks, num_views, size)
            columns = min(SHEET_COLUMNS, views.shape[1]) if len(looks) == 1 else views.shape[1]
            content = encode_png(sheet(np.concatenate(list(views)), columns))
        case ".gif":
            frames = _animate(render_looks(asset, looks, num_views, size))
            content = encode_gif(frames, SECONDS_PER_TURN)
        case ".mp4":
            writer = video_writer()  # before the work
            frames = _animate(render_looks(asset, looks, num_views, size))
            content = encode_mp4(writer, frames, SECONDS_PER_TURN)
        case _:
            raise InputError(f"{path} must end in .png, .gif or .mp4")
    write_files({path: content})


def preview_file(source: Path, target: Path, size: int, mode: Mode, num_views: int | None) -> None:
    """Render a turntable of a .glb to `target`; see `write_preview` for what can go wrong."""
    write_preview(load_textured_mesh(source), target, size, mode, num_views)


def count_pictures(path: Path, mode: Mode, num_views: int | None) -> int:
    """How many pictures `write_preview` renders for these arguments."""
    return len(_looks(mode)) * (num_views or DEFAULT_VIEWS.get(path.suffix.lower(), 1))


def _looks(mode: Mode) -> tuple[Look, ...]:
    return LOOKS if mode == "all" else (mode,)


def _animate(views: ByteArray) -> ByteArray:
    """Frames [B, H, W, 3] of one look, or of four looks in quarters, from [M, B, S, S, 3]."""
    if len(views) == 1:
        return views[0]
    return np.stack([sheet(views[:, view], 2) for view in range(views.shape[1])])


def _framed(asset: TexturedMesh) -> TexturedMesh:
    """The asset in the unit sphere, without the triangles that have a corner nowhere and unused vertices.

    Raises:
        InputError: Nothing is left, or it has no extent.
    """
    mesh = asset.mesh
    is_finite = np.asarray(np.isfinite(mesh.vertices).all(axis=1))
    faces = mesh.faces[is_finite[mesh.faces].all(axis=1)]
    shown = mesh.of_faces(faces)
    if len(faces) == 0 or not np.ptp(shown.vertices.astype(np.float64), axis=0).max() > 0.0:
        raise InputError("the mesh has no extent: there is nothing to show")
    return replace(asset, mesh=fit_sphere(shown))
