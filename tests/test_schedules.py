from collections import Counter
from itertools import pairwise

import pytest
import torch

from dream3d.cameras import orbit
from dream3d.optimize import schedules
from dream3d.optimize.health import diagnose, scene_coverage
from dream3d.stage_config import CoarseConfig, GuidanceConfig


@pytest.mark.parametrize("num_steps", [1, 2, 160, 400])
def test_timesteps_stay_in_range_and_only_fall(num_steps):
    bounds = [schedules.timestep_bounds(step, num_steps, GuidanceConfig()) for step in range(num_steps)]
    assert all(0.0 <= low <= high <= 1.0 for low, high in bounds)
    for (low, high), (next_low, next_high) in pairwise(bounds):
        assert next_low <= low
        assert next_high <= high
    assert bounds[0] == (0.94, 0.99)


def test_timesteps_end_where_the_settings_say():
    config = GuidanceConfig(t_max_end=0.5, t_min_end=0.1)
    assert schedules.timestep_bounds(400, 400, config) == pytest.approx((0.1, 0.5))


def test_with_the_root_of_the_progress_the_levels_fall_fast_at_first():
    config = GuidanceConfig(annealing="sqrt", hold=0.0, t_max_start=0.98, t_max_end=0.3)
    highs = [schedules.timestep_bounds(step, 400, config)[1] for step in (0, 100, 400)]
    assert highs == pytest.approx([0.98, 0.64, 0.3])  # half the way after a quarter of the steps


def test_dreamtime_gives_each_level_the_share_of_steps_that_its_weight_asks():
    alphas = torch.cos(torch.linspace(0.01, 1.0, 1000) * torch.pi / 2).square()
    config = GuidanceConfig(annealing="dreamtime", t_max_start=0.98, t_min_end=0.02)
    found = [schedules.dreamtime_timestep(step, 4000, alphas, config) for step in range(4000)]
    assert all(later <= earlier for earlier, later in pairwise(found))
    levels = torch.arange(20, 980).double()
    ratio = ((1 - alphas) / alphas).sqrt()[20:980].double()
    weight = ratio * torch.exp(-((levels / 999 - 0.5) ** 2) / (2 * 0.125**2))
    for low, high in ((300, 400), (500, 600), (700, 800)):
        share = sum(low <= level < high for level in found) / 4000
        expected = float(weight[low - 20 : high - 20].sum() / weight.sum())
        assert share == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("num_steps", [1, 7, 400])
def test_learning_rate_is_positive_and_ends_low(num_steps):
    factors = [schedules.learning_rate_factor(step, num_steps) for step in range(num_steps)]
    assert all(0.0 < factor <= 1.0 for factor in factors)
    if num_steps > 10:
        assert max(factors) == 1.0
        assert factors[-1] == pytest.approx(0.1, abs=0.01)


def test_render_size_is_half_and_then_whole():
    config = CoarseConfig(num_steps=100, half_size_until=0.25)
    assert [schedules.render_size(step, 64, config) for step in (0, 24, 25, 99)] == [32, 32, 64, 64]
    always_whole = CoarseConfig(num_steps=100, half_size_until=0.0)
    assert schedules.render_size(0, 64, always_whole) == 64


@pytest.mark.parametrize(
    ("shaded_share", "textureless_share", "expected"),
    [
        (0.0, 0.5, {"albedo": 100}),
        (0.3, 0.5, {"albedo": 70, "shaded": 15, "textureless": 15}),
        (0.3, 0.0, {"albedo": 70, "shaded": 30}),
        (0.4, 1.0, {"albedo": 60, "textureless": 40}),
    ],
)
def test_steps_are_lit_in_the_shares_asked_for(shaded_share, textureless_share, expected):
    config = CoarseConfig(num_steps=100, shaded_share=shaded_share, textureless_share=textureless_share)
    draws = [(k + 0.5) / 100 for k in range(100)]
    assert Counter(schedules.shading(20, draw, config) for draw in draws) == expected
    assert {schedules.shading(19, draw, config) for draw in draws} == {"albedo"}  # no shape to light yet


def test_regularizers_come_late_and_stay():
    factors = [schedules.regularizer_factor(step, 400) for step in range(401)]
    assert factors[:101] == [0.0] * 101
    assert factors == sorted(factors)
    assert factors[300:] == [1.0] * 101


@pytest.mark.parametrize(
    ("step", "coverage", "problem"),
    [
        (200, 0.2, None),
        (200, 0.015, None),  # a sword from its edge
        (200, 0.85, None),  # a ball that just fits
        (200, 0.001, "empty"),
        (200, 0.95, "full"),
        (5, 0.0, None),  # too early to say
        (5, 1.0, None),
    ],
)
def test_diagnosis(step, coverage, problem):
    assert diagnose(step, 400, coverage) == problem


@pytest.mark.parametrize("distance", [2.0, 3.0, 6.0])
def test_coverage_of_a_full_scene_is_one_and_of_a_ball_its_disc(distance):
    cameras = orbit([0.0, 90.0], 20.0, distance, 60.0)
    rays = cameras.rays(256, 256)
    along = (rays.origins * rays.directions).sum(-1, keepdim=True)
    nearest = (rays.origins - along * rays.directions).norm(dim=-1)  # [B, H, W] to the scene's center
    assert scene_coverage((nearest < 1.0).float(), cameras) == pytest.approx(1.0, abs=0.01)
    assert scene_coverage((nearest < 0.5).float(), cameras) == pytest.approx(
        0.25 * (distance**2 - 1.0) / (distance**2 - 0.25), abs=0.01
    )
    assert scene_coverage(torch.zeros(2, 8, 8), cameras) == 0.0
