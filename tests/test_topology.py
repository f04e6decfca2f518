import numpy as np
import pytest
import trimesh

from dream3d.extract.topology import (
    euler_characteristic,
    face_components,
    is_watertight,
    signed_volumes,
    weld,
)

SHAPES = {
    "box": trimesh.creation.box(),
    "sphere": trimesh.creation.icosphere(2),
    "torus": trimesh.creation.torus(1.0, 0.3),
    "two": trimesh.util.concatenate([trimesh.creation.icosphere(1), trimesh.creation.box()]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_agrees_with_trimesh_on_closed_shapes(name):
    shape = SHAPES[name]
    assert is_watertight(shape.faces)
    assert euler_characteristic(shape.faces) == shape.euler_number
    assert face_components(shape.faces).max() + 1 == shape.body_count
    assert signed_volumes(shape.vertices, shape.faces).sum() == pytest.approx(shape.volume)
    assert signed_volumes(shape.vertices, shape.faces[:, ::-1]).sum() == pytest.approx(-shape.volume)


def test_holes_flips_and_doubled_faces_are_not_watertight():
    faces = SHAPES["sphere"].faces
    assert not is_watertight(faces[1:])
    assert not is_watertight(np.vstack([faces[:1, ::-1], faces[1:]]))
    assert not is_watertight(np.vstack([faces, faces[:1]]))
    assert not is_watertight(faces[:0])


def test_welding_undoes_splits():
    sphere = SHAPES["sphere"]
    exploded = sphere.triangles.reshape(-1, 3)
    vertices, faces = weld(exploded, np.arange(len(exploded)).reshape(-1, 3))
    assert len(vertices) == len(sphere.vertices)
    assert is_watertight(faces)
    np.testing.assert_array_equal(vertices[faces], sphere.triangles)


def test_welding_takes_minus_zero_for_zero():
    vertices, _ = weld(np.array([[0.0, 1.0, 2.0], [-0.0, 1.0, 2.0]]), np.array([[0, 1, 0]]))
    assert len(vertices) == 1
