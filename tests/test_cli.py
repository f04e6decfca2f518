"""The command line: exit codes, streams, and one-line refusals of bad input."""

import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from dream3d import __version__
from dream3d.cli import main
from dream3d.config import Config
from dream3d.export.files import write_files
from dream3d.export.glb import encode_glb
from dream3d.mesh import Material, Mesh, TexturedMesh

pytestmark = pytest.mark.usefixtures("work")

PROGRAM = [sys.executable, "-m", "dream3d.cli"]


@pytest.fixture
def glb(tmp_path: Path) -> Path:
    """A file with one red tetrahedron, one metre high."""
    vertices = np.array([[0, 1, 0], [-0.5, 0, 0.5], [0.5, 0, 0.5], [0, 0, -0.5]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], np.int32)
    center = vertices - vertices.mean(axis=0)
    normals = center / np.linalg.norm(center, axis=1, keepdims=True)
    uvs = np.array([[0.5, 0.1], [0.1, 0.9], [0.9, 0.9], [0.5, 0.5]], np.float32)
    material = Material(np.full((64, 64, 3), (200, 30, 30), np.uint8))
    asset = TexturedMesh(
        Mesh(vertices, faces, normals, uvs), material, "tetrahedron", {"prompt": "a red tent"}
    )
    path = tmp_path / "tent.glb"
    write_files({path: encode_glb(asset)})
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    """Run a command that must be refused; return its one line of explanation."""
    assert main(words) == code
    streams = capsys.readouterr()
    assert streams.out == ""
    (line,) = streams.err.splitlines()
    assert line.startswith("dream3d: error: ")
    assert list(Path.cwd().iterdir()) == []
    return line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([""], "the prompt is empty"),
        ([" \n "], "the prompt is empty"),
        (["x" * 10_000], "the prompt has 10000 characters; 300 is the most"),
        (["a red\x07mushroom"], "control character U+0007"),
        (["a", "red", "mushroom"], "unknown argument 'red'; quote a prompt"),
        ([], "the prompt is empty; say what to make"),
        (["a", "--negative-prompt", "x" * 301], "the negative prompt has 301 characters"),
        (["a", "--seed", "-1"], "--seed must be between 0 and"),
        (["a", "--seed", "one"], "--seed: expected a whole number, got 'one'"),
        (["a", "--seed"], "--seed"),
        (["a", "--texture-size", "0"], "--texture-size must be a power of two from 64 to 4096, not 0"),
        (["a", "--texture-size", "500"], "--texture-size must be a power of two"),
        (["a", "--texture-size", "8192"], "--texture-size must be a power of two"),
        (["a", "--target-faces", "0"], "--target-faces must be between 4 and"),
        (["a", "--target-faces", "-5"], "--target-faces must be between 4 and"),
        (["a", "--height", "0"], "--height must be between"),
        (["a", "--height", "nan"], "--height must be between"),
        (["a", "--height", "-1"], "--height must be between"),
        (["a", "--origin", "top"], "'top'"),
        (["a", "--lods", "0"], "--lods must be between 1 and 8, not 0"),
        (["a", "--lods", "50"], "--lods must be between 1 and 8, not 50"),
        (["a", "--lods", "two"], "expected a whole number, got 'two'"),
        (["a", "--collision", "unity"], "'unity'"),
        (["a", "--format", "fbx"], "'fbx'"),
        (["a", "--format", "obj", "-o", "a.glb"], "must end in .obj"),
        (["a", "--lods", "2", "-o", "a.obj"], "an .obj cannot keep levels of detail apart"),
        (["a", "-o", "a b.obj"], "an .obj cannot name files with spaces"),
        (["a", "--lods", "2", "-o", "a.usdz"], "a .usdz has no levels"),
        (["a", "--collision", "godot", "--format", "usdz"], "a .usdz has no levels"),
        (["a", "--compression", "meshopt", "-o", "a.gltf"], "--compression is for a .glb"),
        (["a", "--compression", "zip"], "'zip'"),
        (["a", "--watertight", "perhaps"], "'perhaps'"),
        (["a", "--device", "tpu"], "'tpu'"),
        (["a", "--tagret-faces", "9"], "unknown option --tagret-faces; did you mean '--target-faces'?"),
        (["a", "--coarse.steps", "9"], "unknown option --coarse.steps; did you mean"),
        (["a", "--config", "fast"], "--config fast: no such file; names that work are: cfd"),
        (["a", "--config"], "--config"),
        (["a", "-o", "a.fbx"], "a.fbx must end in .glb or .gltf or .obj"),
        (["a", "-o", "."], "is a folder"),
        (["a", "-o", "missing/a.glb"], "the folder missing does not exist; make it first"),
        (["a", "-o", "/proc/self/a.glb"], "cannot be written"),
        (["a", "-o", "x" * 300 + ".glb"], "longer than"),
    ],
)
def test_bad_input_of_generate_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert says in refused(capsys, "generate", *words)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("coarse: [", "not valid YAML in line"),
        ("coarse:\n  num_stepz: 3", "unknown setting 'coarse.num_stepz'; did you mean 'coarse.num_steps'?"),
        ("seed: many", "--seed: expected a whole number, got 'many'"),
    ],
)
def test_bad_overlays_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    assert says in refused(capsys, "generate", "a", "--config", str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["generat", "a"], "unknown command 'generat'; did you mean 'generate'?"),
        (["qqqq"], "unknown command 'qqqq'; see dream3d --help"),
        (["inspect", "missing.glb"], "missing.glb cannot be read: No such file"),
        (["inspect", "a.obj"], "a.obj must end in .glb"),
        (["inspect"], "FILE.glb"),
        (["preview", "missing.glb", "-o", "a.png"], "missing.glb cannot be read"),
        (["priors", "nonsense"], "unknown prior 'nonsense'"),
        (["doctor", "--jsno"], "unknown option --jsno; did you mean '--json'?"),
        (["doctor", "--seed", "3"], "unknown option --seed"),
    ],
)
def test_bad_input_of_other_commands_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert says in refused(capsys, *words)


@pytest.mark.parametrize("content", [b"", b"glTF", b"not a model at all", b"glTF\x02\0\0\0\xff\xff\0\0"])
def test_a_corrupt_file_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "bad.glb"
    path.write_bytes(content)
    assert "bad.glb" in refused(capsys, "inspect", str(path))
    assert "bad.glb" in refused(capsys, "preview", str(path), "-o", "a.png")


def test_a_truncated_file_is_refused(capsys: pytest.CaptureFixture[str], glb: Path) -> None:
    whole = glb.read_bytes()
    for length in (12, 40, len(whole) // 2, len(whole) - 1):
        glb.write_bytes(whole[:length])
        assert glb.name in refused(capsys, "inspect", str(glb))


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for command in ("generate", "inspect", "preview", "priors", "eval", "doctor"):
        assert f"\n  {command} " in text


def test_help_of_generate_shows_everyday_options_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["generate", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    everyday = ["--output", "--config", "--dry-run", "--prior", "--negative-prompt", "--seed", "--device"]
    everyday += ["--target-faces", "--texture-size", "--height", "--origin"]
    places = [text.index(option) for option in [*everyday, "--coarse."]]
    assert max(places) == places[-1]


def test_the_version_is_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"dream3d {__version__}\n"


def test_a_dry_run_prints_settings_that_reproduce_it_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["generate", "it's red", "--config", "draft", "--seed", "7", "--dry-run"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert text.startswith("# dream3d generate 'it'\"'\"'s red' -o it-s-red.glb\n")
    assert yaml.safe_load(text)["seed"] == 7
    (tmp_path / "resolved.yaml").write_text(text)
    assert main(["generate", "it's red", "--config", str(tmp_path / "resolved.yaml"), "--dry-run"]) == 0
    assert capsys.readouterr().out == text
    assert list(Path.cwd().iterdir()) == []


def test_a_dry_run_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", " a  red mushroom ", "--dry-run", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == {"prompt": "a red mushroom", "output": "a-red-mushroom.glb", "config": asdict(Config())}


def test_inspect_tells_the_facts(capsys: pytest.CaptureFixture[str], glb: Path) -> None:
    assert main(["inspect", str(glb)]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["faces"].strip() == "4"
    assert lines["provenance: prompt"].strip() == "a red tent"
    assert main(["inspect", str(glb), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["faces"], facts["watertight"], facts["components"]) == (4, True, 1)
    assert facts["size_m"] == pytest.approx([1.0, 1.0, 1.0])
    assert facts["provenance"]["prompt"] == "a red tent"


def test_preview_writes_a_picture(capsys: pytest.CaptureFixture[str], glb: Path) -> None:
    assert main(["preview", str(glb), "-o", "tent.png"]) == 0
    assert capsys.readouterr().out == "tent.png\n"
    assert Path("tent.png").read_bytes().startswith(b"\x89PNG")


def test_preview_takes_a_mode_a_size_and_views(capsys: pytest.CaptureFixture[str], glb: Path) -> None:
    words = ["preview", str(glb), "-o", "tent.png", "--mode", "all", "--views", "3", "--size", "40"]
    assert main(words) == 0
    with Image.open("tent.png") as picture:
        assert picture.size == (120, 160)
    assert capsys.readouterr().out == "tent.png\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--mode", "clay"], "invalid choice 'clay'"),
        (["--views", "0"], "--views must be between 1 and 360, not 0"),
        (["--views", "many"], "expected a whole number, got 'many'"),
        (["--size", "8"], "--size must be between 16 and 2048, not 8"),
        (["--size", "2048", "--views", "360"], "--size: 360 pictures of 2048 pixels are too many; 863 is"),
        (["--veiws", "3"], "unknown option --veiws; did you mean '--views'?"),
    ],
)
def test_bad_options_of_preview_are_refused(
    capsys: pytest.CaptureFixture[str], glb: Path, words: list[str], says: str
) -> None:
    assert says in refused(capsys, "preview", str(glb), "-o", "a.png", *words)


def test_a_bad_output_of_preview_is_refused(capsys: pytest.CaptureFixture[str], glb: Path) -> None:
    assert "must end in .png or .gif or .mp4" in refused(capsys, "preview", str(glb), "-o", "a.jpg")
    assert "does not exist" in refused(capsys, "preview", str(glb), "-o", "no/a.png")


def test_a_full_disk_leaves_nothing_and_overwrites_nothing(glb: Path) -> None:
    Path("tent.png").write_bytes(b"old")

    def only_tiny_files() -> None:
        # The kernel refuses to write past the limit, as it does on a full disk; Python ignores SIGXFSZ.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = subprocess.run(
        [*PROGRAM, "preview", str(glb), "-o", "tent.png"],
        capture_output=True,
        text=True,
        preexec_fn=only_tiny_files,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "room" in line
    assert [path.name for path in Path.cwd().iterdir()] == ["tent.png"]
    assert Path("tent.png").read_bytes() == b"old"


def test_a_closed_pipe_is_not_an_error_message() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run([*PROGRAM, "--help"], stdout=closed, stderr=subprocess.PIPE, text=True)
    assert "Traceback" not in done.stderr


def test_guidance_is_short_for_the_method_of_the_first_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "a house", "--guidance", "vsd", "--dry-run"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["coarse"]["guidance"]["method"] == "vsd"


def test_a_method_whose_library_is_missing_is_refused_before_any_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    assert "pip install 'dream3d[vsd]'" in refused(capsys, "generate", "a house", "--guidance", "esd")
    assert main(["generate", "a house", "--guidance", "csd", "--dry-run"]) == 0
