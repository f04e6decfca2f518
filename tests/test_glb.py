"""Every .glb against the Khronos validator and two readers that know nothing of our writer."""

import io
from dataclasses import replace

import numpy as np
import pygltflib
import pytest
import trimesh
from analytic_fields import make_figure
from glb_bytes import split_glb
from khronos import validate
from PIL import Image

from dream3d.asset import place
from dream3d.config import ExportConfig
from dream3d.export.glb import encode_glb
from dream3d.export.load_model import load_textured_mesh
from dream3d.export.names import slug
from dream3d.mesh import Material, Mesh, TexturedMesh


def grid_mesh(side: int) -> Mesh:
    """A bumpy square of side * side vertices, to reach any number of them."""
    u, v = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side))
    uvs = np.stack([u.ravel(), v.ravel()], axis=1).astype(np.float32)
    vertices = np.stack([u.ravel(), np.sin(9 * u.ravel()), v.ravel()], axis=1).astype(np.float32)
    normals = np.tile(np.array([[0.0, 1.0, 0.0]], np.float32), (side * side, 1))
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + side, corner + 1], axis=1),
            np.stack([corner + 1, corner + side, corner + side + 1], axis=1),
        ]
    )
    return Mesh(vertices, faces.astype(np.int32), normals, uvs)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def assets() -> dict[str, TexturedMesh]:
    figure = make_figure()
    zero_normals = np.array(figure.mesh.normals)
    zero_normals[0] = 0
    return {
        "figure": replace(figure, mesh=place(figure.mesh, ExportConfig())),
        "tall": replace(figure, mesh=place(figure.mesh, ExportConfig(height_m=1234.5, origin="center"))),
        "tiny": replace(figure, mesh=place(figure.mesh, ExportConfig(height_m=0.001))),
        "no metadata": replace(figure, metadata={}),
        "unicode": replace(
            figure, name="Große rote Blume 🌸", metadata={"prompt": "Große\n🌸", "nested": {"a": [1, None]}}
        ),
        "nameless": replace(figure, name="🌸"),
        "a normal is zero": replace(figure, mesh=replace(figure.mesh, normals=zero_normals)),
        "16 bit indices, odd sizes": TexturedMesh(grid_mesh(13), Material(noise(64, 128))),
        "last 16 bit": TexturedMesh(grid_mesh(255), Material(noise(64, 64))),
        "32 bit indices": TexturedMesh(grid_mesh(257), Material(noise(64, 64), 1.0, 0.0)),
        "metal": TexturedMesh(grid_mesh(3), Material(noise(512, 512), 0.25, 0.5)),
    }


def test_the_validator_has_nothing_to_say(tmp_path):
    paths = []
    for name, asset in assets().items():
        paths.append(tmp_path / f"{name}.glb")
        paths[-1].write_bytes(encode_glb(asset))
    for path, report in zip(paths, validate(*paths), strict=True):
        counts = [report[key] for key in ("numErrors", "numWarnings", "numInfos", "numHints")]
        assert counts == [0, 0, 0, 0], f"{path.stem}: {report['messages']}"


def test_the_validator_notices_damage(tmp_path):
    """The check itself works: a normal of length 2 is reported."""
    content = encode_glb(make_figure())
    path = tmp_path / "damaged.glb"
    normals = make_figure().mesh.normals
    assert normals is not None
    document, binary = split_glb(content)
    start = len(content) - len(binary) + document["bufferViews"][1]["byteOffset"]
    path.write_bytes(content[:start] + np.float32([2, 0, 0]).tobytes() + content[start + 12 :])
    (report,) = validate(path)
    assert {message["code"] for message in report["messages"]} == {"ACCESSOR_VECTOR3_NON_UNIT"}


@pytest.mark.parametrize("name", ["figure", "16 bit indices, odd sizes", "32 bit indices", "metal"])
def test_trimesh_reads_what_was_written(name):
    asset = assets()[name]
    scene = trimesh.load(io.BytesIO(encode_glb(asset)), file_type="glb", process=False)
    assert isinstance(scene, trimesh.Scene)
    (shape,) = scene.geometry.values()
    np.testing.assert_array_equal(shape.vertices.astype(np.float32), asset.mesh.vertices)
    np.testing.assert_array_equal(shape.faces, asset.mesh.faces)
    np.testing.assert_allclose(shape.vertex_normals, asset.mesh.normals, atol=1e-6)
    expected_uvs = np.stack(
        [asset.mesh.uvs[:, 0], 1 - asset.mesh.uvs[:, 1]], axis=1
    )  # trimesh: v grows upwards
    np.testing.assert_allclose(shape.visual.uv, expected_uvs, atol=1e-6)
    material = shape.visual.material
    np.testing.assert_array_equal(np.asarray(material.baseColorTexture), asset.material.base_color_srgb)
    assert material.metallicFactor == pytest.approx(asset.material.metallic_factor)
    assert material.roughnessFactor == pytest.approx(asset.material.roughness_factor)
    assert material.doubleSided is False
    assert material.alphaMode == "OPAQUE"


def test_pygltflib_reads_what_was_written(tmp_path):
    asset = assets()["unicode"]
    path = tmp_path / "a.glb"
    path.write_bytes(encode_glb(asset))
    gltf = pygltflib.GLTF2().load(str(path))
    assert gltf is not None
    blob = gltf.binary_blob()
    primitive = gltf.meshes[0].primitives[0]

    def read(index, dtype, width):
        accessor = gltf.accessors[index]
        view = gltf.bufferViews[accessor.bufferView]
        return np.frombuffer(blob, dtype, accessor.count * width, view.byteOffset).reshape(-1, width)

    np.testing.assert_array_equal(read(primitive.attributes.POSITION, "<f4", 3), asset.mesh.vertices)
    np.testing.assert_array_equal(read(primitive.attributes.TEXCOORD_0, "<f4", 2), asset.mesh.uvs)
    np.testing.assert_allclose(
        np.linalg.norm(read(primitive.attributes.NORMAL, "<f4", 3), axis=1), 1, atol=1e-6
    )
    np.testing.assert_array_equal(read(primitive.indices, "<u2", 1).reshape(-1, 3), asset.mesh.faces)
    bounds = gltf.accessors[primitive.attributes.POSITION]
    np.testing.assert_array_equal(np.float32(bounds.min), asset.mesh.vertices.min(axis=0))
    np.testing.assert_array_equal(np.float32(bounds.max), asset.mesh.vertices.max(axis=0))
    assert gltf.materials[0].pbrMetallicRoughness.metallicFactor == 0
    assert gltf.materials[0].doubleSided is False
    assert gltf.nodes[0].extras == asset.metadata
    assert gltf.nodes[0].name == gltf.meshes[0].name == "grosse_rote_blume"
    assert gltf.nodes[0].matrix is None
    assert gltf.nodes[0].rotation is None
    assert gltf.nodes[0].scale is None
    view = gltf.bufferViews[gltf.images[0].bufferView]
    picture = Image.open(io.BytesIO(blob[view.byteOffset : view.byteOffset + view.byteLength]))
    np.testing.assert_array_equal(np.asarray(picture), asset.material.base_color_srgb)
    assert all(view.byteOffset % 4 == 0 for view in gltf.bufferViews)


def test_our_own_reader_gives_the_asset_back(tmp_path):
    for name, asset in assets().items():
        path = tmp_path / "a.glb"
        path.write_bytes(encode_glb(asset))
        back = load_textured_mesh(path)
        np.testing.assert_array_equal(back.mesh.vertices, asset.mesh.vertices, err_msg=name)
        np.testing.assert_array_equal(back.mesh.faces, asset.mesh.faces, err_msg=name)
        np.testing.assert_array_equal(back.mesh.uvs, asset.mesh.uvs, err_msg=name)
        np.testing.assert_array_equal(back.material.base_color_srgb, asset.material.base_color_srgb)
        assert back.material.metallic_factor == asset.material.metallic_factor
        assert back.metadata == asset.metadata
        assert back.name == slug(asset.name)


def test_same_asset_same_bytes():
    assert encode_glb(make_figure()) == encode_glb(make_figure())


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a red mushroom", "a_red_mushroom"),
        ("  A Red, RED mushroom!! ", "a_red_red_mushroom"),
        ("château № 5", "chateau_no_5"),
        ("🌸", "asset"),
        ("../../etc/passwd", "etc_passwd"),
        ("x" * 500, "x" * 60),
    ],
)
def test_names_are_ascii_and_short(prompt, name):
    assert slug(prompt) == name


@pytest.mark.parametrize("part", ["vertices", "normals", "uvs"])
def test_values_that_are_not_finite_are_never_written(part):
    asset = make_figure()
    broken = np.array(getattr(asset.mesh, part))
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        encode_glb(replace(asset, mesh=replace(asset.mesh, **{part: broken})))


def test_a_mesh_that_was_not_unwrapped_is_refused():
    asset = make_figure()
    with pytest.raises(ValueError, match="unwrap"):
        encode_glb(replace(asset, mesh=replace(asset.mesh, uvs=None)))
