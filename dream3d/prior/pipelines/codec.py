"""Images to the tensors that a pipeline's network denoises, and back."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dream3d.errors import InputError
from dream3d.prior.pipelines.card import PipelineCard


@dataclass(frozen=True)
class PixelCodec:
    """Of networks that denoise pixels."""

    card: PipelineCard
    device: torch.device

    @property
    def has_pixel_latents(self) -> bool:
        """They are pixels."""
        return True

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, H, W, 3] in [0, 1] to [B, 3, H, W] in [-1, 1]."""
        check_size(images, self.card)
        return images.to(self.device).permute(0, 3, 1, 2) * 2.0 - 1.0

    def decode(self, latents: Tensor) -> Tensor:
        """The inverse of `encode`."""
        return (latents.permute(0, 2, 3, 1) + 1.0) * 0.5


@dataclass(frozen=True)
class LatentCodec:
    """A variational autoencoder, whose latents are taken at the mean and scaled to a spread of about one.

    With m and d the scale and the shift that its configuration names, latents are (mean - d) m (Rombach et
    al. 2022, arXiv 2112.10752; SD3 added the shift). Channels may have a shift and a spread of their own:
    (mean - latents_mean) m / latents_std.
    """

    vae: Any  # diffusers AutoencoderKL
    card: PipelineCard
    shift: Tensor  # [1, c, 1, 1]
    scale: Tensor  # [1, c, 1, 1]

    @property
    def has_pixel_latents(self) -> bool:
        """They have no bounds."""
        return False

    @classmethod
    def of(cls, vae: Any, card: PipelineCard) -> "LatentCodec":
        """Read shift and scale from a VAE's configuration."""
        config, channels = vae.config, card.latent_channels

        def per_channel(name: str, missing: float) -> Tensor:
            value = config.get(name)
            flat = torch.tensor(missing if value is None else value, device=vae.device).float()
            return flat.reshape(1, -1, 1, 1).expand(1, channels, 1, 1)

        name = "latents_mean" if config.get("latents_mean") is not None else "shift_factor"
        scale = per_channel("scaling_factor", 1.0) / per_channel("latents_std", 1.0)
        return cls(vae, card, per_channel(name, 0.0), scale)

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, H, W, 3] in [0, 1] to latents [B, c, h, w]; gradients pass through the encoder."""
        check_size(images, self.card)
        channels_first = images.permute(0, 3, 1, 2).to(self.vae.device, self.vae.dtype) * 2.0 - 1.0
        mean = self.vae.encode(channels_first).latent_dist.mean.to(images.dtype)
        return (mean - self.shift) * self.scale

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images [B, H, W, 3], about [0, 1]."""
        mean = (latents / self.scale + self.shift).to(self.vae.dtype)
        return (self.vae.decode(mean).sample.to(latents.dtype).permute(0, 2, 3, 1) + 1.0) * 0.5


def check_size(images: Tensor, card: PipelineCard) -> None:
    """Refuse images [B, H, W, C] that the network cannot take.

    Raises:
        InputError: A side is not a multiple of what it has to be.
    """
    height, width = images.shape[1:3]
    if min(height, width) < 1 or height % card.size_multiple or width % card.size_multiple:
        raise InputError(
            f"the prior {card.name!r} takes images whose sides are multiples of {card.size_multiple} pixels, "
            f"best {card.image_size} x {card.image_size}, not {width} x {height}"
        )
