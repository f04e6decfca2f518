"""Look-up of a texture at every pixel, differentiable to its texels and to where each pixel looks.

`sample_texture` runs the compiled kernel (`cuda/include/dream3d/texture.h`) or says the same thing in plain
torch. Rows and columns are glTF's: uv (0, 0) is the top left corner of the top left texel, texel centres lie
at (i + 0.5) / size.

Filters. "nearest" reads one texel, "bilinear" blends the four around the point. "trilinear" does that in two
mip levels, those next to log2 of the longer axis of the pixel's footprint in texels, plus `mip_bias`; it
stays within the levels there are. Without `uv_derivatives` the bias is the level itself.

Boundaries. Beyond its borders a texture repeats ("wrap") or goes on with its edge texels ("clamp"). A "cube"
is looked up along directions, with the faces (+X, -X, +Y, -Y, +Z, -Z), columns and rows of OpenGL, and
blended across its seams. The footprint of a direction is not computed: trilinear takes the level of a cube
from `mip_bias`.

Gradients go to the texture, and from bilinear and trilinear to `uv`; to `uv_derivatives` and `mip_bias` only
where the level did not have to be clamped, and where the footprint is a circle along its mean axis.

Sources: mip maps, Williams 1983, "Pyramidal parametrics"; the footprint's axes, Heckbert 1989, "Fundamentals
of texture mapping and image warping"; cube faces and their corners, OpenGL 4.6, sections 8.13 and 8.14.3.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops._checks import check_tensor
from dream3d.ops._library import resolve_backend
from dream3d.ops._nvdiffrast import RasterBackend, texture_by_nvdiffrast
from dream3d.ops._texture import BOUNDARIES, FILTERS, Boundary, Filter, sample_texture_op
from dream3d.ops._texture_reference import sample_texture_reference_tensors

__all__ = ["Boundary", "Filter", "build_mipmaps", "sample_texture"]

MAX_TEXTURE_SIZE = 32768  # texels along a side; 16 mip levels


def sample_texture(
    texture: Tensor | Sequence[Tensor],
    uv: Tensor,
    *,
    uv_derivatives: Tensor | None = None,
    mip_bias: Tensor | None = None,
    filter_mode: Filter = "bilinear",
    boundary_mode: Boundary = "clamp",
    backend: RasterBackend = "auto",
) -> Tensor:
    """Read a texture at every pixel.

    What the filters and boundaries mean is said at the top of this file. A pixel whose uv, direction,
    derivatives or bias are not finite, or whose direction is zero, is zero and gets no gradient.
    Differentiable once. On the CPU result and gradients have the same bits for any number of threads; on CUDA
    the order of the sums in the gradient of the texture varies.

    Args:
        texture: [A, h, w, C], of a cube [A, 6, s, s, C], with A = 1 (shared by the views) or B; float32 (the
            reference also takes float64). Or its mip levels, as `build_mipmaps` returns them, which is worth
            it where one texture is read several times; from a tensor trilinear builds them all by itself.
        uv: [B, H, W, 2], or for a cube directions [B, H, W, 3] of any length.
        uv_derivatives: [B, H, W, 2, 2], d(u, v)/d(x, y) per pixel: row 0 is du/dx, du/dy. Trilinear only.
        mip_bias: [B, H, W]. Trilinear only.
        filter_mode: "nearest", "bilinear" or "trilinear".
        boundary_mode: "wrap", "clamp" or "cube".
        backend: "auto" follows the device of the tensors; "reference" is the plain-torch twin.
            "nvdiffrast" is never taken by itself; its rules for odd sizes and what is not finite differ.

    Returns:
        [B, H, W, C].

    Raises:
        InputError: A shape, dtype, device or mode does not fit, or the back-end is not available.
    """
    _check_modes(filter_mode, boundary_mode)
    levels = [texture] if isinstance(texture, Tensor) else list(texture)
    if not levels:
        raise InputError("texture is an empty list; give a tensor or the levels of build_mipmaps")
    resolved = backend if backend == "nvdiffrast" else resolve_backend(backend, levels[0].device)
    dtypes = (torch.float32, torch.float64) if resolved == "reference" else (torch.float32,)
    _check_texture(levels, boundary_mode, uv, dtypes)
    _check_lookup(uv, uv_derivatives, mip_bias, levels[0], filter_mode, boundary_mode, dtypes)
    if filter_mode != "trilinear":
        levels = levels[:1]
    elif isinstance(texture, Tensor):
        levels = build_mipmaps(texture)
    if resolved == "reference":
        return sample_texture_reference_tensors(
            levels, uv, uv_derivatives, mip_bias, filter_mode, boundary_mode
        )
    if resolved == "nvdiffrast":
        return texture_by_nvdiffrast(levels, uv, uv_derivatives, mip_bias, filter_mode, boundary_mode)
    texels, sizes = _packed(levels)
    derivatives, bias = (t if t is None else t.contiguous() for t in (uv_derivatives, mip_bias))
    return sample_texture_op(texels, uv.contiguous(), derivatives, bias, sizes, filter_mode, boundary_mode)


def build_mipmaps(texture: Tensor, max_levels: int | None = None) -> list[Tensor]:
    """Halve a texture again and again by averaging, down to one texel.

    Every level has max(1, n // 2) texels along a side of n. A texel is the mean of the part of the level
    before that it covers: of two texels where n is even. Where n is odd it covers a little more than two, so
    parts of three. So the mean of all texels stays what it was for any size, and nothing moves.

    Args:
        texture: [..., h, w, C], floating point: [A, h, w, C], or [A, 6, s, s, C] for a cube, whose faces are
            averaged one by one.
        max_levels: how many to return at most, the texture itself included; None for all.

    Returns:
        The texture and its smaller levels, the finest first. Differentiable to `texture`.

    Raises:
        InputError: there are no texels, they are no floating point numbers, or `max_levels` is not positive.

    Source: Williams 1983; for odd sizes, Guthe and Heckbert 2005, "Non-power-of-two mipmap creation".
    """
    if texture.dim() < 3 or 0 in texture.shape[-3:-1] or not texture.dtype.is_floating_point:
        raise InputError(
            "a texture must be floating point [..., h, w, C] with texels, "
            f"not {texture.dtype} {list(texture.shape)}"
        )
    if max_levels is not None and max_levels < 1:
        raise InputError(f"max_levels must be at least 1, not {max_levels}")
    levels = [texture]
    while max(levels[-1].shape[-3:-1]) > 1 and len(levels) != max_levels:
        levels.append(_halve(_halve(levels[-1], -3), -2))
    return levels


def _halve(image: Tensor, dim: int) -> Tensor:
    """Box filter along one dimension, to max(1, n // 2) texels."""
    size = image.shape[dim]
    half = size // 2
    if size == 1:
        return image
    pairs = image.narrow(dim, 0, 2 * half).unflatten(dim, (half, 2))  # dim is now dim - 1
    first, second = pairs.select(dim, 0), pairs.select(dim, 1)
    if size % 2 == 0:
        return (first + second) * 0.5
    # The new texel i covers the old ones from i n / half to (i + 1) n / half, with n = 2 half + 1.
    third = image.narrow(dim, 1, 2 * half).unflatten(dim, (half, 2)).select(dim, 1)
    index = torch.arange(half, device=image.device, dtype=image.dtype).view([-1] + [1] * (-1 - dim))
    return (first * (half - index) + second * half + third * (index + 1)) / size


def _packed(levels: list[Tensor]) -> tuple[Tensor, list[int]]:
    """All levels behind each other, [A, M, C], and their heights and widths in turn."""
    flat = [level.flatten(1, -2) for level in levels]
    sizes = [size for level in levels for size in level.shape[-3:-1]]
    return (flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)).contiguous(), sizes


def _check_modes(filter_mode: str, boundary_mode: str) -> None:
    if filter_mode not in FILTERS:
        raise InputError(f"filter_mode must be {', '.join(FILTERS)}, not {filter_mode!r}")
    if boundary_mode not in BOUNDARIES:
        raise InputError(f"boundary_mode must be {', '.join(BOUNDARIES)}, not {boundary_mode!r}")


def _check_texture(
    levels: list[Tensor], boundary_mode: Boundary, uv: Tensor, dtypes: tuple[torch.dtype, ...]
) -> None:
    finest = levels[0]
    is_cube = boundary_mode == "cube"
    wanted = "[A, 6, s, s, C]" if is_cube else "[A, h, w, C]"
    shape = list(finest.shape)
    if len(shape) != (5 if is_cube else 4) or (is_cube and (shape[1] != 6 or shape[2] != shape[3])):
        raise InputError(f"texture must have shape {wanted} for {boundary_mode}, got {shape}")
    if not all(1 <= side <= MAX_TEXTURE_SIZE for side in shape[-3:-1]):
        raise InputError(f"the sides of a texture must be 1 to {MAX_TEXTURE_SIZE} texels, got {shape}")
    if uv.dim() > 0 and shape[0] not in (1, uv.shape[0]):
        raise InputError(f"there must be 1 texture or one for each of {uv.shape[0]} views, got {shape[0]}")
    check_tensor("texture", finest, tuple(shape), dtypes)
    for index, level in enumerate(levels[1:], 1):
        halved = [max(1, side >> index) for side in shape[-3:-1]]
        check_tensor(
            f"mip level {index}", level, (*shape[:-3], *halved, shape[-1]), (finest.dtype,), finest.device
        )


def _check_lookup(
    uv: Tensor,
    uv_derivatives: Tensor | None,
    mip_bias: Tensor | None,
    texture: Tensor,
    filter_mode: Filter,
    boundary_mode: Boundary,
    dtypes: tuple[torch.dtype, ...],
) -> None:
    is_cube = boundary_mode == "cube"
    check_tensor("uv", uv, (None, None, None, 3 if is_cube else 2), dtypes, texture.device)
    if uv_derivatives is not None:
        check_tensor("uv_derivatives", uv_derivatives, (*uv.shape[:3], 2, 2), dtypes, texture.device)
        if is_cube:
            raise InputError("a cube has no uv_derivatives; give the mip level as mip_bias")
    if mip_bias is not None:
        check_tensor("mip_bias", mip_bias, tuple(uv.shape[:3]), dtypes, texture.device)
    has_level = uv_derivatives is not None or mip_bias is not None
    if has_level and filter_mode != "trilinear":
        raise InputError(
            f"{filter_mode} takes no uv_derivatives or mip_bias; use trilinear or leave them out"
        )
    if not has_level and filter_mode == "trilinear":
        raise InputError("trilinear needs uv_derivatives or mip_bias to choose a mip level")
