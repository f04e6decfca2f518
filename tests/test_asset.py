import hashlib
import io
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from analytic_fields import FIGURE, FIGURE_ALBEDO, make_figure
from PIL import Image

from dream3d.asset import Asset, place
from dream3d.cameras import Cameras, orbit
from dream3d.config import ExportConfig
from dream3d.errors import InputError, RunError
from dream3d.export.glb import encode_glb
from dream3d.export.inspect import inspect
from dream3d.mesh import Mesh
from dream3d.ops.composite import composite_reference
from dream3d.render.surface import render_surface

os.environ.setdefault("PYOPENGL_PLATFORM", "egl")


def asset(**changes) -> Asset:
    return Asset(make_figure(target_faces=1500, texture_size=256), **changes)


@pytest.mark.parametrize("height", [0.02, 1.0, 37.5])
def test_height_and_pivot(height):
    mesh = asset().mesh
    bottom = place(mesh, ExportConfig(height_m=height, origin="bottom")).vertices
    center = place(mesh, ExportConfig(height_m=height, origin="center")).vertices
    for vertices in (bottom, center):
        assert np.ptp(vertices[:, 1]) == pytest.approx(height, rel=1e-5)
        middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
        np.testing.assert_allclose(middle[[0, 2]], 0, atol=1e-5 * height)
    assert bottom[:, 1].min() == pytest.approx(0, abs=1e-6 * height)
    assert (center[:, 1].min() + center[:, 1].max()) / 2 == pytest.approx(0, abs=1e-5 * height)
    # One scale for all axes: shapes are not squeezed.
    before, after = np.ptp(mesh.vertices, axis=0), np.ptp(bottom, axis=0)
    np.testing.assert_allclose(after / before, height / before[1], rtol=1e-5)


def test_a_flat_mesh_has_no_height():
    flat = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    with pytest.raises(RunError, match="flat"):
        place(flat, ExportConfig())


def test_save_leaves_three_files_that_agree(tmp_path):
    made = asset(metrics={"seconds": 12.5}, warnings=("the prior does not know 'zorp'",))
    paths = made.save(tmp_path / "figure.glb", height=2.0, origin="center")
    assert [path.name for path in paths] == ["figure.glb", "figure.json", "figure.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.glb", "figure.json", "figure.png"]
    said = json.loads(paths[1].read_text())
    report = inspect(paths[0])
    assert said["sha256"] == hashlib.sha256(paths[0].read_bytes()).hexdigest()
    assert said["prompt"] == report.provenance["prompt"] == "a red and blue figure"
    assert said["seed"] == report.provenance["seed"] == 7
    assert said["height_m"] == report.provenance["height_m"] == 2.0
    assert said["metrics"] == {"seconds": 12.5}
    assert said["warnings"] == ["the prior does not know 'zorp'"]
    assert (said["faces"], said["vertices"]) == (report.faces, report.vertices)
    assert report.faces <= 1500
    assert report.watertight
    assert report.components == 1
    assert report.size_m[1] == pytest.approx(2.0, abs=1e-5)
    assert report.bounds_m[0][1] == pytest.approx(-1.0, abs=1e-5)
    assert [(t.width, t.height, t.mime_type) for t in report.textures] == [(256, 256, "image/png")]
    with Image.open(paths[2]) as picture:
        assert picture.size == (1024, 512)


def test_the_runs_own_placement_is_the_default(tmp_path):
    made = asset(export=ExportConfig(height_m=0.25, origin="center"))
    report = inspect(made.save(str(tmp_path / "a.glb"))[0])
    assert report.size_m[1] == pytest.approx(0.25, abs=1e-6)
    assert report.bounds_m[1][1] == pytest.approx(0.125, abs=1e-6)


def test_impossible_saves_leave_nothing(tmp_path):
    made = asset()
    for path, options in [
        (tmp_path / "a.fbx", {}),
        (tmp_path / "a.glb", {"height": 0.0}),
        (tmp_path / "a.glb", {"height": float("nan")}),
        (tmp_path / "a.glb", {"origin": "top"}),
        (tmp_path / "none" / "a.glb", {}),
    ]:
        with pytest.raises(InputError) as error:
            made.save(path, **options)
        assert "\n" not in str(error.value)
    (tmp_path / "b.png").mkdir()
    with pytest.raises(InputError, match="folder"):
        made.save(tmp_path / "b.glb")
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]


def test_to_trimesh_has_shape_texture_and_metadata():
    shape = asset().to_trimesh()
    np.testing.assert_array_equal(shape.faces, asset().mesh.faces)
    assert shape.metadata["prompt"] == "a red and blue figure"
    shape.merge_vertices(merge_tex=True, merge_norm=True)
    assert shape.is_watertight
    assert shape.is_winding_consistent
    assert shape.volume > 0
    exported = trimesh.load(io.BytesIO(asset().to_trimesh().export(file_type="glb")), file_type="glb")
    assert exported.geometry


def field_picture(cameras: Cameras, size: int, samples: int = 160) -> tuple[torch.Tensor, torch.Tensor]:
    """Albedo and opacity of the figure's field itself, by brute-force integration along every ray."""
    rays = cameras.rays(size, size)
    origins, directions = rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3)
    distance = float(cameras.distance[0])
    edges = torch.linspace(distance - 1.1, distance + 1.1, samples + 1)
    t = (edges[:-1] + edges[1:]) / 2
    points = (origins[:, None] + t[:, None] * directions[:, None]).reshape(-1, 3)
    count = len(origins)
    packed = torch.stack([torch.arange(count) * samples, torch.full((count,), samples)], dim=1).int()
    result = composite_reference(
        FIGURE(points),
        FIGURE_ALBEDO(points),
        edges[:-1].repeat(count).contiguous(),
        edges[1:].repeat(count).contiguous(),
        packed,
    )
    return result.values.view(size, size, 3), result.opacity.view(size, size)


def intersection_over_union(a: np.ndarray, b: np.ndarray) -> float:
    """Of two pictures of coverage in [0, 1]."""
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (70.0, 25.0), (200.0, -20.0)])
def test_file_shows_what_the_field_showed(azimuth, elevation):
    """Field -> file -> a renderer that is not ours (pyrender), against integrals through the field."""
    pyrender = pytest.importorskip("pyrender")
    size, distance, fov = 96, 4.0, 36.0
    cameras = orbit([azimuth], elevation, distance, fov)
    color, opacity = field_picture(cameras, size)

    made = asset()
    placed = replace(made.textured_mesh, mesh=place(made.mesh, ExportConfig()))
    scene = trimesh.load(io.BytesIO(encode_glb(placed)), file_type="glb")
    low, high = made.mesh.vertices.min(axis=0), made.mesh.vertices.max(axis=0)
    back = np.eye(4)  # from the file's metres to the scene units of the cameras
    back[:3, :3] *= high[1] - low[1]
    back[:3, 3] = [(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]
    scene.apply_transform(back)
    view = pyrender.Scene.from_trimesh_scene(scene, bg_color=[0.0, 0.0, 0.0, 0.0])
    view.add(pyrender.PerspectiveCamera(np.radians(fov)), pose=cameras.c2w()[0].numpy())
    try:
        renderer = pyrender.OffscreenRenderer(size, size)
    except Exception as error:  # the OpenGL stack raises nearly anything where it is incomplete
        pytest.skip(f"no headless OpenGL (libegl1 and libgl1-mesa-dri): {error}")
    try:
        rgba, _ = renderer.render(view, flags=pyrender.RenderFlags.FLAT | pyrender.RenderFlags.RGBA)
    finally:
        renderer.delete()

    coverage, flat = rgba[..., 3] / 255, rgba[..., :3] / 255
    ours = render_surface(made.mesh, cameras, size, size, base_color_srgb=made.material.base_color_srgb)
    assert intersection_over_union(ours.opacity[0].numpy(), coverage) > 0.98
    assert (
        intersection_over_union(opacity.numpy(), coverage) > 0.96
    )  # the field's edges are softer than a pixel
    inside = (coverage == 1) & (opacity.numpy() > 0.98)
    error = np.abs(flat - (color / opacity[..., None].clamp_min(1e-6)).numpy())[inside].mean(axis=1)
    assert error.mean() < 0.03
    assert (error < 0.05).mean() > 0.9
    whole = (ours.opacity[0].numpy() == 1) & (coverage == 1)
    assert np.abs(flat - ours.color_srgb[0].numpy())[whole].mean() < 0.01


def test_metadata_that_json_cannot_say_is_refused_before_anything_is_written(tmp_path):
    broken = replace(make_figure(), metadata={"seconds": float("nan")})
    with pytest.raises(ValueError):
        Asset(broken).save(tmp_path / "a.glb")
    assert list(tmp_path.iterdir()) == []
