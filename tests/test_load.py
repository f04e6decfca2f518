"""What files say is what is loaded: transforms, normals and colors, of ours and of others."""

import numpy as np
import trimesh
from analytic_fields import make_figure
from glb_bytes import join_glb, split_glb, valid_glb

from dream3d.export.glb import encode_glb
from dream3d.export.inspect import inspect
from dream3d.export.load import load_glb
from dream3d.export.load_model import load_textured_mesh
from dream3d.mesh import Material, TexturedMesh
from dream3d.preview import encode_png_preview


def test_files_of_others_are_read(tmp_path):
    """Several nodes with transforms, written by trimesh: bounds and volume as trimesh knows them."""
    box, ball = trimesh.creation.box(), trimesh.creation.icosphere(2)
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3])
    scene.add_geometry(box, transform=trimesh.transformations.translation_matrix([3, 0, 0]) @ turn)
    scene.add_geometry(ball, transform=trimesh.transformations.scale_matrix(-2.0))  # mirrored
    path = tmp_path / "scene.glb"
    scene.export(path)
    report = inspect(path)
    assert report.faces == 12 + 320
    assert report.meshes == 2
    assert report.components == 2
    assert report.watertight
    np.testing.assert_allclose(report.bounds_m, scene.bounds, atol=1e-5)
    for part in load_glb(path).parts:
        shape = trimesh.Trimesh(part.mesh.vertices, part.mesh.faces)
        assert shape.volume > 0  # mirrored parts still face outwards
        assert part.mesh.colors is not None
    whole = load_textured_mesh(path)
    assert len(whole.mesh.faces) == report.faces
    assert len(whole.things) == 2
    assert encode_png_preview(whole)


def test_rotated_and_squeezed_normals_stay_perpendicular(tmp_path):
    document, binary = split_glb(valid_glb())
    document["nodes"][0] |= {"rotation": [0.5, 0.5, 0.5, 0.5], "scale": [1.0, 3.0, 0.5]}
    path = tmp_path / "a.glb"
    path.write_bytes(join_glb(document, binary))
    mesh = load_textured_mesh(path).mesh
    plain = tmp_path / "b.glb"
    plain.write_bytes(valid_glb())
    original = load_textured_mesh(plain).mesh
    scaled = original.vertices * np.float32([1, 3, 0.5])
    np.testing.assert_allclose(mesh.vertices, scaled[:, [2, 0, 1]], atol=1e-5)  # that turn cycles the axes
    expected = original.normals / np.float32([1, 3, 0.5])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(mesh.normals, expected[:, [2, 0, 1]], atol=1e-5)


def test_base_color_factor_multiplies_the_texture_in_linear_light(tmp_path):
    figure = make_figure(target_faces=60, texture_size=64)
    gray = TexturedMesh(figure.mesh, Material(np.full((64, 64, 3), 188, np.uint8)))  # 0.5 in linear light
    document, binary = split_glb(encode_glb(gray))
    document["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] = [0.5, 1.0, 0.0, 1.0]
    path = tmp_path / "a.glb"
    path.write_bytes(join_glb(document, binary))
    texture = load_textured_mesh(path).material.base_color_srgb
    np.testing.assert_allclose(texture[0, 0], [137, 188, 0], atol=1)  # 0.25 in linear light is 137
