"""Files with several nodes, packed pictures and normal maps: validated, and read back independently."""

import io
from dataclasses import replace

import numpy as np
import pygltflib
import pytest
import trimesh
from analytic_fields import make_figure
from glb_bytes import split_glb
from khronos import validate

from dream3d.export.glb import encode_glb
from dream3d.export.gltf import Group, Layout, Node
from dream3d.export.load import load_glb
from dream3d.mesh import Material, Mesh

SIZE = 64
RNG = np.random.default_rng(0)


def picture() -> np.ndarray:
    return RNG.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


def normal_map() -> np.ndarray:
    flat = np.full((SIZE, SIZE, 3), (128, 128, 255), np.uint8)
    flat[..., 0] += RNG.integers(0, 20, (SIZE, SIZE), dtype=np.uint8)
    return flat


def with_tangents(mesh: Mesh) -> Mesh:
    """Any unit vectors perpendicular to the normals, with both signs."""
    assert mesh.normals is not None
    helper = np.where(np.abs(mesh.normals[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]])
    tangents = np.cross(helper, mesh.normals)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    signs = np.where(np.arange(len(tangents)) % 3 == 0, -1.0, 1.0)[:, None]
    return replace(mesh, tangents=np.hstack([tangents, signs]).astype(np.float32))


FIGURE = make_figure()
HULL = Mesh(FIGURE.mesh.vertices[:4], np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], np.int32))
PLAIN = Material(picture(), 0.25, 0.5)
ORM = picture()
NO_OCCLUSION = np.dstack([np.full((SIZE, SIZE), 255, np.uint8), ORM[..., 1:]])


def layout(material: Material, mesh: Mesh = FIGURE.mesh) -> Layout:
    """Two levels in scenes of their own, and a hull."""
    half = replace(mesh, faces=mesh.faces[::2])
    return Layout(
        "figure",
        (
            Group("figure_LOD0", (Node("figure_LOD0", mesh), Node("UCX_figure_LOD0_00", HULL, False))),
            Group("figure_LOD1", (Node("figure_LOD1", half),)),
        ),
        material,
        {"prompt": "a figure"},
    )


LAYOUTS = {
    "plain": layout(PLAIN),
    "orm": layout(replace(PLAIN, orm=ORM)),
    "orm without occlusion": layout(replace(PLAIN, orm=NO_OCCLUSION)),
    "normal map": layout(replace(PLAIN, normal_map=normal_map()), with_tangents(FIGURE.mesh)),
    "everything": layout(replace(PLAIN, orm=ORM, normal_map=normal_map()), with_tangents(FIGURE.mesh)),
    "tangents that nothing reads": layout(PLAIN, with_tangents(FIGURE.mesh)),
}


def test_the_validator_has_nothing_to_say(tmp_path):
    paths = []
    for name, written in LAYOUTS.items():
        paths.append(tmp_path / f"{name}.glb")
        paths[-1].write_bytes(encode_glb(written))
    for path, report in zip(paths, validate(*paths), strict=True):
        counts = [report[key] for key in ("numErrors", "numWarnings", "numInfos", "numHints")]
        assert counts == [0, 0, 0, 0], f"{path.stem}: {report['messages']}"


@pytest.mark.parametrize(("name", "num_pictures"), [("plain", 1), ("orm", 2), ("everything", 3)])
def test_pictures_are_stored_once_and_shared_by_all_nodes(name, num_pictures):
    content = encode_glb(LAYOUTS[name])
    document, _ = split_glb(content)
    assert len(document["images"]) == len(document["textures"]) == num_pictures
    assert len({image["bufferView"] for image in document["images"]}) == num_pictures
    assert content.count(b"\x89PNG\r\n") == num_pictures
    assert [mesh["primitives"][0].get("material") for mesh in document["meshes"]] == [0, None, 0]
    assert list(document["meshes"][1]["primitives"][0]["attributes"]) == ["POSITION"]


def test_an_independent_reader_finds_every_map_and_node(tmp_path):
    path = tmp_path / "a.glb"
    path.write_bytes(encode_glb(LAYOUTS["everything"]))
    gltf = pygltflib.GLTF2().load(str(path))
    assert gltf is not None
    assert [node.name for node in gltf.nodes] == ["figure_LOD0", "UCX_figure_LOD0_00", "figure_LOD1"]
    assert [scene.nodes for scene in gltf.scenes] == [[0, 1], [2]]
    assert gltf.scene == 0
    (material,) = gltf.materials
    pbr = material.pbrMetallicRoughness
    assert pbr.metallicRoughnessTexture.index == material.occlusionTexture.index == 1
    assert material.normalTexture.index == 2
    assert pbr.metallicFactor in (None, 1)  # a factor would multiply the picture
    assert pbr.roughnessFactor in (None, 1)
    scene = trimesh.load(io.BytesIO(path.read_bytes()), file_type="glb", process=False)
    assert isinstance(scene, trimesh.Scene)
    shape = scene.geometry["figure_LOD0"]
    np.testing.assert_array_equal(shape.faces, FIGURE.mesh.faces)
    np.testing.assert_array_equal(np.asarray(shape.visual.material.metallicRoughnessTexture), ORM)
    np.testing.assert_array_equal(
        np.asarray(shape.visual.material.normalTexture), LAYOUTS["everything"].material.normal_map
    )


def test_occlusion_is_referred_to_only_when_there_is_some():
    for name, expected in [("orm", True), ("orm without occlusion", False), ("plain", False)]:
        (material,) = split_glb(encode_glb(LAYOUTS[name]))[0]["materials"]
        assert ("occlusionTexture" in material) is expected, name


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_our_own_reader_gives_everything_back(tmp_path, name):
    path = tmp_path / "a.glb"
    written = LAYOUTS[name]
    path.write_bytes(encode_glb(written))
    contents = load_glb(path)
    (part,) = contents.parts
    assert [shape.name for shape in contents.lods] == ["figure_LOD1"]
    assert [shape.name for shape in contents.collision] == ["UCX_figure_LOD0_00"]
    np.testing.assert_array_equal(contents.lods[0].mesh.faces, FIGURE.mesh.faces[::2])
    np.testing.assert_array_equal(contents.collision[0].mesh.vertices, HULL.vertices)
    for key in ("base_color_srgb", "orm", "normal_map"):
        expected, read = getattr(written.material, key), getattr(part.material, key)
        assert (expected is None) == (read is None), key
        np.testing.assert_array_equal(read, expected)
    if written.material.normal_map is not None:
        np.testing.assert_allclose(part.mesh.tangents, written.nodes[0].mesh.tangents, atol=1e-6)
    else:
        assert part.mesh.tangents is None
    assert contents.provenance == {"prompt": "a figure"}


def test_impossible_layouts_are_refused():
    twice = Group("a", (Node("a", FIGURE.mesh), Node("a", FIGURE.mesh)))
    with pytest.raises(ValueError, match="same name"):
        encode_glb(Layout("a", (twice,), PLAIN))
    with pytest.raises(ValueError, match="tangents"):
        encode_glb(layout(replace(PLAIN, normal_map=normal_map())))
    broken = with_tangents(FIGURE.mesh)
    assert broken.tangents is not None
    broken.tangents[5, 1] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        encode_glb(layout(replace(PLAIN, normal_map=normal_map()), broken))
