"""`dream3d refine`: the meshes of other people through a tiny prior that was never trained.

What it paints is noise; what is tested is that everything else stays, and where it goes.
"""

import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
import yaml
from bare_glb import ball, glb
from khronos import validate
from prior_folders import answering
from trimesh.exchange.obj import export_obj

from dream3d.cli import main
from dream3d.config import BakeConfig, Config, ExportConfig, given_mesh_settings
from dream3d.detail.substance import SHINE
from dream3d.errors import InputError
from dream3d.export.files import write_files
from dream3d.export.glb import encode_glb
from dream3d.export.load import load_glb
from dream3d.export.load_model import load_model, load_textured_mesh
from dream3d.extract.normals import add_normals
from dream3d.extract.tangents import add_tangents
from dream3d.extract.unwrap import unwrap
from dream3d.mesh import Material, Mesh, TexturedMesh, join_meshes
from dream3d.refine import refine
from dream3d.stage_config import PaintConfig, RefineConfig

SMALL = ["--paint.num-steps", "2", "--texture-size", "64", "--quiet"]
CONFIG = Config(
    bake=BakeConfig(texture_size=64),
    export=ExportConfig(height_m=None, origin="source"),
    refine=RefineConfig(num_steps=2, lattice_resolution=16),
)
PAINT = PaintConfig(num_steps=2)
RED = (200, 30, 30)


@pytest.fixture(scope="module")
def model() -> TexturedMesh:
    """A red ring far from the origin, with good UVs, a normal map and a rough metal."""
    ring = trimesh.creation.torus(0.6, 0.25, major_sections=24, minor_sections=12)
    bare = Mesh(
        np.asarray(ring.vertices + np.array([3, 5, -2]), np.float32), np.asarray(ring.faces, np.int32)
    )
    mesh = add_tangents(unwrap(add_normals(bare, 180.0), 256, 4))
    rng = np.random.default_rng(0)
    normal_map = rng.integers(100, 156, (32, 32, 3)).astype(np.uint8)
    normal_map[..., 2] = 250
    orm = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    return TexturedMesh(
        mesh, Material(np.full((64, 64, 3), RED, np.uint8), orm=orm, normal_map=normal_map), "ring"
    )


def write_grey_box(path: Path) -> Mesh:
    """A box of eight vertices, two metres wide, off the origin."""
    shape = trimesh.creation.box(extents=[2.0, 0.5, 1.0])
    shape.apply_translation([4.0, 1.0, 0.0])
    path.write_text(export_obj(shape, include_normals=False))
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int32))


def refused(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["refine", *words]) == 2
    streams = capfd.readouterr()
    assert streams.out == ""
    (line,) = streams.err.splitlines()
    assert line.startswith("dream3d: error: ")
    return line


def test_good_uvs_and_their_maps_are_kept_and_only_the_color_changes(model, tiny_prior):
    asset = refine(model, "a red mushroom", CONFIG, PAINT, prior=tiny_prior)
    np.testing.assert_array_equal(asset.mesh.uvs, model.mesh.uvs)
    np.testing.assert_array_equal(asset.mesh.faces, model.mesh.faces)
    np.testing.assert_allclose(asset.mesh.vertices, model.mesh.vertices, atol=2e-6)
    np.testing.assert_array_equal(asset.mesh.tangents, model.mesh.tangents)
    np.testing.assert_array_equal(asset.material.normal_map, model.material.normal_map)
    np.testing.assert_array_equal(asset.material.orm, model.material.orm)
    assert not np.array_equal(asset.material.base_color_srgb, model.material.base_color_srgb)
    assert asset.warnings == ()


def test_occlusion_joins_the_roughness_and_metallic_that_were_there(model, tiny_prior):
    given = replace(model, material=replace(model.material, orm=np.full((32, 32, 3), (9, 77, 200), np.uint8)))
    config = replace(CONFIG, bake=replace(CONFIG.bake, occlusion=True))
    orm = refine(given, "a red mushroom", config, PAINT, prior=tiny_prior).material.orm
    assert orm.shape == (config.bake.texture_size, config.bake.texture_size, 3)
    assert (orm[..., 1:] == (77, 200)).all()
    assert 0.5 < (orm[..., 0] / 255.0).mean() < 1.0  # the inside of a ring sees its other half


def test_what_came_without_such_a_picture_gets_one_from_what_the_prior_reads(model, tiny_prior):
    seeing = replace(tiny_prior, reader=answering(tiny_prior, "metal"))
    given = replace(model, material=Material(model.material.base_color_srgb, 0.25, 0.6))
    asset = refine(given, "a red mushroom", CONFIG, PAINT, prior=seeing)
    metallic, roughness = SHINE["metal"]
    assert (asset.material.orm == (255, round(255 * roughness), round(255 * metallic))).all()
    off = replace(CONFIG, bake=replace(CONFIG.bake, substance=False))
    plain = refine(given, "a red mushroom", off, PAINT, prior=seeing).material
    assert (plain.orm, plain.metallic_factor, plain.roughness_factor) == (None, 0.25, 0.6)


def test_without_steps_a_texture_comes_back_as_it_was(model, tiny_prior):
    half = model.material.base_color_srgb.copy()
    half[:, 32:] = (30, 60, 200)
    given = replace(model, material=replace(model.material, base_color_srgb=half))
    asset = refine(given, "a red mushroom", CONFIG, PaintConfig(num_steps=0), prior=tiny_prior)
    # Charts of both colors meet on the surface, and the field blurs them there.
    off = np.abs(asset.material.base_color_srgb.astype(int) - half).max(axis=2)
    assert np.median(off) <= 8


def test_a_picture_that_we_read_from_an_earlier_prompt_is_read_anew(model, tiny_prior):
    ours = replace(model, metadata={"prior_sha256": "of an earlier run"})
    seeing = replace(tiny_prior, reader=answering(tiny_prior, "metal"))
    foreign = refine(model, "a red mushroom", CONFIG, PAINT, prior=seeing).material
    assert np.array_equal(foreign.orm, model.material.orm)
    found = refine(ours, "a red mushroom", CONFIG, PAINT, prior=seeing).material
    metallic, roughness = SHINE["metal"]
    assert (found.orm[..., 1:] == (round(255 * roughness), round(255 * metallic))).all()
    assert found.orm[..., 0].min() < 255  # it had occlusion, which is baked again


def test_an_edit_asks_about_both_prompts_and_says_so(model, tiny_prior):
    plain = refine(model, "a red house", CONFIG, PAINT, prior=tiny_prior)
    edited = refine(model, "a red house", CONFIG, PAINT, prior=tiny_prior, from_prompt="a blue mushroom")
    assert edited.metrics["prior_evaluations"] == plain.metrics["prior_evaluations"] > 0
    assert not np.array_equal(edited.material.base_color_srgb, plain.material.base_color_srgb)
    assert edited.textured_mesh.metadata["from_prompt"] == "a blue mushroom"
    assert "from_prompt" not in plain.textured_mesh.metadata


def test_overlapping_uvs_are_replaced_and_said_so(model, tiny_prior):
    folded = replace(model, mesh=replace(model.mesh, uvs=np.abs(model.mesh.uvs - 0.5)))
    asset = refine(folded, "a red mushroom", CONFIG, PAINT, prior=tiny_prior)
    assert asset.warnings == ("made new UVs, because its UVs overlap",)
    assert asset.material.normal_map is None
    assert len(asset.mesh.faces) == len(model.mesh.faces)


def test_an_open_mesh_that_has_to_be_closed_is_refused_before_any_work(model, tiny_prior):
    half = replace(model, mesh=model.mesh.of_faces(model.mesh.faces[: len(model.mesh.faces) // 2]))
    closed = replace(CONFIG, export=replace(CONFIG.export, require_watertight=True))
    events = []
    with pytest.raises(InputError, match=r"the mesh is not watertight, \d+ of its edges do not join"):
        refine(half, "a red mushroom", closed, PAINT, on_event=events.append, prior=tiny_prior)
    assert events == []


def test_each_thing_of_a_mesh_that_has_to_be_closed_is_looked_at(model, tiny_prior):
    """Two halves that close each other, but are written as two meshes."""
    count = len(model.mesh.faces) // 2
    halves = [model.mesh.of_faces(faces) for faces in (model.mesh.faces[:count], model.mesh.faces[count:])]
    parts = replace(model, mesh=join_meshes(halves), things=("left", "right"))
    closed = replace(CONFIG, export=replace(CONFIG.export, require_watertight=True))
    with pytest.raises(InputError, match=r"left is not watertight, \d+ of its edges do not join"):
        refine(parts, "a red mushroom", closed, PAINT, prior=tiny_prior)


def test_one_color_is_a_color_where_colors_are_kept(model, tiny_prior):
    flat = replace(model, material=Material(np.full((1, 1, 3), RED, np.uint8)))
    kept = refine(flat, "a red mushroom", CONFIG, PaintConfig(num_steps=0), prior=tiny_prior)
    assert np.abs(kept.material.base_color_srgb.astype(int) - RED).max() <= 8


def test_a_locked_mesh_keeps_its_normal_map_where_a_new_one_would_be_flat(model, tiny_prior):
    config = replace(CONFIG, bake=replace(CONFIG.bake, normal_map=True))
    asset = refine(model, "a red mushroom", config, PAINT, prior=tiny_prior)
    np.testing.assert_array_equal(asset.material.normal_map, model.material.normal_map)
    assert asset.warnings == ("made no new normal map: a locked mesh has no finer surface than itself",)


def test_a_locked_mesh_says_that_it_keeps_its_triangles(model, tiny_prior):
    config = replace(CONFIG, extract=replace(CONFIG.extract, target_faces=12))
    asset = refine(model, "a red mushroom", config, PAINT, prior=tiny_prior)
    assert len(asset.mesh.faces) == len(model.mesh.faces)
    (line,) = asset.warnings
    assert line.startswith("--target-faces changes nothing")


def test_of_a_mesh_that_nobody_painted_the_uvs_stay_and_the_prompt_decides_the_rest(model, tiny_prior):
    """As a modelling program writes a grey box: UVs, one color, metal by default; tints on its vertices."""
    grey = Material(np.full((1, 1, 3), 128, np.uint8), metallic_factor=1.0, roughness_factor=1.0)
    tints = np.full_like(model.mesh.vertices, 0.5)
    box = replace(model, mesh=replace(model.mesh, colors=tints), material=grey)
    asset = refine(box, "a red mushroom", CONFIG, PAINT, prior=tiny_prior)
    np.testing.assert_array_equal(asset.mesh.uvs, model.mesh.uvs)
    assert asset.mesh.colors is None
    assert asset.material.metallic_factor == 0.0
    assert asset.material.roughness_factor == CONFIG.bake.roughness


def test_the_nodes_of_a_file_stay_while_its_shape_does(model, tiny_prior, tmp_path):
    """A ring and half of one, over the same UVs: what a file of two meshes with one material is read as."""
    half = model.mesh.of_faces(model.mesh.faces[: len(model.mesh.faces) // 2])
    mesh = join_meshes([model.mesh, replace(half, vertices=half.vertices + np.float32(3.0))])
    two = replace(model, mesh=mesh, name="two", things=("ring", "half"))
    locked = refine(two, "a red mushroom", CONFIG, PAINT, prior=tiny_prior)
    path = locked.save(tmp_path / "a.glb", lods=1)[0]
    assert [part.name for part in load_glb(path).parts] == ["ring", "half"]
    assert len(locked.mesh.faces) == len(mesh.faces)
    free = refine(two, "a red mushroom", CONFIG, PAINT, "free", prior=tiny_prior)
    assert [part.name for part in load_glb(free.save(tmp_path / "b.glb")[0]).parts] == ["two"]


def test_a_free_surface_is_closed_and_stays_where_it_was(model, tiny_prior):
    asset = refine(model, "a red mushroom", CONFIG, PAINT, geometry="free", prior=tiny_prior)
    assert asset.to_trimesh().bounds == pytest.approx(
        np.stack([model.mesh.vertices.min(axis=0), model.mesh.vertices.max(axis=0)]), abs=0.1
    )
    merged = trimesh.Trimesh(asset.mesh.vertices, asset.mesh.faces, process=True)
    assert merged.is_watertight
    assert merged.volume == pytest.approx(2 * np.pi**2 * 0.6 * 0.25**2, rel=0.1)


def test_a_grey_box_becomes_a_clean_file_in_its_own_place(work, tiny_prior_folder):
    box = write_grey_box(work / "box.obj")
    words = ["box.obj", "-p", "a red house", "--prior", str(tiny_prior_folder), *SMALL]
    assert main(["refine", *words, "--bake.occlusion", "True", "--collision", "godot"]) == 0
    (report,) = validate(work / "box-refined.glb")
    assert report["messages"] == []
    mesh = load_textured_mesh(work / "box-refined.glb").mesh
    np.testing.assert_allclose(mesh.vertices.min(axis=0), box.vertices.min(axis=0), atol=1e-6)
    np.testing.assert_allclose(mesh.vertices.max(axis=0), box.vertices.max(axis=0), atol=1e-6)
    assert len(mesh.faces) == 12
    said = json.loads((work / "box-refined.json").read_text())
    assert (said["prompt"], said["geometry"], said["strength"]) == ("a red house", "locked", 1.0)


def test_what_was_made_before_is_refined_with_its_own_prompt(work, tiny_prior_folder, capfd):
    write_grey_box(work / "box.obj")
    rest = ["--prior", str(tiny_prior_folder), *SMALL]
    assert main(["refine", "box.obj", "-p", "a blue house", "-o", "one.glb", *rest]) == 0
    assert main(["refine", "one.glb", "-o", "two.glb", *rest, "--height", "3", "--origin", "bottom"]) == 0
    said = json.loads((work / "two.json").read_text())
    assert (said["prompt"], said["strength"]) == ("a blue house", 0.5)
    one, two = load_model(work / "one.glb").mesh, load_model(work / "two.glb").mesh
    np.testing.assert_array_equal(one.uvs, two.uvs)
    assert np.ptp(two.vertices[:, 1]) == pytest.approx(3.0)
    assert two.vertices[:, 1].min() == pytest.approx(0.0, abs=1e-6)
    assert len(capfd.readouterr().out.splitlines()) == 6


def test_a_dry_run_prints_settings_that_reproduce_it_and_writes_nothing(work, tiny_prior_folder, capfd):
    write_grey_box(work / "grey box.obj")
    words = ["grey box.obj", "-p", "it's red", "--paint.num-steps", "2", "--paint.guidance.rescale", "0.25"]
    words += ["--from-prompt", "a house", "--height", "2"]
    assert main(["refine", *words, "--dry-run"]) == 0
    text = capfd.readouterr().out
    command, note, *_ = text.splitlines()
    said = shlex.split(command.removeprefix("# dream3d "))
    assert said[:6] == ["refine", "grey box.obj", "-p", "it's red", "-o", "grey-box-refined.glb"]
    assert said[6:] == ["--geometry", "locked", "--strength", "1.0", "--from-prompt", "a house"]
    assert note == "# 12 triangles: kept; UVs: new, because it has no UVs"
    settings = yaml.safe_load(text)
    assert (settings["paint"]["num_steps"], settings["paint"]["guidance"]["rescale"]) == (2, 0.25)
    assert [path.name for path in work.iterdir()] == ["grey box.obj"]
    (work / "resolved.yaml").write_text(text)
    assert main([*said, "--config", "resolved.yaml", "--dry-run"]) == 0
    assert capfd.readouterr().out == text
    assert (
        main([*said, "--config", "resolved.yaml", "--prior", str(tiny_prior_folder), "--texture-size", "64"])
        == 0
    )
    assert np.ptp(load_model(work / "grey-box-refined.glb").mesh.vertices[:, 1]) == pytest.approx(2.0)


def test_a_dry_run_in_json_tells_what_becomes_of_the_mesh(work, capfd, model):
    write_files({work / "ring.glb": encode_glb(replace(model, metadata={"prompt": "a red ring"}))})
    (work / "ball.glb").write_bytes(ball())
    for words, facts in [
        (["ring.glb"], ("a red ring", "locked", 0.5, 576, "kept")),
        (
            ["ring.glb", "--geometry", "free"],
            ("a red ring", "free", 0.5, 576, "new, because the surface is free"),
        ),
        (["ball.glb", "-p", " a  ball "], ("a ball", "locked", 1.0, 320, "new, because it has no UVs")),
    ]:
        assert main(["refine", *words, "--dry-run", "--json"]) == 0
        report = json.loads(capfd.readouterr().out)
        names = ("prompt", "geometry", "strength", "faces", "uvs")
        assert tuple(report[name] for name in names) == facts
        assert report["output"] == f"{words[0].removesuffix('.glb')}-refined.glb"
        assert report["config"] == asdict(given_mesh_settings()) | {"paint": asdict(PaintConfig())}
    assert sorted(path.name for path in work.iterdir()) == ["ball.glb", "ring.glb"]


@pytest.mark.parametrize("rest", [[], ["--dry-run"]])
def test_bad_input_is_refused_before_any_work(work, capfd, rest):
    write_grey_box(work / "box.obj")
    (work / "ball.glb").write_bytes(ball())
    (work / "cut.glb").write_bytes(ball()[:100])
    before = sorted(path.name for path in work.iterdir())
    prompt = ["-p", "a red mushroom"]
    assert "must end in .glb or .obj" in refused(capfd, "box.fbx", *prompt, *rest)
    assert "cannot be read" in refused(capfd, "none.obj", *prompt, *rest)
    assert "the mesh itself" in refused(capfd, "ball.glb", *prompt, "-o", "./ball.glb", *rest)
    assert "prompt of ball.glb is empty" in refused(capfd, "ball.glb", *rest)
    assert "--strength" in refused(capfd, "ball.glb", *prompt, "--strength", "0", *rest)
    assert "--paint.num-steps" in refused(capfd, "ball.glb", *prompt, "--paint.num-steps", "-1", *rest)
    assert "cut off" in refused(capfd, "cut.glb", *prompt, *rest)
    assert "--prompt must say" in refused(capfd, "ball.glb", "--from-prompt", "a house", *rest)
    assert "--from-prompt is empty" in refused(capfd, "ball.glb", *prompt, "--from-prompt", " ", *rest)
    assert sorted(path.name for path in work.iterdir()) == before


def test_a_shape_that_encloses_nothing_cannot_be_free(work, capfd):
    sheet = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    (work / "sheet.glb").write_bytes(glb(sheet, np.array([[0, 1, 2]])))
    assert "encloses no volume" in refused(capfd, "sheet.glb", "-p", "a sheet", "--geometry", "free")
