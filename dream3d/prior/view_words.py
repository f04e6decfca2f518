"""Views in words, for prompts that say where the camera stands (DreamFusion, Poole et al. 2022, 3.2)."""

from dream3d.cameras import Cameras

VIEW_WORDS: tuple[str, ...] = ("front view", "side view", "back view", "overhead view")
OVERHEAD_DEG = 40.0  # Elevation above which a view is from overhead.


def view_words(cameras: Cameras) -> list[str]:
    """One of `VIEW_WORDS` for each camera: quarters of the turn, or overhead."""
    turns = (cameras.azimuth_deg % 360.0).tolist()
    is_overhead = (cameras.elevation_deg > OVERHEAD_DEG).tolist()
    quarters = ("front view", "side view", "back view", "side view")
    return [
        "overhead view" if above else quarters[int((turn + 45.0) // 90.0) % 4]
        for turn, above in zip(turns, is_overhead, strict=True)
    ]
