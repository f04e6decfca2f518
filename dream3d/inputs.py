"""Checks of what a caller asks for, made before any work and without importing torch."""

import errno
import math
import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dream3d.errors import DiskError, InputError

MAX_PROMPT_LENGTH = 300
# File systems take 255; some are left for the endings of the files that go beside it.
MAX_NAME_BYTES = 240

Item = TypeVar("Item")  # Python 3.11 has no type parameter syntax


@dataclass(frozen=True)
class Shard:
    """The part of some work that one of several processes does."""

    index: int  # from 0
    count: int

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Every count-th item from the index on; all shards together have each item once."""
        return list(items[self.index :: self.count])


def parse_shard(text: str) -> Shard:
    """Read "I/N".

    Raises:
        InputError: It is something else, or I is not from 0 to N - 1.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise InputError(f"--shard must be I/N with I from 0 to N - 1, such as 0/2, not {text!r}")
    return Shard(int(match[1]), int(match[2]))


def check_prompt(prompt: str, name: str = "prompt") -> str:
    """Return the prompt with single spaces between its words.

    Raises:
        InputError: It is empty, longer than 300 characters, or holds control characters.
    """
    # Line breaks and tabs are how pasted text is wrapped; other control characters are never meant.
    text = " ".join(prompt.split())
    if not text:
        raise InputError(f'the {name} is empty; say what to make, for example "a red mushroom"')
    if len(text) > MAX_PROMPT_LENGTH:
        raise InputError(f"the {name} has {len(text)} characters; {MAX_PROMPT_LENGTH} is the most")
    odd = next((letter for letter in text if unicodedata.category(letter) in {"Cc", "Cs"}), None)
    if odd is not None:
        raise InputError(f"the {name} holds the control character U+{ord(odd):04X}; remove it")
    return text


def printable(text: str) -> str:
    """The text without anything that could steer a terminal: files from anyone hold all sorts."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)


def check_strength(strength: float) -> float:
    """Return the share of its noise levels that a guidance keeps.

    Raises:
        InputError: It is not above 0 and at most 1.
    """
    if not 0 < strength <= 1:
        raise InputError(f"--strength must be above 0 and at most 1, not {strength}")
    return strength


def check_numbers(settings: Any, section: str, **bounds: tuple[float, float]) -> None:
    """Check the numbers of a section of settings, a dataclass.

    Args:
        settings: The section.
        section: As options name it.
        bounds: Least and most value of some of its fields.

    Raises:
        InputError: One is not finite, or beyond its bounds.
    """
    for name, value in vars(settings).items():
        low, high = bounds.get(name, (-math.inf, math.inf))
        is_odd = isinstance(value, float) and not math.isfinite(value)
        if isinstance(value, int | float) and (is_odd or not low <= value <= high):
            wanted = f"between {low} and {high}" if name in bounds else "a finite number"
            raise InputError(f"--{section}.{name.replace('_', '-')} must be {wanted}, not {value}")


def default_output(prompt: str, suffix: str = ".glb") -> Path:
    """A file name in the working folder made from the prompt."""
    slug = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:60].rstrip("-")
    return Path(f"{slug or 'asset'}{suffix}")


def check_output(path: Path, suffixes: tuple[str, ...] = (".glb",)) -> Path:
    """Return the path if a file of this name can be made.

    Raises:
        InputError: The ending is wrong, it is a folder, or its folder is missing or cannot be written.
    """
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        raise InputError(
            f"the file name {path.name[:20]}... is longer than {MAX_NAME_BYTES} bytes; choose another"
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it, for example {path / 'asset'}{suffixes[0]}")
    if path.suffix.lower() not in suffixes:
        raise InputError(f"{path} must end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist; make it first")
    try:
        # The one check that is right for read-only mounts, quotas and permissions alike.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"the folder {path.parent} cannot be written: {error.strerror}") from None
    return path


def make_folder(path: Path) -> Path:
    """Return the path if it is a folder that can be written; make it when it is not there.

    Raises:
        InputError: It cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except FileExistsError:
        raise InputError(f"{path} is a file; name a folder") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskError(f"no room to write in {path}: {error.strerror}") from None
        raise InputError(f"the folder {path} cannot be written: {error.strerror}") from None
    return path


def check_file(path: Path, suffix: str) -> Path:
    """Return the path if it is a readable file with this ending.

    Raises:
        InputError: It is not.
    """
    if path.suffix.lower() != suffix:
        raise InputError(f"{path} must end in {suffix}")
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for its other end
            raise InputError(f"{path} cannot be read: it is not a file")
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return path


def read_file(path: Path, max_bytes: int) -> bytes:
    """Content of a file from anyone.

    Raises:
        InputError: It is not there, cannot be read, is larger, or is no regular file: a pipe or a device
            could block or never end.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > max_bytes:
        raise InputError(f"{path} is larger than {max_bytes >> 20} MiB; it cannot be read")
    return content
