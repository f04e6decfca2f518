"""Planted failures do what they say."""

import numpy as np
import pytest
import trimesh

from dream3d.mesh import Mesh
from dream3d.metrics.planted import two_faced, with_floaters, with_hole
from dream3d.metrics.surface import surface_facts
from dream3d.props import make_prop, prop_spec


def ball() -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions=2)
    vertices = np.asarray(shape.vertices, np.float32)
    return Mesh(
        vertices,
        np.asarray(shape.faces, np.int32),
        normals=vertices,
        colors=(vertices + 1) / 2,
    )


def area(mesh: Mesh) -> float:
    return float(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).area)


def sorted_rows(vertices: np.ndarray) -> np.ndarray:
    return np.unique(np.round(vertices.astype(np.float64), 4) + 0.0, axis=0)


@pytest.mark.parametrize("family", ["duck", "car"])
def test_a_two_faced_mesh_is_its_own_mirror_image(family: str) -> None:
    mesh = make_prop(prop_spec(family), np.random.default_rng(0)).mesh
    spoilt = two_faced(mesh)
    mirrored = spoilt.vertices * np.array([1, 1, -1], np.float32)
    assert np.array_equal(sorted_rows(spoilt.vertices), sorted_rows(mirrored))
    original = sorted_rows(mesh.vertices[mesh.vertices[:, 2] > 1e-3])
    kept = sorted_rows(spoilt.vertices[spoilt.vertices[:, 2] > 1e-3])
    assert {tuple(row) for row in original.tolist()} <= {tuple(row) for row in kept.tolist()}
    assert spoilt.normals is not None
    assert spoilt.colors is not None
    assert len(spoilt.normals) == len(spoilt.colors) == len(spoilt.vertices)


def test_a_ball_cut_and_glued_is_the_ball() -> None:
    mesh, spoilt = ball(), two_faced(ball())
    assert area(spoilt) == pytest.approx(area(mesh), rel=1e-5)
    assert surface_facts(spoilt).watertight
    assert spoilt.colors is not None
    assert spoilt.normals is not None
    centers = spoilt.vertices[spoilt.faces].mean(axis=1)
    corners = spoilt.vertices[spoilt.faces]
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("tc,tc->t", outward, centers) > 0).all()  # wound from outside on both halves
    assert np.allclose(spoilt.normals, spoilt.vertices, atol=0.02)
    assert np.allclose(spoilt.colors[:, :2], (spoilt.vertices[:, :2] + 1) / 2, atol=1e-5)


def test_floaters_are_pieces_apart() -> None:
    rng = np.random.default_rng(1)
    assert surface_facts(ball()).floaters == 0
    facts = surface_facts(with_floaters(ball(), rng, count=3))
    assert facts.floaters == 3
    assert facts.watertight


def test_a_hole_has_a_rim() -> None:
    rng = np.random.default_rng(2)
    spoilt = with_hole(ball(), rng, share=0.05)
    facts = surface_facts(spoilt)
    assert len(spoilt.faces) == len(ball().faces) - 16
    assert facts.boundary_edges > 0
    assert not facts.watertight
    assert facts.floaters == 0
