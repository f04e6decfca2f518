"""Painting a mesh that is interrupted and continued makes the same asset, bit for bit."""

import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from one_thread import ONE_THREAD
from trimesh.exchange.obj import export_obj

from dream3d.asset import Asset
from dream3d.cli import main
from dream3d.config import BakeConfig, Config, ExportConfig, ExtractConfig
from dream3d.errors import InputError, StoppedError
from dream3d.events import Event, ignore
from dream3d.mesh import Material, Mesh, TexturedMesh
from dream3d.refine import refine
from dream3d.run_folder import open_run
from dream3d.stage_config import CoarseConfig, FieldConfig, PaintConfig, RefineConfig

CONFIG = Config(
    coarse=CoarseConfig(radiance_field=FieldConfig(num_levels=4, log2_hashmap_size=10, finest_resolution=24)),
    refine=RefineConfig(num_steps=2, lattice_resolution=12),
    extract=ExtractConfig(target_faces=100),
    bake=BakeConfig(texture_size=64),
    export=ExportConfig(height_m=None, origin="source"),
)
PAINT = PaintConfig(num_steps=3)


@pytest.fixture(scope="module")
def model() -> TexturedMesh:
    """A ball with a color at each vertex, so that a field is fitted to it first."""
    ball = trimesh.creation.icosphere(2)
    vertices = np.asarray(ball.vertices, np.float32)
    mesh = Mesh(vertices, np.asarray(ball.faces, np.int32), colors=0.5 + 0.4 * vertices)
    return TexturedMesh(mesh, Material(np.full((4, 4, 3), 255, np.uint8)), "ball")


def same(one: Asset, other: Asset) -> None:
    for part in ("mesh", "material"):
        first, second = vars(getattr(one, part)), vars(getattr(other, part))
        for name, value in first.items():
            np.testing.assert_array_equal(value, second[name], err_msg=name)
    assert one.textured_mesh.metadata == other.textured_mesh.metadata
    assert one.metrics["prior_evaluations"] == other.metrics["prior_evaluations"]


@pytest.mark.parametrize(("geometry", "from_prompt"), [("locked", "a blue ball"), ("free", None)])
def test_a_process_per_step_makes_what_one_process_makes(tiny_prior, model, tmp_path, geometry, from_prompt):
    done: list[tuple[str, int]] = []

    def stop(event: Event) -> None:
        if event.moment is not None:
            done.append((event.stage, event.step))
            raise StoppedError

    def paint(on_event, run_dir: Path | None) -> Asset:
        return refine(
            model, "a red mushroom", CONFIG, PAINT, geometry, 1.0, on_event, tiny_prior, from_prompt, run_dir
        )

    straight = paint(ignore, None)
    resumed = None
    while resumed is None:
        assert len(done) < 9, "the run makes no progress"
        with suppress(StoppedError):
            resumed = paint(stop, tmp_path / "run")
    same(straight, resumed)
    steps = [("paint", step) for step in (1, 2, 3)]
    assert done == steps + ([("refine", 1), ("refine", 2)] if geometry == "free" else [])


def test_the_folder_of_another_mesh_or_strength_is_refused(tiny_prior, model, tmp_path):
    none = PaintConfig(num_steps=0)
    run = tmp_path / "run"
    refine(model, "a red mushroom", CONFIG, none, prior=tiny_prior, run_dir=run)
    other = replace(model, mesh=replace(model.mesh, vertices=2 * model.mesh.vertices))
    with pytest.raises(InputError, match=r"cannot be continued: mesh_sha256 was"):
        refine(other, "a red mushroom", CONFIG, none, prior=tiny_prior, run_dir=run)
    with pytest.raises(InputError, match=r"cannot be continued: strength was 1\.0 and is 0\.5 now"):
        refine(model, "a red mushroom", CONFIG, none, strength=0.5, prior=tiny_prior, run_dir=run)


def test_a_state_that_lacks_what_was_done_before_is_refused(tiny_prior, model, tmp_path):
    def paint() -> Asset:
        return refine(
            model, "a red mushroom", CONFIG, PAINT, "free", prior=tiny_prior, run_dir=tmp_path / "run"
        )

    paint()
    with open_run(tmp_path / "run") as run:
        assert run is not None
        state = run.latest()
        assert state is not None
        assert state["stage"] == "refine"
        run.save(state | {"before": {"prior_evaluations": "many"}})
    with pytest.raises(InputError, match=r"before\.prior_evaluations is not what it should be"):
        paint()


@pytest.mark.usefixtures("work")
def test_a_signal_leaves_a_run_that_the_same_command_continues(tiny_prior_folder):
    Path("box.obj").write_text(export_obj(trimesh.creation.box(), include_normals=False))
    words = [
        "refine",
        "box.obj",
        "-p",
        "a red house",
        "--prior",
        str(tiny_prior_folder),
        "--texture-size",
        "64",
    ]
    words += ["--texture-size", "64", "--paint.num-steps", "30"]
    program = [sys.executable, "-m", "dream3d.cli", *words, "-o", "m.glb", "--run-dir", "run"]
    with subprocess.Popen(program, text=True, env=ONE_THREAD, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("paint"):
                process.send_signal(signal.SIGTERM)
                break
        told = process.stderr.read().splitlines()[-1]
    assert (process.returncode, told) == (130, "dream3d: interrupted; continue with: the same command")
    assert not Path("m.glb").exists()
    assert subprocess.run(program, capture_output=True, env=ONE_THREAD).returncode == 0
    whole = [*program[:3], *words, "-o", "whole.glb"]
    assert subprocess.run(whole, capture_output=True, env=ONE_THREAD).returncode == 0
    assert Path("m.glb").read_bytes() == Path("whole.glb").read_bytes()


@pytest.mark.usefixtures("work")
def test_a_run_folder_that_is_none_is_refused_before_any_work(capfd):
    Path("box.obj").write_text(export_obj(trimesh.creation.box(), include_normals=False))
    Path("file").touch()
    assert main(["refine", "box.obj", "-p", "a house", "--run-dir", "file"]) == 2
    assert "file is a file; name a folder" in capfd.readouterr().err
