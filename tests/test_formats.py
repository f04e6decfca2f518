"""The same asset as .glb, .gltf and .obj: validated, and read back by trimesh."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from analytic_fields import make_figure
from khronos import validate

from dream3d.asset import Asset
from dream3d.config import ExportConfig
from dream3d.errors import InputError

ASSET = Asset(make_figure(target_faces=300, texture_size=64))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_gltf_keeps_its_data_beside_it(tmp_path):
    """A name with a space and a hash sign must be quoted inside the file."""
    paths = ASSET.save(tmp_path / "a #1.gltf", lods=2)
    endings = [".bin", ".gltf", ".json", ".png", "_base_color.png"]
    assert names(tmp_path) == [f"a #1{ending}" for ending in endings]
    assert sorted(path.name for path in paths) == names(tmp_path)
    (report,) = validate(paths[0])
    counts = [report[key] for key in ("numErrors", "numWarnings", "numInfos", "numHints")]
    assert counts == [0, 0, 0, 0], report["messages"]


@pytest.mark.parametrize("ending", ["glb", "gltf", "obj"])
def test_every_format_says_the_same(tmp_path, ending):
    plain = Asset(ASSET.textured_mesh)
    path = plain.save(tmp_path / f"a.{ending}", height=2.0)[0]
    scene = trimesh.load(path, process=False, force="scene")
    assert isinstance(scene, trimesh.Scene)
    (shape,) = scene.geometry.values()
    mesh = ASSET.mesh
    scale = 2.0 / np.ptp(mesh.vertices[:, 1])
    corners, expected = shape.triangles, mesh.vertices[mesh.faces] * scale
    np.testing.assert_allclose(corners - corners[0, 0], expected - expected[0, 0], atol=1e-5)
    uvs = mesh.uvs[mesh.faces] * [1, -1] + [0, 1]
    np.testing.assert_allclose(shape.visual.uv[shape.faces], uvs, atol=1e-6)
    material = shape.visual.material
    image = material.image if ending == "obj" else material.baseColorTexture
    np.testing.assert_array_equal(np.asarray(image)[..., :3], ASSET.material.base_color_srgb)
    assert shape.extents[1] == pytest.approx(2.0, rel=1e-5)


def test_obj_holds_hulls_as_objects(tmp_path):
    path = ASSET.save(tmp_path / "a.obj", collision="unreal")[0]
    text = path.read_text()
    objects = [line for line in text.splitlines() if line.startswith("o ")]
    said = json.loads(path.with_suffix(".json").read_text())
    assert objects[0] == "o a_red_and_blue_figure"
    assert len(objects) == 1 + said["collision_hulls"]
    assert objects[1] == "o UCX_a_red_and_blue_figure_00"
    used = [
        int(word.split("/")[0]) for line in text.splitlines() if line[:2] == "f " for word in line.split()[1:]
    ]
    assert max(used) == sum(line.startswith("v ") for line in text.splitlines())


def test_maps_are_referred_to_in_an_obj(tmp_path):
    picture = np.full((4, 4, 3), (128, 128, 255), np.uint8)
    mesh = ASSET.mesh
    tangents = np.tile(np.float32([1, 0, 0, 1]), (len(mesh.vertices), 1))
    material = replace(ASSET.material, normal_map=picture, orm=picture)
    dressed = replace(ASSET.textured_mesh, mesh=replace(mesh, tangents=tangents), material=material)
    Asset(dressed).save(tmp_path / "a.obj")
    said = (tmp_path / "a.mtl").read_text()
    pictures = {line.split()[-1] for line in said.splitlines() if line.endswith(".png")}
    assert pictures == {"a_base_color.png", "a_normal.png"}
    assert pictures < set(names(tmp_path))


def test_what_a_format_cannot_say_is_refused_and_nothing_written(tmp_path):
    glb_only = Asset(ASSET.textured_mesh, ExportConfig(format="glb"))
    for asset, name, options, says in [
        (ASSET, "a.obj", {"lods": 2}, "levels of detail"),
        (ASSET, "a b.obj", {}, "spaces"),
        (ASSET, "a.fbx", {}, "must end in .glb or .gltf or .obj"),
        (glb_only, "a.gltf", {}, "must end in .glb"),
    ]:
        with pytest.raises(InputError, match=says):
            asset.save(tmp_path / name, **options)
    with pytest.raises(InputError, match="--format"):
        ExportConfig(format="fbx")  # type: ignore[arg-type]
    assert names(tmp_path) == []
