"""Perp-Neg: other sides of the object as negative prompts, where they do not contradict the prompt itself.

Armandpour et al. 2023, "Re-imagine the Negative Prompt Algorithm" (arXiv 2304.04968): the part of a negative
direction that is parallel to the positive one is left out. The weights fade each side out as the view nears
it, exp(-b r) shifted to vanish there, as published with the paper's 3D experiments.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.prior.text import Branch
from dream3d.prior.view_words import view_shares

NEGATIVE_VIEWS: tuple[Branch, ...] = ("front view", "side view")


def perp_neg(positive: Tensor, null: Tensor, negatives: Sequence[Tensor], weights: Tensor) -> Tensor:
    """The positive prediction with what speaks for the wrong sides taken out.

    Args:
        positive: [B, c, h, w], given the text as seen from here.
        null: [B, c, h, w], without it.
        negatives: N predictions [B, c, h, w], given the text as seen from elsewhere.
        weights: [N, B], of each negative; 0 or less.

    Returns:
        [B, c, h, w], to be guided from `null` like any positive prediction.
    """
    direction = positive - null
    axes = (1, 2, 3)
    length = direction.square().sum(axes, keepdim=True).clamp_min(1e-12)
    for negative, weight in zip(negatives, weights, strict=True):
        other = negative - null
        parallel = (other * (positive - null)).sum(axes, keepdim=True) / length * (positive - null)
        direction = direction + weight.to(other)[:, None, None, None] * (other - parallel)
    return null + direction


def negative_weights(cameras: Cameras, is_smooth: bool = False) -> Tensor:
    """Weights of `NEGATIVE_VIEWS` for each camera, [2, B].

    Between front and side, both are negative as far as the view is not of them; between side and back the
    front is, fully, and the side as the view leaves it. From above, where the prompt says so, there is no
    wrong side; `is_smooth` as of `view_shares`.
    """
    turn = cameras.azimuth_deg % 360.0
    from_front = torch.minimum(turn, 360.0 - turn) / 90.0  # 0 in front, 1 at a side, 2 behind
    is_ahead = from_front <= 1.0
    to_side = torch.where(is_ahead, 1.0 - from_front, 2.0 - from_front)  # from 1 to 0 in each quarter
    front = torch.where(is_ahead, _shifted_decay(to_side, 4.0, -2.426), _shifted_decay(to_side, 1.0, 0.967))
    side_ahead = _shifted_decay(1.0 - to_side, 4.0, -2.426)
    side = torch.where(is_ahead, side_ahead, _shifted_decay(to_side, 1.0, -0.606))
    return torch.stack([front, side]) * (1.0 - view_shares(cameras, is_smooth)[:, 3])


def _shifted_decay(share: Tensor, height: float, shift: float) -> Tensor:
    """-(height exp(-share / 2) + shift), at most 0."""
    return -(height * torch.exp(-0.5 * share) + shift).clamp_min(0.0)
