"""Meshes of other people as one mesh: what is kept, what is tidied away, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from analytic_fields import make_figure
from bare_glb import ball, glb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trimesh.exchange.obj import export_obj

from dream3d.errors import InputError
from dream3d.export.glb import encode_glb
from dream3d.export.layout import game_layout
from dream3d.export.load_model import load_model

# A square of two triangles, one corner split by its UVs; the second has the normals of another direction.
SQUARE = """
mtllib ../../../etc/passwd
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0.25
vt 1 1
vt 0 0.75
vn 0 0 1
vn 0 1 0
usemtl nowhere
f 1/1/1 2/2/1 3/3/1
f 1/1/2 3/3/2 4/4/2
"""


def read(folder: Path, content: str | bytes, name: str = "model.obj"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_model(path)


def test_an_obj_brings_its_positions_normals_and_uvs(tmp_path):
    mesh = read(tmp_path, SQUARE).mesh
    assert mesh.uvs is not None
    assert mesh.normals is not None
    corners = mesh.vertices[mesh.faces]
    np.testing.assert_array_equal(corners[0], [[0, 0, 0], [1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(corners[1], [[0, 0, 0], [1, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(mesh.uvs[mesh.faces][0], [[0, 1], [1, 0.75], [1, 0]])  # v grows downwards
    np.testing.assert_array_equal(mesh.normals[mesh.faces][1], [[0, 1, 0]] * 3)


def test_polygons_become_triangles(tmp_path):
    mesh = read(tmp_path, "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n").mesh
    assert len(mesh.faces) == 2
    assert mesh.uvs is None
    assert mesh.normals is None


# In the plane y = 0, seen from above; every corner of the star's rim is a fan's bad start.
ARROW = [(0, 2), (0, 0), (2, 0), (2, 1), (1, 1), (1, 2)]
STAR = [
    ((1 if k % 2 else 3) * np.cos(k * np.pi / 5), (1 if k % 2 else 3) * np.sin(k * np.pi / 5))
    for k in range(10)
]


@pytest.mark.parametrize("outline", [ARROW, ARROW[1:] + ARROW[:1], ARROW[::-1], STAR, STAR[::-1]])
def test_concave_polygons_are_covered_once_by_triangles_that_turn_as_they_do(tmp_path, outline):
    rows = [f"v {x} 0 {y}\n" for x, y in outline]
    mesh = read(
        tmp_path, "".join(rows) + "f " + " ".join(str(k + 1) for k in range(len(outline))) + "\n"
    ).mesh
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    areas = 0.5 * np.cross(c - a, b - a)[:, 1]
    x, y = np.array(outline, np.float64).T
    area = 0.5 * float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
    assert len(areas) == len(outline) - 2
    assert (areas * area > 0.0).all()  # with the signed area that makes them cover it once
    assert areas.sum() == pytest.approx(area, rel=1e-6)


def test_lines_of_other_systems_and_comments_are_read(tmp_path):
    text = "v 0 0 0 # a\r\nv 1 0 0\r\nv 1 1 0\r\nv 0 1 0\r\nf 1 2 \\\r\n3 4 # a quad\r\n"
    assert len(read(tmp_path, text).mesh.faces) == 2


def test_numbers_may_count_from_the_end_and_lines_go_on(tmp_path):
    mesh = read(tmp_path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 \\\n-2 -1\nv 5 5 5\n").mesh
    np.testing.assert_array_equal(mesh.vertices[mesh.faces][0], [[0, 0, 0], [1, 0, 0], [0, 1, 0]])


def test_uvs_that_some_face_lacks_are_left_out(tmp_path):
    mesh = read(tmp_path, SQUARE + "f 1//1 2//1 3//1\n").mesh
    assert mesh.uvs is None
    assert mesh.normals is not None


def test_an_obj_of_ours_comes_back(tmp_path):
    shape = trimesh.creation.icosphere(subdivisions=2)
    read_back = read(tmp_path, export_obj(shape, include_normals=True, digits=9)).mesh
    given = np.asarray(shape.vertices, np.float32)[shape.faces]
    np.testing.assert_allclose(read_back.vertices[read_back.faces], given, atol=1e-6)


def test_pieces_of_an_obj_are_one_mesh(tmp_path):
    two = "o a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\no b\nusemtl m\nv 0 0 1\nv 1 0 1\nv 0 1 1\nf 4 5 6\n"
    mesh = read(tmp_path, two).mesh
    assert sorted(mesh.vertices[mesh.faces][:, 0, 2].tolist()) == [0, 1]


def test_useless_faces_and_vertices_go_and_backs_stay(tmp_path):
    faces = "f 1 2 3\nf 3 1 2\nf 3 2 1\nf 1 1 2\nf 2 3 4\n"
    mesh = read(tmp_path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nv 9 9 9\n" + faces).mesh
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [2, 1, 0], [1, 2, 3]])
    assert len(mesh.vertices) == 4


def test_a_glb_keeps_its_place_and_its_prompt(tmp_path):
    model = read(tmp_path, ball({"prompt": "a ball"}), "ball.glb")
    assert len(model.mesh.faces) == 320
    assert model.metadata["prompt"] == "a ball"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "no triangles"),
        ("hello", "no triangles"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\n", "no triangles"),
        ("v 0 0 0\nf 1 2 3\n", "line 2 makes no sense"),
        ("v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n", "line 1 makes no sense"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 0\n", "line 4 makes no sense"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 -4\n", "line 4 makes no sense"),
        ("v 0 0 0\nv 1 0 0\nf 1 2\n", "line 3 makes no sense"),
        ("v 0 0 0\nvt 0 0\nf /1 /1 /1\n", "names no position"),
        ("v 0 0 zero\n", "line 1 makes no sense"),
        ("v 0 0 0\nvt nan 0\n", "line 2 makes no sense"),
        ("v 0 0 0\nvt 0 inf\n", "line 2 makes no sense"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf" + " 1 2 3" * 30, "line 4 makes no sense"),
        ("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "finite"),
        ("v 0 0 inf\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "finite"),
        ("v 0 0 0\nv 1 0 0\nf 1 2 2\n", "no triangles"),
        ("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "large"),
        ("v 0 0 0\nv 1e30 0 0\nv 0 1 0\nf 1 2 3\n", "large"),
    ],
)
def test_a_bad_obj_is_refused_in_one_line(tmp_path, content, why):
    with pytest.raises(InputError, match=why) as error:
        read(tmp_path, content)
    assert "\n" not in str(error.value)


def test_a_glb_with_a_position_that_is_no_number_is_refused(tmp_path):
    shape = trimesh.creation.box()
    vertices = np.array(shape.vertices)
    vertices[0, 0] = np.nan
    with pytest.raises(InputError):
        read(tmp_path, glb(vertices, np.asarray(shape.faces)), "box.glb")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_obj_is_read_or_refused(tmp_path, data):
    lines = SQUARE.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        lines[place] = data.draw(
            st.sampled_from(
                ["f 1/9 2 3", "f -1 -2 -9", "v 1", "vt nan nan", "vn", "f 0 0 0", "f 1//1 2 3/1", "\0"]
            )
            | st.text(max_size=12)
        )
    try:
        mesh = read(tmp_path, "\n".join(lines)).mesh
    except InputError:
        return
    assert mesh.faces.min() >= 0
    assert mesh.faces.max() < len(mesh.vertices)


def test_the_level_in_a_name_is_none_of_the_name(tmp_path):
    path = tmp_path / "pigs.glb"
    path.write_bytes(encode_glb(game_layout(replace(make_figure(), name="3 little pigs"), 2)))
    assert load_model(path).name == "3_little_pigs"
