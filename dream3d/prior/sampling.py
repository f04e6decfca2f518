"""Plain 2D sampling from a prior: what it can draw before any 3D, and the ceiling of what 3D can reach."""

from itertools import pairwise

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.prior import schedule
from dream3d.prior.conditioning import Shading
from dream3d.prior.prior import Prior
from dream3d.prior.text import TextEmbedding


def rescaled_guidance(x0_text: Tensor, x0_uncond: Tensor, scale: float, rescale: float) -> Tensor:
    """Classifier-free guidance on x_0, with its spread pulled back towards the unguided one.

    x = x_uncond + scale (x_text - x_uncond); then x is scaled so that its standard deviation over an image
    moves from that of x towards that of x_text by the share `rescale` (Lin et al. 2023, arXiv 2305.08891,
    section 3.4).

    Args:
        x0_text: [B, c, h, w].
        x0_uncond: [B, c, h, w].
        scale: 1 is no guidance.
        rescale: 0 leaves the guided image, 1 gives it the unguided spread.

    Returns:
        [B, c, h, w].
    """
    guided = x0_uncond + scale * (x0_text - x0_uncond)
    axes = (1, 2, 3)
    ratio = x0_text.std(axes, keepdim=True) / guided.std(axes, keepdim=True).clamp_min(1e-6)
    return guided * (rescale * ratio + 1.0 - rescale)


@torch.no_grad()
def sample_images(
    prior: Prior,
    embedding: TextEmbedding,
    cameras: Cameras,
    shading: list[Shading],
    generator: torch.Generator,
    num_steps: int = 20,
    guidance_scale: float = 3.0,
    rescale: float = 0.5,
) -> Tensor:
    """Draw images by DDIM (Song et al. 2021, arXiv 2010.02502, eta 0), from zero signal down.

    Args:
        prior: The prior.
        embedding: One prompt for all views.
        cameras: B cameras.
        shading: B shading names.
        generator: Source of the initial noise, on the CPU.
        num_steps: Denoising steps.
        guidance_scale: See `rescaled_guidance`.
        rescale: See `rescaled_guidance`.

    Returns:
        [B, H, W, C] in [0, 1].
    """
    batch = len(cameras)
    size = prior.image_size
    shape = prior.encode(torch.zeros(batch, size, size, prior.image_channels)).shape
    noisy = torch.randn(shape, generator=generator).to(prior.device)
    last = len(prior.alphas_cumprod) - 1
    grid = [round(last * (num_steps - k) / num_steps) for k in range(num_steps + 1)]
    x0 = noisy
    for current, following in pairwise(grid):
        timesteps = torch.full((batch,), current, device=prior.device)
        x0_text, x0_uncond = prior.predict_x0(noisy, timesteps, embedding, cameras, shading)
        x0 = rescaled_guidance(x0_text, x0_uncond, guidance_scale, rescale).clamp(-1, 1)
        noise = schedule.noise_from_x0(noisy, x0, prior.alphas_cumprod, timesteps)
        noisy = schedule.add_noise(x0, noise, prior.alphas_cumprod, torch.full_like(timesteps, following))
    return prior.decode(x0).clamp(0, 1)
