"""Volume rendering of the radiance field: colors, opacity, depth and normals of whole images.

Emission and absorption along rays (Max 1995; Mildenhall et al. 2020, equation 3), with light applied once per
pixel ("deferred") to the composited albedo.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.math import normalize
from dream3d.ops.composite import composite
from dream3d.ops.ray_march import RaySamples, ray_march
from dream3d.render.shading import shade_srgb
from dream3d.scene.occupancy import OccupancyGrid
from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import Shading

_NORMAL_OPACITY = 0.1  # pixels fainter than this get no normal: it would be noise, and its light is invisible
_HIDDEN_OPTICAL_DEPTH = 5.5  # samples behind this much count for less than one 8-bit step of color


@dataclass(frozen=True)
class Render:
    """What B cameras see. Colors and depth are premultiplied by the opacity."""

    color_srgb: Tensor  # [B, H, W, 3] lit as asked; or [B, H, W, c] latents
    opacity: Tensor  # [B, H, W] in [0, 1]
    depth: Tensor  # [B, H, W] expected distance from the camera along the ray
    depth_variance: Tensor  # [B, H, W] sum of w (t - mean depth)^2
    normals: Tensor  # [B, H, W, 3] unit, world; zero where nothing is seen or none were needed
    points: Tensor  # [B, H, W, 3] at the expected depth, no gradient; anything where nothing is seen
    num_samples: int  # points at which the field was evaluated


def render_volume(
    field: RadianceField,
    occupancy: OccupancyGrid,
    cameras: Cameras,
    height: int,
    width: int,
    shading: Shading,
    step_size: float,
    jitter: Tensor | None = None,
    with_normals: bool = False,
    shows_latents: bool = False,
) -> Render:
    """Render the field from every camera, differentiably with respect to its parameters.

    Args:
        field: What is rendered.
        occupancy: Cells that rays may not skip.
        cameras: B cameras.
        height: H, pixels.
        width: W, pixels.
        shading: How the albedo is lit; "albedo" needs no normals and is the cheapest.
        step_size: Distance between samples in scene units.
        jitter: [B * H * W] in [0, 1), shift of each ray's samples in steps; None for half a step everywhere.
        with_normals: Compute normals even where the shading does not need them.
        shows_latents: Composite the latents of a field that holds some in place of its albedo, unlit.

    Returns:
        The images.
    """
    rays = cameras.rays(height, width)
    origins = rays.origins.reshape(-1, 3)  # [R, 3]
    directions = rays.directions.reshape(-1, 3)  # [R, 3]
    if jitter is None:
        jitter = torch.full_like(origins[:, 0], 0.5)
    samples = ray_march(origins, directions, occupancy.occupied, occupancy.aabb, step_size, jitter)
    samples, points = _drop_hidden(samples, occupancy, origins, directions)
    middle = float(cameras.distance.mean())
    density, colors = (field.density_and_latents if shows_latents else field.density_and_albedo)(points)
    albedo, opacity, depth, depth_variance = _integrate(density, colors, samples, middle)
    normals = torch.zeros_like(origins)
    if with_normals or shading != "albedo":
        normals = _surface_normals(field, origins, directions, opacity.detach(), depth.detach())
    flat = (len(cameras), height * width)
    color = shade_srgb(albedo.view(*flat, -1), opacity.view(flat), normals.view(*flat, 3), cameras, shading)
    image = (len(cameras), height, width)
    return Render(
        color.reshape(*image, -1),
        opacity.view(image),
        depth.view(image),
        depth_variance.view(image),
        normals.view(*image, 3),
        _expected_points(origins, directions, opacity, depth).view(*image, 3),
        samples.t_starts.shape[0],
    )


@torch.no_grad()
def _expected_points(origins: Tensor, directions: Tensor, opacity: Tensor, depth: Tensor) -> Tensor:
    """Where rays [R, 3] meet the scene on average, [R, 3]."""
    return origins + (depth / opacity.clamp_min(1e-4))[:, None] * directions


@torch.no_grad()
def _drop_hidden(
    samples: RaySamples, occupancy: OccupancyGrid, origins: Tensor, directions: Tensor
) -> tuple[RaySamples, Tensor]:
    """Leave out samples behind what the occupancy grid knows to be opaque: most of a solid object.

    Args:
        samples: S samples of R rays.
        occupancy: Its lower estimate of the density decides.
        origins: [R, 3].
        directions: [R, 3].

    Returns:
        The samples kept, a front part of each ray's, and their points [S', 3].
    """
    ray = samples.ray_index.long()
    points = torch.addcmul(origins[ray], samples.midpoints()[:, None], directions[ray])  # [S, 3]
    floor = occupancy.density_floor.flatten()[occupancy.cells_of(points)]
    optical_depth = floor * (samples.t_ends - samples.t_starts)
    total = optical_depth.cumsum(0, dtype=torch.float64)  # over all rays; exact enough in double precision
    before = total - optical_depth
    starts, counts = samples.packed_info.long().unbind(1)
    kept = before - before[starts[ray]] < _HIDDEN_OPTICAL_DEPTH
    index = kept.nonzero()[:, 0]
    kept_before = kept.cumsum(0)
    ends = torch.cat([kept_before.new_zeros(1), kept_before])
    new_starts = ends[starts]
    packed = torch.stack([new_starts, ends[starts + counts] - new_starts], dim=1).to(torch.int32)
    fewer = RaySamples(samples.t_starts[index], samples.t_ends[index], samples.ray_index[index], packed)
    return fewer, points[index]


def _integrate(
    density: Tensor, colors: Tensor, samples: RaySamples, middle: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Colors [R, C], opacity [R], depth [R] (all premultiplied) and depth variance [R] along rays.

    The variance is a difference of second moments; taken about `middle`, a distance inside the scene, it
    keeps its digits in single precision.
    """
    offset = samples.midpoints() - middle  # [S]
    moments = torch.stack([offset, offset * offset], dim=1)
    values = torch.cat([colors, moments], dim=1)  # [S, C + 2]
    result = composite(density, values, samples.t_starts, samples.t_ends, samples.packed_info)
    first, second = result.values[:, -2], result.values[:, -1]
    mean = (first / result.opacity.clamp_min(1e-6)).detach()
    variance = second - 2.0 * mean * first + mean * mean * result.opacity
    return result.values[:, :-2], result.opacity, result.depth, variance.clamp_min(0.0)


def _surface_normals(
    field: RadianceField, origins: Tensor, directions: Tensor, opacity: Tensor, depth: Tensor
) -> Tensor:
    """Unit normals [R, 3] at the expected surface points, from differences of the density logit.

    Four points on a tetrahedron around each surface point give the gradient (Quilez, "normals for an SDF").
    The result is differentiable to the field's parameters, not to the place where it is taken.
    """
    seen = (opacity > _NORMAL_OPACITY).nonzero()[:, 0]  # [P]
    normals = torch.zeros_like(origins)
    if len(seen) == 0:
        return normals
    points = origins[seen] + (depth[seen] / opacity[seen])[:, None] * directions[seen]  # [P, 3]
    corners = points.new_tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])  # [4, 3]
    stencil = points[:, None] + field.config.normal_epsilon * corners  # [P, 4, 3]
    logit = field.density_logit(stencil.reshape(-1, 3)).view(-1, 4)
    gradient = logit @ corners  # [P, 3], up to a positive factor
    return normals.index_copy(0, seen, normalize(-gradient))
