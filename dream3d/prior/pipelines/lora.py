"""Low-rank changes of a pipeline's weights (LoRA, Hu et al. 2021, arXiv 2106.09685), merged when loaded."""

from pathlib import Path
from typing import Any

from dream3d.errors import InputError, reason_of
from dream3d.extras import import_extra
from dream3d.prior.files import added_file
from dream3d.prior.pipelines.kinds import PipelineKind, denoiser_folder
from dream3d.prior.pipelines.models import check_finite

_NAME = "pytorch_lora_weights.safetensors"  # as diffusers saves it


def lora_file(path: str) -> Path:
    """The file of a LoRA, given itself or its folder.

    Raises:
        InputError: There is none, there are several, or it is a pickle.
    """
    return added_file(path, "--lora", _NAME)


def merge_lora(network: Any, kind: PipelineKind, path: str) -> None:
    """Add a LoRA to a network's weights, at its full strength.

    Any form that diffusers reads will do (its own, PEFT's, kohya's). One that changes text encoders too is
    refused: half of it would be another LoRA.

    Args:
        network: A diffusers model in the precision to add in; changed in place.
        kind: Of the pipeline.
        path: As given by the user.

    Raises:
        InputError: It cannot be read, or does not fit this network.
    """
    file = lora_file(path)
    import_extra("peft", "vsd", f"--lora {path}")
    prefix = denoiser_folder(kind)
    try:
        state, alphas, settings = _read(file, kind, network)
    except Exception as error:
        raise InputError(f"--lora {path}: cannot be read: {reason_of(error)}") from error
    others = sorted({key.split(".")[0] for key in state} - {prefix})
    if others:
        raise InputError(
            f"--lora {path}: does not fit: it also changes {', '.join(others)}, and only a LoRA of the "
            f"{prefix} alone can be used"
        )
    wanted = {key.split(".lora")[0].split("_lora")[0] for key in state}
    if not wanted:
        raise InputError(f"--lora {path}: does not fit: it holds nothing for the {prefix} of a {kind}")
    try:
        network.load_lora_adapter(
            state, prefix=prefix, network_alphas=alphas, metadata=settings, adapter_name="user"
        )
    except Exception as error:
        raise InputError(f"--lora {path}: does not fit this prior: {reason_of(error)}") from error
    changed = {name.split(".lora_A")[0] for name, _ in network.named_parameters() if ".lora_A." in name}
    if len(changed) != len(wanted):
        raise InputError(
            f"--lora {path}: does not fit this prior, which has {len(changed)} of the {len(wanted)} layers "
            "that it changes"
        )
    network.fuse_lora()
    network.unload_lora()
    check_finite(network, f"--lora {path}")


def _read(
    file: Path, kind: PipelineKind, network: Any
) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]:
    """Weights by diffusers' names, and the scales stored with them: by layer, or as PEFT's settings."""
    from diffusers.loaders.lora_pipeline import (
        SD3LoraLoaderMixin,
        StableDiffusionLoraLoaderMixin,
        StableDiffusionXLLoraLoaderMixin,
    )

    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "weight_name": file.name}
    options["return_lora_metadata"] = True
    found: Any
    match kind:
        case "StableDiffusion3Pipeline":
            found = SD3LoraLoaderMixin.lora_state_dict(str(file.parent), **options)
            return found[0], None, found[1]
        case "StableDiffusionXLPipeline":
            reader = StableDiffusionXLLoraLoaderMixin.lora_state_dict
        case _:
            reader = StableDiffusionLoraLoaderMixin.lora_state_dict
    found = reader(str(file.parent), unet_config=network.config, **options)
    return found
