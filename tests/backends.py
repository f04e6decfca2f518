"""Names of the compiled back-ends."""

from typing import Literal

import torch


def kernel_name(device: torch.device) -> Literal["cpu", "cuda"]:
    """The back-end that is the compiled kernel of a device, never a fallback."""
    return "cuda" if device.type == "cuda" else "cpu"
