"""The volume renderer against quadrature in double precision, finite differences and invariants."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dream3d.cameras import Cameras, orbit
from dream3d.render.volume import render_volume
from dream3d.scene.occupancy import OccupancyGrid
from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import FieldConfig

SMALL = FieldConfig(
    num_levels=4, log2_hashmap_size=10, base_resolution=4, finest_resolution=16, hidden_size=16
)
STEP = 2.0 / 96.0


def bumpy_field(config: FieldConfig = SMALL, size: float = 0.6) -> RadianceField:
    """A field with features large enough to matter everywhere."""
    generator = torch.Generator().manual_seed(3)
    field = RadianceField(config, generator)
    with torch.no_grad():
        field.table.copy_(torch.randn(field.table.shape, generator=generator) * size)
        field.output_weight.mul_(5.0)
    return field


def blob_field(config: FieldConfig) -> RadianceField:
    """The initial blob alone: everything is known in closed form, the albedo is 0.5."""
    field = RadianceField(config)
    with torch.no_grad():
        field.output_weight.zero_()
    return field


def quadrature(config: FieldConfig, cameras: Cameras, size: int) -> tuple[Tensor, Tensor]:
    """Opacity and premultiplied depth [B, size, size] of the blob, 4000 samples per ray in float64."""
    rays = cameras.rays(size, size)
    t = torch.linspace(1.0, 5.0, 4001, dtype=torch.float64)
    points = rays.origins.double()[..., None, :] + t[:, None] * rays.directions.double()[..., None, :]
    radius = points.norm(dim=-1)
    density = config.density_scale * functional.softplus(
        config.blob_strength * (1.0 - radius / config.blob_radius)
    )
    density = density * (radius < 1.0)
    depth_optical = torch.cumulative_trapezoid(density, t, dim=-1)
    transmittance = torch.exp(-depth_optical)
    middle = 0.5 * (t[1:] + t[:-1])
    weights = -torch.diff(transmittance, dim=-1, prepend=torch.ones_like(transmittance[..., :1]))
    return 1.0 - transmittance[..., -1], (weights * middle).sum(-1)


@pytest.mark.parametrize("density_scale", [1.0, 10.0])
def test_blob_against_quadrature(density_scale):
    config = FieldConfig(num_levels=2, log2_hashmap_size=8, density_scale=density_scale, blob_strength=15.0)
    cameras = orbit([0.0, 130.0], 25.0, 3.0, 40.0)
    render = render_volume(blob_field(config), OccupancyGrid(64), cameras, 12, 12, "albedo", STEP)
    opacity, depth = quadrature(config, cameras, 12)
    assert float((render.opacity - opacity).abs().max()) < 4e-3
    assert float((render.depth - depth).abs().max()) < 1.5e-2
    torch.testing.assert_close(render.color_srgb, 0.5 * render.opacity[..., None].expand(-1, -1, -1, 3))


def test_normals_of_the_blob_point_from_the_center():
    config = FieldConfig(num_levels=2, log2_hashmap_size=8, density_scale=40.0)
    cameras = orbit([20.0], 10.0, 3.0, 40.0)
    render = render_volume(blob_field(config), OccupancyGrid(64), cameras, 24, 24, "shaded", STEP)
    rays = cameras.rays(24, 24)
    seen = render.opacity > 0.5
    surface = (rays.origins + (render.depth / render.opacity)[..., None] * rays.directions)[seen]
    cosine = (functional.normalize(surface, dim=-1) * render.normals[seen]).sum(-1)
    assert float(cosine.min()) > 0.999
    assert float(render.normals[render.opacity < 0.05].abs().max()) == 0.0


def test_shaded_render_is_the_albedo_times_the_light_of_its_normals():
    cameras = orbit([20.0, 200.0], 10.0, 3.0, 40.0)
    field, grid = bumpy_field(), OccupancyGrid(32)
    albedo = render_volume(field, grid, cameras, 16, 16, "albedo", STEP, with_normals=True)
    shaded = render_volume(field, grid, cameras, 16, 16, "shaded", STEP)
    light = functional.normalize(cameras.positions() / 3.0 + torch.tensor([0.0, 0.5, 0.0]), dim=-1)
    factor = 0.45 + 0.55 * (albedo.normals * light[:, None, None]).sum(-1).clamp_min(0.0)
    expected = albedo.color_srgb * factor[..., None] ** (1 / 2.2)
    torch.testing.assert_close(shaded.color_srgb, expected, rtol=1e-4, atol=1e-5)


def check_gradient(objective: Callable[[], Tensor], parameters: list[Tensor], eps: float, tolerance: float):
    """Compare with central differences along the gradient, where the derivative is far above rounding."""
    gradients = torch.autograd.grad(objective(), parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        direction = gradient / gradient.norm()
        with torch.no_grad():
            original = parameter.clone()
            parameter.copy_(original + eps * direction)
            above = float(objective())
            parameter.copy_(original - eps * direction)
            below = float(objective())
            parameter.copy_(original)
        assert (above - below) / (2 * eps) == pytest.approx(float(gradient.norm()), rel=tolerance)


def test_gradient_against_finite_differences():
    field, grid = bumpy_field(size=0.3), OccupancyGrid(16)
    cameras = orbit([40.0], 20.0, 3.0, 40.0)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(1, 8, 8, 6, generator=generator)

    def objective() -> Tensor:
        render = render_volume(field, grid, cameras, 8, 8, "albedo", 0.05)
        images = (render.color_srgb, render.opacity[..., None], 0.1 * render.depth[..., None])
        return (torch.cat([*images, render.depth_variance[..., None]], dim=-1) * weight).sum()

    # The mean depth inside the variance passes on no gradient, and needs none: the variance is least there.
    check_gradient(objective, [field.table, *field.network_parameters()], 2e-3, 0.02)


@pytest.mark.parametrize("shading", ["shaded", "textureless"])
def test_light_reaches_the_density_through_the_normals(shading):
    # In a wall-like blob the place where normals are taken hardly moves: differences see the normals alone.
    field = bumpy_field(replace(SMALL, density_scale=400.0, blob_strength=20.0), size=0.1)
    cameras = orbit([40.0], 20.0, 3.0, 25.0)
    weight = torch.randn(1, 12, 12, 3, generator=torch.Generator().manual_seed(0))

    def objective() -> Tensor:
        render = render_volume(field, OccupancyGrid(16), cameras, 12, 12, shading, 0.02)
        return (render.color_srgb * weight)[:, 4:8, 4:8].sum()

    check_gradient(objective, [field.hidden_weight, field.table], 1e-2, 0.1)


def test_depth_variance_is_zero_for_a_wall_and_that_of_the_fog_for_fog():
    wall = FieldConfig(num_levels=2, log2_hashmap_size=8, density_scale=4000.0, blob_strength=500.0)
    fog = FieldConfig(
        num_levels=2, log2_hashmap_size=8, density_scale=0.5, blob_radius=1e3, blob_strength=5.0
    )
    cameras = orbit([0.0], 0.0, 3.0, 2.0)  # narrow: all rays pass the center
    hard = render_volume(blob_field(wall), OccupancyGrid(32), cameras, 4, 4, "albedo", 0.005)
    soft = render_volume(blob_field(fog), OccupancyGrid(32), cameras, 4, 4, "albedo", 0.005)
    density = 0.5 * math.log1p(math.exp(5.0))
    t = torch.linspace(0.0, 2.0, 200001, dtype=torch.float64)
    weights = density * torch.exp(-density * t)
    mass, mean = torch.trapezoid(weights, t), torch.trapezoid(weights * t, t)
    variance = torch.trapezoid(weights * (t - mean / mass) ** 2, t)
    assert float(hard.depth_variance.max()) < 1e-4
    assert float(soft.depth_variance.mean()) == pytest.approx(float(variance), rel=0.03)


def test_skipping_empty_and_hidden_space_does_not_change_the_picture():
    # A measured grid skips most samples; only what lies below its threshold may be lost.
    config = FieldConfig(num_levels=4, log2_hashmap_size=10, base_resolution=4, finest_resolution=16,
                         hidden_size=16, density_scale=60.0)  # fmt: skip
    field = bumpy_field(config, size=0.2)
    cameras = orbit([0.0, 120.0, 240.0], 20.0, 3.0, 40.0)
    full = render_volume(field, OccupancyGrid(48), cameras, 24, 24, "albedo", STEP)
    grid = OccupancyGrid(48)
    for seed in range(4):
        grid.update(field, 0.3, 0.95, torch.Generator().manual_seed(seed))
    sparse = render_volume(field, grid, cameras, 24, 24, "albedo", STEP)
    assert sparse.num_samples < 0.8 * full.num_samples
    assert float((sparse.opacity - full.opacity).abs().max()) < 0.03
    assert float((sparse.color_srgb - full.color_srgb).abs().max()) < 0.03


def test_premultiplied_color_never_exceeds_opacity():
    render = render_volume(
        bumpy_field(), OccupancyGrid(32), orbit([0.0, 90.0], 30.0, 3.0, 40.0), 16, 16, "shaded", STEP
    )
    assert float((render.color_srgb - render.opacity[..., None]).max()) < 1e-5
    assert float(render.opacity.min()) >= 0.0
    assert float(render.opacity.max()) <= 1.0 + 1e-6


def test_nothing_in_front_of_the_camera_is_an_empty_picture():
    grid = OccupancyGrid(16)
    grid.occupied.zero_()
    render = render_volume(bumpy_field(), grid, orbit([0.0], 0.0, 3.0, 40.0), 8, 8, "shaded", STEP)
    assert render.num_samples == 0
    for image in (render.color_srgb, render.opacity, render.depth, render.depth_variance, render.normals):
        assert float(image.detach().abs().max()) == 0.0
