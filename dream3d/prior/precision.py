"""What networks compute in."""

import torch

from dream3d.config import Precision


def precision_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """A precision by its name; "auto" is bfloat16 where the device multiplies it in hardware."""
    match precision:
        case "float32":
            return torch.float32
        case "bfloat16":
            return torch.bfloat16
        case "float16":
            return torch.float16
        case "auto":
            is_fast = device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
            return torch.bfloat16 if is_fast else torch.float32
