"""Views in words, for prompts that say where the camera stands (DreamFusion, Poole et al. 2022, 3.2)."""

import torch
from torch import Tensor

from dream3d.cameras import Cameras

VIEW_WORDS: tuple[str, ...] = ("front view", "side view", "back view", "overhead view")
OVERHEAD_DEG = 40.0  # Elevation above which a view is from overhead.
RAMP_DEG = 15.0  # Where views blend, this far below and above it.


def view_shares(cameras: Cameras, is_smooth: bool = False) -> Tensor:
    """How much each camera's view is of each kind in `VIEW_WORDS`; rows sum to one.

    Args:
        cameras: B cameras.
        is_smooth: Go linearly from one kind to the next, as the azimuth and the elevation do, instead of
            taking the nearest one.

    Returns:
        [B, 4].
    """
    turn = cameras.azimuth_deg % 360.0
    from_front = torch.minimum(turn, 360.0 - turn) / 90.0  # 0 in front, 1 at a side, 2 behind
    if not is_smooth:
        from_front = from_front.round()
    side = 1.0 - (from_front - 1.0).abs()
    around = torch.stack([(1.0 - from_front).clamp_min(0.0), side, (from_front - 1.0).clamp_min(0.0)], dim=1)
    if is_smooth:
        above = ((cameras.elevation_deg - OVERHEAD_DEG + RAMP_DEG) / (2 * RAMP_DEG)).clamp(0.0, 1.0)
    else:
        above = (cameras.elevation_deg > OVERHEAD_DEG).float()
    return torch.cat([around * (1.0 - above[:, None]), above[:, None]], dim=1)


def view_words(cameras: Cameras) -> list[str]:
    """The nearest of `VIEW_WORDS` for each camera: quarters of the turn, or overhead."""
    return [VIEW_WORDS[index] for index in view_shares(cameras).argmax(dim=1).tolist()]
