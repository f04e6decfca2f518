"""Loads one model or tokenizer of a pipeline, and makes sure that it is whole."""

import warnings
from pathlib import Path
from typing import Any

import torch

from dream3d.errors import InputError, reason_of
from dream3d.prior.files import find_weights


def load_model(kind: Any, folder: Path, part: str, dtype: torch.dtype | None = None) -> Any:
    """Load a part of a pipeline from local files.

    Args:
        kind: Its class in diffusers or transformers.
        folder: Of the pipeline.
        part: Its subfolder.
        dtype: Precision for the weights, whichever they are stored in; None for tokenizers and schedulers.

    Raises:
        InputError: It cannot be loaded, weights are missing, or numbers among them are not finite.
    """
    where = folder / part
    try:
        if dtype is None:
            return kind.from_pretrained(where, local_files_only=True)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # `torch_dtype` has a new name; this one is always known
            model, report = kind.from_pretrained(
                where,
                local_files_only=True,
                use_safetensors=True,
                variant=find_weights(where).variant,
                torch_dtype=dtype,
                output_loading_info=True,
            )
    except InputError:
        raise
    except Exception as error:  # The loaders raise dozens of types; all mean a damaged folder.
        raise InputError(f"{where} cannot be loaded: {reason_of(error)}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise InputError(f"{where} lacks weights that its configuration asks for, such as {missing[0]}")
    check_finite(model, where)
    return model.requires_grad_(False).eval()


def check_finite(model: torch.nn.Module, where: Path | str) -> None:
    """Refuse weights among which there are infinities or NaN.

    Raises:
        InputError: There are.
    """
    for name, value in model.named_parameters():
        # A sum is finite or NaN in one pass, without a mask as large as the weights.
        if not bool(value.sum(dtype=torch.float32).isfinite()):
            raise InputError(f"{where} holds numbers that are not finite, in {name}: get an undamaged copy")
