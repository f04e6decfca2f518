"""What files of others say of their looks: factors, vertex colors, where textures lie, kinds of pictures."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from glb_bytes import join_glb, split_glb, valid_glb
from hostile_glb import assert_refused
from PIL import Image
from three_js import read_three

from dream3d.cameras import orbit
from dream3d.errors import InputError
from dream3d.export.load import load_glb
from dream3d.export.load_model import load_model, load_textured_mesh
from dream3d.math import srgb_to_linear
from dream3d.mesh import fit_sphere
from dream3d.preview import render_turntable
from dream3d.render.surface import render_surface, sample_bilinear


def write(path, document: dict[str, Any], binary: bytes):
    path.write_bytes(join_glb(document, binary))
    return path


def added(document: dict[str, Any], binary: bytes, data: bytes) -> tuple[int, bytes]:
    """Number of a new buffer view with the data, and the binary chunk with it."""
    binary += b"\0" * (-len(binary) % 4)
    view = {"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)}
    document["bufferViews"].append(view)
    document["buffers"][0]["byteLength"] = len(binary) + len(data)
    return len(document["bufferViews"]) - 1, binary + data


def with_colors(colors: np.ndarray | list[float]) -> tuple[dict[str, Any], bytes]:
    """The small file with colors [3] or [V, 3] on its vertices too."""
    document, binary = split_glb(valid_glb())
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    count = document["accessors"][attributes["POSITION"]]["count"]
    values = np.broadcast_to(np.float32(colors), (count, 3))
    view, binary = added(document, binary, values.astype("<f4").tobytes())
    document["accessors"].append({"bufferView": view, "componentType": 5126, "count": count, "type": "VEC3"})
    attributes["COLOR_0"] = len(document["accessors"]) - 1
    return document, binary


def pbr_of(document: dict[str, Any]) -> dict[str, Any]:
    return document["materials"][0]["pbrMetallicRoughness"]


def test_a_material_without_a_texture_keeps_its_uvs_and_factors(tmp_path):
    document, binary = split_glb(valid_glb())
    before = load_glb(write(tmp_path / "a.glb", document, binary)).parts[0].mesh
    texture = pbr_of(document).pop("baseColorTexture")
    pbr_of(document).update(baseColorFactor=[0.2, 0.5, 1.0, 1.0], metallicFactor=1.0, roughnessFactor=0.25)
    document["materials"][0]["normalTexture"] = texture
    model = load_model(write(tmp_path / "b.glb", document, binary))
    np.testing.assert_array_equal(model.mesh.uvs, before.uvs)
    assert model.mesh.colors is None
    assert (model.material.metallic_factor, model.material.roughness_factor) == (1.0, 0.25)
    assert model.material.normal_map is not None
    assert not model.material.is_plain
    assert model.material.base_color_srgb.shape == (1, 1, 3)
    np.testing.assert_allclose(
        srgb_to_linear_of(model.material.base_color_srgb[0, 0]), [0.2, 0.5, 1.0], atol=4e-3
    )
    del document["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"]
    bare = load_model(write(tmp_path / "c.glb", document, binary))
    assert (bare.material.metallic_factor, bare.material.roughness_factor) == (1.0, 0.25)
    np.testing.assert_allclose(bare.mesh.colors, np.broadcast_to([0.2, 0.5, 1.0], bare.mesh.vertices.shape))


def srgb_to_linear_of(color: np.ndarray) -> np.ndarray:
    return srgb_to_linear(torch.from_numpy(color / 255.0)).numpy()


def test_vertex_colors_multiply_the_texture_in_every_picture(tmp_path):
    plain, tinted = (
        load_textured_mesh(write(tmp_path / f"{name}.glb", *with_colors(colors)))
        for name, colors in (("white", [1.0, 1.0, 1.0]), ("tinted", [0.5, 1.0, 0.0]))
    )
    assert plain.mesh.colors is None  # white changes nothing
    camera = orbit([30.0], 20.0, 3.0, 40.0)
    linear = []
    for asset in (plain, tinted):
        picture = render_surface(
            fit_sphere(asset.mesh),
            camera,
            48,
            48,
            base_color_srgb=asset.material.base_color_srgb,
            supersample=1,
        )
        linear.append(srgb_to_linear(picture.color_srgb[picture.opacity == 1.0]))
    np.testing.assert_allclose(linear[1], linear[0] * linear[0].new_tensor([0.5, 1.0, 0.0]), atol=2e-5)
    shaded = [render_turntable(asset, 1, 64)[0].astype(int) for asset in (plain, tinted)]
    assert (shaded[1] <= shaded[0] + 1).all()
    middle = (slice(24, 40), slice(24, 40))
    assert shaded[1][middle][..., 2].mean() < 0.3 * shaded[0][middle][..., 2].mean() + 8
    assert abs(shaded[1][middle][..., 1] - shaded[0][middle][..., 1]).max() <= 2


def transform_of(**settings: object) -> dict[str, Any]:
    return {"extensions": {"KHR_texture_transform": settings}}


def test_transformed_textures_lie_where_a_viewer_puts_them(tmp_path):
    document, binary = split_glb(valid_glb())
    before = load_glb(write(tmp_path / "a.glb", document, binary)).parts[0].mesh.uvs
    document["extensionsUsed"] = ["KHR_texture_transform"]
    info = pbr_of(document)["baseColorTexture"]
    info |= transform_of(offset=[0.25, -0.5], rotation=0.7, scale=[1.5, 1.5])
    path = write(tmp_path / "b.glb", document, binary)
    (((node,),),) = read_three(path)
    matrix = np.reshape(node.material["slots"]["map"]["matrix"], (3, 3)).T
    expected = np.column_stack([before, np.ones(len(before))]) @ matrix.T
    np.testing.assert_allclose(load_glb(path).parts[0].mesh.uvs, expected[:, :2], atol=1e-5)
    # Scaled before it is turned, as the extension says; three.js scales afterwards.
    info |= transform_of(rotation=np.pi / 2, scale=[2.0, 3.0])
    uvs = load_glb(write(tmp_path / "c.glb", document, binary)).parts[0].mesh.uvs
    np.testing.assert_allclose(uvs, np.column_stack([3 * before[:, 1], -2 * before[:, 0]]), atol=1e-5)


def test_textures_that_lie_differently_and_over_other_uvs_are_refused(tmp_path):
    document, binary = split_glb(valid_glb())
    pbr = pbr_of(document)
    document["materials"][0]["normalTexture"] = dict(pbr["baseColorTexture"])
    pbr["baseColorTexture"] |= transform_of(scale=[2.0, 2.0])
    assert_refused(join_glb(document, binary), tmp_path, "in different ways")
    pbr["baseColorTexture"] |= transform_of(texCoord=1)
    assert_refused(join_glb(document, binary), tmp_path, "second set of UVs")
    pbr["baseColorTexture"] |= transform_of(rotation="a")
    assert_refused(join_glb(document, binary), tmp_path, "not a number")


def test_gray_of_sixteen_bits_is_read_as_gray(tmp_path):
    document, binary = split_glb(valid_glb())
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 8), 0x4080, np.uint16)).save(stream, "PNG")
    view, binary = added(document, binary, stream.getvalue())
    document["images"][0]["bufferView"] = view
    texture = load_textured_mesh(write(tmp_path / "a.glb", document, binary)).material.base_color_srgb
    assert np.unique(texture).tolist() == [0x40]


def test_repeated_pictures_are_read_at_vertices_as_they_are_drawn(tmp_path):
    """Two parts with different materials, one over UVs of minus three to minus two."""
    document, binary = split_glb(valid_glb())
    pbr_of(document)["baseColorTexture"] |= transform_of(offset=[-3.0, 2.0])
    document["meshes"].append(document["meshes"][0])
    document["nodes"].append({"mesh": 1})
    document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
    document["materials"].append({"pbrMetallicRoughness": {"metallicFactor": 0.5}})
    document["meshes"][1] = {"primitives": [dict(document["meshes"][0]["primitives"][0], material=1)]}
    whole = load_textured_mesh(write(tmp_path / "a.glb", document, binary))
    (original, *_) = load_glb(write(tmp_path / "b.glb", *split_glb(valid_glb()))).parts
    texture, uvs = original.material.base_color_srgb, np.float64(original.mesh.uvs)
    expected = sample_bilinear(texture, torch.from_numpy(uvs % 1.0).float()).numpy()
    inside = ((uvs > 0.02) & (uvs < 0.98)).all(axis=1)
    assert inside.sum() > 20
    count = len(expected)
    np.testing.assert_allclose(whole.mesh.colors[:count][inside], expected[inside], atol=2e-3)
    np.testing.assert_array_equal(whole.mesh.colors[count:], 1.0)


def test_many_triangles_over_shared_positions_take_little_memory(tmp_path):
    """One triangle over many positions, in many nodes: each part keeps the positions that it uses."""
    positions = np.zeros((200_000, 3), "<f4")
    positions[7], positions[9] = [1, 0, 0], [0, 1, 0]
    data = positions.tobytes() + np.array([5, 7, 9], "<u4").tobytes()
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": list(range(50))}],
        "nodes": [{"mesh": 0, "translation": [k, 0, 0]} for k in range(50)],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 200_000, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5125, "count": 3, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": positions.nbytes},
            {"buffer": 0, "byteOffset": positions.nbytes, "byteLength": 12},
        ],
        "buffers": [{"byteLength": len(data)}],
    }
    parts = load_glb(write(tmp_path / "a.glb", document, data)).parts
    assert [len(part.mesh.vertices) for part in parts] == [3] * 50
    np.testing.assert_array_equal(parts[49].mesh.vertices, [[49, 0, 0], [50, 0, 0], [49, 1, 0]])


def test_tinted_copies_of_pictures_are_counted_and_shared(tmp_path):
    document, binary = split_glb(valid_glb())
    stream = io.BytesIO()
    Image.new("RGB", (4096, 4096), (9, 9, 9)).save(stream, "PNG")
    view, binary = added(document, binary, stream.getvalue())
    document["images"][0]["bufferView"] = view
    primitive = document["meshes"][0]["primitives"][0]

    def dressed(tints: list[float]):
        materials = [
            {"pbrMetallicRoughness": dict(pbr_of(document), baseColorFactor=[t, t, t, 1])} for t in tints
        ]
        primitives = [dict(primitive, material=index) for index in range(len(tints))]
        return join_glb(document | {"materials": materials, "meshes": [{"primitives": primitives}]}, binary)

    path = tmp_path / "same.glb"
    path.write_bytes(dressed([0.5] * 20))
    parts = load_glb(path).parts
    assert len({id(part.material.base_color_srgb) for part in parts}) == 1
    path.write_bytes(dressed([k / 20 for k in range(1, 10)]))  # a picture and nine tints of it
    with pytest.raises(InputError, match="million texels"):
        load_glb(path)
