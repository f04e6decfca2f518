"""Reads the files of a prior's folder: JSON, and weights as safetensors only."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dream3d.errors import InputError
from dream3d.inputs import read_file

PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt"})
_WEIGHTS = re.compile(r"(?:diffusion_pytorch_)?model(?:\.(?P<variant>\w+))?(?:-\d+-of-\d+)?\.safetensors")
_CHUNK = 1 << 24
MAX_JSON_BYTES = 1 << 26
MAX_NOISE_LEVELS = 100_000


@dataclass(frozen=True)
class Weights:
    """The files of one model."""

    files: tuple[Path, ...]  # more than one where it is stored in shards
    variant: str | None  # as in model.fp16.safetensors


def find_weights(folder: Path) -> Weights:
    """The weights in a model's folder; those without a variant where there are several.

    Raises:
        InputError: There are none, they are empty, or there are only pickles, which are never opened.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        match = _WEIGHTS.fullmatch(path.name)
        if match and path.is_file() and path.stat().st_size > 0:
            found.setdefault(match["variant"] or "", []).append(path)
    if found:
        variant = min(found)
        return Weights(tuple(found[variant]), variant or None)
    refuse_pickles(folder)
    raise InputError(
        f"the prior in {folder.parent} is incomplete: {folder.name}/*.safetensors is missing or empty"
    )


def refuse_pickles(folder: Path) -> None:
    """Say that weights which are there only as a pickle are not opened.

    Raises:
        InputError: There is a pickle.
    """
    pickles = sorted(path.name for path in folder.glob("*") if path.suffix in PICKLES)
    if pickles:
        raise InputError(
            f"{folder} has only {pickles[0]}, a pickle that could run code: convert it to safetensors"
        )


def added_file(path: str, option: str, usual_name: str) -> Path:
    """The .safetensors file that an option adds to a prior, given itself or its folder.

    Args:
        path: As given by the user.
        option: For the message.
        usual_name: What it is called in a folder with several.

    Raises:
        InputError: There is none, there are several, or it is a pickle.
    """
    given = Path(path).expanduser()
    if given.is_dir():
        files = (
            [given / usual_name] if (given / usual_name).is_file() else sorted(given.glob("*.safetensors"))
        )
        if len(files) == 1:
            return files[0]
        if not files:
            refuse_pickles(given)
        raise InputError(f"{option} {path}: the folder has {len(files)} .safetensors files; name one")
    if not given.is_file():
        raise InputError(f"{option} {path}: no such file or folder")
    if given.suffix != ".safetensors":
        raise InputError(f"{option} {path}: only .safetensors files are opened; convert it")
    return given


def sha256_of(paths: Sequence[Path]) -> str:
    """Checksum of one file's bytes, or of the checksums of several."""
    digests = [_file_sha256(path) for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    """Of the content; the cache of the Hugging Face hub names its large files by it."""
    target = path.resolve()
    if target.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", target.name):
        return target.name
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_json(path: Path) -> dict:
    """Read a JSON object.

    Raises:
        InputError: The file is unreadable or not a JSON object.
    """
    try:
        value = json.loads(read_file(path, MAX_JSON_BYTES).decode("utf-8"))
    except (ValueError, RecursionError) as error:  # InputError too
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a JSON object")
    return value


def read_scheduler(path: Path) -> dict:
    """Read the configuration of a scheduler, which makes tables with a row for each noise level.

    Raises:
        InputError: It is unreadable, or has an impossible number of levels.
    """
    config = read_json(path)
    levels = config.get("num_train_timesteps", 1000)
    if type(levels) is not int or not 1 <= levels <= MAX_NOISE_LEVELS:
        shown = str(levels)[:40]
        raise InputError(f"{path}: num_train_timesteps must be from 1 to {MAX_NOISE_LEVELS}, not {shown}")
    return config
