"""A prior whose denoiser is known in closed form: a mixture of Gaussians over whole images, one per text.

E[x_0 | x_t] of a mixture is the mean of its components' own, weighted by how likely x_t came from each. Text
and camera decide about the means. Written in float64, apart from the package.
"""

from dataclasses import dataclass, field

import torch
from oracle_prior import cosine_schedule
from torch import Tensor


@dataclass
class MixturePrior:
    """Latents are images, scaled and shifted. Means [K] hold for every pixel, turned by the azimuth."""

    means: dict[str, tuple[float, ...]]
    spread: dict[str, float]
    shares: tuple[float, ...] = (1.0,)
    turn: float = 0.0  # added to the means, times the cosine of the azimuth
    has_pixel_latents: bool = False
    has_opacity: bool = False
    alphas_cumprod: Tensor = field(default_factory=lambda: cosine_schedule(1000).double())

    def encode(self, images: Tensor) -> Tensor:
        return 3.0 * images.permute(0, 3, 1, 2) - 1.0

    def decode(self, latents: Tensor) -> Tensor:
        return (latents.permute(0, 2, 3, 1) + 1.0) / 3.0

    def predict_x0(
        self,
        noisy,
        timesteps,
        embedding=None,  # noqa: ARG002 (the interface of a prior)
        cameras=None,
        shading=None,  # noqa: ARG002
        views="camera",  # noqa: ARG002
        branches=("text", "negative"),
    ):
        alpha_bar = self.alphas_cumprod[int(timesteps[0])]
        turned = torch.zeros(len(noisy), dtype=torch.float64)
        if cameras is not None:
            turned = self.turn * torch.cos(torch.deg2rad(cameras.azimuth_deg.double()))
        return tuple(
            mixture_x0(
                noisy,
                alpha_bar,
                torch.tensor(self.means[branch], dtype=torch.float64) + turned[:, None],
                self.spread[branch],
                self.shares,
            )
            for branch in branches
        )


def mixture_x0(noisy: Tensor, alpha_bar: Tensor, means: Tensor, spread: float, shares) -> Tensor:
    """E[x_0 | x_t] [B, c, h, w] of a mixture with means [B, K], the same in all numbers of an image."""
    signal, variance = alpha_bar.sqrt(), alpha_bar * spread**2 + 1.0 - alpha_bar
    flat = noisy.flatten(1)[:, None]  # [B, 1, N]
    residual = flat - signal * means[..., None]  # [B, K, N]
    logits = torch.tensor(shares, dtype=torch.float64).log() - 0.5 * residual.square().sum(-1) / variance
    own = means[..., None] + spread**2 * signal / variance * residual
    return (logits.softmax(dim=1)[..., None] * own).sum(1).view_as(noisy)


class ParticleScore:
    """The denoiser of what it was shown last: equal shares of points, without any error of learning."""

    def __init__(self, alphas_cumprod: Tensor) -> None:
        self.alphas_cumprod = alphas_cumprod
        self.particles: Tensor | None = None
        self.unseen_shift = 0.0  # added to the prediction where the camera is not told

    def predict_x0(
        self,
        noisy,
        timesteps,
        embedding,  # noqa: ARG002 (the interface of a score)
        cameras,  # noqa: ARG002
        shading,  # noqa: ARG002
        views,
        branches=("text",),
    ):
        alpha_bar = self.alphas_cumprod[int(timesteps[0])]
        flat, points = noisy.flatten(1), self.particles.flatten(1)
        distance = torch.cdist(flat, alpha_bar.sqrt() * points).square()
        weights = (-0.5 * distance / (1.0 - alpha_bar)).softmax(dim=1)
        answer = (weights @ points).view_as(noisy)
        return tuple(answer + self.unseen_shift if views == "none" else answer for _ in branches)

    def learn(self, clean, *_others):
        self.particles = clean.clone()
