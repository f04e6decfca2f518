"""The ways to rasterise that the tests compare: the kernel of each device, and the twin in plain torch."""

from collections.abc import Callable

import torch
from backends import kernel_name

from dream3d.ops.rasterize import Fragments, rasterize, rasterize_reference

Draw = Callable[[torch.Tensor, torch.Tensor, int, int], Fragments]


def rasterizer(name: str) -> Draw:
    """The compiled kernel of "cpu" or "cuda", never a fallback, or the "reference"."""
    if name == "reference":
        return rasterize_reference
    backend = kernel_name(torch.device(name))
    return lambda positions, faces, height, width: rasterize(
        positions.to(name), faces.to(name), height, width, backend=backend
    )
