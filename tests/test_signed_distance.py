"""Signed distances against shapes whose distance is a formula."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from dream3d.errors import InputError
from dream3d.extract.samples import sample_surface
from dream3d.extract.signed_distance import signed_distances, winding_numbers
from dream3d.mesh import Mesh
from dream3d.scene.tet_lattice import tet_lattice

LATTICE = tet_lattice(12)
POINTS = LATTICE.vertices.numpy().astype(np.float64)
HALF = np.array([0.55, 0.3, 0.4])
FINE = 2.0 * max(LATTICE.spacing)  # nearer than this, distances are exact


def as_mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int32))


def box(center=(0.0, 0.0, 0.0), half=HALF) -> Mesh:
    shape = trimesh.creation.box(extents=2 * np.asarray(half))
    shape.apply_translation(center)
    return as_mesh(shape)


def box_distance(points: np.ndarray, half=HALF) -> np.ndarray:
    beyond = np.abs(points) - half
    return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0)


def test_a_box_has_the_distances_of_the_formula():
    found, true = signed_distances(box(), LATTICE).numpy(), box_distance(POINTS)
    near = np.abs(true) < 0.9 * FINE
    np.testing.assert_allclose(found[near], true[near], atol=1e-6)
    np.testing.assert_allclose(found, true, atol=0.02)  # far away, the nearest sample stands for the surface


def test_a_ball_with_a_hole_is_solid_all_the_same():
    ball = as_mesh(trimesh.creation.icosphere(subdivisions=4, radius=0.7))
    up = ball.vertices[ball.faces].mean(axis=1)[:, 1]
    opened = replace(ball, faces=ball.faces[up < 0.69])
    assert len(opened.faces) < len(ball.faces)
    true = np.linalg.norm(POINTS, axis=1) - 0.7
    clear = (np.abs(true) > 0.02) & (POINTS[:, 1] < 0.6)
    assert ((signed_distances(opened, LATTICE).numpy() < 0) == (true < 0))[clear].all()


def test_boxes_that_cross_each_other_are_one_solid():
    parts = [box((-0.2, 0, 0), (0.4, 0.3, 0.3)), box((0.2, 0, 0), (0.4, 0.2, 0.2))]
    faces = np.concatenate([parts[0].faces, parts[1].faces + len(parts[0].vertices)])
    both = Mesh(np.concatenate([part.vertices for part in parts]), faces)
    inside = [
        box_distance(POINTS - [offset, 0, 0], half) < 0
        for offset, half in ((-0.2, np.array([0.4, 0.3, 0.3])), (0.2, np.array([0.4, 0.2, 0.2])))
    ]
    found = signed_distances(both, LATTICE).numpy()
    clear = np.abs(found) > 1e-4
    assert ((found < 0) == (inside[0] | inside[1]))[clear].all()


def test_a_surface_inside_out_is_the_same_solid():
    turned = replace(box(), faces=np.ascontiguousarray(box().faces[:, ::-1]))
    found, true = signed_distances(turned, LATTICE).numpy(), signed_distances(box(), LATTICE).numpy()
    np.testing.assert_allclose(found, true, atol=0.02)
    assert ((found < 0) == (true < 0)).all()


def test_a_sheet_encloses_nothing():
    sheet = Mesh(
        np.array([[-0.5, 0, -0.5], [0.5, 0, -0.5], [0, 0, 0.5]], np.float32), np.array([[0, 1, 2]], np.int32)
    )
    with pytest.raises(InputError, match="encloses no volume"):
        signed_distances(sheet, LATTICE)


def test_winding_numbers_of_a_ball_in_a_ball_add_up():
    outer = as_mesh(trimesh.creation.icosphere(subdivisions=2, radius=0.8))
    inner = as_mesh(trimesh.creation.icosphere(subdivisions=2, radius=0.4))
    both = Mesh(
        np.concatenate([outer.vertices, inner.vertices]),
        np.concatenate([outer.faces, inner.faces + len(outer.vertices)]),
    )
    found = winding_numbers(both, np.array([[0.0, 0.0, 0.1], [0.6, 0.0, 0.0], [2.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found, [2.0, 1.0, 0.0], atol=1e-5)


def test_samples_lie_on_the_surface_in_proportion_to_area():
    mesh = box()
    samples = sample_surface(mesh, 60_000, np.random.default_rng(0))
    points = samples.at(mesh, mesh.vertices)
    np.testing.assert_allclose(box_distance(points), 0.0, atol=1e-6)
    on_top = (points[:, 1] > HALF[1] - 1e-6).mean()
    sides = HALF[0] * HALF[2], HALF[0] * HALF[1], HALF[1] * HALF[2]
    assert on_top == pytest.approx(sides[0] / (2 * sum(sides)), abs=4 * np.sqrt(0.25 / 60_000))
    top = points[points[:, 1] > HALF[1] - 1e-6]
    np.testing.assert_allclose(top.mean(axis=0), [0, HALF[1], 0], atol=0.01)


def test_a_mesh_without_area_is_refused():
    point = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    with pytest.raises(InputError, match="no area"):
        sample_surface(point, 10, np.random.default_rng(0))
