"""Refuses folders whose files would lead the libraries that read them elsewhere.

diffusers and transformers open whatever an index of shards names, outside the folder too, and pickles; an
adapter's base model; and attention from repositories of code. Newer versions guard some of these ways.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dream3d.errors import InputError
from dream3d.prior.files import read_json

ADAPTER, TOKENIZER = "adapter_config.json", "tokenizer_config.json"
# What a configuration may not say, but for the values that stand for nothing, or for what torch itself has.
LEADING = frozenset(
    {
        "transformers_weights",
        "quantization_config",
        "attn_implementation",
        "_attn_implementation",
        "_attn_implementation_internal",
    }
)
HARMLESS = (None, "eager", "sdpa")


def check_references(folder: Path) -> None:
    """Check that the files in the folder of a model or tokenizer lead to files beside them only.

    Raises:
        InputError: One leads elsewhere, or to what is not safetensors; or it cannot be read.
    """
    if (folder / ADAPTER).exists():
        raise InputError(f"{folder} holds an adapter ({ADAPTER}): merge it, or give it as --lora")
    for path in sorted(folder.glob("*.safetensors.index*.json")):
        shards = read_json(path).get("weight_map")
        if not isinstance(shards, dict):
            raise InputError(f"{path} names no files")
        _check_names(path, list(shards.values()), ".safetensors")
    if (folder / TOKENIZER).is_file():
        _check_names(folder / TOKENIZER, read_json(folder / TOKENIZER).get("fast_tokenizer_files"), ".json")
    path = folder / "config.json"
    for key, value in _entries(read_json(path)) if path.is_file() else ():
        if key in LEADING and value not in HARMLESS:
            raise InputError(f"{path} asks for {key}, which is not read: save the model without it")


def _check_names(path: Path, names: object, ending: str) -> None:
    """Refuse names of files that are not plain, or end otherwise."""
    for name in names if isinstance(names, list) else [] if names is None else [names]:
        if not isinstance(name, str) or not re.fullmatch(rf"[\w.-]+{re.escape(ending)}", name):
            raise InputError(f"{path} names {name!r:.80}, which is not a {ending} file beside it")


def _entries(document: object) -> Iterator[tuple[str, Any]]:
    """Every key with its value, in all depths."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value.items()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
