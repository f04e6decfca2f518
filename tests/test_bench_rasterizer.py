"""What is compared in the benchmark does the same work: one picture, and one gradient where both have it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import bench_rasterizer
from bench_rasterizer import deodr_scene, gradient, make_subject, opengl, picture
from opengl_baseline import OpenGLBaseline

SUBJECT = make_subject(2000, 128)


def ours() -> np.ndarray:
    return picture(SUBJECT, SUBJECT.clip, SUBJECT.colors, "auto")[0].numpy()


def test_opengl_draws_our_picture() -> None:
    gl = opengl(SUBJECT)
    if not isinstance(gl, OpenGLBaseline):
        pytest.skip(gl)
    try:
        pictures = [gl.draw_and_read()[::-1, :, :3], gl.by_pyrender()]
    finally:
        gl.close()
    for drawn in pictures:
        off = np.abs(drawn / 255 - ours()).max(-1)
        assert np.quantile(off, 0.9) < 1 / 255  # not the silhouettes, which only pyrender smooths
        assert off.mean() < 0.01


def test_the_subject_is_closed_and_fills_half_of_the_picture() -> None:
    assert (SUBJECT.edges.neighbors >= 0).all()
    assert 0.4 < (ours() > 0).any(-1).mean() < 0.6


def test_deodr_draws_our_picture_and_has_our_gradient() -> None:
    renderer = pytest.importorskip("deodr.differentiable_renderer")
    scene = deodr_scene(renderer.Scene2D, SUBJECT)
    drawn = scene.render()[0]
    off = np.abs(drawn - ours()).max(-1)
    assert np.quantile(off, 0.9) < 0.003  # it has no perspective within a triangle
    assert off.mean() < 0.015
    scene.render_backward(2 * drawn)
    by_position, by_color = gradient(SUBJECT, "auto")
    expected = torch.from_numpy(scene.colors_b)
    assert (by_color - expected).norm() < 0.1 * expected.norm()
    # of a change of size: everything moves away from the middle of the picture
    growth = float((by_position[0, :, :2] * SUBJECT.clip[0, :, :2]).sum())
    assert growth == pytest.approx((scene.ij_b * (scene.ij - SUBJECT.size / 2)).sum(), rel=0.005)


def test_a_row_for_each_contender_and_what_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_rasterizer, "TWIN_PAIRS", 0)
    bench_rasterizer.bench(make_subject(500, 32), rounds=1)
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()]
    assert {row[0].strip() for row in rows} == {"32^2"}
    assert [row[2].strip().split(":")[0] for row in rows].count("ours") == 3
    assert {row[3].strip() for row in rows if "twin" in row[2]} == {"left out: minutes"}
    assert all(row[4].strip() == "1.0x" for row in rows if "ours" in row[2])
