import math

import pytest
import torch

from dream3d.math import normalize
from dream3d.render.studio import (
    DIELECTRIC_REFLECTANCE,
    GRADIENT,
    LIGHTS,
    ROOM,
    Lit,
    blurred_light,
    environment_brdf,
    lambert_light,
    light_axes,
    reflected_share,
    studio_shade,
)


def sphere_directions(count: int = 20_000) -> torch.Tensor:
    """Evenly spread directions (a Fibonacci spiral), [N, 3] float64."""
    index = torch.arange(count, dtype=torch.float64)
    y = 1.0 - (2.0 * index + 1.0) / count
    turn = index * math.pi * (3.0 - math.sqrt(5.0))
    flat = (1.0 - y**2).sqrt()
    return torch.stack([flat * turn.cos(), y, flat * turn.sin()], dim=1)


def radiance(directions: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    """The studio as its docstring says it, [N]."""
    total = ROOM + GRADIENT * directions[:, 1]
    for axis, (_, _, sharpness, peak) in zip(axes.double(), LIGHTS, strict=True):
        total = total + peak * torch.exp(sharpness * (directions @ axis - 1.0))
    return total


def looks_along(normals: torch.Tensor, roughness: float, metallic: float, albedo: float) -> Lit:
    to_camera = torch.tensor([0.0, 0.0, 1.0], dtype=normals.dtype).expand_as(normals)
    count = len(normals)
    return Lit(
        torch.full((count, 3), albedo, dtype=normals.dtype),
        normals,
        to_camera,
        torch.full((count,), roughness, dtype=normals.dtype),
        torch.full((count,), metallic, dtype=normals.dtype),
    )


@pytest.mark.parametrize("sharpness", [0.5, 2.3, 20.0, 300.0])
def test_a_blurred_light_is_the_integral_over_the_sphere(sharpness):
    """Closed form against quadrature, in every direction."""
    axes, around = light_axes(torch.tensor(30.0)), sphere_directions()
    asked = sphere_directions(60)
    lobe = torch.exp(sharpness * (asked @ around.T - 1.0))
    expected = (lobe * radiance(around, axes)).sum(1) / lobe.sum(1)
    found = blurred_light(asked, torch.tensor(sharpness, dtype=torch.float64), axes.double())
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-4)


def test_matt_light_is_lamberts_law_nearly():
    """What stands in for the cosine is close to it, and on its bright side equals it."""
    axes, around = light_axes(torch.tensor(0.0)), sphere_directions()
    normals = sphere_directions(200)
    cosine = (normals @ around.T).clamp_min(0.0)
    expected = (cosine * radiance(around, axes)).sum(1) * (4.0 / len(around))  # the integral over pi
    found = lambert_light(normals, axes.double())
    assert (found - expected).abs().mean() < 0.03
    assert (found - expected).abs().max() < 0.08
    assert float(found.max()) == pytest.approx(float(expected.max()), abs=0.01)


def test_white_reaches_white_and_not_more():
    normals, axes = sphere_directions(), light_axes(torch.tensor(0.0))
    brightest = float(lambert_light(normals, axes.double()).max())
    assert 0.95 < brightest <= 1.0
    front = normals[normals[:, 2] > 0.05]
    for roughness in (1.0, 0.8, 0.5):
        color = studio_shade(looks_along(front, roughness, 0.0, 1.0), torch.ones(len(front)), axes.double())
        assert color.max() < 1.06
        assert color.min() > 0.2


@pytest.mark.parametrize("roughness", [0.2, 0.5, 0.8, 1.0])
def test_nothing_is_lost_in_a_white_room(roughness):
    """White furnace: what a perfect metal does not reflect at once it reflects later, at any angle."""
    normals = sphere_directions(500)
    front = normals[normals[:, 2] > 0.05]
    metal = reflected_share(looks_along(front, roughness, 1.0, 1.0))
    torch.testing.assert_close(metal, torch.ones_like(metal))
    plastic = reflected_share(looks_along(front, roughness, 0.0, 1.0))
    assert plastic.min() >= 0.0
    assert plastic.max() <= 1.0  # the matt share is the rest of 1


@pytest.mark.parametrize("roughness", [0.3, 0.6, 1.0])
def test_highlights_carry_what_ggx_reflects(roughness):
    """The fit against a brute-force integral of GGX with Smith's height-correlated shadowing."""
    alpha = roughness**2
    light = sphere_directions(200_000)
    light = light[light[:, 1] > 0.0]
    for cosine in (0.3, 0.6, 0.95):
        view = torch.tensor([math.sqrt(1 - cosine**2), cosine, 0.0], dtype=torch.float64)
        half = normalize(light + view)
        n_l, n_h, v_h = light[:, 1], half[:, 1], half @ view
        distribution = alpha**2 / (math.pi * (n_h**2 * (alpha**2 - 1) + 1) ** 2)

        def smith(a, b, squared=alpha**2):
            return b * (a**2 * (1 - squared) + squared) ** 0.5

        visible = 0.5 / (smith(torch.tensor(cosine), n_l) + smith(n_l, cosine))
        weight = distribution * visible * n_l * (2 * math.pi / len(light))
        fresnel = (1 - v_h) ** 5
        scale, offset = environment_brdf(torch.tensor([roughness]), torch.tensor([cosine]))
        assert float(scale) == pytest.approx(float((weight * (1 - fresnel)).sum()), abs=0.17)
        assert float(offset) == pytest.approx(float((weight * fresnel).sum()), abs=0.1)


def test_metals_take_the_color_and_plastics_do_not():
    normals = torch.tensor([[0.0, 0.0, 1.0]])
    gold = Lit(torch.tensor([[1.0, 0.7, 0.2]]), normals, normals, torch.tensor([0.3]), torch.tensor([1.0]))
    share = reflected_share(gold)[0]
    assert share[0] > share[1] > share[2] > DIELECTRIC_REFLECTANCE
    plastic = Lit(gold.base_color, normals, normals, gold.roughness, torch.tensor([0.0]))
    assert float(reflected_share(plastic).std()) < 1e-6


def test_light_turns_with_the_camera():
    normals = sphere_directions(50)
    turned = torch.stack([normals[:, 2], normals[:, 1], -normals[:, 0]], dim=1)  # by 90 degrees, towards +X
    here = lambert_light(normals, light_axes(torch.tensor(0.0)).double())
    there = lambert_light(turned, light_axes(torch.tensor(90.0)).double())
    torch.testing.assert_close(here, there, atol=1e-6, rtol=0)
