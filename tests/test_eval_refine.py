"""The script that measures `dream3d refine`: what is there is kept, what is bad is passed over."""

import shutil
from pathlib import Path

import pytest
from prior_folders import write_tiny_prior

from dream3d.errors import InputError
from dream3d.export.load_model import load_model
from scripts.claims import claim
from scripts.eval_refine import paint_shapes, write_shapes


def test_shapes_are_those_of_the_prompts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red mushroom\nzeppelins\na blue chair\n")
    shapes = list(write_shapes(prompts, tmp_path))
    assert [(prompt, path.name) for prompt, path in shapes] == [
        ("a red mushroom", "a-red-mushroom.obj"),
        ("a blue chair", "a-blue-chair.obj"),
    ]
    assert capsys.readouterr().err == "zeppelins: names no family\n"
    for _, path in shapes:
        model = load_model(path)
        assert len(model.mesh.faces) > 50
        assert (model.mesh.uvs, model.mesh.colors) == (None, None)


def test_one_prior_paints_all_and_what_is_there_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prior, painted = write_tiny_prior(tmp_path / "prior"), tmp_path / "painted"
    painted.mkdir()
    work = []
    for name in ("there", "one", "cut", "two"):
        path = tmp_path / f"{name}.obj"
        path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
        work.append(("a red house", path))
    (tmp_path / "cut.obj").write_text("v 0 0 0\n")
    (painted / "there.glb").write_bytes(b"as it was")
    options = ["--prior", str(prior), "--paint.num-steps", "1", "--texture-size", "64"]
    codes = paint_shapes(work, painted, options)
    assert next(codes) == 0
    shutil.rmtree(prior)  # it is loaded by now, and not once more
    assert list(codes) == [2, 0]
    assert (painted / "there.glb").read_bytes() == b"as it was"
    assert sorted(path.stem for path in painted.glob("*.glb")) == ["one", "there", "two"]
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("a red house: ")
    assert "no triangles" in line


def test_a_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    note = tmp_path / "settings.json"
    claim(note, {"steps": 2})
    claim(note, {"steps": 2})
    with pytest.raises(InputError, match="other settings: name a new folder"):
        claim(note, {"steps": 3})
    assert '"steps": 2' in note.read_text()
