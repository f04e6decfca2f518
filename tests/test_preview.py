import math

import numpy as np
import pytest
from analytic_fields import BLUE, GREEN, RED, make_figure
from PIL import Image

from dream3d.errors import InputError
from dream3d.export.glb import encode_glb
from dream3d.mesh import Material, Mesh, TexturedMesh
from dream3d.preview import LOOKS, preview_file, render_looks, render_turntable, sheet, write_preview
from dream3d.render.looks import BACKDROP_SRGB

BACKDROP = round(BACKDROP_SRGB * 255)


def mask_of(picture: np.ndarray) -> np.ndarray:
    """Pixels with a hue: the ground and its shadow are gray."""
    return np.ptp(picture.astype(int), axis=-1) > 12


def dominant(picture: np.ndarray) -> str:
    """Which of the figure's colors most object pixels are nearest to in hue."""
    pixels = picture[mask_of(picture)] / 255
    hues = np.array([RED, BLUE, GREEN])
    nearest = (pixels / pixels.max(axis=1, keepdims=True)) @ (
        hues / np.linalg.norm(hues, axis=1, keepdims=True)
    ).T
    return "RBG"[np.bincount(nearest.argmax(axis=1), minlength=3).argmax()]


def ball(gray: int, count: int = 24) -> TexturedMesh:
    """A unit sphere of one gray."""
    u, v = np.meshgrid(np.linspace(0, 2 * math.pi, 2 * count), np.linspace(0, math.pi, count))
    normals = np.stack([np.sin(v) * np.sin(u), np.cos(v), np.sin(v) * np.cos(u)], axis=-1).reshape(-1, 3)
    corner = (np.arange(count - 1)[:, None] * 2 * count + np.arange(2 * count - 1)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + 2 * count, corner + 1], axis=1),
            np.stack([corner + 1, corner + 2 * count, corner + 2 * count + 1], axis=1),
        ]
    )
    uvs = np.full((len(normals), 2), 0.5, np.float32)
    mesh = Mesh(normals.astype(np.float32), faces.astype(np.int32), normals.astype(np.float32), uvs)
    return TexturedMesh(mesh, Material(np.full((4, 4, 3), gray, np.uint8)))


def test_turntable_starts_at_the_front_and_turns_towards_x():
    """The nose (+Z) is in the middle from the front, moves left as the camera moves to +X, then hides."""
    views = render_turntable(make_figure(), 4, 96)
    assert views.shape == (4, 96, 96, 3)

    def green_column(view):
        green = view[..., 1].astype(int) - np.maximum(view[..., 0], view[..., 2]) > 25
        return np.nonzero(green)[1].mean() if green.sum() > 10 else None

    front, right, back, left = (green_column(view) for view in views)
    assert front == pytest.approx(47.5, abs=2)
    assert right is not None and right < 40  # noqa: PT018
    assert back is None
    assert left is not None and left > 56  # noqa: PT018


def test_object_fills_the_frame_without_touching_it():
    for view in render_turntable(make_figure(), 5, 96):
        rows, columns = np.nonzero(mask_of(view))
        assert min(rows.min(), columns.min()) >= 1
        assert max(rows.max(), columns.max()) <= 94
        assert rows.max() - rows.min() > 66


def test_scale_and_place_of_the_object_do_not_matter():
    figure = make_figure()
    mesh = figure.mesh
    moved = Mesh(mesh.vertices * 250 + np.float32([900, -20, 33]), mesh.faces, mesh.normals, mesh.uvs)
    pictures = render_turntable(TexturedMesh(moved, figure.material), 2, 64)
    difference = np.abs(pictures.astype(int) - render_turntable(figure, 2, 64).astype(int))
    assert difference.mean() < 0.5


def test_top_and_bottom_are_the_right_way_up():
    view = render_turntable(make_figure(), 1, 96)[0]
    assert dominant(view[:35]) == "R"
    assert dominant(view[60:]) == "B"


def test_light_is_neutral_and_the_same_from_every_side():
    """A white ball is gray everywhere, and looks the same from all azimuths."""
    views = render_turntable(ball(230), 3, 64).astype(int)
    inside = views[0][16:48, 16:48]
    assert np.ptp(inside, axis=-1).max() <= 1
    assert np.abs(views[0] - views[1]).mean() < 1.5
    assert inside[:10].mean() > inside[-10:].mean()  # lit from above
    assert inside.max() <= 250  # not blown out


def test_a_shadow_lies_on_the_ground_and_ends_before_the_border():
    view = render_turntable(ball(230), 1, 96)[0].astype(int)
    feet = view[85:91, 40:56]
    assert feet.min() < BACKDROP - 25
    border = np.concatenate([view[0], view[-1], view[:, 0], view[:, -1]])
    assert np.abs(border - BACKDROP).max() <= 1
    from_below = render_turntable(ball(230), 1, 96, elevation_deg=-20.0)[0].astype(int)
    outside = np.hypot(*(np.mgrid[:96, :96] - 47.5)) > 47.5
    assert np.abs(from_below[outside] - BACKDROP).max() == 0


def test_a_last_row_that_is_not_full_is_backdrop():
    result = sheet(np.zeros((5, 2, 3, 3), np.uint8), 4)
    assert result.shape == (4, 12, 3)
    assert (result[2:, :3] == 0).all()
    assert (result[2:, 3:] == BACKDROP).all()


def test_sheet_reads_in_rows():
    pictures = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((6, 2, 3, 3), np.uint8)
    result = sheet(pictures, 3)
    assert result.shape == (4, 9, 3)
    np.testing.assert_array_equal(result[::2, ::3, 0], [[0, 1, 2], [3, 4, 5]])


def test_png_gif_and_mp4_are_written(tmp_path):
    source = tmp_path / "figure.glb"
    source.write_bytes(encode_glb(make_figure()))
    preview_file(source, tmp_path / "a.png", 256, "shaded", None)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1024, 512)
        np.testing.assert_array_equal(np.asarray(picture)[:256, :256], render_turntable(make_figure(), 1)[0])
    write_preview(make_figure(), tmp_path / "a.gif", size=64)
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.size == (64, 64)
        assert getattr(animation, "n_frames", 1) == 60
        assert animation.info["duration"] == 50  # a turn takes three seconds
        assert animation.info["loop"] == 0
        frame = np.asarray(animation.convert("RGB")).astype(int)
    first = render_turntable(make_figure(), 1, 64)[0].astype(int)
    assert np.abs(frame - first).mean() < 6  # a palette of 256 colors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "a.png", "figure.glb"]


def test_mp4_plays_the_turntable(tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="the video extra is not installed")
    write_preview(make_figure(), tmp_path / "a.mp4", size=64)
    frames = imageio_ffmpeg.read_frames(str(tmp_path / "a.mp4"))
    meta = next(frames)
    assert meta["source_size"] == (64, 64)
    assert meta["codec"] == "h264"
    pictures = [np.frombuffer(frame, np.uint8).reshape(64, 64, 3).astype(int) for frame in frames]
    assert len(pictures) == 90
    assert np.abs(pictures[0] - render_turntable(make_figure(), 1, 64)[0]).mean() < 6


def test_mp4_without_the_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    with pytest.raises(InputError, match=r"pip install 'dream3d\[video\]'"):
        write_preview(make_figure(), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(InputError, match="must end in"):
        write_preview(make_figure(), tmp_path / "a.webp")


def test_all_looks_in_one_file(tmp_path):
    write_preview(make_figure(), tmp_path / "a.png", 32, "all", 3)
    with Image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture)
    rows = [sheet(views, 3) for views in render_looks(make_figure(), LOOKS, 3, 32)]
    np.testing.assert_array_equal(pixels, np.concatenate(rows))
    write_preview(make_figure(), tmp_path / "a.gif", 32, "all", 2)
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.size == (64, 64)
        assert getattr(animation, "n_frames", 1) == 2
        assert animation.info["duration"] == 1500
