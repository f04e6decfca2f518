"""Consistency distillation sampling (Wu et al. 2024, Consistent3D, arXiv 2401.09050).

A render under one noise that never changes lies on a trajectory of the prior's deterministic ODE. What the
prior believes after one step down that trajectory, where it still sees much of the render, is compared with
what it believes above, where it decides more itself; in noise predictions, w (e_t - e_t').
"""

import torch

from dream3d.guidance.question import Comparison, Question

GAP = (0.1, 0.3)  # Of the timesteps, between the two noise levels.
NOISE_SEED = 0  # One noise for all steps, of all views.


def consistent3d(question: Question) -> Comparison:
    """The guided prediction against that of one ODE step further down, noise and trajectory the same."""
    generator = torch.Generator().manual_seed(NOISE_SEED)
    noise = torch.randn(question.clean.shape[1:], generator=generator).to(question.clean)
    noisy = question.noised(noise.expand_as(question.clean))
    here, _ = question.guided(noisy, question.timestep)
    low, high = (round(gap * len(question.prior.alphas_cumprod)) for gap in GAP)
    gap = int(torch.randint(low, high + 1, (), generator=question.generator))
    below = max(0, question.timestep - gap)
    signal_scale, noise_scale = question.coefficients(question.timestep)
    implied = (noisy - signal_scale * here) / noise_scale
    signal_scale, noise_scale = question.coefficients(below)
    further, _ = question.guided(signal_scale * here + noise_scale * implied, below)
    return Comparison(here, further, below)
