"""The back-end "nvdiffrast" of the rasteriser's ops: somebody else's kernels, where they are installed.

nvdiffrast may be used for research and evaluation only, so it is never chosen by itself, never required and
never installed by us. This file was written from its public documentation alone and has not been run yet:
`tests/test_nvdiffrast.py` compares it with our kernels on a machine that has it and a GPU.

What differs, by that documentation: its images have row 0 at the bottom and derivatives with y up. Clip-space
positions mirrored in y turn both into ours, so no image has to be flipped. Ids are floats, one higher, with 0
for none. Weights are those of vertices 0 and 1 as ours are, derivatives come as (du/dx, du/dy, dv/dx, dv/dy),
our order too, and row 0 of a texture is at v = 0 in both.
"""

import functools
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops._library import Backend
from dream3d.ops._texture import Boundary, Filter

RasterBackend = Backend | Literal["nvdiffrast"]

MAX_TRIANGLES = 2**24  # ids are float32; beyond they are stored in another way
FILTERS = {"nearest": "nearest", "bilinear": "linear", "trilinear": "linear-mipmap-linear"}


def rasterize_by_nvdiffrast(
    positions: Tensor, faces: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Triangle ids [B, H, W], barycentrics [B, H, W, 2] and depth [B, H, W] as `rasterize` defines them."""
    module = _module(positions.device)
    if len(faces) >= MAX_TRIANGLES:
        raise InputError(
            f"backend 'nvdiffrast' takes fewer than 2^24 triangles, not {len(faces)}; use 'cuda'"
        )
    context = _context(positions.device)
    rast, _ = module.rasterize(context, mirrored(positions), faces.contiguous(), (height, width))
    return from_rast(rast)


def interpolate_by_nvdiffrast(
    attributes: Tensor, faces: Tensor, triangle_id: Tensor, barycentrics: Tensor
) -> Tensor:
    """Attributes [1 or B, V, C] at every pixel, [B, H, W, C]."""
    rast = to_rast(triangle_id, barycentrics, torch.zeros_like(barycentrics[..., 0]))
    return _module(attributes.device).interpolate(attributes.contiguous(), rast, faces.contiguous())[0]


def texture_by_nvdiffrast(
    levels: Sequence[Tensor],
    uv: Tensor,
    uv_derivatives: Tensor | None,
    mip_bias: Tensor | None,
    filter_mode: Filter,
    boundary_mode: Boundary,
) -> Tensor:
    """The levels (one unless trilinear) of a texture at every pixel, [B, H, W, C]."""
    return _module(uv.device).texture(
        levels[0].contiguous(),
        uv.contiguous(),
        uv_da=None if uv_derivatives is None else uv_derivatives.flatten(-2).contiguous(),
        mip_level_bias=None if mip_bias is None else mip_bias.contiguous(),
        mip=[level.contiguous() for level in levels[1:]] if filter_mode == "trilinear" else None,
        filter_mode=FILTERS[filter_mode],
        boundary_mode=boundary_mode,
    )


def antialias_by_nvdiffrast(
    image: Tensor, triangle_id: Tensor, barycentrics: Tensor, depth: Tensor, positions: Tensor, faces: Tensor
) -> Tensor:
    """The picture [B, H, W, C] with blended silhouettes; edges are found from vertex indices alone."""
    rast = to_rast(triangle_id, barycentrics, depth).detach()
    module = _module(image.device)
    return module.antialias(image.contiguous(), rast, mirrored(positions), faces.contiguous())


def mirrored(positions: Tensor) -> Tensor:
    """Clip-space positions [B, V, 4] upside down, so that the bottom row is our top row."""
    return positions * positions.new_tensor([1.0, -1.0, 1.0, 1.0])


def to_rast(triangle_id: Tensor, barycentrics: Tensor, depth: Tensor) -> Tensor:
    """Our fragments as (u, v, z/w, id + 1), [B, H, W, 4] float32, all 0 where empty."""
    depth = torch.where(triangle_id >= 0, depth, 0.0)
    return torch.cat([barycentrics, torch.stack([depth, (triangle_id + 1).float()], -1)], -1)


def from_rast(rast: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The other way: ids, barycentrics with their gradient, depth without."""
    triangle_id = rast[..., 3].detach().int() - 1
    depth = torch.where(triangle_id >= 0, rast[..., 2].detach(), 1.0)
    return triangle_id, rast[..., :2], depth


def _module(device: torch.device) -> Any:
    if device.type != "cuda":
        raise InputError(f"backend 'nvdiffrast' needs tensors on cuda, these are on {device}; use 'auto'")
    try:
        return import_module("nvdiffrast.torch")
    except ImportError as error:
        raise InputError(f"backend 'nvdiffrast' cannot be imported ({error}); use 'auto'") from None


@functools.cache
def _context(device: torch.device) -> Any:
    """It holds buffers of one device and is meant to be kept."""
    return _module(device).RasterizeCudaContext(device=device)
