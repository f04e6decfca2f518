"""Backgrounds for priors that see opaque RGB images; priors that see RGBA need none."""

import torch
from torch import Tensor


def random_solid_background(
    num_views: int, generator: torch.Generator | None, device: torch.device | str = "cpu"
) -> Tensor:
    """One random solid sRGB color per view, so that the scene cannot hide anything in a known background.

    Args:
        num_views: B.
        generator: Source of the colors (CPU).
        device: Where the result lives.

    Returns:
        [B, 1, 1, 3] in [0, 1].
    """
    return torch.rand(num_views, 1, 1, 3, generator=generator).to(device)


def over_background(color_srgb: Tensor, opacity: Tensor, background_srgb: Tensor) -> Tensor:
    """Put premultiplied images over a background (Porter and Duff 1984), in sRGB encoding as priors see it.

    Args:
        color_srgb: [B, H, W, 3], premultiplied by the opacity.
        opacity: [B, H, W].
        background_srgb: [B, 1, 1, 3] or [B, H, W, 3].

    Returns:
        [B, H, W, 3], opaque.
    """
    return color_srgb + (1.0 - opacity[..., None]) * background_srgb
