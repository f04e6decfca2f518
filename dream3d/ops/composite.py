"""Emission-absorption compositing of packed ray samples.

Max 1995, "Optical models for direct volume rendering"; Mildenhall et al. 2020, equation 3.
"""

# ruff: noqa: ARG001 (fakes and context functions must have the signature of their op)

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dream3d.ops._checks import check_tensor
from dream3d.ops._library import FLOAT, INT32, INT64, POINTER, Backend, Kernel, resolve_backend

__all__ = ["Composited", "composite", "composite_reference"]


@dataclass(frozen=True)
class Composited:
    """What R rays see. Everything is premultiplied: divide by `opacity` for the mean along a ray."""

    values: Tensor  # [R, C] sum of w_i v_i
    opacity: Tensor  # [R] sum of w_i, in [0, 1]
    depth: Tensor  # [R] sum of w_i t_i with t_i the middle of interval i
    weights: Tensor  # [S] w_i = T_i (1 - exp(-density_i (t_end_i - t_start_i)))


def composite(
    density: Tensor,
    values: Tensor,
    t_starts: Tensor,
    t_ends: Tensor,
    packed_info: Tensor,
    early_stop: float = 1e-4,
    backend: Backend = "auto",
) -> Composited:
    """Sum what the samples of each ray emit, attenuated by the samples before them.

    First-order differentiable to `density` and `values` through all four results. Samples reached by less
    than `early_stop` of the light weigh exactly 0 and get no gradient.

    Args:
        density: [S] float32, per unit length.
        values: [S, C] float32, what is summed: colours, normals, features.
        t_starts: [S] float32 distances along the rays.
        t_ends: [S] float32.
        packed_info: [R, 2] int32: first sample of each ray and number of samples. Ranges must not overlap;
            samples of no ray have weight 0.
        early_stop: Transmittance below which a ray ends; 0 never stops.
        backend: "auto" follows the device of the tensors; "reference" is the plain-torch twin.

    Raises:
        InputError: A shape, dtype, device or range does not fit, or the back-end is not available. On CUDA a
            range of samples that do not exist makes its ray NaN instead: nothing has to be waited for.
    """
    device = density.device
    if resolve_backend(backend, device) == "reference":
        return composite_reference(density, values, t_starts, t_ends, packed_info, early_stop)
    num_samples = density.shape[0] if density.dim() else None
    check_tensor("density", density, (None,))
    check_tensor("values", values, (num_samples, None), device=device)
    check_tensor("t_starts", t_starts, (num_samples,), device=device)
    check_tensor("t_ends", t_ends, (num_samples,), device=device)
    check_tensor("packed_info", packed_info, (None, 2), (torch.int32,), device)
    ray_values, opacity, depth, weights, _ = _composite(
        density.contiguous(),
        values.contiguous(),
        t_starts.contiguous(),
        t_ends.contiguous(),
        packed_info.contiguous(),
        early_stop,
    )
    return Composited(ray_values, opacity, depth, weights)


def composite_reference(
    density: Tensor,
    values: Tensor,
    t_starts: Tensor,
    t_ends: Tensor,
    packed_info: Tensor,
    early_stop: float = 1e-4,
) -> Composited:
    """Plain-torch twin of `composite`, for any float dtype and device."""
    starts, counts = packed_info.long().unbind(1)  # [R]
    longest = int(counts.max()) if counts.numel() else 0
    column = torch.arange(longest, device=density.device)
    inside = column < counts[:, None]  # [R, K]
    sample = (starts[:, None] + column)[inside]  # [S] samples that belong to a ray, ray after ray
    padded = density.new_zeros(inside.shape)
    optical_depth = padded.masked_scatter(inside, (density * (t_ends - t_starts))[sample])  # [R, K]
    # T_i = exp(-sum before i); the inclusive sum is shifted, since subtracting could give inf - inf.
    before = torch.cat([padded[:, :1], optical_depth.cumsum(1)[:, :-1]], dim=1)
    transmittance = torch.exp(-before)
    weights = transmittance * -torch.expm1(-optical_depth)
    stopped = transmittance < early_stop
    packed_weights = weights.masked_fill(stopped, 0.0)[inside]
    ray = torch.arange(counts.shape[0], device=density.device).repeat_interleave(counts)
    midpoints = 0.5 * (t_starts + t_ends)

    def along_rays(contributions: Tensor) -> Tensor:
        return contributions.new_zeros((counts.shape[0], *contributions.shape[1:])).index_add(
            0, ray, contributions
        )

    return Composited(
        along_rays(packed_weights[:, None] * values[sample]),
        along_rays(packed_weights),
        along_rays(packed_weights * midpoints[sample]),
        torch.zeros_like(density).index_put((sample,), packed_weights),
    )


class _ForwardParams(ctypes.Structure):
    """Mirror of D3dCompositeParams."""

    _fields_ = [
        ("density", POINTER),
        ("values", POINTER),
        ("t_starts", POINTER),
        ("t_ends", POINTER),
        ("packed_info", POINTER),
        ("ray_values", POINTER),
        ("opacity", POINTER),
        ("depth", POINTER),
        ("weights", POINTER),
        ("transmittance", POINTER),
        ("num_rays", INT64),
        ("num_samples", INT64),
        ("num_channels", INT32),
        ("early_stop", FLOAT),
    ]


class _BackwardParams(ctypes.Structure):
    """Mirror of D3dCompositeBackwardParams."""

    _fields_ = [
        ("values", POINTER),
        ("t_starts", POINTER),
        ("t_ends", POINTER),
        ("packed_info", POINTER),
        ("weights", POINTER),
        ("transmittance", POINTER),
        ("grad_ray_values", POINTER),
        ("grad_opacity", POINTER),
        ("grad_depth", POINTER),
        ("grad_weights", POINTER),
        ("grad_density", POINTER),
        ("grad_values", POINTER),
        ("num_rays", INT64),
        ("num_samples", INT64),
        ("num_channels", INT32),
    ]


_FORWARD = Kernel("d3d_composite", _ForwardParams)
_BACKWARD = Kernel("d3d_composite_backward", _BackwardParams)


@torch.library.custom_op("dream3d::composite", mutates_args=())
def _composite(
    density: Tensor, values: Tensor, t_starts: Tensor, t_ends: Tensor, packed_info: Tensor, early_stop: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """As `composite`, and the transmittance behind each sample [S], which the derivative needs."""
    num_rays = packed_info.shape[0]
    ray_values = values.new_empty(num_rays, values.shape[1])
    opacity, depth = density.new_empty(num_rays), density.new_empty(num_rays)
    weights, transmittance = torch.zeros_like(density), torch.zeros_like(density)
    _FORWARD.launch(
        density.device,
        density=density,
        values=values,
        t_starts=t_starts,
        t_ends=t_ends,
        packed_info=packed_info,
        ray_values=ray_values,
        opacity=opacity,
        depth=depth,
        weights=weights,
        transmittance=transmittance,
        num_rays=num_rays,
        num_samples=density.shape[0],
        num_channels=values.shape[1],
        early_stop=early_stop,
    )
    return ray_values, opacity, depth, weights, transmittance


@_composite.register_fake
def _(
    density: Tensor, values: Tensor, t_starts: Tensor, t_ends: Tensor, packed_info: Tensor, early_stop: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    num_rays = packed_info.shape[0]
    return (
        values.new_empty(num_rays, values.shape[1]),
        density.new_empty(num_rays),
        density.new_empty(num_rays),
        torch.empty_like(density),
        torch.empty_like(density),
    )


@torch.library.custom_op("dream3d::composite_backward", mutates_args=())
def _composite_backward(
    values: Tensor,
    t_starts: Tensor,
    t_ends: Tensor,
    packed_info: Tensor,
    weights: Tensor,
    transmittance: Tensor,
    grad_ray_values: Tensor | None,
    grad_opacity: Tensor | None,
    grad_depth: Tensor | None,
    grad_weights: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Gradients to density [S] and values [S, C]; an upstream gradient of None is zero."""
    grad_density, grad_values = torch.zeros_like(weights), torch.zeros_like(values)
    _BACKWARD.launch(
        weights.device,
        values=values,
        t_starts=t_starts,
        t_ends=t_ends,
        packed_info=packed_info,
        weights=weights,
        transmittance=transmittance,
        grad_ray_values=grad_ray_values,
        grad_opacity=grad_opacity,
        grad_depth=grad_depth,
        grad_weights=grad_weights,
        grad_density=grad_density,
        grad_values=grad_values,
        num_rays=packed_info.shape[0],
        num_samples=weights.shape[0],
        num_channels=values.shape[1],
    )
    return grad_density, grad_values


@_composite_backward.register_fake
def _(
    values: Tensor,
    t_starts: Tensor,
    t_ends: Tensor,
    packed_info: Tensor,
    weights: Tensor,
    transmittance: Tensor,
    grad_ray_values: Tensor | None,
    grad_opacity: Tensor | None,
    grad_depth: Tensor | None,
    grad_weights: Tensor | None,
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(weights), torch.empty_like(values)


def _setup_context(
    ctx: Any,
    inputs: tuple[Tensor, Tensor, Tensor, Tensor, Tensor, float],
    output: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
) -> None:
    _, values, t_starts, t_ends, packed_info, _ = inputs
    weights, transmittance = output[3:]
    ctx.mark_non_differentiable(transmittance)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(values, t_starts, t_ends, packed_info, weights, transmittance)


def _backward(
    ctx: Any,
    grad_ray_values: Tensor | None,
    grad_opacity: Tensor | None,
    grad_depth: Tensor | None,
    grad_weights: Tensor | None,
    _: Tensor | None,
) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
    upstream = [
        None if grad is None else grad.contiguous()
        for grad in (grad_ray_values, grad_opacity, grad_depth, grad_weights)
    ]
    grad_density, grad_values = _composite_backward(*ctx.saved_tensors, *upstream)
    return grad_density, grad_values, None, None, None, None


_composite.register_autograd(_backward, setup_context=_setup_context)
