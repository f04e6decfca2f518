"""Lists of what to make, and the folders that it goes to."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dream3d.batch.items import BadLine, Item, read_items
from dream3d.batch.jobs import Job, plan_jobs
from dream3d.batch.overrides import with_settings
from dream3d.config import Config
from dream3d.errors import InputError

BASE = Config(seed=7)


def read(folder: Path, name: str, content: str | bytes) -> list[Item | BadLine]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_items(path, BASE).entries


def reasons(entries: list[Item | BadLine]) -> dict[str, str]:
    return {entry.place: entry.reason for entry in entries if isinstance(entry, BadLine)}


def prompts(entries: list[Item | BadLine]) -> list[str]:
    return [entry.prompt for entry in entries if isinstance(entry, Item)]


def test_a_text_has_a_prompt_a_line(tmp_path: Path) -> None:
    text = (
        '\ufeff# props\n\n a  red mushroom\t# first\n../../etc/passwd\n\'; rm -rf / #x\nüber, "quoted"\n#\n'
    )
    entries = read(tmp_path, "list.txt", text)
    assert prompts(entries) == ["a red mushroom", "../../etc/passwd", "'; rm -rf /", 'über, "quoted"']
    assert all(entry.config is BASE for entry in entries if isinstance(entry, Item))
    assert entries[1].place == "list.txt line 4"


def test_bad_lines_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = b"a chair\n\xff\xfe\na \x07 bell\n" + b"x" * 301 + b"\r\na table\r\n"
    entries = read(tmp_path, "list.txt", content)
    assert prompts(entries) == ["a chair", "a table"]
    found = reasons(entries)
    assert list(found) == [f"list.txt line {number}" for number in (2, 3, 4)]
    for words, reason in zip(("not UTF-8", "U+0007", "301 characters"), found.values(), strict=True):
        assert words in reason


def test_a_table_has_settings_of_single_items(tmp_path: Path) -> None:
    table = (
        "\ufeffprompt, seed ,export.height_m,coarse.guidance.method\r\n"
        'a red mushroom,1,,\r\n"a ""big"", red cap",,0.5,csd\r\n\r\n,3,,\r\n'
        'a chair,x,,\na chair,1\na chair,1,,,\n"a chair,1,,\na chair,-1,,\n'
        "a chair,,-h,\na chair,,,abc\na\xe9,2,,\n"
    )
    entries = read(tmp_path, "props.csv", table)
    first, second, last = (entry for entry in entries if isinstance(entry, Item))
    assert first == Item("a red mushroom", replace(BASE, seed=1), "props.csv line 2")
    assert (second.prompt, second.config.seed, second.config.export.height_m) == ('a "big", red cap', 7, 0.5)
    assert second.config.coarse.guidance.method == "csd"
    assert (last.prompt, last.config.seed) == ("aé", 2)
    expected = {
        5: "the prompt is empty",
        6: "seed: expected a whole number, got 'x'",
        7: "2 cells in a table of 4 columns",
        8: "5 cells in a table of 4 columns",
        9: "not a line of a table: unexpected end of data",
        10: "--seed must be between 0 and 4294967295, not -1",
        11: "expected a number, got '-h'",
        12: "coarse.guidance.method: invalid choice 'abc'",
    }
    found = reasons(entries)
    assert list(found) == [f"props.csv line {number}" for number in expected]
    for number, words in expected.items():
        assert words in found[f"props.csv line {number}"]


@pytest.mark.parametrize(
    ("head", "match"),
    [
        ("", "nothing|empty"),
        ("seed\n1\n", "must be a column 'prompt'"),
        ("prompt,sed\n", "'sed' is neither 'prompt' nor a setting; did you mean 'seed'"),
        ("prompt,target_faces\n", "did you mean 'extract.target_faces'"),
        ("prompt,seed,seed\n", "'seed' is there twice"),
        ("prompt,seed\n", "nothing to make"),
        (b"prompt,\xff\n", "UTF-8"),
        ('prompt,"seed\n', "not a line of a table"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, head: str | bytes, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read(tmp_path, "props.csv", head)


def test_json_lines_have_dotted_names_or_sections(tmp_path: Path) -> None:
    lines = [
        {"prompt": "a", "seed": 3, "export.height_m": None, "bake": {"substance": False, "texture-size": 64}},
        {"prompt": "b", "negative_prompt": "--seed 3"},
    ]
    entries = read(tmp_path, "props.jsonl", "\n".join(map(json.dumps, lines)))
    first, second = entries
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert (first.config.seed, first.config.export.height_m) == (3, None)
    assert (first.config.bake.substance, first.config.bake.texture_size) == (False, 64)
    assert second.config == replace(BASE, negative_prompt="--seed 3")


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("{", "not JSON"),
        ("[" * 4000, "not JSON"),
        ('{"prompt": "a", "seed": NaN}', "not JSON: NaN is no number"),
        ("[1]", "expected an object such as"),
        ("null", "expected an object such as"),
        ('{"seed": 1}', "'prompt' must be a text, not None"),
        ('{"prompt": ["a"]}', "'prompt' must be a text"),
        ('{"prompt": "\\ud800"}', "control character"),
        ('{"prompt": "a", "seed": true}', "seed: expected a whole number, got 'True'"),
        ('{"prompt": "a", "seed": 1.0}', "seed: expected a whole number, got '1.0'"),
        ('{"prompt": "a", "seed": [1]}', "takes one value, not a list"),
        ('{"prompt": "a", "seed": {}}', "section 'seed' is empty"),
        ('{"prompt": "a", "coarse": 3}', "unknown setting 'coarse'"),
        ('{"prompt": "a", "coarse.num_step": 3}', "did you mean 'coarse.num_steps'"),
        ('{"prompt": "a", "__class__": "x"}', "unknown setting '__class__'"),
        ('{"prompt": "a", "negative_prompt": null}', "negative_prompt: expected a text, not None"),
        ('{"prompt": "a", "bake": {"substance": "yes"}}', "bake.substance: invalid choice 'yes'"),
        ('{"prompt": "a", "export.lods": "--help"}', "export.lods: expected a whole number, got '--help'"),
        ('{"prompt": "a", "coarse.guidance.t_min_end": 0.9}', "t_min must not be above"),
    ],
)
def test_a_bad_object_costs_its_line(tmp_path: Path, line: str, match: str) -> None:
    entries = read(tmp_path, "props.jsonl", f'{{"prompt": "before"}}\n{line}\n{{"prompt": "after"}}\n')
    assert prompts(entries) == ["before", "after"]
    (reason,) = reasons(entries).values()
    assert match in reason
    assert "\n" not in reason


def test_settings_that_only_fit_together_are_checked_together() -> None:
    config = with_settings(BASE, {"coarse.guidance.t_min_end": 0.9, "coarse.guidance.t_max_end": 0.95})
    assert (config.coarse.guidance.t_min_end, config.coarse.guidance.t_max_end) == (0.9, 0.95)


def test_the_same_asset_is_asked_for_once(tmp_path: Path) -> None:
    path = tmp_path / "props.csv"
    path.write_text("prompt,seed\na  chair,1\na chair,01\na chair,2\na chair,7\na chair,\n")
    found = read_items(path, BASE)
    assert [entry.config.seed for entry in found.entries if isinstance(entry, Item)] == [1, 2, 7]
    assert found.num_duplicates == 2


@pytest.mark.parametrize("name", ["props.csv", "list.txt"])
def test_a_hundred_thousand_lines(tmp_path: Path, name: str) -> None:
    head = "prompt,seed\n" if name.endswith("csv") else ""
    lines = (f"a thing,{k // 2}\n" for k in range(100_000))
    path = tmp_path / name
    path.write_text(head + "".join(lines))
    found = read_items(path, BASE)
    assert (len(found.entries), found.num_duplicates) == (50_000, 50_000)


@pytest.mark.parametrize("name", ["missing.txt", "list.yaml", "list", "folder.csv", "zero.jsonl"])
def test_what_is_no_list_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "list.yaml").write_text("a chair\n")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=name):
        read_items(tmp_path / name, BASE)


def test_reading_a_list_needs_no_torch() -> None:
    code = "import sys, dream3d.batch.items, dream3d.cli_batch; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(("language", "ending"), [("csv", ".csv"), ("json", ".jsonl")])
def test_the_lists_of_the_docs_are_lists(tmp_path: Path, language: str, ending: str) -> None:
    text = (Path(__file__).parent.parent / "docs" / "batch.md").read_text()
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    entries = read(tmp_path, "props" + ending, block)
    assert len(entries) >= 2
    assert reasons(entries) == {}


def planned(*items: tuple[str, Config]) -> list[Job | BadLine]:
    return plan_jobs([Item(prompt, config, f"line {n}") for n, (prompt, config) in enumerate(items)])


def names(*items: tuple[str, Config]) -> list[str]:
    return [job.name for job in planned(*items) if isinstance(job, Job)]


def test_folders_are_named_for_all_that_decides_an_asset() -> None:
    deeper = replace(BASE, coarse=replace(BASE.coarse, num_steps=3))
    different = names(("a car", BASE), ("a Car", BASE), ("a car", replace(BASE, seed=8)), ("a car", deeper))
    assert len(set(different)) == 4
    assert different[0].startswith("a_car-7-")
    elsewhere = replace(BASE, device="cpu")
    assert names(("a car", elsewhere), ("a car", Config(seed=7))) == [different[0]] * 2


@pytest.mark.parametrize(
    "prompt", ["../../etc/passwd", "..", "/", "con", "x" * 300, "汽车", ".hidden", "a\\b"]
)
def test_prompts_never_lead_out_of_the_folder(prompt: str) -> None:
    (job,) = planned((prompt, BASE))
    assert isinstance(job, Job)
    for name in (job.name, job.file):
        assert Path(name).name == name
        assert not name.startswith(".")
        assert len(name.encode()) <= 100
        assert name.isascii()


def test_what_this_machine_cannot_make_is_a_bad_line(tmp_path: Path) -> None:
    obj = replace(BASE, export=replace(BASE.export, format="obj", lods=2))
    entries = planned(("a", replace(BASE, prior=str(tmp_path))), ("a", obj), ("a", BASE))
    first, second, third = entries
    assert isinstance(first, BadLine)
    assert "not a prior" in first.reason
    assert isinstance(second, BadLine)
    assert "levels of detail" in second.reason
    assert isinstance(third, Job)
    assert plan_jobs([first]) == [first]
