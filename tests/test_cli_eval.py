"""`dream3d eval` from its words to its files and exit codes, with a tiny prior that was never trained."""

import json
import os
import resource
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from prior_folders import write_tiny_prior

from dream3d.cli import main
from dream3d.evaluate.validator import find_validator

PROGRAM = [sys.executable, "-m", "dream3d.cli", "eval"]
# One thread: two that wait for each other take many times longer on a busy machine.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
SMALL = [
    "--coarse.num-steps",
    "4",
    "--target-faces",
    "200",
    "--texture-size",
    "64",
    "--extract.resolution",
    "32",
]
FIVE_MILLION = 5_000_000


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def glb(vertices: np.ndarray, faces: np.ndarray, extras: dict[str, Any] | None = None) -> bytes:
    """A bare .glb written here, without any code of the package."""
    blocks = [vertices.astype("<f4").tobytes(), faces.astype("<u4").tobytes()]
    views = [
        {"buffer": 0, "byteOffset": 0, "byteLength": len(blocks[0])},
        {"buffer": 0, "byteOffset": len(blocks[0]), "byteLength": len(blocks[1])},
    ]
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": len(vertices), "type": "VEC3"},
        {"bufferView": 1, "componentType": 5125, "count": faces.size, "type": "SCALAR"},
    ]
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0} | ({"extras": extras} if extras else {})],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": sum(map(len, blocks))}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(blocks)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks) + len(binary)) + chunks + binary


def ball(extras: dict[str, Any] | None = None) -> bytes:
    shape = trimesh.creation.icosphere(subdivisions=2)
    return glb(np.asarray(shape.vertices), np.asarray(shape.faces), extras)


def results(folder: str = "out") -> dict[str, Any]:
    return json.loads(Path(folder, "results.json").read_text())


def assets(folder: str = "out") -> list[dict[str, Any]]:
    return [row for row in results(folder)["rows"] if row["kind"] == "asset"]


def refused(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must be refused before any work; return its one line of explanation."""
    before = sorted(Path.cwd().rglob("*"))
    assert main(["eval", *words]) == 2
    streams = capfd.readouterr()
    assert streams.out == ""
    (line,) = streams.err.splitlines()
    assert line.startswith("dream3d: error: ")
    assert sorted(Path.cwd().rglob("*")) == before
    return line


def test_prompts_are_generated_measured_and_not_made_twice(
    capfd: pytest.CaptureFixture[str], prior: Path
) -> None:
    Path("list.txt").write_bytes(
        b"# three\na red mushroom # first\n\n\xff\xfe\nzeppelin\na red  mushroom\na shiny blue cap"
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
        ("a shiny blue cap", 0, True),
        ("a shiny blue cap", 1, True),
    ]
    assert "list.txt line 4: not UTF-8" in rows[2]["error"]
    assert "knows no word" in rows[3]["error"]
    assert "'shiny'" in rows[5]["warnings"][0]
    first, nameless = rows[0], rows[5]
    for name in ("silhouette_iou", "color_error", "chamfer", "chamfer_relative", "saturation_excess"):
        assert name in first["metrics"]
        assert name not in nameless["metrics"]  # a cap is a part, no family has that name
    for name in ("faces", "floaters", "boundary_edges", "seconds", "prior_evaluations", "texture_size"):
        assert name in nameless["metrics"]
    assert first["settings"]["coarse"]["num_steps"] == 4
    assert "dream3d" in first["versions"]
    assert [row["kind"] for row in results()["rows"]][2:5] == ["ground truth", "wrong family", "sphere"]
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

    # The file alone tells the same, but for where it is.
    capfd.readouterr()
    assert main(["eval", "out/assets/a_red_mushroom_0.glb", "-o", "again", "--json"]) == 0
    streams = capfd.readouterr()
    assert streams.err == ""
    assert json.loads(streams.out) == results("again")
    (row,), (generated,) = assets("again"), assets()
    assert (row["prompt"], row["seed"], row["metrics"]) == ("a red mushroom", 0, generated["metrics"])


def write_bad_files() -> dict[str, str]:
    """Files that cannot be measured, and what must be said of each."""
    good = ball()
    shape = trimesh.creation.icosphere(subdivisions=1)
    vertices, faces = np.array(shape.vertices), np.asarray(shape.faces)
    broken = vertices.copy()
    broken[3, 1] = np.nan
    crowd = np.tile(faces, (FIVE_MILLION // len(faces), 1))
    nothing = good.replace(b'"mesh": 0', b'"name":00').replace(b":00", b':""')
    contents = {
        "truncated.glb": (good[: len(good) // 2], "cut off"),
        "empty.glb": (b"", "does not start with glTF"),
        "meshless.glb": (nothing, "no triangles"),
        "nan.glb": (glb(broken, faces), "not finite"),
        "crowd.glb": (glb(vertices, crowd), "more than 1000000 triangles"),
        "picture.png": (b"\x89PNG\r\n", "is not a .glb"),
        "text.glb": (b"a red mushroom\n", "is not a .glb"),
        "point.glb": (glb(0 * vertices, faces), "cannot be measured"),
        "endless.glb": (glb(1e30 * vertices, faces), "cannot be measured"),
    }
    for name, (content, _) in contents.items():
        Path(name).write_bytes(content)
    Path("folder.glb").mkdir()
    says = {name: text for name, (_, text) in contents.items()}
    return says | {"folder.glb": "is not a file", "missing.glb": "does not exist"}


def test_every_bad_file_is_a_row_and_the_good_ones_are_measured(capfd: pytest.CaptureFixture[str]) -> None:
    says = write_bad_files()
    Path("ball.glb").write_bytes(ball())
    extras = {"prompt": "x" * 5000, "seed": "one", "settings": {"a": "HUGE"}, "versions": [1]}
    Path("odd.glb").write_bytes(ball(extras).replace(b'"HUGE"', b"1e9999"))
    assert main(["eval", *says, "ball.glb", "odd.glb", "ball.glb", "-o", "out"]) == 2
    rows = {row["file"]: row for row in results()["rows"]}
    assert list(rows) == [*says, "ball.glb", "odd.glb"]
    for name, text in says.items():
        assert text in rows[name]["error"], name
        assert "\n" not in rows[name]["error"]
    for name in ("ball.glb", "odd.glb"):
        row = rows[name]
        assert (row["error"], row["prompt"], row["seed"], row["versions"]) == (None, None, None, None)
        assert (row["metrics"]["faces"], row["metrics"]["watertight"], row["metrics"]["floaters"]) == (
            320,
            True,
            0,
        )
        assert not {"seconds", "silhouette_iou", "texture_size"} & set(row["metrics"])  # blank, not 0
    assert rows["odd.glb"]["settings"] == {"a": None}  # infinity is not JSON
    streams = capfd.readouterr()
    assert "Traceback" not in streams.err
    assert streams.out.count("\nfailed: ") == len(says)
    assert streams.err.splitlines()[-1] == f"dream3d: {len(says)} of {len(says) + 2} rows failed"


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


def test_a_file_that_changed_is_measured_again() -> None:
    Path("a.glb").write_bytes(b"")
    assert main(["eval", "a.glb", "-o", "out", "--quiet"]) == 2
    Path("a.glb").write_bytes(ball())
    assert main(["eval", "a.glb", "-o", "out", "--quiet"]) == 0
    assert main(["eval", "b.glb", "a.glb", "-o", "out", "--quiet", "--limit", "1"]) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["missing.txt", "-o", "out"], "missing.txt cannot be read: No such file"),
        ([".", "-o", "out"], "cannot be read: Is a directory"),
        (["empty.txt", "-o", "out"], "no prompts in it"),
        (["list.txt", "-o", "list.txt"], "list.txt is a file; name a folder"),
        (["list.txt", "-o", "/proc/out"], "the folder /proc/out cannot be written"),
        (["list.txt", "-o", "out", "--seeds", "0"], "--seeds must be at least 1, not 0"),
        (["list.txt", "-o", "out", "--limit", "-1"], "--limit must be at least 1"),
        (["list.txt", "-o", "out", "--seed", "4294967295", "--seeds", "2"], "go beyond 4294967295"),
        (["list.txt", "-o", "out", "--sedes", "3"], "unknown option --sedes; did you mean '--seeds'?"),
        (["list.txt", "-o", "out", "--config", "fast"], "--config fast: no such file"),
        (["a.glb", "-o", "out", "--prompts", "list.txt"], "expected a file name ending in .glb and a prompt"),
        (["list.txt"], "--output"),
        (["-o", "out"], "nothing to measure: name a list"),
    ],
)
def test_impossible_requests_are_refused(
    capfd: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    Path("list.txt").write_text("a red mushroom\n")
    Path("empty.txt").write_text("# nothing\n\n")
    assert says in refused(capfd, *words)


def test_an_unknown_prior_is_refused_before_any_row(capfd: pytest.CaptureFixture[str]) -> None:
    Path("list.txt").write_text("a red mushroom\n")
    assert main(["eval", "list.txt", "-o", "out", "--prior", "nobody/nothing"]) == 2
    assert "unknown prior" in capfd.readouterr().err
    assert not Path("out/results.json").exists()


def test_a_hundred_thousand_lines_start_at_once(prior: Path) -> None:
    Path("list.txt").write_text("".join(f"red {'cap ' * (k % 7)}\n" for k in range(100_000)))
    assert main(["eval", "list.txt", "-o", "out", "--limit", "1", "--prior", str(prior), *SMALL]) == 0
    assert [row["prompt"] for row in assets()] == ["red"]


def test_a_full_disk_ends_the_run_in_one_line_and_it_goes_on_later() -> None:
    for name in ("a.glb", "b.glb"):
        Path(name).write_bytes(ball())

    def only_small_files() -> None:
        # The kernel refuses to write past the limit, as it does on a full disk; Python ignores SIGXFSZ.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    words = [*PROGRAM, "a.glb", "b.glb", "-o", "out", "--quiet"]
    pipes: dict[str, Any] = {"capture_output": True, "text": True, "env": ONE_THREAD}
    done = subprocess.run(words, preexec_fn=only_small_files, **pipes)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "no room left" in line
    assert not any(path.suffix == ".tmp" for path in Path("out").rglob("*"))
    assert main(["eval", "a.glb", "b.glb", "-o", "out", "--quiet"]) == 0


def test_an_interrupted_run_keeps_its_rows(prior: Path) -> None:
    Path("list.txt").write_bytes(b"\xff\nred\n")
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
