import math

import pytest
import torch

from dream3d.cameras import orbit
from dream3d.math import linear_to_srgb, srgb_to_linear
from dream3d.render.shading import light_directions, light_factor, normal_colors, shade_srgb


def test_light_law_by_hand():
    light = light_directions(torch.tensor([[0.0, 0.0, 3.0]]))
    torch.testing.assert_close(light, torch.tensor([[0.0, 0.5, 1.0]]) / math.sqrt(1.25))
    normals = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])
    expected = torch.tensor([0.45 + 0.55 / math.sqrt(1.25), 0.45 + 0.275 / math.sqrt(1.25), 0.45])
    torch.testing.assert_close(light_factor(normals, light), expected)


def test_light_follows_the_camera_around_the_vertical():
    elevation = 30.0
    lights = light_directions(orbit([0.0, 90.0, 200.0], elevation, 3.0, 40.0).positions())
    torch.testing.assert_close(lights.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(lights[:, 1], lights[:1, 1].expand(3))
    assert math.degrees(math.asin(float(lights[0, 1]))) > elevation


def test_facing_the_light_is_full_and_turning_away_ambient():
    light = light_directions(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(light_factor(light, light), torch.ones(50))
    torch.testing.assert_close(light_factor(-light, light), torch.full((50,), 0.45))


CAMERAS = orbit([40.0], 25.0, 3.0, 40.0)


def facing_the_light(factor: torch.Tensor) -> torch.Tensor:
    """Normals [1, P, 3] with which the light law gives these factors, between 0.45 and 1."""
    (light,) = light_directions(CAMERAS.positions())
    across = torch.linalg.cross(light, torch.tensor([0.0, 1.0, 0.0]), dim=0)
    cosine = ((factor - 0.45) / 0.55)[:, None]
    return (cosine * light + (1 - cosine**2).clamp_min(0).sqrt() * across / across.norm())[None]


@pytest.mark.parametrize("opacity", [0.25, 1.0])
def test_encoded_shading_is_linear_shading_up_to_the_encoding(opacity):
    # The power law stands in for the exact sRGB curve: on opaque mid-tones they differ by a few code values.
    albedo = torch.linspace(0.2, 0.9, 8)[:, None].expand(1, 8, 3)
    factor = torch.linspace(0.45, 1.0, 8)
    alpha = torch.full((1, 8), opacity)
    lit = shade_srgb(albedo * opacity, alpha, facing_the_light(factor), CAMERAS, "shaded") / opacity
    exact = linear_to_srgb(srgb_to_linear(albedo) * factor[:, None])
    assert float((lit - exact).abs().max()) < 0.025


def test_textureless_forgets_the_color_and_albedo_forgets_the_light():
    color, alpha, factor = torch.rand(1, 5, 3), torch.rand(1, 5), torch.linspace(0.5, 1.0, 5)
    gray = shade_srgb(color, alpha, facing_the_light(factor), CAMERAS, "textureless")
    torch.testing.assert_close(gray, (alpha * (0.8 * factor) ** (1 / 2.2))[..., None].expand(1, 5, 3))
    assert torch.equal(shade_srgb(color, alpha, facing_the_light(factor), CAMERAS, "albedo"), color)


def test_normal_maps_are_in_the_frame_of_the_camera():
    cameras = orbit([0.0, 90.0, 200.0], 0.0, 3.0, 40.0)
    towards, up = cameras.backward()[:, None], torch.tensor([0.0, 1.0, 0.0]).expand(3, 1, 3)
    alpha = torch.full((3, 1), 0.5)
    for normals, expected in ((towards, (0.5, 0.5, 1.0)), (up, (0.5, 1.0, 0.5))):
        colors = shade_srgb(torch.rand(3, 1, 3), alpha, normals, cameras, "normals")
        torch.testing.assert_close(colors, 0.5 * torch.tensor(expected).expand(3, 1, 3), atol=1e-6, rtol=0)
    right = normal_colors(cameras.c2w()[:, :3, 0], cameras.c2w())
    torch.testing.assert_close(right, torch.tensor([1.0, 0.5, 0.5]).expand(3, 3), atol=1e-6, rtol=0)
