"""Methods that find the noise of a render instead of drawing it: DDIM run backwards (Song et al. 2021,
arXiv 2010.02502, section 4.3), from the render to a noise level.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from dream3d.guidance.question import Comparison, Question

INVERSION_STEPS = 10  # from no noise to pure noise
INVERSION_SCALE = -6.5  # SDI's -7.5 in our form of guidance
FRESH_SHARE = 0.3  # of the inverted noise's spread that is drawn anew (their eta)
ISM_STRIDE = 0.2  # of the timesteps, per coarse step
ISM_GAP = 0.05  # of the timesteps, between the two noise levels compared


def sdi(question: Question) -> Comparison:
    """The render against what the prior makes of it under the noise that belongs to it.

    Lukoianov et al. 2024 (score distillation via inversion, arXiv 2405.15891): SDS is DDIM
    sampling with noise that forgets the last step; inverting the render brings it back, and ordinary guidance
    scales suffice.
    """
    count = max(1, math.ceil(INVERSION_STEPS * question.timestep / len(question.prior.alphas_cumprod)))
    noisy = question.clean
    grid = torch.linspace(0.0, question.timestep, count + 1).round().long().tolist()
    for current, following in pairwise(grid):
        text, negative = question.ask(noisy, current, "text", "negative")
        noisy = _moved(question, noisy, negative + INVERSION_SCALE * (text - negative), current, following)
    signal_scale, noise_scale = question.coefficients(question.timestep)
    inverted = (noisy - signal_scale * question.clean) / noise_scale
    noise = math.sqrt(1.0 - FRESH_SHARE**2) * inverted + FRESH_SHARE * question.fresh_noise()
    target, _ = question.guided(question.noised(noise), question.timestep)
    return Comparison(target)


def ism(question: Question) -> Comparison:
    """Guided prediction at one noise level against the unguided one a small step below, on one trajectory.

    Liang et al. 2023 (LucidDreamer's interval score matching, arXiv 2311.11284). In clean predictions the
    last x_0 of the inversion is the reference, and `weight: x0` their sqrt((1 - abar) / abar).
    """
    last = len(question.prior.alphas_cumprod) - 1
    below = max(0, question.timestep - round(ISM_GAP * last))
    count = max(1, math.ceil(below / (ISM_STRIDE * last)))
    grid = torch.linspace(0.0, below, count + 1).round().long().tolist()
    noisy = question.clean
    for current, following in pairwise(grid):
        if following > current:
            (null,) = question.ask(noisy, current, "null")
            noisy = _moved(question, noisy, null, current, following)
    (reference,) = question.ask(noisy, below, "null")
    noisy = _moved(question, noisy, reference, below, question.timestep)
    target, _ = question.guided(noisy, question.timestep)
    return Comparison(target, question.bounded(reference))


def _moved(question: Question, noisy: Tensor, x0: Tensor, current: int, following: int) -> Tensor:
    """A DDIM step from one noise level to another, the clean prediction and its noise as they are."""
    signal_scale, noise_scale = question.coefficients(current)
    noise = (noisy - signal_scale * x0) / noise_scale
    signal_scale, noise_scale = question.coefficients(following)
    return signal_scale * x0 + noise_scale * noise
