"""Pixels to the tensors a pixel-space prior denoises, and back, without loss.

Space-to-depth moves each 2x2 block of pixels into channels, so that the UNet works at half the resolution. It
is a permutation: gradients with respect to pixels and to latents are the same numbers, and no VAE Jacobian
stands between the score and the image.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

FACTOR = 2  # Pixels per block side.


def images_to_latents(images: Tensor) -> Tensor:
    """Map images in [0, 1] to latents in [-1, 1].

    Args:
        images: [B, H, W, C], sRGB encoded; premultiplied by alpha where C is 4. H and W even.

    Returns:
        [B, 4 C, H / 2, W / 2].
    """
    channels_first = images.permute(0, 3, 1, 2) * 2.0 - 1.0
    return functional.pixel_unshuffle(channels_first, FACTOR)


def latents_to_images(latents: Tensor) -> Tensor:
    """Invert `images_to_latents`: [B, 4 C, h, w] to [B, 2 h, 2 w, C]. Values are not clamped."""
    channels_first = functional.pixel_shuffle(latents, FACTOR)
    return (channels_first + 1.0).permute(0, 2, 3, 1) * 0.5


@dataclass(frozen=True)
class SpaceToDepth:
    """The two as a codec."""

    @property
    def has_pixel_latents(self) -> bool:
        """They are pixels."""
        return True

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, H, W, C] in [0, 1] to latents [B, 4 C, H / 2, W / 2]."""
        return images_to_latents(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images; the inverse of `encode`."""
        return latents_to_images(latents)
