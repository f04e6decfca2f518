"""Collision shapes: convex, closed, few faces, and the object is in them."""

import json
import sys

import numpy as np
import pytest
import trimesh
from analytic_fields import make_figure

from dream3d.asset import Asset
from dream3d.config import ExportConfig
from dream3d.errors import InputError
from dream3d.export.collision import check_collision, collision_hulls
from dream3d.extract.topology import is_watertight
from dream3d.mesh import Material, Mesh, TexturedMesh


def as_mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32))


def distance_outside(hulls: list[Mesh], points: np.ndarray) -> np.ndarray:
    """How far points are outside of the union, along the hulls' planes: [N]."""
    distances = []
    for hull in hulls:
        shape = trimesh.Trimesh(hull.vertices, hull.faces, process=False)
        origins = shape.triangles[:, 0]
        planes = (points[:, None] - origins) * shape.face_normals
        distances.append(planes.sum(axis=2).max(axis=1))
    return np.maximum(np.min(distances, axis=0), 0.0)


def assert_convex(hull: Mesh) -> None:
    shape = trimesh.Trimesh(hull.vertices, hull.faces, process=False)
    assert is_watertight(hull.faces)
    assert shape.volume > 0
    assert shape.is_convex
    assert len(hull.faces) <= 44
    assert len(np.unique(hull.faces)) == len(hull.vertices)
    assert hull.uvs is None
    assert hull.normals is None


def test_hulls_are_convex_and_contain_the_figure():
    mesh = make_figure().mesh
    hulls = collision_hulls(mesh)
    assert 1 < len(hulls) <= 8
    for hull in hulls:
        assert_convex(hull)
    size = np.ptp(mesh.vertices, axis=0).max()
    missed = distance_outside(hulls, mesh.vertices.astype(np.float64)) / size
    assert missed.max() < 0.04
    assert np.quantile(missed, 0.95) < 0.02
    volumes = [trimesh.Trimesh(hull.vertices, hull.faces).volume for hull in hulls]
    assert volumes == sorted(volumes, reverse=True)


def test_a_hollow_shape_stays_hollow():
    """A frame of four beams: no hull covers its middle, and the volumes together are that of the frame."""
    corners = np.array([(x, y) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]) / 2
    rings = [
        np.column_stack([corners * scale, np.full(4, z)]) for scale in (1.0, 0.6) for z in (-0.1, 0.1)
    ]  # outer back, outer front, inner back, inner front
    faces = []
    for i in range(4):
        j = (i + 1) % 4
        for a, b in ((0, 1), (1, 3), (3, 2), (2, 0)):  # outside, front, inside, back
            faces += [(4 * a + i, 4 * a + j, 4 * b + j), (4 * a + i, 4 * b + j, 4 * b + i)]
    frame = trimesh.Trimesh(np.concatenate(rings), faces, process=False)
    assert frame.volume == pytest.approx(0.2 * (1 - 0.36))
    hulls = collision_hulls(as_mesh(frame))
    assert distance_outside(hulls, np.zeros((1, 3)))[0] > 0.2
    assert distance_outside(hulls, frame.vertices).max() < 0.02
    total = sum(trimesh.Trimesh(hull.vertices, hull.faces).volume for hull in hulls)
    assert total == pytest.approx(frame.volume, rel=0.1)


def test_a_convex_shape_is_its_own_hull():
    box = trimesh.creation.box((1, 2, 3))
    (hull,) = collision_hulls(as_mesh(box))
    assert_convex(hull)
    np.testing.assert_allclose(np.sort(hull.vertices, axis=0), np.sort(box.vertices, axis=0), atol=1e-6)


def test_a_flat_mesh_gets_none(tmp_path):
    square = np.float32([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    normals, uvs = np.float32([[0, 0, 1]] * 4), square[:, :2].copy()
    mesh = Mesh(square, np.int32([[0, 1, 2], [0, 2, 3]]), normals, uvs)
    assert collision_hulls(mesh) == []
    textured = TexturedMesh(mesh, Material(np.full((8, 8, 3), 200, np.uint8)))
    _, report, *_ = Asset(textured, ExportConfig()).save(tmp_path / "sign.glb", collision="unreal")
    assert "made no collision shapes: the surface is flat" in json.loads(report.read_text())["warnings"]


def test_an_open_mesh_gets_one_hull():
    bowl = trimesh.creation.icosphere(subdivisions=3)
    half = trimesh.Trimesh(bowl.vertices, bowl.faces[bowl.triangles_center[:, 1] < 0])
    (hull,) = collision_hulls(as_mesh(half))
    assert_convex(hull)
    assert distance_outside([hull], half.vertices[half.faces].reshape(-1, 3)).max() < 0.1


def test_without_the_library_it_is_refused_in_one_line(monkeypatch):
    check_collision("none")
    monkeypatch.setitem(sys.modules, "coacd", None)
    check_collision("none")
    with pytest.raises(InputError, match=r"pip install 'dream3d\[collision\]'"):
        check_collision("unreal")
