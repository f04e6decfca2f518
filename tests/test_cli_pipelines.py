"""The commands with a tiny pipeline of random weights: what comes out is shapeless but whole."""

import json
from pathlib import Path

import pytest
from pipeline_folders import make_pipeline, write_pipeline

from dream3d.cli import main

pytestmark = pytest.mark.usefixtures("work")

SMALL = ["--coarse.num-steps", "6", "--refine.num-steps", "0", "--target-faces", "200"]
SMALL += ["--texture-size", "64", "--json"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("pipelines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield write_pipeline(root / "sd", "sd1")


def test_a_prompt_becomes_an_asset(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    words = ["a red dragon", "--prior", str(folder), "--coarse.guidance.views", "blended", *SMALL]
    assert main(["generate", *words]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["files"] == [f"a-red-dragon.{ending}" for ending in ("glb", "json", "png")]
    assert report["warnings"] == []
    assert main(["inspect", "a-red-dragon.glb", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert 4 <= facts["faces"] <= 200
    assert facts["provenance"]["prior"] == str(folder)
    assert len(facts["provenance"]["prior_sha256"]) == 64


def test_a_mesh_is_painted(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    Path("box.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    words = ["--prompt", "a red dragon", "--prior", str(folder), "--texture-size", "64", "--json"]
    words += ["--paint.num-steps", "3", "--paint.guidance.views", "words"]
    assert main(["refine", "box.obj", *words]) == 0
    assert "box-refined.glb" in json.loads(capfd.readouterr().out)["files"]


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (["generate", "a red dragon"], "--coarse.guidance.views"),
        (
            ["generate", "a red dragon", "--coarse.guidance.views", "words", "--refine.num-steps", "9"],
            "--refine.guidance.views",
        ),
    ],
)
def test_cameras_are_refused_by_the_name_of_the_option(
    capfd: pytest.CaptureFixture[str], folder: Path, command: list[str], flag: str
) -> None:
    assert main([*command, "--prior", str(folder), "--quiet"]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("dream3d: error: ")
    assert lines[-1].endswith(f"set {flag} to words or blended or none")


def test_a_shape_forms_by_its_normals_before_it_has_colors(
    capfd: pytest.CaptureFixture[str], folder: Path
) -> None:
    words = ["a red dragon", "--prior", str(folder), "--config", "fantasia3d", "--target-faces", "200"]
    words += ["--refine.num-steps", "4", "--refine.num-views", "4", "--refine.lattice-resolution", "16"]
    assert main(["generate", *words, "--texture-size", "64", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["metrics"]["prior_evaluations"] == 4 * 4 * 2
    assert "a-red-dragon.glb" in report["files"]


def test_loras_that_cannot_be_used_are_refused(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    Path("odd.safetensors").write_bytes(b"no LoRA")
    words = ["a red dragon", "--prior", str(folder), "--coarse.guidance.views", "words", "--quiet"]
    assert main(["generate", *words, "--lora", "odd.safetensors"]) == 2
    assert "--lora odd.safetensors: cannot be read" in capfd.readouterr().err
    assert main(["generate", "a red mushroom", "--lora", "odd.safetensors", "--quiet"]) == 2
    assert "takes none" in capfd.readouterr().err


def test_priors_tells_what_a_folder_is(
    capfd: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    assert main(["priors", str(folder), "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert (facts["pipeline"], facts["prediction"]) == ("StableDiffusionPipeline", "epsilon")
    assert (facts["image_size"], facts["image_channels"], facts["views"]) == (
        16,
        3,
        ["words", "blended", "none"],
    )
    network = make_pipeline(tmp_path / "again", "sd1").unet
    assert facts["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert main(["priors", str(folder)]) == 0
    assert "StableDiffusionPipeline" in capfd.readouterr().out
