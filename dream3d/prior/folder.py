"""Finds a prior's folder and checks it before anything is loaded from it."""

import hashlib
import os
from pathlib import Path

from dream3d.config import PriorOptions
from dream3d.errors import InputError
from dream3d.prior.files import find_weights, refuse_pickles, sha256_of
from dream3d.prior.pipelines.concept import concept_file
from dream3d.prior.pipelines.controlnet import find_controlnet
from dream3d.prior.pipelines.hub import find_in_hub, is_hub_id
from dream3d.prior.pipelines.kinds import INDEX, check_pipeline, denoiser_folder, pipeline_kind
from dream3d.prior.pipelines.lora import lora_file
from dream3d.prior.references import check_references

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
    """Resolve a built-in prior's name, a folder's path, or a hub id whose files are on this machine.

    Raises:
        InputError: Nothing of that name or path, or the folder is not a whole prior.
    """
    builtin = builtin_priors()
    folder = builtin.get(name_or_path) or Path(name_or_path).expanduser()
    if not os.path.isdir(folder):
        if not is_hub_id(name_or_path):
            known = ", ".join(builtin) or "none installed"
            raise InputError(
                f"unknown prior {name_or_path!r}: give a built-in name ({known}), a folder, "
                "or a hub id OWNER/NAME"
            )
        folder = find_in_hub(name_or_path)
    check_folder(folder)
    return folder


def check_folder(folder: Path) -> None:
    """Check that every component is there, as safetensors.

    Raises:
        InputError: A file is missing, empty, or exists only as a pickle, which is never opened; it leads to
            others; or it is the folder of a pipeline of another kind.
    """
    if (folder / CARD).is_file():
        _check_builtin(folder)
    elif (folder / INDEX).is_file():
        check_pipeline(folder)
    else:
        refuse_pickles(folder)
        raise InputError(f"{folder} is not a prior this version can use: it has no {CARD} and no {INDEX}")


def _check_builtin(folder: Path) -> None:
    for component, file_name in COMPONENTS.items():
        path = folder / component / file_name
        if not path.is_file() or path.stat().st_size == 0:
            refuse_pickles(folder / component)
            raise InputError(
                f"the prior in {folder} is incomplete: {component}/{file_name} is missing or empty"
            )
        check_references(folder / component)


def weights_sha256(folder: Path, options: PriorOptions | None = None) -> str:
    """Checksum of the denoiser's weights: what tells one training of a prior from the next.

    Args:
        folder: From `find_prior`.
        options: What is added to them; nothing when None.
    """
    if (folder / CARD).is_file():
        return sha256_of([folder / "unet" / COMPONENTS["unet"]])
    digest = sha256_of(find_weights(folder / denoiser_folder(pipeline_kind(folder))).files)
    added: list[Path] = []
    if options is not None and options.lora:
        added += [lora_file(options.lora)]
    if options is not None and options.embedding:
        added += [concept_file(options.embedding)]
    if options is not None and options.controlnet:
        added += find_weights(find_controlnet(options.controlnet)).files
    for file in added:
        digest = hashlib.sha256((digest + sha256_of([file])).encode()).hexdigest()
    return digest
