"""Pictures made to look generated: the judge must read what distillation leaves, not only clean renders."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's name


def degrade(images: Tensor, rng: np.random.Generator) -> Tensor:
    """What generated pictures look like: warped, blurred, pale or garish, noisy. [B, H, W, 4]."""
    count = len(images)

    def amount(rate: float, low: float, high: float) -> Tensor:
        values = rng.uniform(low, high, count) * (rng.random(count) < rate)
        return torch.from_numpy(values).float()[:, None, None, None]

    x = warped(images.permute(0, 3, 1, 2), amount(0.6, 0.0, 0.045), rng)
    coarse = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear", align_corners=False)
    smooth = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    x = torch.lerp(x, smooth, amount(0.4, 0.2, 1.0))
    x = torch.lerp(x, coarse, amount(0.2, 0.3, 1.0))
    color, alpha = x[:, :3], x[:, 3:]
    gray = color.mean(1, keepdim=True)
    color = gray + (color - gray) * (1 + amount(0.4, -0.25, 0.35))
    color = color * (1 + amount(0.4, -0.2, 0.2)) + alpha * amount(0.3, -0.06, 0.06)
    noise = torch.from_numpy(rng.standard_normal(x.shape, np.float32))
    x = torch.cat([color, alpha], 1) + noise * amount(0.4, 0.0, 0.045) * (0.15 + 0.85 * alpha)
    alpha = x[:, 3:].clamp(0, 1)
    return torch.cat([torch.minimum(x[:, :3].clamp_min(0), alpha), alpha], 1).permute(0, 2, 3, 1).contiguous()


def warped(x: Tensor, strength: Tensor, rng: np.random.Generator) -> Tensor:
    """Pictures [B, C, H, W] melted by a smooth random displacement, a little moved and scaled."""
    count = len(x)
    coarse = torch.from_numpy(rng.standard_normal((count, 2, 5, 5), np.float32)) * strength
    flow = F.interpolate(coarse, x.shape[2:], mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    scale = torch.from_numpy(rng.uniform(0.88, 1.14, count)).float()
    shift = torch.from_numpy(rng.uniform(-0.08, 0.08, (count, 2))).float()
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale, scale, shift
    return F.grid_sample(
        x, F.affine_grid(theta, list(x.shape), align_corners=False) + flow, align_corners=False
    )
