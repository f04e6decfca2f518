"""A judge's folder: a card that says what it was trained on, and its weights."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dream3d.errors import InputError
from dream3d.metrics.judge_network import (
    BEGIN,
    MAX_WORDS,
    NUM_RESERVED,
    PADDING,
    UNKNOWN,
    JudgeNetwork,
    JudgeShape,
)
from dream3d.props.parsing import singulars

CARD, WEIGHTS = "card.json", "judge.safetensors"
SCHEMA = "dream3d-judge/1"
_PACKAGE = Path(__file__).resolve().parent.parent
_ROOTS = (_PACKAGE / "assets" / "judges", _PACKAGE.parent / "assets" / "judges")  # wheel, checkout


class Lexicon:
    """The words that a judge knows, and what else its answers are indices into."""

    def __init__(self, words: Sequence[str], families: Sequence[str]) -> None:
        self.words, self.families = tuple(words), tuple(families)
        self._ids = {word: NUM_RESERVED + index for index, word in enumerate(self.words)}

    def ids(self, texts: Sequence[str], begin: bool = False) -> Tensor:
        """Word ids of texts, [M, L] int64; 0 fills up, what goes beyond 40 words is cut off.

        Args:
            texts: M captions or names.
            begin: Put the mark of a caption's beginning first.
        """
        rows = [[BEGIN] * begin + [self._id(word) for word in split(text)] for text in texts]
        ids = torch.full((len(rows), min(MAX_WORDS, max(map(len, rows), default=0))), PADDING)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row[: ids.shape[1]])
        return ids

    def _id(self, word: str) -> int:
        """That of the word, or of the one that it is the plural of: what `parse_caption` reads as one."""
        return next((self._ids[form] for form in singulars(word) if form in self._ids), UNKNOWN)


def split(text: str) -> list[str]:
    """Words and commas in lower case, as `parse_caption` hears them."""
    return re.findall(r"[a-z0-9]+|,", text.lower())


def find_judge(name_or_path: str | Path) -> Path:
    """Resolve a built-in judge's name or a folder's path.

    Raises:
        InputError: Nothing of that name or path.
    """
    for folder in (*(root / name_or_path for root in _ROOTS), Path(name_or_path).expanduser()):
        if (folder / CARD).is_file():
            return folder
    raise InputError(f"unknown judge {str(name_or_path)!r}: give 'props' or a folder with a {CARD}")


def judge_sha256(folder: Path) -> str:
    """Checksum of a judge's weights: what tells one training from the next.

    Raises:
        InputError: There are no weights.
    """
    try:
        return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"the judge in {folder} cannot be used: {error}") from None


def read_judge(folder: Path) -> tuple[JudgeNetwork, Lexicon, dict[str, Any]]:
    """The network in float32, its words and its card.

    Raises:
        InputError: A file is missing or damaged, or does not fit the other.
    """
    card = _read_card(folder / CARD)
    try:
        lexicon = Lexicon(*(_strings(card["lexicon"][name]) for name in ("words", "families")))
        network = JudgeNetwork(JudgeShape(len(lexicon.words), len(lexicon.families)))
        weights = load_file(folder / WEIGHTS)
        if not all(torch.isfinite(weight).all() for weight in weights.values()):
            raise ValueError("weights that are not finite")
        network.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the judge in {folder} cannot be used: {reason}") from None
    return network.eval().requires_grad_(False), lexicon, card


def save_judge(
    folder: Path, shape: JudgeShape, lexicon: Lexicon, weights: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    """Write a folder that `read_judge` reads; weights in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {name: weight.detach().to(torch.float16).contiguous() for name, weight in weights.items()}
    save_file(stored, folder / WEIGHTS)
    words = {"words": lexicon.words, "families": lexicon.families}
    card = {"schema": SCHEMA, "name": "props", "facts": dict(facts), "shape": asdict(shape), "lexicon": words}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(card, dict) or card.get("schema") != SCHEMA:
        raise InputError(f"{path} is not the card of a judge that this version can use")
    return card


def _strings(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("the card's lists of words are damaged")
    return values
