"""LODs and collision shapes from `Asset.save` to the file: validated, read back, named as engines want it."""

import json
from pathlib import Path

import numpy as np
import pygltflib
import pytest
import trimesh
from analytic_fields import make_figure
from khronos import validate

from dream3d.asset import Asset
from dream3d.errors import InputError
from dream3d.export.inspect import inspect
from dream3d.export.load import load_glb
from dream3d.export.load_model import load_textured_mesh
from dream3d.export.names import is_collision_only, lod_level

OPTIONS = {
    "plain": {},
    "lods": {"lods": 4},
    "unreal": {"collision": "unreal"},
    "both": {"lods": 2, "collision": "godot", "height": 2.0},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("saved")
    asset = Asset(make_figure())
    return {name: asset.save(folder / f"{name}.glb", **options)[0] for name, options in OPTIONS.items()}


def nodes_by_scene(path: Path) -> list[list[str]]:
    gltf = pygltflib.GLTF2().load(str(path))
    assert gltf is not None
    return [[gltf.nodes[index].name for index in scene.nodes] for scene in gltf.scenes]


def test_the_validator_has_nothing_to_say(saved):
    for path, report in zip(saved.values(), validate(*saved.values()), strict=True):
        counts = [report[key] for key in ("numErrors", "numWarnings", "numInfos", "numHints")]
        assert counts == [0, 0, 0, 0], f"{path.stem}: {report['messages']}"


def test_nodes_have_the_names_that_engines_know(saved):
    name = "a_red_and_blue_figure"
    assert nodes_by_scene(saved["plain"]) == [[name]]
    assert nodes_by_scene(saved["lods"]) == [[f"{name}_LOD{level}"] for level in range(4)]
    ((mesh, *hulls),) = nodes_by_scene(saved["unreal"])
    assert mesh == name
    assert hulls == [f"UCX_{name}_{index:02d}" for index in range(len(hulls))]
    assert len(hulls) > 1
    (shown, coarser) = nodes_by_scene(saved["both"])
    assert shown[0] == f"{name}_LOD0"
    assert all(hull.endswith("-convcolonly") for hull in shown[1:])
    assert coarser == [f"{name}_LOD1"]


def test_inspect_and_the_report_tell_of_them(saved):
    facts = inspect(saved["both"])
    said = json.loads(saved["both"].with_suffix(".json").read_text())
    plain = inspect(saved["plain"])
    assert facts.lod_faces == said["lod_faces"] == [plain.faces, plain.faces // 2]
    assert len(facts.collision_faces) == said["collision_hulls"] > 1
    assert (facts.faces, facts.meshes, facts.watertight) == (plain.faces, 1, True)
    assert facts.size_m[1] == pytest.approx(2.0, rel=1e-5)
    assert len(facts.textures) == 1
    assert (said["lods"], said["collision"]) == (2, "godot")
    assert (plain.lod_faces, plain.collision_faces) == ([plain.faces], [])


def test_all_levels_and_hulls_share_one_place(saved):
    contents = load_glb(saved["both"])
    finest = contents.parts[0].mesh.vertices
    for part in (*contents.lods, *contents.collision):
        assert part.mesh.vertices.min() > finest.min() - 0.1
        assert part.mesh.vertices.max() < finest.max() + 0.1
    np.testing.assert_array_equal(load_textured_mesh(saved["both"]).mesh.vertices, finest)


def test_an_independent_reader_shows_the_finest_level_only(saved):
    scene = trimesh.load(saved["lods"], process=False)
    assert isinstance(scene, trimesh.Scene)
    assert list(scene.graph.nodes_geometry) == ["a_red_and_blue_figure_LOD0"]


def test_a_surface_that_cannot_be_coarser_says_so(tmp_path):
    asset = Asset(make_figure(target_faces=60, texture_size=64))
    said = json.loads(asset.save(tmp_path / "a.glb", lods=8)[1].read_text())
    assert 1 < len(said["lod_faces"]) < 8
    assert "of 8 LODs" in said["warnings"][-1]


def test_impossible_options_leave_nothing(tmp_path):
    asset = Asset(make_figure())
    for options in ({"lods": 0}, {"lods": 50}, {"collision": "unity"}, {"height": -1.0}):
        with pytest.raises(InputError) as error:
            asset.save(tmp_path / "a.glb", **options)
        assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "is_hull", "level"),
    [
        ("chair", False, None),
        ("chair_LOD0", False, 0),
        ("chair_lod12", False, 12),
        ("chair_LOD1_old", False, None),
        ("UCX_chair_00", True, None),
        ("ucx_chair", False, None),
        ("chair_hull_00-convcolonly", True, None),
        ("chair-colonly", True, None),
        ("chair-convcol", False, None),  # seen and collided with
        ("convcolonly", False, None),
    ],
)
def test_names_are_understood(name, is_hull, level):
    assert is_collision_only(name) is is_hull
    assert lod_level(name) == level
