"""The forward process x_t = a_t x_0 + s_t e and the conversions between what a network can predict.

Symbols: a_t = sqrt(alphas_cumprod[t]), s_t = sqrt(1 - alphas_cumprod[t]), v = a_t e - s_t x_0 (Salimans and
Ho 2022, arXiv 2202.00512). With a zero-terminal-SNR schedule (Lin et al. 2023, arXiv 2305.08891) a_T is 0:
there x_0 follows from v but not from e, which is why what we train goes through v and x_0.

Rectified flow (Liu et al. 2022, arXiv 2209.03003) walks on straight lines instead, z_u = (1 - u) x_0 + u e
with u from 0 to 1. Over sqrt((1 - u)^2 + u^2) that is x_t of the same signal-to-noise ratio, so that one
meaning of `alphas_cumprod` serves both.
"""

import torch
from torch import Tensor

MIN_SIGNAL = 0.05  # a_t below which x_0 cannot be told from a predicted e: its error grows by 1 / a_t.


def coefficients(alphas_cumprod: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and noise scales (a_t, s_t) of each image, broadcastable over [B, C, H, W].

    Args:
        alphas_cumprod: [T], decreasing.
        timesteps: [B], int64 in [0, T).

    Returns:
        Two tensors [B, 1, 1, 1].
    """
    alpha_bar = alphas_cumprod[timesteps].reshape(-1, 1, 1, 1)
    return alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt()


def add_noise(clean: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """Draw x_t given x_0 and e, all [B, C, H, W]."""
    signal_scale, noise_scale = coefficients(alphas_cumprod, timesteps)
    return signal_scale * clean + noise_scale * noise


def velocity(clean: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """The v-prediction target a_t e - s_t x_0, [B, C, H, W]."""
    signal_scale, noise_scale = coefficients(alphas_cumprod, timesteps)
    return signal_scale * noise - noise_scale * clean


def x0_from_velocity(noisy: Tensor, v: Tensor, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """The clean image that (x_t, v) implies: a_t x_t - s_t v, [B, C, H, W]."""
    signal_scale, noise_scale = coefficients(alphas_cumprod, timesteps)
    return signal_scale * noisy - noise_scale * v


def x0_from_noise(noisy: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """The clean image that (x_t, e) implies: (x_t - s_t e) / a_t, [B, C, H, W]. Needs a_t > 0."""
    signal_scale, noise_scale = coefficients(alphas_cumprod, timesteps)
    return (noisy - noise_scale * noise) / signal_scale


def noise_from_x0(noisy: Tensor, x0: Tensor, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """The noise that (x_t, x_0) implies: (x_t - a_t x_0) / s_t, [B, C, H, W]. Needs s_t > 0."""
    signal_scale, noise_scale = coefficients(alphas_cumprod, timesteps)
    return (noisy - signal_scale * x0) / noise_scale


def x0_loss_weight(alphas_cumprod: Tensor, timesteps: Tensor, low: float = 1.0, high: float = 5.0) -> Tensor:
    """Weight of the v-loss, [B, 1, 1, 1], that equals clamp(SNR, low, high) on the x_0-loss.

    Min-SNR (Hang et al. 2023, arXiv 2303.09556) caps low noise at `high`; on its own it also starves high
    noise, where layout and pose are decided and where distillation starts. `low` keeps a floor there.
    """
    alpha_bar = alphas_cumprod[timesteps].reshape(-1, 1, 1, 1)
    noise_share = 1.0 - alpha_bar
    snr = alpha_bar / noise_share.clamp_min(1e-8)
    return torch.clamp(snr, low, high) * noise_share


def steps_that_tell_x0(alphas_cumprod: Tensor) -> Tensor:
    """The part of a schedule, [T'], in which x_0 follows from a predicted e: a_t is `MIN_SIGNAL` or more."""
    return alphas_cumprod[alphas_cumprod >= MIN_SIGNAL**2]


def flow_alphas_cumprod(sigmas: Tensor) -> Tensor:
    """alphas_cumprod [T] of the signal-to-noise ratios of rectified flow at u = sigmas [T]."""
    signal, noise = (1.0 - sigmas.double()).square(), sigmas.double().square()
    return (signal / (signal + noise)).to(sigmas.dtype)


def flow_scale(sigmas: Tensor) -> Tensor:
    """Scale [T] between the two: z_u = sqrt((1 - u)^2 + u^2) x_t."""
    return ((1.0 - sigmas).square() + sigmas.square()).sqrt()
