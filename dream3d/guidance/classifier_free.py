"""Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598), on clean predictions."""

from torch import Tensor

from dream3d.stage_config import GuidanceConfig


def guidance_scale(noise_level: float, config: GuidanceConfig) -> float:
    """Guidance scale at a timestep given as a share of all, 0 to 1.

    Near pure noise the two predictions are averages over whole classes, and pushing them apart shifts colors
    and sizes rather than meaning: guidance belongs to lower noise (Kynkaanniemi et al. 2024, "Applying
    guidance in a limited interval").
    """
    fraction = min(max(2.0 * noise_level - 1.0, 0.0), 1.0)
    return config.scale + (config.scale_at_noise - config.scale) * fraction


def guided_x0(
    x0_text: Tensor, x0_uncond: Tensor, scale: float, rescale: float, is_bounded: bool = False
) -> Tensor:
    """Classifier-free guidance on x0 that keeps what both predictions agree on.

    The usual rescaling multiplies the whole guided image by a factor below 1. In premultiplied RGBA that
    lifts the empty background above 0 and pulls the opaque inside below 1: fog and holes. Here the factor
    shrinks the guidance direction alone, and pixels stay in the range of images.

    Args:
        x0_text: [B, c, h, w].
        x0_uncond: [B, c, h, w].
        scale: s in x0_uncond + s (x0_text - x0_uncond).
        rescale: From 0 (off) to 1 (the direction shrinks as much as the spread over all views together would
            have grown).
        is_bounded: Whether these are pixels in [-1, 1].

    Returns:
        [B, c, h, w].
    """
    direction = (scale - 1.0) * (x0_text - x0_uncond)
    growth = (x0_text + direction).std() / x0_text.std().clamp_min(1e-6)
    shrink = 1.0 + rescale * (1.0 / growth.clamp_min(1.0) - 1.0)
    guided = x0_text + shrink * direction
    return guided.clamp(-1.0, 1.0) if is_bounded else guided
