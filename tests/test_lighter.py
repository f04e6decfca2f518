"""Fewer faces and smaller pictures after the fact: still closed, of the same colors and directions."""

from dataclasses import replace

import numpy as np
import pytest
from analytic_fields import make_figure, srgb_to_linear

from dream3d.export.lighter import lighter
from dream3d.export.lods import make_lods, reduce_faces
from dream3d.extract.topology import is_watertight, weld
from dream3d.mesh import Material


def blocks(picture: np.ndarray, factor: int) -> np.ndarray:
    """Means of square blocks."""
    side = picture.shape[0] // factor
    return picture.reshape(side, factor, side, factor, -1).mean(axis=(1, 3))


def test_what_is_light_already_stays() -> None:
    figure = make_figure()
    same = lighter(figure, 10_000, 1024)
    assert same.mesh is figure.mesh
    assert same.material is figure.material
    assert same.metadata == figure.metadata


@pytest.mark.parametrize("max_faces", [700, 333, 100])
def test_faces_become_as_few_as_asked_and_the_mesh_stays_closed(max_faces: int) -> None:
    mesh = make_figure().mesh
    reduced = reduce_faces(mesh, max_faces)
    assert 0.8 * max_faces <= len(reduced.faces) <= max_faces
    assert is_watertight(weld(reduced.vertices, reduced.faces)[1])
    assert reduced.uvs is not None
    assert reduced.normals is not None
    height, full = np.ptp(reduced.vertices[:, 1]), np.ptp(mesh.vertices[:, 1])
    assert height == pytest.approx(full, rel=0.15)


def test_half_of_the_faces_is_the_next_level_of_detail() -> None:
    mesh = make_figure().mesh
    level, half = make_lods(mesh, 2)[1], reduce_faces(mesh, len(mesh.faces) // 2)
    np.testing.assert_array_equal(level.vertices, half.vertices)
    np.testing.assert_array_equal(level.faces, half.faces)


def test_colors_are_means_of_light() -> None:
    figure = make_figure()
    small = lighter(figure, 800, 32).material.base_color_srgb
    assert small.shape == (32, 32, 3)
    mean = blocks(srgb_to_linear(figure.material.base_color_srgb / 255.0), 4)
    np.testing.assert_allclose(srgb_to_linear(small / 255.0), mean, atol=0.01)


def test_packed_values_and_directions_are_means_of_their_own_kind() -> None:
    random = np.random.default_rng(0)
    directions = random.normal(size=(128, 128, 3)) * 0.3 + [0.0, 0.0, 1.0]
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    normals = np.round((directions * 0.5 + 0.5) * 255).astype(np.uint8)
    orm = random.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    figure = make_figure()
    material = Material(figure.material.base_color_srgb, orm=orm, normal_map=normals)
    small = lighter(replace(figure, material=material), 800, 64).material
    assert small.orm is not None
    assert small.normal_map is not None
    np.testing.assert_allclose(small.orm, blocks(orm.astype(float), 2), atol=0.51)
    mean = blocks(normals / 255.0 * 2 - 1, 2)
    mean /= np.linalg.norm(mean, axis=2, keepdims=True)
    np.testing.assert_allclose(small.normal_map / 255.0 * 2 - 1, mean, atol=0.005)
