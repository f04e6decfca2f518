"""Score distillation in x0 form: images in, their gradient out.

The prior denoises a noised render twice, with and without the text. Classifier-free guidance, rescaled after
Lin et al. 2023 ("Common diffusion noise schedules and sample steps are flawed", section 3.4), gives the image
the prior would rather see; the loss is half the squared distance to it (MVDream, Shi et al. 2023, section
4.2). For one noise level this is SDS (Poole et al. 2022, equation 3) with the weight
sigma / alpha.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.config import GuidanceConfig, Shading
from dream3d.prior import TextEmbedding


class DenoisingPrior(Protocol):
    """What score distillation needs to know of a diffusion prior; `dream3d.prior.Prior` is one."""

    @property
    def alphas_cumprod(self) -> Tensor:
        """[T], decreasing."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, H, W, C] in [0, 1] to latents [B, c, h, w], differentiably."""
        ...

    def predict_x0(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        shading: list[Shading],
    ) -> tuple[Tensor, Tensor]:
        """Clean latents [B, c, h, w] believed with and without the text, from `noisy` at `timesteps` [B]."""
        ...


@dataclass(frozen=True)
class Guidance:
    """What the prior wants changed."""

    gradient: Tensor  # [B, H, W, C] of the loss with respect to the images
    loss: float  # half the squared distance to the target, summed over an image, mean over the images
    timestep: int


def sds_x0(
    prior: DenoisingPrior,
    images: Tensor,
    embedding: TextEmbedding,
    cameras: Cameras,
    shading: Shading,
    timestep: int,
    config: GuidanceConfig,
    generator: torch.Generator,
) -> Guidance:
    """Gradient of 0.5 * sum((x - stop_gradient(x0))^2) / B, with x the latents and x0 the guided prediction.

    The gradient passes through the encoder, never through the denoiser.

    Args:
        prior: The frozen prior.
        images: [B, H, W, C] as the prior's encoder takes them; not changed, no graph is kept.
        embedding: The prompt.
        cameras: B cameras, those of the images.
        shading: How the images are lit.
        timestep: Noise level, the same for all views, so that the views agree on what is decided now.
        config: Guidance scale and rescaling.
        generator: Source of the noise (CPU, so that a seed means the same on every device).

    Returns:
        The gradient and what to log.
    """
    images = images.detach().requires_grad_(True)
    with torch.enable_grad():
        latents = prior.encode(images)
    clean = latents.detach()
    noise = torch.randn(clean.shape, generator=generator).to(clean)
    alpha_bar = prior.alphas_cumprod[timestep].to(clean)
    noisy = alpha_bar.sqrt() * clean + (1.0 - alpha_bar).sqrt() * noise
    timesteps = torch.full((len(cameras),), timestep, dtype=torch.int64, device=clean.device)
    x0_text, x0_uncond = prior.predict_x0(noisy, timesteps, embedding, cameras, [shading] * len(cameras))
    residual = clean - guided_x0(x0_text, x0_uncond, config).to(clean)
    (gradient,) = torch.autograd.grad(latents, images, residual / len(cameras))
    loss = 0.5 * float(residual.square().sum()) / len(cameras)
    return Guidance(gradient, loss, timestep)


def guided_x0(x0_text: Tensor, x0_uncond: Tensor, config: GuidanceConfig) -> Tensor:
    """Classifier-free guidance on x0 that keeps what both predictions agree on.

    The usual rescaling multiplies the whole guided image by a factor below 1. In premultiplied RGBA that
    lifts the empty background above 0 and pulls the opaque inside below 1: fog and holes. Here the factor
    shrinks the guidance direction alone, and pixels stay in the range of images.

    Args:
        x0_text: [B, c, h, w].
        x0_uncond: [B, c, h, w].
        config: `scale` s in x0_uncond + s (x0_text - x0_uncond); `rescale` between 0 (off) and 1 (the
            direction shrinks as much as the spread over all views together would have grown); `clamp` for
            latents that are pixels in [-1, 1].

    Returns:
        [B, c, h, w].
    """
    direction = (config.scale - 1.0) * (x0_text - x0_uncond)
    growth = (x0_text + direction).std() / x0_text.std().clamp_min(1e-6)
    shrink = 1.0 + config.rescale * (1.0 / growth.clamp_min(1.0) - 1.0)
    guided = x0_text + shrink * direction
    return guided.clamp(-1.0, 1.0) if config.clamp else guided
