"""What networks compute in."""

import torch

from dream3d.config import Precision


def precision_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """A precision by its name; "auto" is bfloat16 where the device multiplies it in hardware.

    Elsewhere it is float32 on a CPU, and float16 on a GPU, which is older than bfloat16 then.
    """
    match precision:
        case "float32":
            return torch.float32
        case "bfloat16":
            return torch.bfloat16
        case "float16":
            return torch.float16
        case "auto" if device.type == "cpu":
            return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
        case "auto":
            is_old = torch.cuda.is_available() and not torch.cuda.is_bf16_supported(including_emulation=False)
            return torch.float16 if is_old else torch.bfloat16
