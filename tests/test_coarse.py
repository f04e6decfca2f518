"""The coarse stage against a prior that believes in one known object."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from oracle_prior import CHAIR, MUSHROOM, OraclePrior, Part, picture
from torch.nn import functional

from dream3d.cameras import Cameras, orbit
from dream3d.config import ExtractConfig
from dream3d.errors import RunError
from dream3d.events import Event, ignore
from dream3d.extract.mesh import extract_surfaces
from dream3d.optimize.coarse import CoarseResult, CoarseStats, optimize_coarse
from dream3d.render.volume import render_volume
from dream3d.scene.occupancy import OccupancyGrid
from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import CoarseConfig, FieldConfig, GuidanceConfig

TINY = CoarseConfig(
    num_steps=6,
    radiance_field=FieldConfig(num_levels=4, log2_hashmap_size=10, finest_resolution=24, hidden_size=16),
    step_size=2.0 / 32.0,
    occupancy_resolution=24,
)
# The oracle means what it says without text, too: the guidance that a learned prior needs exaggerates it.
MILD = GuidanceConfig(scale=3.0, scale_at_noise=1.0)


def run(prior, config: CoarseConfig, seed: int = 0, on_event=ignore) -> CoarseResult:
    return optimize_coarse(prior, None, config, torch.Generator().manual_seed(seed), on_event)


@dataclass(frozen=True)
class Quality:
    silhouette_iou: float  # mean over the views
    color_error: float  # mean absolute, sRGB, well inside the silhouette
    opacity_inside: float
    opacity_outside: float  # mean, two pixels and more away from the silhouette
    normal_error_deg: float  # median


def judge(result: CoarseResult, parts: tuple[Part, ...], size: int) -> Quality:
    """Compare with the object from views that no training camera has: elevations 5, 25 and 45 degrees."""
    elevation = torch.tensor([5.0, 25.0, 45.0, 5.0, 25.0, 45.0])
    azimuth = torch.tensor([13.0, 77.0, 141.0, 205.0, 269.0, 333.0])
    cameras = Cameras(azimuth, elevation, torch.full((6,), 3.0), torch.full((6,), 40.0), torch.zeros(6, 3))
    truth, normals = picture(parts, cameras, size, "albedo")
    with torch.no_grad():
        render = render_volume(
            result.field, result.occupancy, cameras, size, size, "albedo", 2.0 / 96.0, with_normals=True
        )
    alpha = truth[..., 3]
    inside = functional.avg_pool2d((alpha > 0.99).float(), 3, 1, 1) > 0.99
    outside = functional.max_pool2d((alpha > 0.01).float(), 5, 1, 2) < 0.01
    solid, true_solid = render.opacity > 0.5, alpha > 0.5
    iou = (solid & true_solid).sum((1, 2)) / (solid | true_solid).sum((1, 2))
    cosine = (render.normals * normals).sum(-1)[inside].clamp(-1.0, 1.0)
    return Quality(
        float(iou.mean()),
        float((render.color_srgb - truth[..., :3]).abs()[inside].mean()),
        float(render.opacity[inside].mean()),
        float(render.opacity[outside].mean()),
        float(torch.rad2deg(torch.acos(cosine)).median()),
    )


@pytest.mark.slow
@pytest.mark.parametrize("parts", [MUSHROOM, CHAIR], ids=["mushroom", "chair"])
def test_distillation_converges_to_what_the_prior_believes(parts):
    quality = judge(
        run(OraclePrior(parts, image_size=32), CoarseConfig(num_steps=100, guidance=MILD)), parts, 32
    )
    assert quality.silhouette_iou > 0.9
    assert quality.color_error < 0.08
    assert quality.opacity_inside > 0.98
    assert quality.opacity_outside < 0.002
    assert quality.normal_error_deg < 25.0


@pytest.mark.slow
def test_a_blurred_inconsistent_prior_still_gives_a_solid_object():
    quality = judge(
        run(OraclePrior(CHAIR, image_size=32, roughness=1.0), CoarseConfig(num_steps=100, guidance=MILD)),
        CHAIR,
        32,
    )
    assert quality.silhouette_iou > 0.75
    assert quality.color_error < 0.12
    assert quality.opacity_inside > 0.95
    assert quality.opacity_outside < 0.01


def test_same_seed_same_field_other_seed_other_field():
    results = [run(OraclePrior(MUSHROOM, image_size=16), TINY, seed) for seed in (1, 1, 2)]
    first, same, other = (result.field.state_dict() for result in results)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["table"], other["table"])


def test_an_rgb_prior_is_shown_opaque_pictures():
    seen = []

    class RgbPrior(OraclePrior):
        def encode(self, images):
            seen.append(images.detach())
            return super().encode(images)

        def predict_x0(self, noisy, *others):  # noqa: ARG002
            return torch.zeros_like(noisy), torch.zeros_like(noisy)

    run(RgbPrior(MUSHROOM, image_size=16, image_channels=3), TINY)
    corners = torch.stack([images[:, 0, 0] for images in seen])  # [steps, B, 3], nothing but background
    assert all(images.shape == (4, 16, 16, 3) for images in seen)
    assert float(corners.std(dim=(0, 1)).min()) > 0.15  # a new color in every view and step


def test_events_count_the_steps_and_stats_add_up():
    events: list[Event] = []
    prior = OraclePrior(MUSHROOM, image_size=16)
    result = run(prior, TINY, on_event=events.append)
    assert [(event.stage, event.step, event.num_steps) for event in events] == [
        ("coarse", step, 6) for step in range(1, 7)
    ]
    assert result.stats.restarts == 0
    assert result.stats.steps == prior.calls == 6
    assert result.stats.prior_evaluations == 6 * 4 * 2
    assert result.stats.seconds > 0.0


class FailingPrior(OraclePrior):
    """Answers NaN in some of its calls, counted from 1."""

    bad_calls: tuple[int, ...] = ()

    def predict_x0(self, noisy, *others):
        text, uncond = super().predict_x0(noisy, *others)
        return (text * torch.nan if self.calls in self.bad_calls else text), uncond


def failing_prior(*bad_calls: int) -> FailingPrior:
    prior = FailingPrior(MUSHROOM, image_size=16)
    prior.bad_calls = bad_calls
    return prior


def test_a_step_that_is_not_finite_is_taken_again_with_half_the_rate():
    events: list[Event] = []
    prior = failing_prior(25)
    result = run(prior, replace(TINY, num_steps=30), on_event=events.append)
    assert [event.message for event in events if event.message] == [
        "not finite after 25 steps: back to step 20, with half the learning rate"
    ]
    assert prior.calls == 25 + 10  # the steps from the last good state on are done again
    assert result.stats.prior_evaluations == 35 * 4 * 2
    assert (result.stats.restarts, result.stats.steps) == (0, 30)
    assert all(bool(value.isfinite().all()) for value in result.field.state_dict().values())


def test_a_field_that_is_not_finite_again_and_again_starts_anew_and_says_so():
    events: list[Event] = []
    result = run(failing_prior(*range(1, 9)), TINY, on_event=events.append)
    assert result.stats.restarts == 2
    back = ["not finite after 1 steps: back to step 0, with half the learning rate"] * 3
    anew = ["the field is not finite after 1 steps: starting again with another seed"]
    assert [event.message for event in events if event.message] == [*back, *anew] * 2
    assert all(bool(value.isfinite().all()) for value in result.field.state_dict().values())


@pytest.mark.parametrize(("blob_strength", "problem"), [(-20.0, "empty"), (5.0, "full")])
def test_a_hopeless_field_is_given_up_with_an_explanation(blob_strength, problem):
    field = FieldConfig(
        num_levels=2, log2_hashmap_size=8, blob_strength=blob_strength, blob_radius=50.0, density_scale=200.0
    )
    config = replace(TINY, num_steps=40, radiance_field=field, max_restarts=1)
    prior = OraclePrior(MUSHROOM, image_size=16)
    with pytest.raises(RunError, match=f"came out {problem} in each of 2 attempts"):
        run(prior, config)
    assert prior.calls == 2 * 4  # noticed right after the warm-up


def test_an_interrupt_passes_through():
    def press_ctrl_c(event: Event) -> None:
        if event.step == 2:
            raise KeyboardInterrupt

    prior = OraclePrior(MUSHROOM, image_size=16)
    with pytest.raises(KeyboardInterrupt):
        run(prior, TINY, on_event=press_ctrl_c)
    assert prior.calls == 2


def test_cameras_come_from_the_prior():
    asked = []

    class WatchedPrior(OraclePrior):
        def sample_cameras(self, num_groups, generator):  # noqa: ARG002
            asked.append(num_groups)
            return orbit([0.0, 90.0, 180.0, 270.0] * num_groups, 20.0, 3.0, 40.0)

    run(WatchedPrior(MUSHROOM, image_size=16), TINY)
    assert asked == [1] * 6


@pytest.mark.parametrize(
    ("known", "asked"), [((), [16] * 6), ((16,), [16] * 6), ((8, 16, 32), [8, 8, 16, 16, 32, 32])]
)
def test_the_prior_is_asked_at_the_sizes_it_knows(known, asked):
    seen = []

    class WatchedPrior(OraclePrior):
        def predict_x0(self, noisy, *others):
            seen.append(noisy.shape[-1])
            return super().predict_x0(noisy, *others)

    config = replace(TINY, num_steps=6, half_size_until=1 / 3, double_size_from=2 / 3)
    run(WatchedPrior(MUSHROOM, image_size=16, image_sizes=known), config)
    assert seen == asked


class MistyBall(RadianceField):
    """A ball in mist that is too thin for rays to stop there."""

    def density(self, points: torch.Tensor) -> torch.Tensor:
        return torch.where(points.norm(dim=-1) < 0.5, 60.0, 2.0)


def test_mist_that_no_render_shows_is_no_part_of_the_shape():
    field, grid = MistyBall(TINY.radiance_field), OccupancyGrid(64)
    grid.update(field, CoarseConfig().occupancy_threshold, 0.9, torch.Generator().manual_seed(0))
    result = CoarseResult(field, grid, CoarseStats(0, 0, 0.0, 0))
    config = ExtractConfig(resolution=64)
    radius = {
        name: np.linalg.norm(extract_surfaces(density, config).dense.vertices, axis=1).max()
        for name, density in (("all", field.density), ("seen", result.seen_density))
    }
    assert radius["all"] > 0.9  # rays through all of it would find it opaque
    assert radius["seen"] == pytest.approx(0.5, abs=2 / 64)
