"""Small vector and colour functions shared by every layer. Imports nothing of ours."""

import math

import torch
from torch import Tensor


def normalize(vectors: Tensor, eps: float = 1e-8) -> Tensor:
    """Scale vectors to unit length; zero vectors stay zero.

    Args:
        vectors: [..., 3].
        eps: Lower bound on the length divided by.

    Returns:
        [..., 3].
    """
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(eps)


def srgb_to_linear(srgb: Tensor) -> Tensor:
    """Decode sRGB values in [0, 1] to linear light (IEC 61966-2-1). Any shape."""
    low = srgb / 12.92
    high = ((srgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(srgb <= 0.04045, low, high)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Encode linear light in [0, 1] to sRGB (IEC 61966-2-1). Any shape.

    The slope at black is finite, so gradients stay bounded.
    """
    low = linear * 12.92
    high = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, low, high)


def ramp(step: int, num_steps: int, start: float, end: float) -> float:
    """Linear ramp from `start` to `end` over `num_steps`, clamped outside."""
    fraction = min(max(step / max(num_steps, 1), 0.0), 1.0)
    return start + (end - start) * fraction


def perspective(fov_y_rad: Tensor, aspect: float, near: float, far: float) -> Tensor:
    """OpenGL projection matrices, camera space to clip space.

    Args:
        fov_y_rad: [B] vertical fields of view.
        aspect: Width divided by height.
        near: Distance of the near plane, > 0.
        far: Distance of the far plane, > near.

    Returns:
        [B, 4, 4], to be applied as `clip = projection @ camera`.
    """
    focal = 1.0 / torch.tan(fov_y_rad * 0.5)
    projection = fov_y_rad.new_zeros(fov_y_rad.shape[0], 4, 4)
    projection[:, 0, 0] = focal / aspect
    projection[:, 1, 1] = focal
    projection[:, 2, 2] = (far + near) / (near - far)
    projection[:, 2, 3] = 2 * far * near / (near - far)
    projection[:, 3, 2] = -1.0
    return projection


def degrees_to_radians(degrees: Tensor) -> Tensor:
    """Convert degrees to radians. Any shape."""
    return degrees * (math.pi / 180.0)
