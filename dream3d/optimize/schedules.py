"""What changes over the coarse stage, as plain functions of the step. Nothing here remembers anything."""

import math

import torch
from torch import Tensor

from dream3d.math import ramp
from dream3d.stage_config import CoarseConfig, GuidanceConfig, RefineConfig, Shading

_BELL_CENTER, _BELL_WIDTH = 0.5, 0.125  # Shares of the timesteps.


def timestep_bounds(step: int, num_steps: int, config: GuidanceConfig) -> tuple[float, float]:
    """Lowest and highest noise level to draw from, as shares of all: held at first, then falling linearly.

    High noise decides the layout, low noise the detail (annealing as in MVDream, Shi et al. 2023). Below
    about 0.9 of the timesteps the prior believes what it is shown: the shape has to be there before. With
    "sqrt" they fall with the root of the progress (HiFA, Zhu et al. 2023).
    """
    held = round(config.hold * num_steps)
    progress = ramp(step - held, num_steps - held, 0.0, 1.0)
    if config.annealing == "sqrt":
        progress = math.sqrt(progress)
    low, high = (
        start + (end - start) * progress
        for start, end in ((config.t_min_start, config.t_min_end), (config.t_max_start, config.t_max_end))
    )
    return low, high


def dreamtime_timestep(step: int, num_steps: int, alphas_cumprod: Tensor, config: GuidanceConfig) -> int:
    """The only noise level of a step, never rising (DreamTime, Huang et al. 2023, arXiv 2306.12422).

    Each level from `t_max_start` down to `t_min_end` gets a share of the steps: the prior's noise-to-signal
    ratio, times a bell around half of all levels, where most of the content is decided.
    """
    last = len(alphas_cumprod) - 1
    levels = torch.arange(round(config.t_min_end * last), round(config.t_max_start * last) + 1)
    alpha_bar = alphas_cumprod.double().cpu()[levels].clamp_min(1e-6)
    bell = torch.exp(-0.5 * ((levels / last - _BELL_CENTER) / _BELL_WIDTH).square())
    share_above = (((1.0 - alpha_bar) / alpha_bar).sqrt() * bell).flip(0).cumsum(0)
    reached = torch.searchsorted(share_above, share_above[-1] * (step + 0.5) / num_steps)
    return int(levels.flip(0)[reached])


def render_size(step: int, image_size: int, config: CoarseConfig) -> int:
    """Side of the rendered images in pixels.

    Half the prior's at first, where nothing sharp exists yet; twice at last, if that is wanted.
    """
    if step < config.half_size_until * config.num_steps:
        return image_size // 2
    return image_size if step < config.double_size_from * config.num_steps else 2 * image_size


def learning_rate_factor(step: int, num_steps: int) -> float:
    """Factor on the learning rates: a short warm-up, then linear from 1 to 0.1 over the second half."""
    warm_up = ramp(step, max(num_steps // 40, 1), 0.1, 1.0)
    return warm_up * ramp(step - num_steps // 2, num_steps - num_steps // 2, 1.0, 0.1)


def shading(step: int, draw: float, config: CoarseConfig) -> Shading:
    """How a step's renders are lit, given a uniform random number in [0, 1).

    Nothing is lit in the first fifth: there has to be a shape first.
    """
    if step < config.num_steps // 5 or draw >= config.shaded_share:
        return "albedo"
    return "textureless" if draw < config.textureless_share * config.shaded_share else "shaded"


def refine_shading(draw: float, is_shape_free: bool, config: RefineConfig) -> Shading:
    """How a refinement step's renders are drawn, given a uniform random number in [0, 1)."""
    if not is_shape_free or draw >= config.shaded_share:
        return "albedo"
    if config.shape_shading == "normals":
        return "normals"
    return ("shaded", "textureless", "normals")[int(3 * draw / config.shaded_share)]


def regularizer_factor(step: int, num_steps: int) -> float:
    """Factor on the regularizers that demand certainty: none while the shape forms, all at three quarters."""
    return ramp(step - num_steps // 4, num_steps // 2, 0.0, 1.0)


def density_scale(step: int, config: CoarseConfig) -> float:
    """Density scale of the field, growing geometrically from a quarter to three quarters of the run.

    A soft field lets gradients reach far while the shape forms; a dense one has thin surfaces.
    """
    progress = ramp(step - config.num_steps // 4, config.num_steps // 2, 0.0, 1.0)
    return config.radiance_field.density_scale * config.sharpening**progress
