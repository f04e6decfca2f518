"""What three.js' GLTFLoader makes of our files, plain, with data beside them, and compressed."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analytic_fields import make_figure
from glb_bytes import split_glb
from khronos import validate
from three_js import ThreeNode, read_three

from dream3d.asset import Asset
from dream3d.errors import InputError
from dream3d.export.glb import encode_glb
from dream3d.export.layout import game_layout
from dream3d.export.material import encode_png
from dream3d.mesh import Material, Mesh, TexturedMesh

RNG = np.random.default_rng(0)


def picture() -> np.ndarray:
    return RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)


def dressed() -> TexturedMesh:
    """A figure with every map, and tangents of both signs."""
    made = make_figure()
    assert made.mesh.normals is not None
    helper = np.where(np.abs(made.mesh.normals[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]])
    tangents = np.cross(helper, made.mesh.normals)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    signs = np.where(np.arange(len(tangents)) % 3 == 0, -1.0, 1.0)[:, None]
    mesh = replace(made.mesh, tangents=np.hstack([tangents, signs]).astype(np.float32))
    return replace(made, mesh=mesh, material=replace(made.material, orm=picture(), normal_map=picture()))


FIGURE = dressed()
OPTIONS = {"lods": 3, "collision": "unreal", "height": 2.0}
FILES = {"glb": {}, "gltf": {}, "meshopt.glb": {"compression": "meshopt"}}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[list[ThreeNode]]]]:
    """Each file and its scenes as three.js holds them."""
    pytest.importorskip("meshopt")
    folder = tmp_path_factory.mktemp("read")
    asset = Asset(FIGURE)
    paths = [asset.save(folder / f"a.{name}", **OPTIONS, **extra)[0] for name, extra in FILES.items()]
    return dict(zip(FILES, zip(paths, read_three(*paths), strict=True), strict=True))


def corners(mesh: Mesh) -> np.ndarray:
    """Every number at every corner of every triangle, in an order of its own: [T, 3 C]."""
    parts = [part for part in (mesh.vertices, mesh.normals, mesh.uvs, mesh.tangents) if part is not None]
    rows = np.hstack(parts)[mesh.faces]  # [T, 3, C]
    first = np.array([np.lexsort(triangle.T[::-1])[0] for triangle in rows])
    turned = np.stack(
        [np.roll(triangle, -start, axis=0) for triangle, start in zip(rows, first, strict=True)]
    )
    flat = turned.reshape(len(rows), -1)
    return flat[np.lexsort(flat.T[::-1])]


@pytest.mark.parametrize("name", list(FILES))
def test_names_scenes_and_places(read, name: str) -> None:
    scenes = read[name][1]
    figure = "a_red_and_blue_figure"
    shown, *coarser = scenes
    assert [node.name for node in shown[:1]] == [f"{figure}_LOD0"]
    hulls = [node.name for node in shown[1:]]
    assert hulls == [f"UCX_{figure}_LOD0_{index:02d}" for index in range(len(hulls))]
    assert len(hulls) > 1
    assert [[node.name for node in scene] for scene in coarser] == [[f"{figure}_LOD1"], [f"{figure}_LOD2"]]
    assert shown[0].extras["prompt"] == FIGURE.metadata["prompt"]
    for node in (node for scene in scenes for node in scene):
        np.testing.assert_array_equal(node.matrix, np.eye(4))
    height = np.ptp(shown[0].mesh.vertices, axis=0)[1]
    assert height == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize("name", ["gltf", "meshopt.glb"])
def test_every_file_holds_the_same_numbers(read, name: str) -> None:
    """Bit for bit; compression may change the order of triangles, not what they are or how they turn."""
    for expected, found in zip(read["glb"][1], read[name][1], strict=True):
        for one, other in zip(expected, found, strict=True):
            assert one.mesh.vertices.shape == other.mesh.vertices.shape
            np.testing.assert_array_equal(corners(one.mesh), corners(other.mesh))


def test_the_numbers_are_ours(read) -> None:
    layout = game_layout(FIGURE, 3)
    scale = 2.0 / np.ptp(FIGURE.mesh.vertices[:, 1])
    for group, scene in zip(layout.groups, read["glb"][1], strict=True):
        ours, theirs = group.nodes[0].mesh, scene[0].mesh
        np.testing.assert_array_equal(ours.faces, theirs.faces)
        np.testing.assert_array_equal(ours.uvs, theirs.uvs)
        np.testing.assert_allclose(ours.normals, theirs.normals, atol=1e-6)
        np.testing.assert_allclose(ours.tangents, theirs.tangents, atol=1e-6)
        moved = theirs.vertices - theirs.vertices[0]
        np.testing.assert_allclose((ours.vertices - ours.vertices[0]) * scale, moved, atol=2e-6)


@pytest.mark.parametrize("name", list(FILES))
def test_every_picture_is_in_its_slot(read, name: str) -> None:
    def sha256(image: np.ndarray) -> str:
        return hashlib.sha256(encode_png(image)).hexdigest()

    material = FIGURE.material
    assert material.orm is not None
    assert material.normal_map is not None
    packed = (sha256(material.orm), "")
    expected = {
        "map": (sha256(material.base_color_srgb), "srgb"),
        "aoMap": packed,
        "roughnessMap": packed,
        "metalnessMap": packed,
        "normalMap": (sha256(material.normal_map), ""),
    }
    for scene in read[name][1]:
        seen = scene[0].material
        slots = seen["slots"]
        assert {key: (slot["sha256"], slot["colorSpace"]) for key, slot in slots.items()} == expected
        assert {slot["channel"] for slot in slots.values()} == {0}  # one set of UVs for all
        assert not any(slot["flipY"] for slot in slots.values())
        assert (seen["type"], seen["roughness"], seen["metalness"]) == ("MeshStandardMaterial", 1, 1)
        assert (seen["side"], seen["transparent"]) == (0, False)
        for hull in scene[1:]:
            assert hull.material["slots"] == {}


def test_compression_pays_and_the_validator_knows_no_more_than_its_name(read) -> None:
    plain, packed = (read[name][0] for name in ("glb", "meshopt.glb"))
    (report,) = validate(packed)
    assert [message["code"] for message in report["messages"]] == ["UNSUPPORTED_EXTENSION"]
    document, binary = split_glb(packed.read_bytes())
    before, _ = split_glb(plain.read_bytes())
    assert document["extensionsRequired"] == ["EXT_meshopt_compression"]
    assert document["accessors"] == before["accessors"]
    assert document["buffers"][0]["byteLength"] == len(binary)
    assert "uri" not in document["buffers"][1]
    meshes = [view for view in document["bufferViews"] if "extensions" in view]
    assert len(meshes) == len(before["accessors"])
    stored = sum(view["extensions"]["EXT_meshopt_compression"]["byteLength"] for view in meshes)
    assert stored < 0.75 * sum(view["byteLength"] for view in meshes)


def test_large_meshes_keep_their_32_bit_indices(tmp_path: Path) -> None:
    pytest.importorskip("meshopt")
    side = 257
    u, v = np.meshgrid(np.linspace(0, 1, side, dtype=np.float32), np.linspace(0, 1, side, dtype=np.float32))
    uvs = np.stack([u.ravel(), v.ravel()], axis=1)
    vertices = np.column_stack([uvs, np.zeros(len(uvs), np.float32)])
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    faces = np.stack([corner, corner + 1, corner + side], axis=1).astype(np.int32)
    mesh = Mesh(vertices, faces, np.tile(np.float32([0, 0, 1]), (len(uvs), 1)), uvs)
    path = tmp_path / "a.glb"
    path.write_bytes(encode_glb(TexturedMesh(mesh, Material(picture())), "meshopt"))
    (((node,),),) = read_three(path)
    used = np.unique(faces)
    assert len(node.mesh.vertices) == len(used)
    found = np.sort(node.mesh.vertices[node.mesh.faces].sum(axis=(1, 2)))
    np.testing.assert_allclose(found, np.sort(vertices[faces].sum(axis=(1, 2))), rtol=1e-6)


def test_what_is_not_possible_is_refused_and_nothing_written(tmp_path: Path, monkeypatch) -> None:
    asset = Asset(FIGURE)
    with pytest.raises(InputError, match=r"--compression is for a \.glb"):
        asset.save(tmp_path / "a.gltf", compression="meshopt")
    with pytest.raises(InputError, match="none or meshopt"):
        asset.save(tmp_path / "a.glb", compression="draco")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "meshopt", None)
    with pytest.raises(InputError, match=r"pip install 'dream3d\[meshopt\]'") as error:
        asset.save(tmp_path / "a.glb", compression="meshopt")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
