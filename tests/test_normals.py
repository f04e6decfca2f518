"""Normals for meshes from anyone; those for our own surfaces are tested in test_cleanup.py."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from dream3d.extract.normals import with_unit_normals
from dream3d.mesh import Mesh


def cube() -> Mesh:
    """Eight vertices, as modellers store it, with UVs and colors that are formulas of the position."""
    shape = trimesh.creation.box()
    vertices = np.asarray(shape.vertices, np.float32)
    return Mesh(vertices, np.asarray(shape.faces, np.int32), None, vertices[:, :2] + 0.5, vertices + 0.5)


def test_missing_normals_of_a_cube_are_those_of_its_faces():
    made = with_unit_normals(cube(), 60.0)
    assert len(made.vertices) == 24
    corners = made.vertices[made.faces].astype(np.float64)
    expected = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(made.normals[made.faces], np.repeat(expected[:, None], 3, 1), atol=1e-6)


def test_everything_else_stays_with_its_corner():
    given, made = cube(), with_unit_normals(cube(), 60.0)
    for name in ("vertices", "uvs", "colors"):
        np.testing.assert_array_equal(getattr(made, name)[made.faces], getattr(given, name)[given.faces])


def test_sound_normals_are_kept_and_made_unit_vectors():
    smooth = cube().vertices / np.linalg.norm(cube().vertices, axis=1, keepdims=True)
    made = with_unit_normals(replace(cube(), normals=smooth * np.float32(1.004)), 60.0)
    np.testing.assert_array_equal(made.faces, cube().faces)
    np.testing.assert_allclose(made.normals, smooth, atol=1e-6)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, 3.0])
def test_unsound_normals_are_replaced(bad):
    normals = cube().vertices / np.linalg.norm(cube().vertices, axis=1, keepdims=True)
    normals[3] *= bad
    made = with_unit_normals(replace(cube(), normals=normals.astype(np.float32)), 60.0)
    np.testing.assert_allclose(np.linalg.norm(made.normals, axis=1), 1.0, atol=1e-6)
    assert len(made.vertices) == 24


def test_vertices_split_along_seams_are_smooth_across_them():
    ball = trimesh.creation.icosphere(subdivisions=3)
    split = Mesh(
        np.asarray(ball.vertices, np.float32)[ball.faces.reshape(-1)],
        np.arange(ball.faces.size, dtype=np.int32).reshape(-1, 3),
    )
    made = with_unit_normals(split, 60.0)
    np.testing.assert_allclose(made.normals, made.vertices, atol=0.02)
