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
from dream3d.prior import TextEmbedding
from dream3d.stage_config import GuidanceConfig, Shading, ViewConditioning

_MIN_OPACITY = 0.02  # Colors of fainter pixels are not amplified further.


class DenoisingPrior(Protocol):
    """What score distillation needs to know of a diffusion prior; `dream3d.prior.Prior` is one."""

    @property
    def alphas_cumprod(self) -> Tensor:
        """[T], decreasing."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, H, W, C] in [0, 1] to latents [B, c, h, w], differentiably."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images; asked of RGBA priors only."""
        ...

    def predict_x0(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        shading: list[Shading],
        views: ViewConditioning,
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
    """Gradient of half the squared distance between the images and what the prior makes of them.

    The gradient passes through the encoder, never through the denoiser.

    Args:
        prior: The frozen prior.
        images: [B, H, W, C] as the prior's encoder takes them; not changed, no graph is kept. Four channels
            are premultiplied RGBA.
        embedding: The prompt.
        cameras: B cameras, those of the images.
        shading: How the images are lit.
        timestep: Noise level, the same for all views, so that the views agree on what is decided now.
        config: Guidance scale, rescaling, and how the views are told.
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
    x0_text, x0_uncond = prior.predict_x0(
        noisy, timesteps, embedding, cameras, [shading] * len(cameras), config.views
    )
    scale = guidance_scale(timestep / (len(prior.alphas_cumprod) - 1), config)
    target = guided_x0(x0_text, x0_uncond, scale, config).to(clean)
    with torch.enable_grad():
        if images.shape[-1] == 4:
            loss = rgba_distance(images, prior.decode(target))
        else:
            loss = 0.5 * (latents - target).square().sum() / len(cameras)
        (gradient,) = torch.autograd.grad(loss, images)
    return Guidance(gradient, float(loss.detach()), timestep)


def rgba_distance(images: Tensor, target: Tensor) -> Tensor:
    """Half the squared distance of premultiplied RGBA images, colors compared under the target's opacity.

    With A the opacity, C the premultiplied color and * for the target, the sum over
    (A - A*)^2 + |C A* / A - C*|^2. Comparing C itself would blacken the color wherever something has to
    vanish, and make things transparent that have to become darker. Values count in [-1, 1], as in latents.

    Args:
        images: [B, H, W, 4].
        target: [B, H, W, 4], no gradient.

    Returns:
        Scalar, mean over the images.
    """
    opacity, target_opacity = images[..., 3:], target[..., 3:]
    straight = images[..., :3] / opacity.clamp_min(_MIN_OPACITY)
    color_error = straight * target_opacity - target[..., :3]
    return 2.0 * ((opacity - target_opacity).square().sum() + color_error.square().sum()) / len(images)


def guidance_scale(noise_level: float, config: GuidanceConfig) -> float:
    """Guidance scale at a timestep given as a share of all, 0 to 1.

    Near pure noise the two predictions are averages over whole classes, and pushing them apart shifts colors
    and sizes rather than meaning: guidance belongs to lower noise (Kynkaanniemi et al. 2024, "Applying
    guidance in a limited interval").
    """
    fraction = min(max(2.0 * noise_level - 1.0, 0.0), 1.0)
    return config.scale + (config.scale_at_noise - config.scale) * fraction


def guided_x0(x0_text: Tensor, x0_uncond: Tensor, scale: float, config: GuidanceConfig) -> Tensor:
    """Classifier-free guidance on x0 that keeps what both predictions agree on.

    The usual rescaling multiplies the whole guided image by a factor below 1. In premultiplied RGBA that
    lifts the empty background above 0 and pulls the opaque inside below 1: fog and holes. Here the factor
    shrinks the guidance direction alone, and pixels stay in the range of images.

    Args:
        x0_text: [B, c, h, w].
        x0_uncond: [B, c, h, w].
        scale: s in x0_uncond + s (x0_text - x0_uncond).
        config: `rescale` between 0 (off) and 1 (the
            direction shrinks as much as the spread over all views together would have grown); `clamp` for
            latents that are pixels in [-1, 1].

    Returns:
        [B, c, h, w].
    """
    direction = (scale - 1.0) * (x0_text - x0_uncond)
    growth = (x0_text + direction).std() / x0_text.std().clamp_min(1e-6)
    shrink = 1.0 + config.rescale * (1.0 / growth.clamp_min(1.0) - 1.0)
    guided = x0_text + shrink * direction
    return guided.clamp(-1.0, 1.0) if config.clamp else guided
