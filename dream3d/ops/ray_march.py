"""Occupancy-grid ray marching: where along each ray the field has to be evaluated.

Count, scan, write: the samples are ordered by ray and by distance, the same for any number of threads, and
none is ever dropped.
"""

# ruff: noqa: ARG001 (fakes must have the signature of their op)

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops._checks import check_tensor
from dream3d.ops._library import FLOAT, INT32, INT64, POINTER, Backend, Kernel, resolve_backend

__all__ = ["RaySamples", "ray_march", "ray_march_reference"]

MAX_SAMPLES_PER_RAY = 2**23  # kMaxLattice in cuda/include/dream3d/ray_march.h


@dataclass(frozen=True)
class RaySamples:
    """Intervals along rays, packed ray after ray."""

    t_starts: Tensor  # [S] distance along the ray, in units of the direction's length
    t_ends: Tensor  # [S]
    ray_index: Tensor  # [S] int32
    packed_info: Tensor  # [R, 2] int32: first sample of the ray, number of samples

    @property
    def num_samples(self) -> int:
        """Number of samples S."""
        return self.t_starts.shape[0]

    def midpoints(self) -> Tensor:
        """Distances at which the field is evaluated, [S]."""
        return 0.5 * (self.t_starts + self.t_ends)


def ray_march(
    origins: Tensor,
    directions: Tensor,
    occupancy: Tensor,
    aabb: Sequence[float] | Tensor,
    step_size: float,
    jitter: Tensor,
    backend: Backend = "auto",
) -> RaySamples:
    """Split each ray into intervals of `step_size` and keep those whose midpoint is in an occupied cell.

    Interval k of a ray spans near + (k + jitter) step to near + (k + 1 + jitter) step, where near is the
    distance at which the ray enters the box, or 0 when it starts inside. Empty cells never shift the lattice.
    A ray that misses the box or has a NaN component has no samples. Not differentiable.

    Args:
        origins: [R, 3] float32.
        directions: [R, 3] float32, nonzero; distances are in units of their length.
        occupancy: [X, Y, Z] bool or uint8, nonzero where something may be.
        aabb: The grid's box: lower corner, then upper corner, 6 numbers or [2, 3].
        step_size: Length of an interval, > 0.
        jitter: [R] float32 in [0, 1), the phase of each ray's lattice.
        backend: "auto" follows the device of the tensors; "reference" is the plain-torch twin.

    Returns:
        Samples ordered by ray, then by distance; bitwise the same on every back-end in float32.

    Raises:
        InputError: A shape, dtype, device or number does not fit, a ray would have more than 2^23 intervals,
            or the back-end is not available.
    """
    box = _box(aabb)
    if not (math.isfinite(step_size) and step_size > 0):
        raise InputError(f"step_size must be a positive number, got {step_size}")
    if not all(high > low for low, high in zip(box[:3], box[3:], strict=True)):
        raise InputError(f"aabb must be a lower corner followed by a larger upper corner, got {box}")
    if resolve_backend(backend, origins.device) == "reference":
        return ray_march_reference(origins, directions, occupancy, box, step_size, jitter)
    device = origins.device
    check_tensor("origins", origins, (None, 3))
    check_tensor("directions", directions, (origins.shape[0], 3), device=device)
    check_tensor("occupancy", occupancy, (None, None, None), (torch.bool, torch.uint8), device)
    check_tensor("jitter", jitter, (origins.shape[0],), device=device)
    if not 0 < occupancy.numel() <= 2**31 or max(occupancy.shape) > 4096:
        raise InputError(
            f"occupancy must have 1 to 4096 cells per axis and 2^31 in all, got {list(occupancy.shape)}"
        )
    return RaySamples(
        *_ray_march(
            origins.contiguous(),
            directions.contiguous(),
            occupancy.contiguous(),
            box,
            step_size,
            jitter.contiguous(),
        )
    )


def _box(aabb: Sequence[float] | Tensor) -> list[float]:
    """The box as six numbers."""
    numbers = torch.as_tensor(aabb).flatten().tolist()
    if len(numbers) != 6:
        raise InputError(f"aabb must hold 6 numbers (lower corner, upper corner), got {len(numbers)}")
    return [float(number) for number in numbers]


def ray_march_reference(
    origins: Tensor,
    directions: Tensor,
    occupancy: Tensor,
    aabb: Sequence[float] | Tensor,
    step_size: float,
    jitter: Tensor,
) -> RaySamples:
    """Plain-torch twin of `ray_march`: tests every interval of every ray. Any float dtype and device."""
    lower, upper = origins.new_tensor(_box(aabb)).reshape(2, 3)
    near, far = _slab_distances(origins, directions, lower, upper)  # [R]
    longest = float((far - near).clamp_min(0.0).max()) if near.numel() else 0.0
    lattice = torch.arange(int(longest / step_size) + 2, device=origins.device).to(origins.dtype)  # [K]
    phase = lattice + jitter[:, None]  # [R, K]
    midpoints = near[:, None] + (phase + 0.5) * step_size
    resolution = torch.tensor(occupancy.shape, device=origins.device)
    inverse_cell = resolution.to(origins.dtype) / (upper - lower)
    points = origins[:, None] + directions[:, None] * midpoints[..., None]  # [R, K, 3]
    position = ((points - lower) * inverse_cell).nan_to_num(0.0)
    x, y, z = position.clamp_min(0.0).minimum((resolution - 1).to(position.dtype)).long().unbind(-1)
    keep = (midpoints < far[:, None]) & (occupancy[x, y, z] != 0)
    ray_index, column = keep.nonzero(as_tuple=True)
    counts = keep.sum(1)
    packed_info = torch.stack([counts.cumsum(0) - counts, counts], dim=1).to(torch.int32)
    start = lattice[column] + jitter[ray_index]
    end = (lattice[column] + 1.0) + jitter[ray_index]
    return RaySamples(
        near[ray_index] + start * step_size,
        near[ray_index] + end * step_size,
        ray_index.to(torch.int32),
        packed_info,
    )


def _slab_distances(
    origins: Tensor, directions: Tensor, lower: Tensor, upper: Tensor
) -> tuple[Tensor, Tensor]:
    """Distances [R] at which the rays enter (at least 0) and leave the box; (1, 0) for a miss."""
    parallel = directions == 0
    to_lower = (lower - origins) / directions  # [R, 3]
    to_upper = (upper - origins) / directions
    enter = torch.where(directions > 0, to_lower, to_upper)
    leave = torch.where(directions > 0, to_upper, to_lower)
    inside = (origins >= lower) & (origins <= upper)
    valid = torch.where(parallel, inside, enter <= leave).all(1)
    near = torch.where(parallel, -math.inf, enter).amax(1).clamp_min(0.0)
    far = torch.where(parallel, math.inf, leave).amin(1)
    valid = valid & (near < far) & (far < math.inf)
    return torch.where(valid, near, 1.0), torch.where(valid, far, 0.0)


class _Params(ctypes.Structure):
    """Mirror of D3dRayMarchParams."""

    _fields_ = [
        ("origins", POINTER),
        ("directions", POINTER),
        ("jitter", POINTER),
        ("occupancy", POINTER),
        ("counts", POINTER),
        ("starts", POINTER),
        ("t_starts", POINTER),
        ("t_ends", POINTER),
        ("ray_index", POINTER),
        ("num_rays", INT64),
        ("resolution", INT32 * 3),
        ("aabb", FLOAT * 6),
        ("step_size", FLOAT),
    ]


_COUNT = Kernel("d3d_ray_march_count", _Params)
_WRITE = Kernel("d3d_ray_march_write", _Params)


@torch.library.custom_op("dream3d::ray_march", mutates_args=())
def _ray_march(
    origins: Tensor,
    directions: Tensor,
    occupancy: Tensor,
    aabb: Sequence[float],
    step_size: float,
    jitter: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    num_rays = origins.shape[0]
    counts = origins.new_empty(num_rays, dtype=torch.int32)
    rays = {
        "origins": origins,
        "directions": directions,
        "jitter": jitter,
        "occupancy": occupancy,
        "num_rays": num_rays,
        "resolution": tuple(occupancy.shape),
        "aabb": tuple(aabb),
        "step_size": step_size,
    }
    _COUNT.launch(origins.device, counts=counts, **rays)
    ends = counts.cumsum(0)  # int64
    num_samples = _checked_total(counts, ends)
    starts = (ends - counts).to(torch.int32)
    t_starts = origins.new_empty(num_samples)
    t_ends = origins.new_empty(num_samples)
    ray_index = origins.new_empty(num_samples, dtype=torch.int32)
    _WRITE.launch(
        origins.device,
        counts=counts,
        starts=starts,
        t_starts=t_starts,
        t_ends=t_ends,
        ray_index=ray_index,
        **rays,
    )
    return t_starts, t_ends, ray_index, torch.stack([starts, counts], dim=1)


def _checked_total(counts: Tensor, ends: Tensor) -> int:
    """Number of samples of all rays. On CUDA this waits for the counts: the outputs need their size."""
    if counts.numel() == 0:
        return 0
    total, fewest = torch.stack([ends[-1], counts.amin()]).tolist()
    if fewest < 0:
        raise InputError(
            f"a ray has more than {MAX_SAMPLES_PER_RAY} intervals; use a larger step or longer directions"
        )
    if total >= 2**31:
        raise InputError(
            f"{total} samples do not fit in 32-bit indices; use a larger step_size or fewer rays"
        )
    return total


@_ray_march.register_fake
def _(
    origins: Tensor,
    directions: Tensor,
    occupancy: Tensor,
    aabb: Sequence[float],
    step_size: float,
    jitter: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    num_samples = torch.library.get_ctx().new_dynamic_size()
    return (
        origins.new_empty(num_samples),
        origins.new_empty(num_samples),
        origins.new_empty(num_samples, dtype=torch.int32),
        origins.new_empty(origins.shape[0], 2, dtype=torch.int32),
    )
