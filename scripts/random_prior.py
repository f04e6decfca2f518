"""Latent priors of a given shape with random weights, for measurements of cost: nothing is downloaded."""

from typing import Any, Literal

import torch
from torch import Tensor

from dream3d.config import PriorOptions
from dream3d.prior import Prior
from dream3d.prior.pipelines.card import PipelineCard
from dream3d.prior.pipelines.codec import LatentCodec
from dream3d.prior.pipelines.denoiser import PipelineDenoiser, Schedule
from dream3d.prior.pipelines.load import place
from dream3d.prior.precision import precision_dtype
from dream3d.prior.text import BRANCHES, TextEmbedding

Shape = Literal["sd21", "quarter", "tiny"]
"""Stable Diffusion 2.1 at 512 pixels (866 M parameters and a VAE of 84 M), the same with a quarter of the
channels at 256 pixels, or a toy of 16 pixels."""


class RandomTexts:
    """Gives every prompt the same random embedding."""

    def __init__(self, width: int, device: torch.device) -> None:
        tokens = torch.randn(len(BRANCHES), 77, width, generator=torch.Generator().manual_seed(0))
        tokens[BRANCHES.index("plain")] = tokens[BRANCHES.index("text")]
        self.tokens = tokens.to(device)

    def embed(self, prompt: str, negative_prompt: str = "") -> TextEmbedding:  # noqa: ARG002
        """Whatever it says."""
        return TextEmbedding(prompt, self.tokens, self.tokens.new_zeros(len(self.tokens), 0))

    def words_too_many(self, prompt: str) -> str:  # noqa: ARG002
        """None."""
        return ""

    def unknown_words(self, prompt: str) -> dict[str, list[str]]:  # noqa: ARG002
        """None."""
        return {}


def random_prior(shape: Shape, device: torch.device, options: PriorOptions) -> Prior:
    """A prior that predicts v, as large as a known one.

    Args:
        shape: Which.
        device: Where it computes.
        options: How; what is added to a prior is not.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    unet_options, vae_options = _options(shape)
    dtype = precision_dtype(options.precision, device)
    with torch.device(device):
        unet: Any = UNet2DConditionModel(**unet_options)
        vae: Any = AutoencoderKL(**vae_options)
    for model in (unet, vae):
        model.to(dtype=dtype).requires_grad_(False).eval()
    pixels = 2 ** (len(vae_options["block_out_channels"]) - 1)
    size = unet_options["sample_size"] * pixels
    card = PipelineCard(shape, "StableDiffusionPipeline", "v_prediction", size, pixels, pixels, 4)
    place(unet, card, device, options)
    vae.to(memory_format=torch.channels_last)
    betas: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    levels: Tensor = DDIMScheduler(**betas).alphas_cumprod.to(device)
    denoiser = PipelineDenoiser(unet, card, Schedule(levels), dtype)
    texts = RandomTexts(unet_options["cross_attention_dim"], device)
    return Prior(card, levels, texts, LatentCodec.of(vae, card), denoiser, None, device, dtype, "")


def _options(shape: Shape) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the UNet and of the VAE."""
    match shape:
        case "sd21":
            unet = {
                "sample_size": 64,
                "block_out_channels": (320, 640, 1280, 1280),
                "attention_head_dim": (5, 10, 20, 20),
                "cross_attention_dim": 1024,
                "use_linear_projection": True,
            }
            widths, groups = (128, 256, 512, 512), 32
        case "quarter":
            unet = {
                "sample_size": 32,
                "block_out_channels": (80, 160, 320, 320),
                "attention_head_dim": (2, 4, 5, 5),
                "cross_attention_dim": 256,
                "use_linear_projection": True,
                "norm_num_groups": 16,
            }
            widths, groups = (32, 64, 128, 128), 16
        case "tiny":
            unet = {
                "sample_size": 8,
                "block_out_channels": (8, 16),
                "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
                "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
                "layers_per_block": 1,
                "norm_num_groups": 4,
                "attention_head_dim": 4,
                "cross_attention_dim": 16,
            }
            widths, groups = (8, 16), 4
    vae = {
        "block_out_channels": widths,
        "norm_num_groups": groups,
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "layers_per_block": 2,
        "sample_size": unet["sample_size"] * 2 ** (len(widths) - 1),
    }
    return unet, vae
