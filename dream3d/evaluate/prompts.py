"""Lists of prompts, one a line; `#` starts a comment. A bad line is an item with an error, not the end.

Imports nothing heavy: it runs before torch is needed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dream3d.errors import InputError
from dream3d.inputs import check_prompt

MAX_LINE_BYTES = 4096
MAX_LIST_BYTES = 1 << 26  # a device or a film named by mistake must end some time

COMMENT = re.compile(r"(^|\s)#.*")
FILE_AND_PROMPT = re.compile(r"(.+?\.glb)[\s:=,]+(\S.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """What one line of a list says, or what is wrong with it."""

    text: str
    place: str  # "prompts.txt line 7"
    error: str | None = None


@dataclass(frozen=True)
class PromptList:
    """Prompts in their order, each once, and the lines that hold none."""

    lines: list[Line]
    num_duplicates: int


def read_prompts(paths: Sequence[Path], limit: int | None = None) -> PromptList:
    """Read lists until `limit` prompts have been found.

    Raises:
        InputError: A list cannot be opened or is no list at all.
    """
    found: dict[str, Line] = {}
    num_lines = 0
    for place, line in ((path, line) for path in paths for line in prompt_lines(path)):
        if limit is not None and len(found) >= limit:
            break
        num_lines += 1
        checked = _checked(line)
        found.setdefault(checked.text if checked.error is None else f"{place}: {checked.place}", checked)
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no prompts in it; write one a line")
    return PromptList(list(found.values()), num_lines - len(found))


def read_prompt_map(path: Path) -> dict[str, str]:
    """Prompts of files, by file name: lines of `name.glb  prompt`.

    Raises:
        InputError: The list cannot be opened, or a line says something else.
    """
    prompts: dict[str, str] = {}
    for line in prompt_lines(path):
        match = FILE_AND_PROMPT.fullmatch(line.text)
        if line.error or match is None:
            raise InputError(
                f"{line.place}: {line.error or 'expected a file name ending in .glb and a prompt'}"
            )
        name, prompt = Path(match[1]).name, check_prompt(match[2])
        if prompts.setdefault(name, prompt) != prompt:
            raise InputError(f"{line.place}: {name} has another prompt above; files go by their names alone")
    return prompts


def _checked(line: Line) -> Line:
    """The line with its prompt in normal form."""
    if line.error is not None:
        return line
    try:
        return Line(check_prompt(line.text), line.place)
    except InputError as error:
        return Line(line.text, line.place, str(error))


def prompt_lines(path: Path) -> Iterator[Line]:
    """Every line of a list that says something, without its comment.

    Raises:
        InputError: The list cannot be opened or is no list at all.
    """
    for line in text_lines(path):
        text = COMMENT.sub("", line.text).strip()
        if text or line.error:
            yield replace(line, text=text)


def text_lines(path: Path) -> Iterator[Line]:
    """Every line of a file as it is, without its end; those that are not UTF-8 with an error.

    Raises:
        InputError: The file cannot be read, or it is no list of anything.
    """
    num_bytes = 0
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES), b""), start=1):
                num_bytes += len(raw)
                if num_bytes > MAX_LIST_BYTES or len(raw) == MAX_LINE_BYTES:
                    raise InputError(f"{path} is not a list of prompts (line {number} is too long to be one)")
                yield _decoded(raw.rstrip(b"\r\n"), f"{path.name} line {number}")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _decoded(raw: bytes, place: str) -> Line:
    try:
        return Line(raw.decode("utf-8-sig"), place)
    except UnicodeDecodeError:
        return Line(raw.decode("utf-8", "replace").strip(), place, "not UTF-8 text; save the list as UTF-8")
