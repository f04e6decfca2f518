"""Pictures of a finished asset under a neutral studio light: a sheet, a turntable animation."""

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dream3d.cameras import Cameras, orbit
from dream3d.errors import InputError
from dream3d.export.files import write_files
from dream3d.export.load import load_textured_mesh
from dream3d.math import normalize
from dream3d.mesh import ByteArray, TexturedMesh, fit_sphere
from dream3d.render.surface import Shade, SurfacePoints, render_surface

BACKGROUND_SRGB = (0.93, 0.93, 0.93)
FIELD_OF_VIEW_DEG = 30.0
ELEVATION_DEG = 15.0
FRAMES_PER_SECOND = 15

SHEET_VIEWS, SHEET_COLUMNS = 8, 4  # of a .png
ANIMATION_VIEWS = 45  # one turn in three seconds


def render_turntable(
    asset: TexturedMesh,
    num_views: int = SHEET_VIEWS,
    size: int = 256,
    elevation_deg: float = ELEVATION_DEG,
    supersample: int = 2,
) -> ByteArray:
    """Pictures from all around, starting at the front and turning towards +X.

    Args:
        asset: In any unit; it is centred and scaled to fill the frame.
        num_views: B, spread evenly over 360 degrees.
        size: Side of each picture in pixels.
        elevation_deg: Of the camera.
        supersample: Samples per pixel along each axis.

    Returns:
        [B, size, size, 3] sRGB bytes over a light grey background.
    """
    mesh = fit_sphere(asset.mesh)
    # The unit sphere just touches the frame's edges, with two percent to spare.
    distance = 1.02 / float(np.sin(np.radians(FIELD_OF_VIEW_DEG) / 2))
    azimuths = [360.0 * view / num_views for view in range(num_views)]
    pictures: list[ByteArray] = []
    for azimuth in azimuths:  # one at a time: supersampled pictures of all views at once need much memory
        cameras = orbit([azimuth], elevation_deg, distance, FIELD_OF_VIEW_DEG)
        render = render_surface(
            mesh, cameras, size, size, studio_light(cameras), asset.material.base_color_srgb, supersample
        )
        background = torch.tensor(BACKGROUND_SRGB)
        picture = render.color_srgb[0] + (1.0 - render.opacity[0, ..., None]) * background
        pictures.append((picture.clamp(0, 1) * 255.0).round().to(torch.uint8).numpy())
    return np.stack(pictures)


def studio_light(cameras: Cameras) -> Shade:
    """A neutral light that turns with the camera, so that every side looks alike.

    A hemisphere (brighter from above), a key light from the upper left of the camera and a weak fill from the
    right; white light and no tone curve: a texture keeps its hue.

    Args:
        cameras: The cameras of the picture.

    Returns:
        The shading function for `render_surface`.
    """
    c2w = cameras.c2w()[:, :3, :3]  # [B, 3, 3], columns: right, up, backward
    key = normalize(torch.einsum("bij,j->bi", c2w, c2w.new_tensor([-0.5, 0.7, 0.8])))
    fill = normalize(torch.einsum("bij,j->bi", c2w, c2w.new_tensor([0.8, 0.1, 0.6])))

    def shade(points: SurfacePoints) -> Tensor:
        def lambert(lights: Tensor) -> Tensor:
            return (points.normals * lights[points.view]).sum(-1).clamp_min(0.0)

        hemisphere = 0.30 + 0.12 * points.normals[:, 1]
        light = hemisphere + 0.62 * lambert(key) + 0.15 * lambert(fill)
        return points.base_color * light[:, None]

    return shade


def encode_png_preview(asset: TexturedMesh) -> bytes:
    """The sheet of eight views as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(sheet(render_turntable(asset), SHEET_COLUMNS)).save(stream, "PNG")
    return stream.getvalue()


def sheet(pictures: NDArray[np.uint8], columns: int) -> ByteArray:
    """Arrange pictures [B, H, W, 3] in rows of `columns`; B must be a multiple of it."""
    num_pictures, height, width, channels = pictures.shape
    grid = pictures.reshape(num_pictures // columns, columns, height, width, channels)
    return np.ascontiguousarray(grid.transpose(0, 2, 1, 3, 4)).reshape(-1, columns * width, channels)


def write_preview(asset: TexturedMesh, path: Path, size: int = 256) -> None:
    """Write a sheet (.png) or a turning animation (.gif, .mp4), whole or not at all.

    Args:
        asset: What to show.
        path: Its ending chooses the kind.
        size: Side of each picture in pixels.

    Raises:
        InputError: The ending is another one, .mp4 is asked for without the `video` extra, or the path is
            impossible.
        RunError: The disk is full or failed.
    """
    match path.suffix.lower():
        case ".png":
            content = encode_png_preview(asset)
        case ".gif":
            content = _encode_gif(render_turntable(asset, ANIMATION_VIEWS, size))
        case ".mp4":
            writer = _video_writer()
            content = _encode_mp4(writer, render_turntable(asset, ANIMATION_VIEWS, size))
        case _:
            raise InputError(f"{path} must end in .png, .gif or .mp4")
    write_files({path: content})


def preview_file(source: Path, target: Path) -> None:
    """Render a turntable of a .glb to `target`; see `write_preview` for what can go wrong."""
    write_preview(load_textured_mesh(source), target)


def _encode_gif(frames: ByteArray) -> bytes:
    """An endless GIF of frames [B, H, W, 3] with one palette for all, so that colors do not flicker."""
    every = max(1, len(frames) // 8)
    palette = Image.fromarray(sheet(frames[::every], 1)).quantize(256, method=Image.Quantize.MEDIANCUT)
    images = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        for frame in frames
    ]
    stream = io.BytesIO()
    images[0].save(
        stream,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / FRAMES_PER_SECOND),
        loop=0,
    )
    return stream.getvalue()


def _video_writer() -> Any:
    """The optional module that carries an ffmpeg program.

    Raises:
        InputError: It is not installed.
    """
    try:
        import imageio_ffmpeg
    except ImportError:
        raise InputError(
            "an .mp4 needs the video extra: pip install 'dream3d[video]', or ask for a .gif"
        ) from None
    return imageio_ffmpeg


def _encode_mp4(imageio_ffmpeg: Any, frames: ByteArray) -> bytes:
    """H.264 video of frames [B, H, W, 3], playable by browsers."""
    with tempfile.TemporaryDirectory(prefix="dream3d-") as folder:
        path = Path(folder) / "turntable.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(path),
            (frames.shape[2], frames.shape[1]),
            fps=FRAMES_PER_SECOND,
            quality=8,
            macro_block_size=2,
            ffmpeg_log_level="error",
        )
        writer.send(None)  # starts the program
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        return path.read_bytes()
