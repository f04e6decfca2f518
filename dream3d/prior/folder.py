"""Finds a prior's folder and checks it before anything is loaded from it."""

import hashlib
import json
from pathlib import Path

from dream3d.errors import InputError

CARD = "dream3d.json"
COMPONENTS = {
    "unet": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
    "tokenizer": "tokenizer.json",
    "scheduler": "scheduler_config.json",
}
_PACKAGE = Path(__file__).resolve().parent.parent
_ROOTS = (_PACKAGE / "assets" / "priors", _PACKAGE.parent / "assets" / "priors")  # wheel, checkout


def builtin_priors() -> dict[str, Path]:
    """Folders of the priors that ship with the package, by name."""
    found: dict[str, Path] = {}
    for root in _ROOTS:
        if root.is_dir():
            for card in sorted(root.glob(f"*/{CARD}")):
                found.setdefault(card.parent.name, card.parent)
    return found


def find_prior(name_or_path: str) -> Path:
    """Resolve a built-in prior's name or a folder's path.

    Raises:
        InputError: Nothing of that name or path, or the folder is not a whole prior.
    """
    builtin = builtin_priors()
    folder = builtin.get(name_or_path) or Path(name_or_path).expanduser()
    if not folder.is_dir():
        known = ", ".join(builtin) or "none installed"
        raise InputError(f"unknown prior {name_or_path!r}: give a built-in name ({known}) or a folder")
    check_folder(folder)
    return folder


def check_folder(folder: Path) -> None:
    """Check that every component is there, as safetensors.

    Raises:
        InputError: A file is missing, empty, or exists only as a pickle, which is never opened.
    """
    if not (folder / CARD).is_file():
        raise InputError(f"{folder} is not a prior this version can use: it has no {CARD}")
    for component, file_name in COMPONENTS.items():
        path = folder / component / file_name
        if path.is_file() and path.stat().st_size > 0:
            continue
        pickles = [
            p.name for p in (folder / component).glob("*") if p.suffix in {".bin", ".pt", ".pth", ".ckpt"}
        ]
        if pickles:
            raise InputError(
                f"{folder / component} has only {pickles[0]}, a pickle that could run code: "
                "convert it to safetensors"
            )
        raise InputError(f"the prior in {folder} is incomplete: {component}/{file_name} is missing or empty")


def weights_sha256(folder: Path) -> str:
    """Checksum of the denoiser's weights: what tells one training of a prior from the next."""
    return hashlib.sha256((folder / "unet" / COMPONENTS["unet"]).read_bytes()).hexdigest()


def read_json(path: Path) -> dict:
    """Read a JSON object.

    Raises:
        InputError: The file is unreadable or not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a JSON object")
    return value
