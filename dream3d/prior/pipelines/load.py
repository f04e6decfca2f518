"""Makes the parts of a prior from a pipeline's folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dream3d.config import PriorOptions
from dream3d.errors import InputError
from dream3d.prior import schedule
from dream3d.prior.pipelines.card import PipelineCard, read_pipeline_card
from dream3d.prior.pipelines.codec import LatentCodec, PixelCodec
from dream3d.prior.pipelines.controlnet import load_control
from dream3d.prior.pipelines.denoiser import PipelineDenoiser, Schedule
from dream3d.prior.pipelines.lora import merge_lora
from dream3d.prior.pipelines.models import load_model
from dream3d.prior.pipelines.multi_view import load_multi_view
from dream3d.prior.pipelines.texts import PipelineTexts


@dataclass(frozen=True)
class PipelineParts:
    """What a prior is made of."""

    card: PipelineCard
    texts: PipelineTexts
    codec: PixelCodec | LatentCodec
    denoiser: PipelineDenoiser


def load_pipeline(
    folder: Path, name: str, device: torch.device, dtype: torch.dtype, options: PriorOptions
) -> PipelineParts:
    """Load all but the text encoders, which are loaded when a text comes.

    Args:
        folder: From `find_prior`.
        name: What the user calls it.
        device: Where it computes.
        dtype: Precision it computes in, whichever ones the files are stored in.
        options: What is added to it.

    Raises:
        InputError: A part is damaged or does not go with the others.
    """
    card = read_pipeline_card(folder, name)
    return PipelineParts(
        card,
        PipelineTexts.of(name, folder, card.pipeline, device, dtype, options.embedding),
        _load_codec(folder, card, device, dtype),
        _load_denoiser(folder, card, device, dtype, options),
    )


def _load_codec(
    folder: Path, card: PipelineCard, device: torch.device, dtype: torch.dtype
) -> PixelCodec | LatentCodec:
    if card.pipeline == "IFPipeline":
        return PixelCodec(card, device)
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    # The VAE of SDXL leaves the range of half precision, which bfloat16 does not have.
    precision = torch.float32 if dtype == torch.float16 else dtype
    vae = load_model(AutoencoderKL, folder, "vae", precision)
    return LatentCodec.of(vae.to(device=device, memory_format=torch.channels_last), card)


def _load_denoiser(
    folder: Path, card: PipelineCard, device: torch.device, dtype: torch.dtype, options: PriorOptions
) -> PipelineDenoiser:
    # A LoRA is smaller than what the steps between half precision numbers can hold: add it before rounding.
    network = _load_network(folder, card, torch.float32 if options.lora else dtype)
    if options.lora:
        merge_lora(network, card.pipeline, options.lora)
        network = network.requires_grad_(False).eval().to(dtype)
    control = load_control(options, card, network, dtype)
    for model in (network, *([] if control is None else [control.network])):
        place(model, card, device, options)
    return PipelineDenoiser(network, card, load_schedule(folder, card, device), dtype, control)


def place(network: Any, card: PipelineCard, device: torch.device, options: PriorOptions) -> None:
    """Put a network where it computes, or where it waits for its turn block by block; in place.

    Raises:
        InputError: Parts of it are used on their own, and would be left behind.
    """
    network.to(memory_format=torch.channels_last)
    if options.offload and card.pipeline == "MVDreamPipeline":
        raise InputError("--prior-offload True: a MVDreamPipeline does not go block by block; leave it out")
    if options.offload:
        where = {"onload_device": device, "offload_device": torch.device("cpu")}
        network.enable_group_offload(**where, offload_type="block_level", num_blocks_per_group=1)
    else:
        network.to(device)
    if options.compile:
        network.compile()


def _load_network(folder: Path, card: PipelineCard, dtype: torch.dtype) -> Any:
    match card.pipeline:
        case "MVDreamPipeline":
            return load_multi_view(folder, dtype)
        case "StableDiffusion3Pipeline":
            from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

            return load_model(SD3Transformer2DModel, folder, "transformer", dtype)
        case _:
            from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

            return load_model(UNet2DConditionModel, folder, "unet", dtype)


def load_schedule(folder: Path, card: PipelineCard, device: torch.device) -> Schedule:
    """The noise levels of a pipeline's training, whatever sampler its folder names.

    A network that predicts the noise says nothing about the clean latents where they are not seen: its levels
    end where `schedule.MIN_SIGNAL` of them is left.

    Raises:
        InputError: The scheduler's configuration is impossible.
    """
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

    if card.prediction == "flow":
        sigmas = load_model(FlowMatchEulerDiscreteScheduler, folder, "scheduler").sigmas.flip(0).to(device)
        return Schedule(schedule.flow_alphas_cumprod(sigmas), sigmas)
    scheduler = load_model(DDIMScheduler, folder, "scheduler")
    alphas_cumprod = scheduler.alphas_cumprod.float().to(device)
    if not bool(((alphas_cumprod >= 0) & (alphas_cumprod <= 1)).all()):
        raise InputError(f"{folder / 'scheduler'} gives noise levels that are no shares: its betas are wrong")
    if card.prediction == "epsilon":
        alphas_cumprod = schedule.steps_that_tell_x0(alphas_cumprod)
    return Schedule(alphas_cumprod, consistency_scale=card.consistency_scale)
