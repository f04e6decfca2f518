"""`dream3d eval` from its words to its files and exit codes, with a tiny prior that was never trained."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bare_glb import ball
from one_thread import ONE_THREAD
from prior_folders import write_tiny_prior

from dream3d.cli import main
from dream3d.config import Config
from dream3d.errors import RunError
from dream3d.evaluate.rows import Row
from dream3d.evaluate.run import Evaluation
from dream3d.evaluate.validator import find_validator
from dream3d.prior import Prior

pytestmark = pytest.mark.usefixtures("work")

PROGRAM = [sys.executable, "-m", "dream3d.cli", "eval"]
SMALL = ["--coarse.num-steps=4", "--refine.num-steps=0", "--target-faces=200"]
SMALL += ["--texture-size=64", "--extract.resolution=32"]


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")


def results(folder: str = "out") -> dict[str, Any]:
    return json.loads(Path(folder, "results.json").read_text())


def assets(folder: str = "out") -> list[dict[str, Any]]:
    return [row for row in results(folder)["rows"] if row["kind"] == "asset"]


def test_prompts_are_generated_measured_and_not_made_twice(
    capfd: pytest.CaptureFixture[str], prior: Path
) -> None:
    Path("list.txt").write_bytes(
        b"# three\na red mushroom # first\n\n\xff\xfe\nzeppelin\na red  mushroom\na shiny blue fort"
    )
    words = ["eval", "list.txt", "-o", "out", "--seeds", "2", "--prior", str(prior), *SMALL]
    assert main(words) == 2
    streams = capfd.readouterr()
    rows = assets()
    assert [(row["prompt"], row["seed"], row["error"] is None) for row in rows] == [
        ("a red mushroom", 0, True),
        ("a red mushroom", 1, True),
        (rows[2]["prompt"], None, False),
        ("zeppelin", 0, False),
        ("zeppelin", 1, False),
        ("a shiny blue fort", 0, True),
        ("a shiny blue fort", 1, True),
    ]
    assert "list.txt line 4: not UTF-8" in rows[2]["error"]
    assert "knows no word" in rows[3]["error"]
    assert "'shiny'" in rows[5]["warnings"][0]
    first, nameless = rows[0], rows[5]
    truth = ("silhouette_iou", "color_error", "chamfer", "chamfer_relative", "saturation_excess")
    learned = ("r_precision", "hard_r_precision_worst", "exact_match", "family_right", "unsaid_right")
    for name in (*truth, *learned):
        assert name in first["metrics"]
        assert name not in nameless["metrics"]  # no family has that name
    for name in ("faces", "floaters", "boundary_edges", "seconds", "prior_evaluations", "texture_size"):
        assert name in nameless["metrics"]
    assert first["settings"]["coarse"]["num_steps"] == 4
    assert "dream3d" in first["versions"]
    calibration = results()["rows"][2:6]
    kinds = ["ground truth", "wrong family", "sphere", "prior samples"]
    assert [row["kind"] for row in calibration] == kinds
    assert "zeppelin" not in [row["prompt"] for row in results()["rows"] if row["kind"] == "prior samples"]
    assert [row["metrics"]["family_right"] for row in calibration] == [1.0, 0.0, 0.0, 0.0]
    assert set(learned) <= set(calibration[3]["metrics"])
    assert not {"chamfer", "faces"} & set(calibration[3]["metrics"])  # there is no asset
    assert Path("out", calibration[3]["picture"]).read_bytes().startswith(b"\xff\xd8")
    assert results()["notes"] == ["1 duplicates merged"]
    assert Path("out", first["picture"]).read_bytes().startswith(b"\xff\xd8")
    assert "a red mushroom / 1: IoU" in streams.err
    assert streams.out.startswith(Path("out/table.txt").read_text())

    # Again: the same table, nothing touched; also when only the files are left, or a picture is gone.
    stamps = {path: path.stat().st_mtime_ns for path in Path("out/assets").iterdir()}
    assert main(words) == 2
    assert capfd.readouterr().out == streams.out
    Path("out/rows.jsonl").unlink()
    Path("out", first["picture"]).unlink()
    assert main(words) == 2
    assert capfd.readouterr().out == streams.out
    assert {path: path.stat().st_mtime_ns for path in Path("out/assets").iterdir()} == stamps

    # Other settings are another asset; what the old rows were about is not shown.
    assert (
        main(["eval", "list.txt", "-o", "out", "--limit", "1", "--prior", str(prior), *SMALL, "--height=2"])
        == 0
    )
    assert [row["settings"]["export"]["height_m"] for row in assets()] == [2.0]
    assert (
        Path("out/assets/a_red_mushroom_0.glb").stat().st_mtime_ns
        != stamps[Path("out/assets/a_red_mushroom_0.glb")]
    )

    # Back to the first settings: the asset that is shown is theirs again.
    assert main(["eval", "list.txt", "-o", "out", "--limit", "1", "--prior", str(prior), *SMALL]) == 0
    made_with = json.loads(Path("out/assets/a_red_mushroom_0.json").read_text())["settings"]
    assert made_with["export"]["height_m"] == assets()[0]["settings"]["export"]["height_m"] == 1.0

    # The file alone tells the same, but for where it is.
    capfd.readouterr()
    assert main(["eval", "out/assets/a_red_mushroom_0.glb", "-o", "again", "--json"]) == 0
    streams = capfd.readouterr()
    assert streams.err == ""
    assert json.loads(streams.out) == results("again")
    (row,), (generated,) = assets("again"), assets()
    assert (row["prompt"], row["seed"], row["metrics"]) == ("a red mushroom", 0, generated["metrics"])


def test_prompts_of_files_come_from_a_map(capfd: pytest.CaptureFixture[str]) -> None:
    Path("one.glb").write_bytes(ball())
    Path("two.glb").write_bytes(ball({"prompt": "a zeppelin"}))
    Path("map.txt").write_text("one.glb a red mushroom\n")
    assert main(["eval", "one.glb", "two.glb", "-o", "out", "--prompts", "map.txt", "--quiet"]) == 0
    assert capfd.readouterr().out.split() == ["out/results.json", "out/table.txt", "out/index.html"]
    one, two = assets()
    assert (one["prompt"], two["prompt"]) == ("a red mushroom", "a zeppelin")
    sphere = next(row for row in results()["rows"] if row["kind"] == "sphere")
    # A ball in a file is the calibration's ball but for its color and its facets.
    assert one["metrics"]["silhouette_iou"] == pytest.approx(sphere["metrics"]["silhouette_iou"], abs=0.02)
    assert one["metrics"]["chamfer"] == pytest.approx(sphere["metrics"]["chamfer"], rel=0.05)


def test_processes_share_the_work_and_one_puts_it_together(capfd: pytest.CaptureFixture[str]) -> None:
    names = ["one.glb", "two.glb", "three.glb"]
    for name in names:
        Path(name).write_bytes(ball())
    for shard, count in (("1/2", 1), ("0/2", 2)):
        assert main(["eval", *names, "-o", "out", "--shard", shard]) == 0
        assert capfd.readouterr().out.startswith(f"{count} rows are in out;")
        assert not Path("out/results.json").exists()
    lines = Path("out/rows.jsonl").read_text()
    assert main(["eval", *names, "-o", "out", "--quiet"]) == 0
    assert [row["file"] for row in assets()] == names
    assert Path("out/rows.jsonl").read_text() == lines
    assert main(["eval", *names, "-o", "out", "--shard", "2/2"]) == 2


def test_a_file_that_changed_is_measured_again() -> None:
    Path("a.glb").write_bytes(b"")
    assert main(["eval", "a.glb", "-o", "out", "--quiet"]) == 2
    Path("a.glb").write_bytes(ball())
    assert main(["eval", "a.glb", "-o", "out", "--quiet"]) == 0
    assert main(["eval", "b.glb", "a.glb", "-o", "out", "--quiet", "--limit", "1"]) == 2


def test_what_was_refused_is_tried_again(monkeypatch: pytest.MonkeyPatch, prior: Path) -> None:
    """What was missing may have been installed since."""
    Path("list.txt").write_text("a red mushroom\n")
    words = [
        "eval",
        "list.txt",
        "-o",
        "out",
        "--prior",
        str(prior),
        *SMALL,
        "--collision",
        "unreal",
        "--quiet",
    ]
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "coacd", None)
        assert main(words) == 2
        assert "dream3d[collision]" in assets()[0]["error"]
    pytest.importorskip("coacd")
    assert main(words) == 0
    assert assets()[0]["error"] is None


def test_a_hundred_thousand_lines_start_at_once(prior: Path) -> None:
    Path("list.txt").write_text("".join(f"mushroom {'cap ' * (k % 7)}\n" for k in range(100_000)))
    assert main(["eval", "list.txt", "-o", "out", "--limit", "1", "--prior", str(prior), *SMALL]) == 0
    assert [row["prompt"] for row in assets()] == ["mushroom"]


def test_an_interrupted_run_keeps_its_rows(prior: Path) -> None:
    Path("list.txt").write_bytes(b"\xff\nmushroom\n")
    words = ["list.txt", "-o", "out", "--prior", str(prior), "--coarse.num-steps", "100000"]
    with subprocess.Popen(
        [*PROGRAM, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ONE_THREAD
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("coarse"):
                run.send_signal(signal.SIGINT)
                break
        errors = run.stderr.read()
    assert run.returncode == 130
    assert errors.splitlines()[-1] == (
        "dream3d: interrupted; 1 rows are in out; the same command goes on from there"
    )
    assert "Traceback" not in errors
    assert results()["notes"] == ["stopped early"]
    assert [row["prompt"] is None or "\ufffd" in row["prompt"] for row in results()["rows"]] == [True]


def test_findings_are_blank_without_a_validator_and_filled_in_once_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("ball.glb").write_bytes(ball())
    is_installed = find_validator() is not None
    with monkeypatch.context() as without_node:
        without_node.setenv("PATH", "")
        assert main(["eval", "ball.glb", "-o", "out", "--quiet"]) == 0
        assert "validator_findings" not in assets()[0]["metrics"]
    assert main(["eval", "ball.glb", "-o", "out", "--quiet"]) == 0
    # Positions without their bounds: an error to the validator, which our reader does not mind.
    assert (assets()[0]["metrics"].get("validator_findings", 0) > 0) == is_installed


def test_what_memory_had_no_room_for_is_tried_again(tmp_path: Path) -> None:
    def once(error: Exception) -> Row:
        def work() -> Row:
            raise error

        return Evaluation(tmp_path, judges=[])._once(Row("key", "asset", "a chair"), work)

    full = RunError("the prior failed: CUDA out of memory. Tried to allocate 20 GiB")
    assert once(full).error == str(full)
    assert once(RunError("the field stayed empty")).error == "the field stayed empty"
    assert once(full).error == "the field stayed empty"  # that is kept


def test_a_prior_of_opaque_pictures_has_no_samples_to_judge(prior: Path, tmp_path: Path) -> None:
    opaque = Prior.from_pretrained(str(prior), "cpu")
    opaque = replace(opaque, card=replace(opaque.card, image_channels=3))
    evaluation = Evaluation(tmp_path, Config(prior=str(prior)), judges=[], prior=opaque)
    assert list(evaluation._prior_samples("a red mushroom", "0" * 64)) == []


def test_a_file_in_the_place_of_a_folder_is_bad_input(capfd: pytest.CaptureFixture[str], prior: Path) -> None:
    Path("out").mkdir()
    Path("out/assets").touch()
    Path("list.txt").write_text("a red mushroom\n")
    assert main(["eval", "list.txt", "-o", "out", "--prior", str(prior)]) == 2
    assert "out/assets is a file; name a folder" in capfd.readouterr().err
