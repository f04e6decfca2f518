"""One asset to its numbers: files of several meshes, and the seam where judges are added."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from dream3d.evaluate.measure import make_judges, measure_asset, measure_file, run_report
from dream3d.export.load import load_glb
from dream3d.export.load_model import join_parts
from dream3d.mesh import FRAME_RADIUS, Material, Mesh, TexturedMesh
from dream3d.metrics import views
from dream3d.metrics.ground_truth import chamfer_distance
from dream3d.metrics.views import Views

RED = np.array([1.0, 0.0, 0.0], np.float32)


def quad(color: np.ndarray | None = None, at: float = 0.0) -> TexturedMesh:
    """A square of four vertices: red on the left and blue on the right by its texture, or of one color."""
    vertices = np.array([[0, 0, at], [1, 0, at], [1, 1, at], [0, 1, at]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    texture = np.zeros((2, 8, 3), np.uint8)
    texture[:, :4, 0], texture[:, 4:, 2] = 255, 255
    if color is None:
        uvs = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
        return TexturedMesh(Mesh(vertices, faces, uvs=uvs), Material(texture))
    colors = np.broadcast_to(color, vertices.shape).copy()
    return TexturedMesh(Mesh(vertices, faces, colors=colors), Material(texture[:1, :1]))


def test_a_single_part_is_left_as_it_is() -> None:
    part = quad()
    assert join_parts([part]) is part


def test_parts_become_one_mesh_with_the_colors_of_each() -> None:
    whole = join_parts([quad(), quad(color=RED, at=2.0)]).mesh
    assert whole.vertices[:, 2].tolist() == [0.0] * 4 + [2.0] * 4
    assert whole.faces.tolist() == [[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]
    blue = [0.0, 0.0, 1.0]
    expected = [RED, blue, blue, RED, RED, RED, RED, RED]
    assert whole.colors is not None
    assert np.allclose(whole.colors, expected)
    assert whole.normals is None


def test_a_file_of_two_meshes_is_measured_whole(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box((1, 1, 1)), node_name="one")
    scene.add_geometry(
        trimesh.creation.icosphere(subdivisions=2).apply_translation((3, 0, 0)), node_name="two"
    )
    path = tmp_path / "two.glb"
    scene.export(str(path))
    assert len(load_glb(path).parts) == 2
    found = measure_file(path, None, make_judges())
    assert (found.metrics["faces"], found.metrics["floaters"]) == (12 + 320, 1)
    assert found.metrics["watertight"] is True
    assert Image.open(io.BytesIO(found.picture)).size == (1024, 128)


def test_vertices_that_no_triangle_uses_change_nothing(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=2)
    numbers = []
    for stray in (None, (8.0, 0.0, 0.0)):
        vertices = ball.vertices if stray is None else np.vstack([ball.vertices, stray])
        path = tmp_path / "ball.glb"
        trimesh.Trimesh(vertices, ball.faces, process=False).export(str(path))
        numbers.append(measure_file(path, "a red mushroom", make_judges()).metrics)
    assert len(load_glb(path).parts[0].mesh.vertices) > len(ball.vertices)
    for name in ("silhouette_iou", "chamfer", "r_precision", "saturation_excess"):
        assert numbers[0][name] == pytest.approx(numbers[1][name], abs=1e-5)


def test_a_judge_is_a_function_of_asset_prompt_and_views() -> None:
    def judge(asset: TexturedMesh, prompt: str | None, seen: Views) -> dict[str, float]:
        farthest = float(np.linalg.norm(asset.mesh.vertices, axis=1).max())
        return {
            "farthest": farthest,
            "letters": len(prompt or ""),
            "seen": float(seen.mask.any()),
            "bad": math.nan,
        }

    found = measure_asset(quad(), "a car", [judge])
    assert found.metrics == {"farthest": pytest.approx(FRAME_RADIUS), "letters": 5, "seen": 1.0}


def test_what_is_seen_does_not_depend_on_how_many_views_are_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    framed = views.in_frame(quad())
    whole = views.look(framed)
    monkeypatch.setattr(views, "VERTICES_AT_ONCE", 5 * len(framed.mesh.vertices))
    parts = views.look(framed)
    assert torch.equal(whole.mask, parts.mask)
    assert torch.allclose(whole.color_srgb, parts.color_srgb, atol=1e-5)  # rounding of other vector lengths
    assert chamfer_distance(whole.points, parts.points) < 1e-3


def test_the_report_of_another_file_is_not_believed(tmp_path: Path) -> None:
    glb, report = tmp_path / "a.glb", tmp_path / "a.json"
    glb.write_bytes(b"x")
    assert run_report(glb) == {}
    for text in ("", "[]", "{}", json.dumps({"sha256": "0" * 64, "metrics": {"seconds": 1}})):
        report.write_text(text)
        assert run_report(glb) == {}
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of "x"
    report.write_text(json.dumps({"sha256": digest, "metrics": {"seconds": 1}}))
    assert run_report(glb)["metrics"] == {"seconds": 1}
    report.write_text(json.dumps({"sha256": digest, "metrics": 7}))
    assert run_report(glb) == {}
