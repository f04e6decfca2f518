"""The colour words and what they look like."""

import numpy as np
from numpy.typing import NDArray

SRGB: dict[str, tuple[int, int, int]] = {
    "red": (214, 36, 36),
    "orange": (245, 126, 24),
    "yellow": (252, 222, 48),
    "green": (38, 142, 56),
    "blue": (36, 92, 226),
    "purple": (132, 52, 184),
    "pink": (246, 128, 178),
    "brown": (116, 68, 36),
    "white": (244, 244, 244),
    "black": (30, 30, 34),
    "gray": (128, 130, 136),
    "cyan": (56, 206, 224),
    "golden": (206, 154, 32),
    "lime": (154, 228, 46),
    "navy": (24, 36, 98),
    "beige": (228, 202, 160),
}

COLORS: tuple[str, ...] = tuple(SRGB)

SPELLINGS: dict[str, str] = {"grey": "gray", "gold": "golden", "violet": "purple"}  # spelling -> color

JITTER_SRGB = 0.02  # half width of the per-part variation: visible to a statistic, not to the eye


def linear_color(word: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """A color word as linear RGB [3] in [0, 1], with a small variation."""
    return linear_rgb(SRGB[word], rng)


def linear_rgb(bytes_srgb: tuple[int, int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """An sRGB color as linear RGB [3] in [0, 1], with a small variation. Decoding: IEC 61966-2-1."""
    srgb = np.array(bytes_srgb) / 255 + rng.uniform(-JITTER_SRGB, JITTER_SRGB, 3)
    srgb = srgb.clip(0.0, 1.0)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
