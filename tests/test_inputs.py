"""What a caller may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dream3d.errors import InputError
from dream3d.inputs import (
    Shard,
    check_file,
    check_output,
    check_prompt,
    default_output,
    parse_shard,
    printable,
    read_file,
)


@pytest.mark.parametrize(
    ("prompt", "cleaned"),
    [
        ("a red mushroom", "a red mushroom"),
        ("  a\tred\n mushroom  ", "a red mushroom"),
        ("ein grüner Drache 龍", "ein grüner Drache 龍"),
        ("x" * 300, "x" * 300),
    ],
)
def test_good_prompts_come_back_with_single_spaces(prompt: str, cleaned: str) -> None:
    assert check_prompt(prompt) == cleaned


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("x" * 301, "301 characters"),
        ("a " * 5000, "9999 characters"),
        ("a red\x00mushroom", "U+0000"),
        ("a red\x1b[31m mushroom", "U+001B"),
        ("a \x7fmushroom", "U+007F"),
        ("a \ud800", "U+D800"),
    ],
)
def test_bad_prompts_are_refused_in_one_line(prompt: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        check_prompt(prompt)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=400))
def test_a_prompt_is_either_refused_or_printable_and_stable(prompt: str) -> None:
    try:
        cleaned = check_prompt(prompt)
    except InputError:
        return
    assert 0 < len(cleaned) <= 300
    assert "\n" not in cleaned
    assert check_prompt(cleaned) == cleaned


@given(st.text(min_size=1, max_size=300))
def test_the_default_name_is_safe_on_every_file_system(prompt: str) -> None:
    name = default_output(prompt).name
    assert name.endswith(".glb")
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert 5 <= len(name) <= 64
    assert not name.startswith(("-", "."))


def test_the_default_name_says_what_is_inside() -> None:
    assert default_output("A red mushroom, with dots!") == Path("a-red-mushroom-with-dots.glb")
    assert default_output("龍") == Path("asset.glb")


def test_a_good_output_is_accepted_and_nothing_is_left_behind(tmp_path: Path) -> None:
    assert check_output(tmp_path / "a.GLB") == tmp_path / "a.GLB"
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_accepted_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    path.write_bytes(b"old")
    check_output(path)
    assert path.read_bytes() == b"old"


def test_bad_outputs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, says in [
        (tmp_path, "is a folder"),
        (tmp_path / "a.obj", "must end in .glb"),
        (tmp_path / "a", "must end in .glb"),
        (tmp_path / "no" / "a.glb", "does not exist"),
        (tmp_path / "file" / "a.glb", "does not exist"),
        (tmp_path / ("x" * 300 + ".glb"), "longer than"),
    ]:
        with pytest.raises(InputError) as caught:
            check_output(path)
        assert says in str(caught.value)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    # root may write everywhere a mode forbids it, but nobody can make a file in /proc.
    folder = Path("/proc/self")
    if not folder.is_dir():
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o555)
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write everywhere")
    with pytest.raises(InputError, match="cannot be written"):
        check_output(folder / "a.glb")


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.glb").mkdir()
    for path, says in [
        (tmp_path / "b.glb", "No such file"),
        (tmp_path / "b.obj", "must end in .glb"),
        (tmp_path / "a.glb", "cannot be read"),
    ]:
        with pytest.raises(InputError) as caught:
            check_file(path, ".glb")
        assert says in str(caught.value)


def test_what_is_no_file_is_refused_without_waiting_for_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.glb")
    (tmp_path / "endless.glb").symlink_to("/dev/zero")
    for name in ("pipe.glb", "endless.glb"):
        with pytest.raises(InputError, match="is not a file"):
            check_file(tmp_path / name, ".glb")
        with pytest.raises(InputError, match="is not a file"):
            read_file(tmp_path / name, 10)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10)
    assert read_file(tmp_path / "a", 10) == b"x" * 10
    for path, limit, says in [("a", 9, "is larger than"), ("b", 9, "does not exist"), (".", 9, "not a file")]:
        with pytest.raises(InputError, match=says):
            read_file(tmp_path / path, limit)


@given(st.text())
def test_what_is_shown_cannot_steer_a_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.replace("\n", "").isprintable()
    assert len(shown) == len(text)
    assert all(was in (now, "\n") or not was.isprintable() for was, now in zip(text, shown, strict=True))


@given(st.integers(1, 9), st.integers(0, 40))
def test_shards_have_every_item_once_and_are_equally_large(count: int, length: int) -> None:
    items = list(range(length))
    parts = [Shard(index, count).of(items) for index in range(count)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_is_two_numbers() -> None:
    assert parse_shard("0/2") == Shard(0, 2)
    assert parse_shard("11/12") == Shard(11, 12)


@pytest.mark.parametrize(
    "text", ["", "1", "2/2", "0/0", "-1/2", "1/2/3", "1 / 2", "a/b", "0/1e3", "1/9999999"]
)
def test_other_shards_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--shard must be I/N"):
        parse_shard(text)
