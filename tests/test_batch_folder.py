"""What a batch keeps on the disk: the manifest, claims, records of files, the page."""

import fcntl
import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dream3d.batch.claims import Claims
from dream3d.batch.drive import Outcome
from dream3d.batch.items import BadLine, Item
from dream3d.batch.jobs import Job, plan_jobs, refuse_doubles
from dream3d.batch.manifest import Manifest
from dream3d.batch.records import are_there, facts_of, find_files
from dream3d.batch.summary import make_results, write_page
from dream3d.config import Config
from dream3d.errors import DiskError, InputError
from dream3d.export.lines import append_line, read_lines
from dream3d.inputs import Shard

DONE = {"files": {"a.glb": {"bytes": 3, "sha256": "-"}}, "metrics": {"faces": 5}, "warnings": []}


def job(prompt: str = "a crate") -> Job:
    return Job(Item(prompt, Config(), "list.txt line 1"), "a_crate-0-123", "a_crate.glb", "0" * 64)


class TestLines:
    @pytest.mark.parametrize(
        "rest", [b'{"k": "cut', b"\xff\n[1]\n{}x\nnull\n\n", b"[" * 99999 + b"\n", b"\n"]
    )
    def test_damage_costs_only_the_damaged_lines(self, tmp_path: Path, rest: bytes) -> None:
        path = tmp_path / "x.jsonl"
        append_line(path, {"k": "é\n\r\u2028"})
        path.write_bytes(path.read_bytes() + rest)
        append_line(path, {"k": 2})
        assert read_lines(path)[0] == [{"k": "é\n\r\u2028"}, {"k": 2}]

    def test_a_line_in_the_making_waits(self, tmp_path: Path) -> None:
        path = tmp_path / "x.jsonl"
        assert read_lines(path) == ([], 0)
        path.write_bytes(b'{"k": 1}\n{"k"')
        first, place = read_lines(path)
        path.write_bytes(path.read_bytes() + b": 2}\n")
        assert (first, read_lines(path, place)[0]) == ([{"k": 1}], [{"k": 2}])

    def test_processes_append_at_the_same_time_and_nothing_is_lost(self, tmp_path: Path) -> None:
        path = tmp_path / "x.jsonl"
        code = (
            "import sys; from pathlib import Path; from dream3d.export.lines import append_line\n"
            "for k in range(200):\n"
            "    append_line(Path(sys.argv[1]), {'who': sys.argv[2], 'k': k, 'x': 'x' * k * 40})"
        )
        runs = [subprocess.Popen([sys.executable, "-c", code, str(path), who]) for who in "ab"]
        stop = threading.Event()

        def tear() -> None:  # as processes that die in the middle of a line
            while not stop.wait(0.005):
                with path.open("ab") as stream:
                    fcntl.flock(stream, fcntl.LOCK_EX)
                    stream.write(b'{"torn')

        tearing = threading.Thread(target=tear)
        tearing.start()
        assert [run.wait() for run in runs] == [0, 0]
        stop.set()
        tearing.join()
        found = [(line["who"], line["k"]) for line in read_lines(path)[0]]
        lines = path.read_bytes().splitlines()
        assert sorted(found) == [(who, k) for who in "ab" for k in range(200)]
        assert len(lines) > len(found)  # something was torn


class TestManifest:
    def test_a_driver_learns_from_others_and_after_them(self, tmp_path: Path) -> None:
        one, two = Manifest(tmp_path), Manifest(tmp_path)
        one.append("begun", "x", attempt=1)
        one.append("done", "x", **DONE)
        one.append("failed", "y", reason="why", attempt=3)
        assert (two.done, two.failed) == ({}, {})
        two.refresh()
        assert (set(two.done), two.failed["y"]["reason"]) == ({"x"}, "why")
        later = Manifest(tmp_path)
        assert (set(later.done), later.failed) == ({"x"}, {})  # what failed in another run is tried again
        two.append("done", "y", **DONE)
        two.refresh()
        assert (set(two.done), two.failed) == ({"x", "y"}, {})

    def test_shards_write_their_own_and_read_all(self, tmp_path: Path) -> None:
        shards = [Manifest(tmp_path, Shard(index, 2)) for index in range(2)]
        for index, shard in enumerate(shards):
            shard.append("done", f"item{index}", **DONE)
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "manifest-0-of-2.jsonl",
            "manifest-1-of-2.jsonl",
        ]
        assert set(Manifest(tmp_path).done) == {"item0", "item1"}

    def test_records_of_another_kind_are_passed_over(self, tmp_path: Path) -> None:
        lines = [
            {"event": "done"},
            {"event": "done", "item": 3, "files": {}},
            {"event": "failed", "item": "a"},
        ]
        lines += [{"event": "done", "item": "a", "files": [1]}, {}, {"event": []}]
        (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"ev')
        manifest = Manifest(tmp_path)
        assert (manifest.done, manifest.failed) == ({}, {})

    def test_a_full_disk_and_a_folder_in_its_place(self, tmp_path: Path) -> None:
        manifest = Manifest(tmp_path)
        manifest.path = Path("/dev/full")
        with pytest.raises(DiskError, match="no room left"):
            manifest.append("done", "x")
        (tmp_path / "manifest.jsonl").mkdir()
        with pytest.raises(InputError, match=r"manifest\.jsonl"):
            Manifest(tmp_path)


def test_a_claim_is_one_process_s_until_it_dies(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dream3d.batch.claims import Claims\n"
        "claims = Claims(Path(sys.argv[1]))\n"
        "print([claims.claim(name) for name in 'ab'], flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "[True, True]\n"
        claims = Claims(tmp_path)
        assert [claims.claim(name) for name in "abc"] == [False, False, True]
        other.kill()
    assert [claims.claim(name) for name in "abc"] == [True, True, True]
    claims.release("a")
    done = subprocess.run(command, input="\n", stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "[True, False]\n"
    claims.close()


class TestRecords:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """As a driver leaves it that dies before it keeps the record."""
        report = {"sha256": hashlib.sha256(b"glTF").hexdigest(), "faces": 12, "metrics": {"seconds": 1.5}}
        (tmp_path / "a_crate.json").write_text(json.dumps(report))
        (tmp_path / "a_crate.png").write_bytes(b"png")
        (tmp_path / "a_crate.glb").write_bytes(b"glTF")
        (tmp_path / "run").mkdir()
        (tmp_path / ".dream3d-0123456789abcdef.tmp").write_bytes(b"gl")
        return tmp_path

    def test_whole_files_are_found(self, folder: Path) -> None:
        files = find_files(folder, job())
        assert files is not None
        facts = facts_of(job(), files)
        assert {name: fact["bytes"] for name, fact in facts["files"].items()} == {
            "a_crate.glb": 4,
            "a_crate.json": (folder / "a_crate.json").stat().st_size,
            "a_crate.png": 3,
        }
        assert facts["metrics"] == {"faces": 12, "seconds": 1.5}
        assert json.loads(json.dumps(facts)) == facts
        assert are_there(folder, facts)
        (folder / "a_crate.png").write_bytes(b"pn")
        assert not are_there(folder, facts)

    def test_files_that_are_not_whole_are_not(self, folder: Path) -> None:
        main = folder / "a_crate.glb"
        content = main.read_bytes()
        main.write_bytes(content[:-1])
        assert find_files(folder, job()) is None
        main.write_bytes(content)
        (folder / "a_crate.json").write_text("[")
        assert find_files(folder, job()) is None
        main.unlink()
        assert find_files(folder, job()) is None
        assert find_files(folder / "missing", job()) is None

    def test_a_strange_record_is_no_proof(self, tmp_path: Path) -> None:
        for record in ({"files": {"a": 3}}, {"files": {"a": {}}}, {"files": {"\0": {"bytes": 1}}}):
            assert not are_there(tmp_path, record)


class TestPage:
    def test_it_shows_what_is_there_and_why_other_things_are_not(self, tmp_path: Path) -> None:
        manifest = Manifest(tmp_path)
        record = {"files": {}, "metrics": {"faces": 7, "texture_size": [64, 32]}, "warnings": ["<b>odd</b>"]}
        manifest.append("done", "a_crate-0-123", **record)
        failed = Job(Item("a <i>car</i>", Config(), "list.txt line 2"), "car", "car.glb", "")
        open_job = Job(Item("a boat", Config(), "list.txt line 4"), "boat", "boat.glb", "")
        planned = [job(), failed, BadLine("list.txt line 3", "not UTF-8"), open_job]
        outcomes = {"a_crate-0-123": Outcome("done"), "car": Outcome("failed", "it <broke>")}
        results = make_results(planned, outcomes, manifest, Config(), ["1 duplicates merged"])
        assert [(row["prompt"], row["error"]) for row in results["rows"]] == [
            ("a crate", None),
            ("a <i>car</i>", "it <broke>"),
            (None, "not UTF-8"),
        ]
        assert results["rows"][0]["metrics"] == {"faces": 7, "texture_size": 64}
        assert results["rows"][0]["file"] == "a_crate-0-123/a_crate.glb"
        page = write_page(results, tmp_path).read_text()
        assert 'src="a_crate-0-123/a_crate.png"' in page
        for text in ("a &lt;i&gt;car&lt;/i&gt;", "it &lt;broke&gt;", "&lt;b&gt;odd&lt;/b&gt;", "2 failed"):
            assert text in page
        assert "http" not in page.replace("http-equiv", "")
        assert "<title>dream3d batch</title>" in page

    def test_a_record_without_numbers_is_a_row_without_numbers(self, tmp_path: Path) -> None:
        manifest = Manifest(tmp_path)
        manifest.append("done", "a_crate-0-123", files={})
        results = make_results([job()], {"a_crate-0-123": Outcome("kept")}, manifest, Config(), [])
        assert results["rows"][0]["metrics"] == {}


def test_an_asset_is_asked_for_once_whatever_the_device() -> None:
    first, second = (
        Item("a crate", Config(device=device), f"line {number}")
        for number, device in ((1, "auto"), (2, "cpu"))
    )
    planned, bad = refuse_doubles(plan_jobs([first, second]))
    assert isinstance(planned, Job)
    assert bad == BadLine("line 2", "an earlier line asks for the same asset, on another device")


def test_a_prior_s_name_that_no_file_can_have_is_a_bad_line() -> None:
    (bad,) = plan_jobs([Item("a crate", Config(prior="x" * 300), "line 1")])
    assert isinstance(bad, BadLine)
    assert "unknown prior" in bad.reason
