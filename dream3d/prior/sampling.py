"""Plain 2D sampling from a prior: what it can draw before any 3D, and the ceiling of what 3D can reach."""

from itertools import pairwise

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.prior import schedule
from dream3d.prior.prior import Prior
from dream3d.prior.text import TextEmbedding
from dream3d.stage_config import Shading, ViewConditioning


@torch.no_grad()
def sample_images(
    prior: Prior,
    embedding: TextEmbedding,
    cameras: Cameras,
    shading: list[Shading],
    generator: torch.Generator,
    num_steps: int = 20,
    guidance_scale: float = 3.0,
    views: ViewConditioning = "camera",
    size: int | None = None,
) -> Tensor:
    """Draw images by DDIM (Song et al. 2021, arXiv 2010.02502, eta 0), from zero signal down.

    Args:
        prior: The prior.
        embedding: One prompt for all views.
        cameras: B cameras.
        shading: B shading names.
        generator: Source of the initial noise, on the CPU.
        num_steps: Denoising steps.
        guidance_scale: s in x0_uncond + s (x0_text - x0_uncond); the result is kept in the range of images.
        views: How the prior is told where the views stand; "joint" wants groups of four around the object.
        size: Side of the images in pixels; the prior's own when None.

    Returns:
        [B, H, W, C] in [0, 1].
    """
    batch = len(cameras)
    size = size or prior.image_size
    shape = prior.encode(torch.zeros(batch, size, size, prior.image_channels)).shape
    noisy = torch.randn(shape, generator=generator).to(prior.device)
    last = len(prior.alphas_cumprod) - 1
    grid = [round(last * (num_steps - k) / num_steps) for k in range(num_steps + 1)]
    x0 = noisy
    for current, following in pairwise(grid):
        timesteps = torch.full((batch,), current, device=prior.device)
        x0_text, x0_uncond = prior.predict_x0(noisy, timesteps, embedding, cameras, shading, views)
        x0 = (x0_uncond + guidance_scale * (x0_text - x0_uncond)).clamp(-1, 1)
        noise = schedule.noise_from_x0(noisy, x0, prior.alphas_cumprod, timesteps)
        noisy = schedule.add_noise(x0, noise, prior.alphas_cumprod, torch.full_like(timesteps, following))
    return prior.decode(x0).clamp(0, 1)
