"""From what a method wants changed in the latents to a gradient of the images that were encoded.

The gradient passes through the encoder, never through the denoiser (Poole et al. 2022, equation 3).
"""

import torch
from torch import Tensor

from dream3d.guidance.question import Comparison, DenoisingPrior
from dream3d.stage_config import GuidanceConfig

_MIN_OPACITY = 0.02  # Colors of fainter pixels are not amplified further.


def distance(
    images: Tensor,
    latents: Tensor,
    comparison: Comparison,
    prior: DenoisingPrior,
    config: GuidanceConfig,
) -> Tensor:
    """Half the squared distance to what the prior would rather see.

    Where a method compares the prior's answer with something else than the render itself, what it would
    rather see is the render plus that difference; the gradient is then the difference itself.

    Args:
        images: [B, H, W, C] that require gradients.
        latents: [B, c, h, w], those of the images, with the graph between them.
        comparison: What the method found.
        prior: Whose latents they are, and what its pictures are like.
        config: `image_weight` adds the distance in image space (HiFA, Zhu et al. 2023, arXiv 2305.18766),
            which latents alone do not see.

    Returns:
        Scalar: summed over an image, mean over the images.
    """
    if prior.has_opacity:
        return rgba_distance(images, _desired(images, comparison, prior))
    wanted = comparison.target
    if comparison.reference is not None:
        wanted = latents.detach() + (comparison.target - comparison.reference)
    loss = 0.5 * (latents - wanted).square().sum() / len(images)
    if config.image_weight > 0.0:
        desired = _desired(images, comparison, prior)
        loss = loss + config.image_weight * 0.5 * (images - desired).square().sum() / len(images)
    return loss


def limited(gradient: Tensor, config: GuidanceConfig) -> Tensor:
    """The gradient [B, ...] with the root mean square of each image as `gradient_rms` asks.

    Fixed, all timesteps and methods move a scene alike; bounded, only rare large ones are cut.
    """
    if config.gradient_rms <= 0.0:
        return gradient
    rms = gradient.square().mean(dim=tuple(range(1, gradient.ndim)), keepdim=True).sqrt().clamp_min(1e-12)
    factor = config.gradient_rms / rms
    return gradient * (factor if config.normalize else factor.clamp_max(1.0))


@torch.no_grad()
def _desired(images: Tensor, comparison: Comparison, prior: DenoisingPrior) -> Tensor:
    """Images [B, H, W, C] as the method would have them."""
    target = prior.decode(comparison.target)
    return target if comparison.reference is None else images + (target - prior.decode(comparison.reference))


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
    # In this order equal pictures have a gradient of exactly zero, which Adam does not blow up.
    color_error = images[..., :3] * (target_opacity / opacity.clamp_min(_MIN_OPACITY)) - target[..., :3]
    return 2.0 * ((opacity - target_opacity).square().sum() + color_error.square().sum()) / len(images)
