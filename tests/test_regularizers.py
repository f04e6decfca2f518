import math

import pytest
import torch

from dream3d.optimize.regularizers import normal_roughness, opacity_entropy
from dream3d.scene.background import over_background, random_solid_background


def test_entropy_of_a_coin_and_of_certainty():
    assert float(opacity_entropy(torch.full((1, 2, 2), 0.5))) == pytest.approx(math.log(2))
    assert float(opacity_entropy(torch.tensor([[[0.0, 1.0]]]))) < 0.01


def test_entropy_pushes_away_from_the_middle_and_is_finite_at_the_ends():
    opacity = torch.tensor([[[0.0, 0.2, 0.8, 1.0]]], requires_grad=True)
    (gradient,) = torch.autograd.grad(opacity_entropy(opacity), opacity)
    assert gradient.isfinite().all()
    assert gradient[0, 0, 1] > 0 > gradient[0, 0, 2]


def test_roughness_counts_opaque_neighbours_only():
    normals = torch.zeros(1, 2, 3, 3)
    normals[..., 2] = 1.0
    flat = torch.ones(1, 2, 3)
    assert float(normal_roughness(normals, flat)) == 0.0
    normals[0, 0, 0] = torch.tensor([1.0, 0.0, 0.0])  # right angles to two neighbours: 2 * |difference|^2 = 4
    assert float(normal_roughness(normals, flat)) == pytest.approx(4.0 / 6)
    flat[0, 0, 0] = 0.0
    assert float(normal_roughness(normals, flat)) == 0.0


def test_over_is_a_mix_of_the_straight_color_and_the_background():
    straight, alpha = torch.rand(2, 4, 4, 3), torch.rand(2, 4, 4)
    background = random_solid_background(2, torch.Generator().manual_seed(0))
    result = over_background(straight * alpha[..., None], alpha, background)
    torch.testing.assert_close(result, torch.lerp(background.expand_as(straight), straight, alpha[..., None]))


def test_backgrounds_differ_between_views_and_follow_the_generator():
    first, second = (random_solid_background(3, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (3, 1, 1, 3)
    assert len(torch.unique(first.view(3, 3), dim=0)) == 3
    assert 0.0 <= float(first.min()) <= float(first.max()) <= 1.0
