"""A run that is interrupted and continued makes the same asset, bit for bit."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from one_thread import ONE_THREAD

from dream3d.cli import main
from dream3d.config import BakeConfig, Config, ExtractConfig
from dream3d.errors import InputError, StoppedError
from dream3d.events import Event, ignore
from dream3d.run_folder import open_run
from dream3d.scene.tet_surface import TetSurface
from dream3d.stage_config import CoarseConfig, FieldConfig, GuidanceConfig, RefineConfig
from dream3d.stages import Distilled, distill

FIELD = FieldConfig(num_levels=4, log2_hashmap_size=10, finest_resolution=24, hidden_size=16)
PROGRAM = [sys.executable, "-m", "dream3d.cli", "generate"]


def settings(method: str, refine_steps: int) -> Config:
    guidance = GuidanceConfig(method=method, opening=0.2)
    return Config(
        seed=3,
        coarse=CoarseConfig(num_steps=5, radiance_field=FIELD, guidance=guidance, occupancy_resolution=16),
        refine=RefineConfig(num_steps=refine_steps, lattice_resolution=12),
        extract=ExtractConfig(resolution=24, target_faces=100),
        bake=BakeConfig(texture_size=64),
    )


def run(prior, config: Config, path: Path | None, on_event=ignore) -> Distilled:
    with open_run(path) as folder:
        return distill(prior, prior.embed("a red mushroom"), config, "cpu", on_event, folder)


def stop_after_each_step(prior, config: Config, path: Path) -> tuple[Distilled, list[tuple[str, int]]]:
    """The result of a run of which every process does one step, and the steps that were done."""
    done: list[tuple[str, int]] = []

    def stop(event: Event) -> None:
        done.append((event.stage, event.step))
        raise StoppedError

    for _ in range(99):
        try:
            return run(prior, config, path, stop), done
        except StoppedError:
            pass
    raise AssertionError("the run makes no progress")


def same(one: Distilled, other: Distilled) -> None:
    first, second = one.field.state_dict(), other.field.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert isinstance(one.shape, TetSurface) == isinstance(other.shape, TetSurface)
    if isinstance(one.shape, TetSurface):
        assert torch.equal(one.shape.sdf, other.shape.sdf)
        first_mesh, second_mesh = one.shape.detached_mesh(), other.shape.detached_mesh()
        np.testing.assert_array_equal(first_mesh.vertices, second_mesh.vertices)
        np.testing.assert_array_equal(first_mesh.faces, second_mesh.faces)
    else:
        points = torch.linspace(-0.8, 0.8, 300).view(100, 3)
        assert torch.equal(one.shape(points), other.shape(points))
    assert replace(one.stats, seconds=0.0) == replace(other.stats, seconds=0.0)
    assert one.prior_evaluations == other.prior_evaluations


@pytest.mark.parametrize(
    ("method", "refine_steps"), [("sds", 0), ("sds", 4), ("cfd", 0), ("vsd", 0), ("esd", 3), ("sdi", 0)]
)
def test_a_process_per_step_makes_what_one_process_makes(tiny_prior, tmp_path, method, refine_steps):
    if method in ("vsd", "esd"):
        pytest.importorskip("peft")
    config = settings(method, refine_steps)
    straight = run(tiny_prior, config, None)
    resumed, steps = stop_after_each_step(tiny_prior, config, tmp_path / "run")
    same(straight, resumed)
    assert steps == [("coarse", step) for step in range(1, 6)] + [
        ("refine", step) for step in range(1, refine_steps + 1)
    ]


def test_previews_change_nothing(tiny_prior):
    config = settings("sds", 4)
    pictures = []

    def look(event: Event) -> None:
        pictures.append(event.moment.preview(30.0 * event.step))

    same(run(tiny_prior, config, None), run(tiny_prior, config, None, look))
    assert len(pictures) == 9
    assert all(picture.shape == (128, 128, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert all(np.ptp(picture) > 20 for picture in pictures)  # something is seen before the backdrop


@pytest.mark.parametrize("key", ["stage", "generator", "moment", "before"])
def test_a_state_that_lacks_something_is_refused(tiny_prior, tmp_path, key):
    config = settings("sds", 0)
    run(tiny_prior, config, tmp_path / "run")
    with open_run(tmp_path / "run") as folder:
        state = folder.latest()
        del state[key]
        folder.save(state)
        with pytest.raises(InputError, match=f"the checkpoint does not fit this run: KeyError: '{key}'"):
            distill(tiny_prior, tiny_prior.embed("a red mushroom"), config, "cpu", ignore, folder)


def test_a_state_of_other_sizes_is_refused(tiny_prior, tmp_path):
    config = settings("sds", 0)
    run(tiny_prior, config, tmp_path / "run")
    wider = replace(config, coarse=replace(config.coarse, radiance_field=replace(FIELD, hidden_size=32)))
    with pytest.raises(InputError, match=r"does not fit this run: ValueError: state\.particles\.0\.field"):
        run(tiny_prior, wider, tmp_path / "run")


SMALL = ["--coarse.num-steps", "80", "--refine.num-steps", "3", "--target-faces", "200"]
SMALL += ["--texture-size", "64", "-o", "m.glb"]


def interrupted(words: list[str], number: signal.Signals) -> tuple[int, str]:
    """Start a program and signal it in the middle of the coarse stage; its exit code and last words."""
    with subprocess.Popen([*PROGRAM, *words], text=True, env=ONE_THREAD, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("coarse"):
                process.send_signal(number)
                break
        errors = process.stderr.read()
    return process.returncode, errors.splitlines()[-1] if errors else ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_run_that_can_be_continued(tiny_prior_folder, work, number):
    words = ["a red mushroom", "--prior", str(tiny_prior_folder), *SMALL]
    code, told = interrupted([*words, "--run-dir", "my run"], number)
    assert (code, told) == (130, "dream3d: interrupted; continue with: dream3d generate --resume 'my run'")
    assert [path.name for path in work.iterdir()] == ["my run"]
    if number == signal.SIGINT:
        return  # what follows is the same

    def resume(*options: str) -> subprocess.CompletedProcess[str]:
        asked = [*PROGRAM, "--resume", "my run", "--quiet", *options]
        return subprocess.run(asked, capture_output=True, text=True, env=ONE_THREAD)

    refused = resume("--seed", "1")
    assert refused.returncode == 2
    assert "cannot be continued: settings.seed was 0 and is 1 now" in refused.stderr
    record = Path("my run") / "run.json"
    facts = record.read_text()
    record.write_text(json.dumps(json.loads(facts) | {"versions": {"dream3d": "0.0.1"}}))
    assert "versions.dream3d was '0.0.1'" in resume("-o", "other.glb").stderr
    record.write_text(facts)
    done = resume()  # and where it goes is as it was
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, str(work / "m.glb"))
    whole = Path("m.glb").read_bytes()
    assert subprocess.run([*PROGRAM, *words, "--quiet"], capture_output=True, env=ONE_THREAD).returncode == 0
    assert Path("m.glb").read_bytes() == whole


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--resume", "nowhere"], "nowhere is no run folder"),
        (["--resume", "a", "--run-dir", "b"], "a is no run folder"),
        (["a chair", "--run-dir", "file"], "file is a file; name a folder"),
    ],
)
def test_impossible_run_folders_are_refused_before_any_work(capfd, work, words, says):
    (work / "file").touch()
    assert main(["generate", *words]) == 2
    assert says in capfd.readouterr().err
