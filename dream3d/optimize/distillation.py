"""What both stages do with a prior: show it a render, and take its gradient."""

from typing import Protocol

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.guidance.sds_x0 import DenoisingPrior, Guidance, sds_x0
from dream3d.prior import TextEmbedding
from dream3d.scene.background import over_background, random_solid_background
from dream3d.stage_config import GuidanceConfig, Shading


class RenderablePrior(DenoisingPrior, Protocol):
    """A prior that says what to render for it; `dream3d.prior.Prior` is one."""

    @property
    def image_size(self) -> int:
        """Side of the square images it denoises best, in pixels."""
        ...

    @property
    def image_sizes(self) -> tuple[int, ...]:
        """Sides of all square images that it denoises."""
        ...

    @property
    def image_channels(self) -> int:
        """4 for premultiplied RGBA, 3 for opaque RGB."""
        ...

    def sample_cameras(
        self, num_groups: int, generator: torch.Generator, close_up_share: float = 0.0
    ) -> Cameras:
        """Groups of four views around the object, drawn from the law the prior was trained on."""
        ...


def prior_images(
    prior: RenderablePrior, color_srgb: Tensor, opacity: Tensor, generator: torch.Generator
) -> Tensor:
    """A render as the prior takes it.

    Args:
        prior: The frozen prior.
        color_srgb: [B, H, W, 3], premultiplied.
        opacity: [B, H, W].
        generator: Draws the backgrounds that a prior of opaque pictures needs.

    Returns:
        [B, h, w, C] at a size that the prior knows.
    """
    if prior.image_channels == 4:
        images = torch.cat([color_srgb, opacity[..., None]], dim=-1)
    else:
        background = random_solid_background(len(opacity), generator, opacity.device)
        images = over_background(color_srgb, opacity, background)
    if images.shape[1] in prior.image_sizes:
        return images
    size = prior.image_size
    larger = torch.nn.functional.interpolate(images.permute(0, 3, 1, 2), (size, size), mode="bilinear")
    return larger.permute(0, 2, 3, 1)


def ask_prior(
    prior: RenderablePrior,
    images: Tensor,
    embedding: TextEmbedding,
    cameras: Cameras,
    shading: Shading,
    noise_bounds: tuple[float, float],
    config: GuidanceConfig,
    generator: torch.Generator,
) -> Guidance:
    """The gradient of the images at a noise level drawn between bounds, shares of the prior's timesteps."""
    last = len(prior.alphas_cumprod) - 1
    low, high = (round(bound * last) for bound in noise_bounds)
    timestep = int(torch.randint(low, high + 1, (), generator=generator))
    return sds_x0(prior, images, embedding, cameras, shading, timestep, config, generator)
