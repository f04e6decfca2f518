"""Lists of prompts, the journal, the table and the page: everything of `dream3d eval` but the generation."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from dream3d.config import Config
from dream3d.errors import DiskError, InputError
from dream3d.evaluate.columns import COLUMNS, show, show_mean
from dream3d.evaluate.memory import PeakMemory
from dream3d.evaluate.page import MAX_ROWS, encode_page
from dream3d.evaluate.prompts import read_prompt_map, read_prompts
from dream3d.evaluate.report import make_report, summarize, with_relative_chamfer, write_report
from dream3d.evaluate.rows import Journal, Row
from dream3d.evaluate.run import safe_name

ROOT = Path(__file__).parent.parent


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


class TestPrompts:
    def test_comments_blanks_and_duplicates(self, tmp_path: Path) -> None:
        text = "\ufeff# head\n\n a  red mushroom \t# held out\r\na C#-shaped key\na red   mushroom\n  \n#\n"
        found = read_prompts([write(tmp_path / "list.txt", text)])
        assert [line.text for line in found.lines] == ["a red mushroom", "a C#-shaped key"]
        assert found.num_duplicates == 1

    def test_bad_lines_are_items_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        content = b"a chair\n\xff\xfe nonsense\na \x07 bell\n" + b"x" * 400 + b"\na table"
        found = read_prompts([write(tmp_path / "list.txt", content)])
        assert [(line.place, line.error is None) for line in found.lines] == [
            ("list.txt line 1", True),
            ("list.txt line 2", False),
            ("list.txt line 3", False),
            ("list.txt line 4", False),
            ("list.txt line 5", True),
        ]
        errors = [line.error or "" for line in found.lines]
        assert "not UTF-8" in errors[1]
        assert "U+0007" in errors[2]
        assert "400 characters" in errors[3]

    def test_a_long_list_and_a_limit(self, tmp_path: Path) -> None:
        path = write(tmp_path / "list.txt", "".join(f"a thing {k // 2}\n" for k in range(100_000)))
        found = read_prompts([path])
        assert (len(found.lines), found.num_duplicates) == (50_000, 50_000)
        few = read_prompts([path], limit=3)
        assert [line.text for line in few.lines] == ["a thing 0", "a thing 1", "a thing 2"]

    def test_several_lists_are_one(self, tmp_path: Path) -> None:
        paths = [write(tmp_path / "a.txt", "a car\n"), write(tmp_path / "b.txt", "a car\na boat")]
        found = read_prompts(paths)
        assert ([line.text for line in found.lines], found.num_duplicates) == (["a car", "a boat"], 1)

    def test_bad_lines_of_lists_of_one_name_are_told_apart(self, tmp_path: Path) -> None:
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
        paths = [write(tmp_path / folder / "list.txt", b"\xff\n") for folder in ("a", "b")]
        assert len(read_prompts(paths).lines) == 2

    @pytest.mark.parametrize("content", ["", "\n\n# nothing\n", b"\0" * 9000, "x" * 9000])
    def test_what_is_no_list_is_refused(self, tmp_path: Path, content: str | bytes) -> None:
        with pytest.raises(InputError, match=r"list\.txt"):
            read_prompts([write(tmp_path / "list.txt", content)])

    def test_missing_files_and_folders_are_refused(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "missing.txt", Path("/dev/zero")):
            with pytest.raises(InputError, match=re.escape(str(path))):
                read_prompts([path])

    def test_a_map_of_files(self, tmp_path: Path) -> None:
        text = "# name prompt\none.glb  a red mushroom\ndeep/my file.glb: a blue chair # seen\n"
        assert read_prompt_map(write(tmp_path / "map.txt", text)) == {
            "one.glb": "a red mushroom",
            "my file.glb": "a blue chair",
        }
        with pytest.raises(InputError, match=r"map\.txt line 2: expected a file name"):
            read_prompt_map(write(tmp_path / "map.txt", "a.glb x\na red mushroom\n"))

    def test_a_map_says_one_thing_of_a_name(self, tmp_path: Path) -> None:
        twice = write(tmp_path / "map.txt", "a/chair.glb a red chair\nb/chair.glb a  red chair\n")
        assert read_prompt_map(twice) == {"chair.glb": "a red chair"}
        with pytest.raises(InputError, match=r"map\.txt line 2: chair\.glb has another prompt above"):
            read_prompt_map(write(tmp_path / "map.txt", "a/chair.glb a red chair\nb/chair.glb a chair\n"))

    def test_reading_a_list_needs_no_torch(self) -> None:
        code = "import sys, dream3d.evaluate.prompts, dream3d.cli_eval; print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"


def test_names_of_different_prompts_differ() -> None:
    prompts = [
        "a red car",
        "a Red car",
        "a red-car",
        "a_red_car",
        "é",
        "è",
        "x" * 300,
        "x" * 299,
        "汽车",
        "車",
    ]
    names = [safe_name(prompt) for prompt in prompts]
    assert len(set(names)) == len(prompts)
    assert names[0] == "a_red_car"
    assert all(re.fullmatch(r"[a-z0-9_-]{1,70}", name) for name in names)


class TestJournal:
    def test_rows_come_back(self, tmp_path: Path) -> None:
        row = Row("k", "asset", "a car", 3, metrics={"faces": 4, "watertight": True, "chamfer": 0.1})
        Journal(tmp_path / "rows.jsonl").append(row)
        assert Journal(tmp_path / "rows.jsonl").rows == {"k": row}

    def test_the_last_row_of_a_key_counts(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "rows.jsonl")
        for error in ("first", "second"):
            journal.append(Row("k", "asset", "a car", error=error))
        assert Journal(journal.path).rows["k"].error == "second"

    @pytest.mark.parametrize("rest", [b'{"key": "cut', b"\xff\n[1]\n{}\nnull\n", b"{" * 99999])
    def test_damage_costs_only_the_damaged_lines(self, tmp_path: Path, rest: bytes) -> None:
        path = tmp_path / "rows.jsonl"
        Journal(path).append(Row("one", "asset", "a car"))
        write(path, path.read_bytes() + rest)
        journal = Journal(path)
        assert set(journal.rows) == {"one"}
        journal.append(Row("two", "asset", "a boat"))
        assert set(Journal(path).rows) == {"one", "two"}

    def test_a_full_disk_is_a_disk_error(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "rows.jsonl")
        journal.path = Path("/dev/full")
        with pytest.raises(DiskError, match="no room left"):
            journal.append(Row("k", "asset", "a car"))


def calibrated() -> list[Row]:
    """An asset, a failure, two calibration rows; the floor is 0.1 and the ceiling 0.5."""
    return [
        Row(
            "a",
            "asset",
            "a car",
            0,
            "assets/a_car_0.glb",
            "pictures/a car.jpg",
            {"chamfer": 0.2, "faces": 10},
        ),
        Row("b", "asset", "a <b> & 'car'", 1, error='it "broke" <script>alert(1)</script>', blame="run"),
        Row("c", "ground truth", "a car", metrics={"chamfer": 0.1, "watertight": True}),
        Row("d", "wrong family", "a car", metrics={"chamfer": 0.5, "watertight": False}),
    ]


class TestReport:
    def test_relative_chamfer(self) -> None:
        rows = with_relative_chamfer(calibrated())
        shares = [row.metrics.get("chamfer_relative") for row in rows]
        assert shares[0] == pytest.approx(0.25)
        assert shares[1:] == [None, 0.0, 1.0]
        assert with_relative_chamfer(calibrated()[:1])[0].metrics.get("chamfer_relative") is None

    def test_means_leave_blanks_out_and_count_failures(self) -> None:
        summary = summarize(calibrated())
        assert summary["asset"] == {"rows": 2, "failed": 1, "mean": {"chamfer": 0.2, "faces": 10.0}}
        assert summary["ground truth"]["mean"]["watertight"] == 1.0

    def test_a_blank_is_not_a_zero(self) -> None:
        assert [show(value, 2) for value in (None, 0, False, True, 0.125)] == [
            "",
            "0.00",
            "no",
            "yes",
            "0.12",
        ]
        assert (show(3, 0), show_mean(1.5, 0), show_mean(None, 0)) == ("3", "1.50", "")

    def test_the_table_is_aligned_and_names_failures(self) -> None:
        table = make_report(calibrated(), Config(), ["2 duplicates merged"]).table
        lines = table.splitlines()
        assert lines[0].startswith("kind")
        end = lines[0].index("chamfer") + len("chamfer")
        assert [line[:end].split()[-1] for line in (lines[2], lines[4], lines[5])] == [
            "0.2000",
            "0.1000",
            "0.5000",
        ]
        assert any(line.startswith("failed: a <b> & 'car' / 1: it \"broke\"") for line in lines)
        assert lines[-1] == "2 duplicates merged"

    def test_nothing_in_the_table_steers_a_terminal(self) -> None:
        rows = [Row("k", "asset", None, file="a\x1b[2J\udcff.glb", error="b\x07", blame="input")]
        report = make_report(rows, Config(), [])
        assert report.table.replace("\n", "").isprintable()

    def test_three_files_are_written_and_the_json_has_it_all(self, tmp_path: Path) -> None:
        report = make_report(calibrated(), Config(seed=4), ["note"])
        paths = write_report(report, tmp_path)
        assert [path.name for path in paths] == ["results.json", "table.txt", "index.html"]
        results = json.loads(paths[0].read_text())
        assert results["schema"] == "dream3d-eval/1"
        assert results["settings"]["seed"] == 4
        assert {"dream3d", "torch", "python"} <= set(results["versions"])
        assert [row["prompt"] for row in results["rows"]] == [row.prompt for row in calibrated()]
        assert results["rows"][1]["error"].startswith('it "broke"')
        assert results["summary"]["asset"]["failed"] == 1
        assert report.num_failed == 1

    def test_every_column_has_its_own_name_and_meaning(self) -> None:
        for values in zip(*[(c.name, c.title, c.about) for c in COLUMNS], strict=True):
            assert len(set(values)) == len(COLUMNS)
            assert all(values)


class Page(HTMLParser):
    """Checks that tags nest, and collects addresses, rows and texts."""

    VOID = frozenset({"meta", "img", "br", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.values: list[str | None] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                self.addresses.append(value or "")
            if name == "data-value":
                self.values.append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


class TestPage:
    def test_it_is_well_formed_and_asks_for_nothing_from_outside(self) -> None:
        text = encode_page(make_report(calibrated(), Config(), ["a & b"]).results)
        page = Page(text)
        assert [unquote(address) for address in page.addresses] == ["pictures/a car.jpg"] * 2
        assert not re.search(r"(https?:)?//[a-z]|@import|url\(|fetch\(|XMLHttp", text)
        assert "default-src 'none'" in text
        assert page.tags.count("script") == 1
        assert page.tags.count("tr") == 1 + 4 + 3

    def test_failures_are_there_and_escaped(self) -> None:
        text = encode_page(make_report(calibrated(), Config(), []).results)
        assert "it &quot;broke&quot; &lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert "a &lt;b&gt; &amp; &#x27;car&#x27;" in text
        assert "1 failed" in text

    def test_cells_sort_by_numbers_not_by_what_is_shown(self) -> None:
        page = Page(encode_page(make_report(calibrated(), Config(), []).results))
        assert "0.2" in page.values
        assert "1" in page.values  # yes

    def test_colors_follow_the_readers_choice(self) -> None:
        assert "prefers-color-scheme: dark" in encode_page(make_report(calibrated(), Config(), []).results)

    def test_a_huge_table_is_cut_and_says_so(self) -> None:
        rows = [Row(str(k), "asset", "a car", k) for k in range(MAX_ROWS + 1)]
        text = encode_page(make_report(rows, Config(), []).results)
        assert Page(text).tags.count("tr") == 1 + MAX_ROWS + 1
        assert f"Only the first {MAX_ROWS} rows" in text

    def test_an_empty_table_is_a_page_too(self) -> None:
        Page(encode_page(make_report([], Config(), []).results))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux can tell")
def test_peak_memory_is_that_of_the_work_since() -> None:
    block = bytearray(400_000_000)
    for index in range(0, len(block), 4096):
        block[index] = 1
    held = PeakMemory().megabytes()
    del block
    after = PeakMemory().megabytes()
    assert held is not None
    assert after is not None
    assert 390 < held - after < 420
