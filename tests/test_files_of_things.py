"""Assets of several things: a node for each, through every format, and back as one mesh that knows them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import trimesh
from khronos import validate

from dream3d.asset import Asset
from dream3d.config import ExportConfig
from dream3d.export.inspect import inspect
from dream3d.export.lighter import lighter
from dream3d.export.load import load_glb
from dream3d.export.load_model import load_model, load_textured_mesh
from dream3d.export.names import unique_slugs, without_lod
from dream3d.extract.normals import add_normals
from dream3d.extract.tangents import add_tangents
from dream3d.extract.unwrap import unwrap
from dream3d.mesh import Material, Mesh, TexturedMesh, join_meshes

SAID = ("a candle", "a barrel", "a candle")
NAMES = ["a_candle", "a_barrel", "a_candle_2"]
CENTERS = (-0.6, 0.0, 0.6)


def three_balls() -> TexturedMesh:
    """Balls of different radii in a row."""
    balls = []
    for center, radius in zip(CENTERS, (0.1, 0.3, 0.2), strict=True):
        ball = trimesh.creation.icosphere(3, radius).apply_translation((center, 0.0, 0.0))
        balls.append(add_normals(Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int32)), 180.0))
    texture = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    mesh = add_tangents(unwrap(join_meshes(balls), 256, 2))
    flat = np.full((4, 4, 3), (128, 128, 255), np.uint8)
    return TexturedMesh(mesh, Material(texture, normal_map=flat), "three balls", {"prompt": "balls"}, SAID)


BALLS = three_balls()


def middles(vertices: np.ndarray) -> float:
    """Middle of a thing along the row."""
    return float(vertices[:, 0].min() + vertices[:, 0].max()) / 2


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    asset = Asset(BALLS, ExportConfig(height_m=0.6, origin="source"))  # as high as they are: in their place
    return asset.save(folder / "balls.glb", lods=3, collision="unreal")[0]


def test_each_thing_is_a_node_in_every_level_and_has_its_own_hulls(saved: Path) -> None:
    (report,) = validate(saved)
    assert [report[key] for key in ("numErrors", "numWarnings", "numInfos", "numHints")] == [0, 0, 0, 0]
    contents = load_glb(saved)
    assert [part.name for part in contents.parts] == [f"{name}_LOD0" for name in NAMES]
    assert [part.name for part in contents.lods] == [f"{n}_LOD{level}" for level in (1, 2) for n in NAMES]
    for part, center in zip([*contents.parts, *contents.lods], 3 * CENTERS, strict=True):
        assert middles(part.mesh.vertices) == pytest.approx(center, abs=0.01)
    assert [hull.name for hull in contents.collision] == [f"UCX_{name}_LOD0_00" for name in NAMES]
    for hull, center in zip(contents.collision, CENTERS, strict=True):
        assert middles(hull.mesh.vertices) == pytest.approx(center, abs=0.02)


def test_the_report_and_inspect_count_them_together(saved: Path) -> None:
    said, facts = json.loads(saved.with_suffix(".json").read_text()), inspect(saved)
    assert said["things"] == list(SAID)
    assert said["faces"] == facts.faces == 3 * 1280
    assert said["lod_faces"] == facts.lod_faces
    assert len(facts.lod_faces) == 3
    assert facts.lod_faces[1] == pytest.approx(3 * 640, abs=6)
    assert said["watertight"]
    assert (facts.meshes, facts.components, facts.watertight) == (3, 3, True)


def test_together_they_are_the_mesh_that_was_written(saved: Path) -> None:
    """The same triangles with the same attributes, whatever their order, and the texture they share."""
    read = load_textured_mesh(saved)
    assert (read.things, read.name) == (tuple(NAMES), "balls")
    np.testing.assert_array_equal(read.material.base_color_srgb, BALLS.material.base_color_srgb)
    for index in range(3):
        mine, theirs = (of_thing(model.mesh, index) for model in (BALLS, read))
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def of_thing(mesh: Mesh, index: int) -> np.ndarray:
    """Corners of the triangles of a thing, with all attributes, sorted: [3 T', 12]."""
    assert mesh.thing is not None
    assert mesh.normals is not None
    assert mesh.uvs is not None
    assert mesh.tangents is not None
    assert (mesh.thing[mesh.faces] == mesh.thing[mesh.faces[:, :1]]).all()
    corners = mesh.faces[mesh.thing[mesh.faces[:, 0]] == index].reshape(-1)
    rows = np.hstack([mesh.vertices, mesh.normals, mesh.uvs, mesh.tangents])[corners]
    return rows[np.lexsort(np.round(rows[:, :8], 4).T)]


def test_what_is_read_can_be_made_lighter_and_written_again(saved: Path, tmp_path: Path) -> None:
    light = lighter(load_textured_mesh(saved), 900, 128)
    path = Asset(light).save(tmp_path / "light.glb")[0]
    parts = load_glb(path).parts
    assert [part.name for part in parts] == NAMES
    assert sum(len(part.mesh.faces) for part in parts) <= 900
    assert load_model(path).things == tuple(NAMES)


def test_other_formats_name_them_too(tmp_path: Path) -> None:
    asset = Asset(BALLS)
    lines = asset.save(tmp_path / "a.obj")[0].read_text().splitlines()
    assert [line for line in lines if line.startswith("o ")] == [f"o {name}" for name in NAMES]
    gltf = json.loads(asset.save(tmp_path / "b.gltf")[0].read_text())
    assert [node["name"] for node in gltf["nodes"]] == NAMES
    assert len(gltf["materials"]) == 1
    usd = pytest.importorskip("pxr.Usd")
    stage = usd.Stage.Open(str(asset.save(tmp_path / "c.usdz")[0]))
    meshes = [prim.GetName() for prim in stage.Traverse() if prim.GetTypeName() == "Mesh"]
    assert meshes == [f"{name}_mesh" for name in NAMES]


def test_a_thing_without_names_or_triangles_is_no_node(tmp_path: Path) -> None:
    plain = Asset(replace(BALLS, things=())).save(tmp_path / "a.glb")[0]
    assert [part.name for part in load_glb(plain).parts] == ["three_balls"]
    mesh = BALLS.mesh
    assert mesh.thing is not None
    first = mesh.of_faces(mesh.faces[mesh.thing[mesh.faces[:, 0]] == 0])
    alone = Asset(replace(BALLS, mesh=first)).save(tmp_path / "b.glb")[0]
    assert [part.name for part in load_glb(alone).parts] == ["a_candle"]


def test_meshes_of_different_materials_keep_their_colors_at_the_vertices(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        ball = trimesh.creation.icosphere(1, 0.3).apply_translation((len(name), 0.0, 0.0))
        picture = PIL.Image.new("RGB", (4, 4), color)
        ball.visual = trimesh.visual.TextureVisuals(
            uv=np.full((len(ball.vertices), 2), 0.5),
            material=trimesh.visual.material.PBRMaterial(baseColorTexture=picture),
        )
        scene.add_geometry(ball, node_name=name)
    scene.export(tmp_path / "two.glb")
    model = load_model(tmp_path / "two.glb")
    assert sorted(model.things) == ["blue", "red"]
    assert model.mesh.colors is not None
    assert model.mesh.thing is not None
    for index, name in enumerate(model.things):
        seen = model.mesh.colors[model.mesh.thing == index]
        np.testing.assert_allclose(seen - ([1, 0, 0] if name == "red" else [0, 0, 1]), 0.0, atol=1e-6)
    assert model.mesh.uvs is None


def test_names() -> None:
    assert unique_slugs(["A mug", "a mug!", "a mug 2", "a mug"]) == [
        "a_mug",
        "a_mug_2",
        "a_mug_2_2",
        "a_mug_3",
    ]
    assert [without_lod(name) for name in ("a_LOD0", "b_lod12", "LODge", "c")] == ["a", "b", "LODge", "c"]
