"""What a pipeline's folder says about it, without loading its weights."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from dream3d.errors import InputError
from dream3d.prior.camera_law import CameraLaw
from dream3d.prior.files import find_weights, read_json, read_scheduler
from dream3d.prior.pipelines.kinds import (
    INDEX,
    SCHEDULER_CONFIG,
    PipelineKind,
    denoiser_folder,
    pipeline_kind,
)
from dream3d.prior.pipelines.multi_view import CAMERA_LAW, JOINT_VIEWS, VIEWS
from dream3d.stage_config import ViewConditioning

Prediction = Literal["epsilon", "v_prediction", "sample", "flow"]
"""What the network answers: the noise, v, the clean latents, or the velocity of rectified flow."""


@dataclass(frozen=True)
class PipelineCard:
    """What a pipeline is and takes."""

    name: str
    pipeline: PipelineKind
    prediction: Prediction
    image_size: int  # pixels per side
    pixels_per_latent: int  # per side; 1 where pixels are denoised
    size_multiple: int  # what the sides of images have to be multiples of, in pixels
    latent_channels: int
    consistency_scale: float | None = None  # of a consistency model: what timesteps are multiplied by
    facts: dict[str, Any] = field(default_factory=dict)  # for people
    camera_law: CameraLaw = field(default_factory=CameraLaw)
    views: tuple[ViewConditioning, ...] = ("words", "blended", "none")
    image_channels: int = 3  # opaque RGB
    joint_views: int = 1

    @property
    def image_sizes(self) -> tuple[int, ...]:
        """The one size that it was trained on."""
        return (self.image_size,)


def read_pipeline_card(folder: Path, name: str) -> PipelineCard:
    """Read what the configurations in a checked folder say.

    Args:
        folder: From `find_prior`.
        name: What the user calls it.

    Raises:
        InputError: A configuration lacks what is needed, or does not go together with the others.
    """
    kind = pipeline_kind(folder)
    denoiser = folder / denoiser_folder(kind)
    config = read_json(denoiser / "config.json")
    vae = {} if kind == "IFPipeline" else read_json(folder / "vae" / "config.json")
    is_multi_view = kind == "MVDreamPipeline"
    size_name = "image_size" if is_multi_view else "sample_size"
    try:
        size, channels = config[size_name], int(config["in_channels"])
        pixels = 2 ** (len(vae["block_out_channels"]) - 1) if vae else 1
        latent_channels = int(vae["latent_channels"]) if vae else 3
        patch = int(config["patch_size"]) if kind == "StableDiffusion3Pipeline" else 1
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the configurations in {folder} lack what a prior needs: {error!r}") from error
    if not isinstance(size, int) or size < 1 or size % patch:
        raise InputError(f"{denoiser}: {size_name} is {size!r}, which is not the side of a square picture")
    if channels != latent_channels:
        raise InputError(
            f"{denoiser} takes {channels} channels, not the {latent_channels} of a text-to-image model: "
            "models for inpainting, upscaling or editing cannot be priors"
        )
    card = PipelineCard(
        name=name,
        pipeline=kind,
        prediction=_prediction(folder, kind),
        image_size=size * pixels,
        pixels_per_latent=pixels,
        size_multiple=pixels * patch,
        latent_channels=latent_channels,
        consistency_scale=_consistency_scale(folder),
        facts=_facts(folder, kind),
    )
    if is_multi_view:
        told = {"views": VIEWS, "joint_views": JOINT_VIEWS, "camera_law": CAMERA_LAW}
        card = replace(card, **told)
    return card


def _prediction(folder: Path, kind: PipelineKind) -> Prediction:
    """What the network answers, from its scheduler's configuration."""
    path = folder / "scheduler" / SCHEDULER_CONFIG
    config = read_scheduler(path)
    if kind == "StableDiffusion3Pipeline":
        if config.get("_class_name") != "FlowMatchEulerDiscreteScheduler":
            raise InputError(f"{path}: {kind} needs a FlowMatchEulerDiscreteScheduler")
        return "flow"
    prediction = config.get("prediction_type", "epsilon")  # folders from before v-prediction do not say
    if prediction not in ("epsilon", "v_prediction", "sample"):
        raise InputError(f"{path}: prediction_type {prediction!r} is not epsilon, v_prediction or sample")
    if not {"beta_start", "beta_end", "beta_schedule"} <= config.keys() and not config.get("trained_betas"):
        raise InputError(f"{path}: a {config.get('_class_name')} without betas cannot be a prior's scheduler")
    return cast(Prediction, prediction)


def _consistency_scale(folder: Path) -> float | None:
    """What timesteps are multiplied by in the boundary condition of a consistency model; None of others."""
    config = read_json(folder / "scheduler" / SCHEDULER_CONFIG)
    is_consistent = config.get("_class_name") == "LCMScheduler"
    return float(config.get("timestep_scaling", 10.0)) if is_consistent else None


def _facts(folder: Path, kind: PipelineKind) -> dict[str, Any]:
    """Number of parameters and their precision in the file, and the versions and scheduler named."""
    from safetensors import safe_open

    count, precisions = 0, set()
    weights = find_weights(folder / denoiser_folder(kind))
    for path in weights.files:
        try:
            with safe_open(path, "pt") as tensors:
                for key in tensors.keys():  # noqa: SIM118 (no iterator)
                    part = tensors.get_slice(key)
                    size = 1
                    for side in part.get_shape():
                        size *= side
                    count += size
                    precisions.add(str(part.get_dtype()))
        except Exception as error:  # its own type, and OSError
            raise InputError(f"{path} is not a whole safetensors file: {error}") from error
    index, scheduler = read_json(folder / INDEX), read_json(folder / "scheduler" / SCHEDULER_CONFIG)
    return {
        "parameters": count,
        "stored_as": ", ".join(sorted(precisions)),
        "scheduler": scheduler.get("_class_name"),
        "made_with_diffusers": index.get("_diffusers_version"),
    }
