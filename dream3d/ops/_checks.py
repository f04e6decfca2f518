"""Argument checks shared by the ops: one clear line instead of a wrong result."""

import torch
from torch import Tensor

from dream3d.errors import InputError


def check_tensor(
    name: str,
    tensor: Tensor,
    shape: tuple[int | None, ...],
    dtypes: tuple[torch.dtype, ...] = (torch.float32,),
    device: torch.device | None = None,
) -> None:
    """Check rank, sizes, dtype and device of an argument.

    Args:
        name: Name of the argument, for the message.
        tensor: The argument.
        shape: Expected sizes; None accepts any.
        dtypes: Accepted dtypes.
        device: Expected device; None accepts any.

    Raises:
        InputError: The tensor is something else.
    """
    fits = tensor.dim() == len(shape) and all(
        wanted is None or size == wanted for size, wanted in zip(tensor.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(f"{name} must have shape [{wanted}], got {list(tensor.shape)}")
    if tensor.dtype not in dtypes:
        names = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise InputError(
            f"{name} must be {names}, got {str(tensor.dtype).removeprefix('torch.')}; convert it first"
        )
    if device is not None and tensor.device != device:
        raise InputError(f"{name} is on {tensor.device}, the other arguments on {device}; move it there")
