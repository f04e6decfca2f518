"""`dream3d generate` from its words to its files, with a tiny prior that was never trained.

What it makes is shapeless; what is tested is all around it: streams, files, exit codes, damaged priors.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from one_thread import ONE_THREAD
from prior_folders import VOCABULARY, write_tiny_prior

from dream3d.cli import main

pytestmark = pytest.mark.usefixtures("work")

PROGRAM = [sys.executable, "-m", "dream3d.cli", "generate"]


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole prior whose weights are random."""
    return write_tiny_prior(tmp_path_factory.mktemp("priors") / "untrained")


def refused(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must be refused; return its one line of explanation."""
    assert main(["generate", *words]) == 2
    streams = capfd.readouterr()
    assert streams.out == ""
    line = streams.err.splitlines()[-1]
    assert line.startswith("dream3d: error: ")
    assert "Traceback" not in streams.err
    assert list(Path.cwd().iterdir()) == []
    return line


def test_json_is_all_there_is_on_the_streams(capfd: pytest.CaptureFixture[str], prior: Path) -> None:
    small = ["--coarse.num-steps", "6", "--refine.num-steps", "2", "--target-faces", "200"]
    small += ["--texture-size", "64", "--height", "2"]
    words = ["a shiny red mushroom", "--prior", str(prior), "--json", *small]
    done = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, env=ONE_THREAD)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["files"] == [f"a-shiny-red-mushroom.{ending}" for ending in ("glb", "json", "png")]
    assert sorted(path.name for path in Path.cwd().iterdir()) == report["files"]
    assert report["metrics"]["seconds"] > 0
    (warning,) = report["warnings"]
    assert "'shiny'" in warning

    assert main(["inspect", report["files"][0], "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert 4 <= facts["faces"] <= 200
    assert facts["size_m"][1] == pytest.approx(2.0, rel=1e-5)
    assert facts["provenance"]["prompt"] == "a shiny red mushroom"
    assert facts["provenance"]["settings"]["coarse"]["num_steps"] == 6


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_cleanly_and_leaves_nothing(
    prior: Path, work: Path, stop: signal.Signals
) -> None:
    words = ["a red mushroom", "--prior", str(prior), "--coarse.num-steps", "100000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*PROGRAM, *words], text=True, env=ONE_THREAD, **pipes) as run:
        assert run.stderr is not None
        assert run.stdout is not None
        for line in run.stderr:
            if line.startswith("coarse"):
                run.send_signal(stop)
                break
        errors, output = run.stderr.read(), run.stdout.read()
    assert run.returncode == 130
    assert errors.splitlines()[-1] == "dream3d: interrupted; nothing was written"
    assert "Traceback" not in errors
    assert output == ""
    assert list(work.iterdir()) == []


def test_a_signal_while_the_prior_computes_is_no_failure_of_the_prior(
    capfd: pytest.CaptureFixture[str], prior: Path, work: Path
) -> None:
    def stop(module: torch.nn.Module, _inputs: object) -> None:
        if isinstance(module, UNet2DConditionModel):
            os.kill(os.getpid(), signal.SIGTERM)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(stop)
    try:
        code = main(["generate", "a red mushroom", "--prior", str(prior), "--coarse.num-steps", "6"])
    finally:
        hook.remove()
    assert code == 130
    assert capfd.readouterr().err.splitlines()[-1] == "dream3d: interrupted; nothing was written"
    assert list(work.iterdir()) == []


def test_a_prompt_the_prior_knows_nothing_of_is_refused(
    capfd: pytest.CaptureFixture[str], prior: Path
) -> None:
    line = refused(capfd, "zeppelin", "--prior", str(prior), "--quiet")
    assert "knows no word of 'zeppelin'" in line


def test_a_prompt_that_names_no_thing_the_prior_knows_is_refused(
    capfd: pytest.CaptureFixture[str], prior: Path
) -> None:
    line = refused(capfd, "a red hose", "--prior", str(prior), "--quiet")
    assert "knows no thing that 'a red hose' could be (nearest known words: house" in line


def test_an_unknown_prior_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert "unknown prior 'nobody/nothing'" in refused(capfd, "a red mushroom", "--prior", "nobody/nothing")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(capfd: pytest.CaptureFixture[str], prior: Path) -> None:
    line = refused(capfd, "a red mushroom", "--device", "cuda", "--prior", str(prior))
    assert "no usable GPU was found; use --device cpu" in line


def remove_weights(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()


def remove_card(folder: Path) -> None:
    (folder / "dream3d.json").unlink()


def damage_card(folder: Path) -> None:
    (folder / "dream3d.json").write_text('{"name": "x"')


def truncate_weights(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def truncate_text_encoder(folder: Path) -> None:
    (folder / "text_encoder" / "model.safetensors").write_bytes(b"")


def keep_only_pickles(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.rename(path.with_suffix(".bin"))


def remove_config(folder: Path) -> None:
    (folder / "unet" / "config.json").unlink()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (remove_weights, "unet/diffusion_pytorch_model.safetensors"),
        (remove_card, "dream3d.json"),
        (damage_card, "dream3d.json"),
        (truncate_weights, "cannot be loaded"),
        (truncate_text_encoder, "text_encoder/model.safetensors"),
        (keep_only_pickles, "pickle"),
        (remove_config, "config.json"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_damaged_prior_is_refused(
    capfd: pytest.CaptureFixture[str], prior: Path, tmp_path: Path, damage, says: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(prior, folder)
    damage(folder)
    assert says in refused(capfd, "a red mushroom", "--prior", str(folder), "--quiet")


def test_priors_tells_what_a_prior_knows(capsys: pytest.CaptureFixture[str], prior: Path) -> None:
    assert main(["priors", str(prior), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["nouns"] == VOCABULARY["nouns"]
    assert facts["image_size"] == 64
    assert main(["priors", str(prior)]) == 0
    assert re.search(r"^colors +red, blue$", capsys.readouterr().out, flags=re.M)
