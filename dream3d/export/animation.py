"""Turning pictures as files: GIF for everywhere, MP4 where the `video` extra is installed."""

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dream3d.extras import import_extra
from dream3d.mesh import ByteArray

MIN_SECONDS_PER_FRAME = 0.02  # browsers slow down what asks for less
PALETTE_FRAMES = 8  # of which the colors of a GIF are taken


def encode_gif(frames: ByteArray, seconds: float) -> bytes:
    """An endless GIF with one palette for all frames, so that colors do not flicker.

    Args:
        frames: [B, H, W, 3] sRGB.
        seconds: Of all frames together, at least 0.02 each; rounded to hundredths per frame.
    """
    every = max(1, len(frames) // PALETTE_FRAMES)
    seen = np.concatenate(list(frames[::every]))
    palette = Image.fromarray(seen).quantize(256, method=Image.Quantize.MEDIANCUT)
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
        duration=10 * round(100 * max(seconds / len(frames), MIN_SECONDS_PER_FRAME)),
        loop=0,
    )
    return stream.getvalue()


def video_writer() -> Any:
    """The optional module that carries an ffmpeg program.

    Raises:
        InputError: It is not installed.
    """
    return import_extra("imageio_ffmpeg", "video", "an .mp4", "ask for a .gif")


def encode_mp4(imageio_ffmpeg: Any, frames: ByteArray, seconds: float) -> bytes:
    """H.264 video, playable by browsers.

    Args:
        imageio_ffmpeg: From `video_writer`.
        frames: [B, H, W, 3] sRGB; odd sides are scaled to even ones.
        seconds: Of all frames together.
    """
    with tempfile.TemporaryDirectory(prefix="dream3d-") as folder:
        path = Path(folder) / "turntable.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(path),
            (frames.shape[2], frames.shape[1]),
            fps=len(frames) / max(seconds, len(frames) * MIN_SECONDS_PER_FRAME),
            quality=8,
            macro_block_size=2,
            ffmpeg_log_level="error",
        )
        writer.send(None)  # starts the program
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        return path.read_bytes()
