"""Lists of what to make: a prompt a line, or a table, or JSON lines, with settings of their own.

A bad line is a line with a reason and the rest goes on. Nothing heavy is imported:
it runs before torch is needed.
"""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dream3d.batch.overrides import with_settings
from dream3d.config import Config
from dream3d.errors import InputError
from dream3d.evaluate.prompts import Line, prompt_lines, text_lines
from dream3d.inputs import check_prompt
from dream3d.overlays import did_you_mean, field_names

PROMPT = "prompt"
Fields = Mapping[str, Any]  # "prompt", and settings by name


@dataclass(frozen=True)
class Item:
    """One asset to make."""

    prompt: str
    config: Config  # with the seed
    place: str  # "props.csv line 7"


@dataclass(frozen=True)
class BadLine:
    """A line that asks for nothing that can be made."""

    place: str
    reason: str  # one line; does not repeat the place


@dataclass(frozen=True)
class ItemList:
    """What a list asks for, in its order and each once."""

    entries: list[Item | BadLine]
    num_duplicates: int


def read_items(path: Path, config: Config) -> ItemList:
    """Read a list of what to make.

    Args:
        path: .txt: a prompt a line, `#` starts a comment. .csv: a line of names, `prompt` and settings, then
            a line for each asset; an empty cell says nothing. .jsonl: an object a line, with the same names,
            or with settings in sections. Lines do not go on in the next one.
        config: Settings of what a line says nothing about.

    Raises:
        InputError: The list cannot be opened, is none, or its first line names what is no setting.
    """
    match path.suffix.lower():
        case ".txt":
            lines = prompt_lines(path)
            read = _prompt_alone
        case ".csv":
            lines = text_lines(path)
            read = _reader_of_cells(next(lines, None), path)
        case ".jsonl":
            lines = text_lines(path)
            read = _read_object
        case _:
            raise InputError(f"{path} must end in .txt, .csv or .jsonl")
    found: dict[object, Item | BadLine] = {}
    num_lines = 0
    for line in lines:
        if line.error is None and not line.text.strip():
            continue
        num_lines += 1
        entry = _entry(line, read, config)
        found.setdefault((entry.prompt, entry.config) if isinstance(entry, Item) else entry.place, entry)
    if not found:
        raise InputError(f"{path}: nothing to make in it; write one prompt a line")
    return ItemList(list(found.values()), num_lines - len(found))


def _entry(line: Line, read: Callable[[str], Fields], config: Config) -> Item | BadLine:
    """What a line asks for."""
    if line.error is not None:
        return BadLine(line.place, line.error)
    try:
        fields = dict(read(line.text))
        prompt = fields.pop(PROMPT, None)
        if not isinstance(prompt, str):
            raise InputError(f"{PROMPT!r} must be a text, not {prompt!r:.40}")
        return Item(check_prompt(prompt), with_settings(config, fields) if fields else config, line.place)
    except InputError as error:
        return BadLine(line.place, str(error))


def _prompt_alone(text: str) -> Fields:
    return {PROMPT: text}


def _read_object(text: str) -> Fields:
    """A line of JSON."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f'expected an object such as {{"{PROMPT}": "a red mushroom", "seed": 1}}')
    return cast(dict[str, Any], value)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _reader_of_cells(head: Line | None, path: Path) -> Callable[[str], Fields]:
    """The reader of a table's lines, by its first line."""
    if head is None or head.error is not None:
        raise InputError(f"{path}: {head.error if head else 'the file is empty'}")
    names = [name.strip() for name in _cells(head.text)]
    known = [PROMPT, *field_names()]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"{head.place}: {name!r} is neither {PROMPT!r} nor a setting{hint}")
        if names.count(name) > 1:
            raise InputError(f"{head.place}: the column {name!r} is there twice")
    if PROMPT not in names:
        raise InputError(f"{head.place}: there must be a column {PROMPT!r}")

    def read(text: str) -> Fields:
        cells = _cells(text)
        if len(cells) != len(names):
            raise InputError(f"{len(cells)} cells in a table of {len(names)} columns")
        said = {name: cell.strip() for name, cell in zip(names, cells, strict=True) if cell.strip()}
        return {PROMPT: ""} | said

    return read


def _cells(text: str) -> list[str]:
    """The cells of a line. A quote that is not closed costs this line and not all that follow."""
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise InputError(f"not a line of a table: {error}") from None
