"""What the learned judge's answers become in the table."""

import numpy as np
import pytest
import torch

from dream3d.evaluate.columns import COLUMNS
from dream3d.metrics.ground_truth import untextured
from dream3d.metrics.judge import Answer, Judge
from dream3d.metrics.learned import (
    LearnedJudge,
    attribute_numbers,
    circular_error,
    judge_cameras,
    pose_numbers,
)
from dream3d.metrics.questions import Kind
from dream3d.metrics.views import in_frame, look, portraits
from dream3d.props import make_prop, parse_caption, prop_spec


@pytest.fixture(scope="module")
def learned() -> LearnedJudge:
    return LearnedJudge(Judge.from_pretrained())


def certain(azimuths: list[int]) -> torch.Tensor:
    """Log-probabilities that name these azimuths, in degrees."""
    bins = torch.tensor(azimuths) // 10
    return torch.nn.functional.one_hot(bins, 36).float().clamp_min(1e-9).log()


def test_the_cameras_walk_around_once() -> None:
    cameras = judge_cameras()
    assert cameras.azimuth_deg.tolist() == [30.0 * k for k in range(12)]
    assert cameras.elevation_deg.unique().tolist() == [15.0]


def test_angles_are_compared_on_the_circle() -> None:
    one, other = torch.tensor([350.0, 10.0, 90.0, 0.0]), torch.tensor([10.0, 350.0, 270.0, 0.0])
    assert circular_error(one, other).tolist() == [20.0, 20.0, 180.0, 0.0]


def test_azimuths_that_follow_the_camera_are_no_janus() -> None:
    numbers = pose_numbers(certain([30 * k for k in range(12)]))
    assert numbers == {
        "azimuth_error_deg": 0.0,
        "front_behind": pytest.approx(0.0, abs=1e-6),
        "janus": 0.0,
    }


def test_a_front_on_both_sides_is_janus() -> None:
    # From 180 - a the picture is that from a, left and right exchanged: it seems taken from -a.
    numbers = pose_numbers(certain([0, 30, 60, 90, 300, 330, 0, 30, 60, 270, 300, 330]))
    assert numbers["front_behind"] == pytest.approx(1.0)
    assert numbers["azimuth_error_deg"] == pytest.approx(5 * 180 / 12)
    assert numbers["janus"] == 1.0


@pytest.mark.parametrize("offset", [0, 40, 90, 170])
def test_a_mirrored_back_has_a_mean_error_of_ninety_whatever_it_is_taken_for(offset: int) -> None:
    said = [0] * 12  # also at 90 and 270 degrees, where the picture is its own mirror image
    for view in (0, 1, 2, 10, 11):
        said[view] = (30 * view + offset) % 360
        said[(6 - view) % 12] = -said[view] % 360
    numbers = pose_numbers(certain(said))
    assert numbers["azimuth_error_deg"] == pytest.approx(90.0)
    assert numbers["janus"] == 1.0


def test_only_views_from_behind_count_for_janus() -> None:
    sides_wrong = [0, 0, 0, 0, 120, 150, 180, 210, 240, 0, 0, 0]
    assert pose_numbers(certain(sides_wrong))["front_behind"] == pytest.approx(0.0, abs=1e-6)


def test_exact_match_asks_for_what_is_said_alone() -> None:
    def answer(kind: Kind, found: str, is_said: bool) -> Answer:
        return Answer(kind, "duck", "body", ("red",), found, -0.1, 1.0, is_said)

    good, bad = answer("color", "red", True), answer("color", "blue", True)
    assert attribute_numbers([good, answer("material", "metal", False)]) == {
        "exact_match": 1.0,
        "color_right": 1.0,
        "unsaid_right": 0.0,
    }
    assert attribute_numbers([good, bad]) == {"exact_match": 0.0, "color_right": 0.5}
    assert attribute_numbers([answer("second color", "red", True)])["second_color_right"] == 1.0


def test_truth_beats_another_family(learned: LearnedJudge) -> None:
    prompt = "a blue duck"
    spec = parse_caption(prompt)
    assert spec is not None
    right = in_frame(untextured(make_prop(spec, np.random.default_rng(3)).painted_mesh()))
    wrong = in_frame(untextured(make_prop(prop_spec("castle"), np.random.default_rng(3)).painted_mesh()))
    good, bad = (learned(asset, prompt, look(asset)) for asset in (right, wrong))
    assert (good["r_precision"], good["exact_match"], good["family_right"], good["janus"]) == (1, 1, 1, 0)
    assert (bad["r_precision"], bad["exact_match"], bad["family_right"]) == (0, 0, 0)
    assert set(good) <= {column.name for column in COLUMNS}
    assert good == learned(right, prompt, look(right))


def test_a_color_that_is_told_is_asked_for_also_where_it_is_natural(learned: LearnedJudge) -> None:
    blue = prop_spec("mushroom", {"cap": "blue"})
    asset = in_frame(untextured(make_prop(blue, np.random.default_rng(0)).painted_mesh()))
    numbers = {
        text: learned(asset, text, look(asset))
        for text in ("a mushroom", "a red mushroom", "a blue mushroom", "a blue mushroom with a stem")
    }
    assert [each["exact_match"] for each in numbers.values()] == [1, 0, 1, 1]
    assert numbers["a red mushroom"]["color_right"] == 0.0
    assert "color_right" not in numbers["a mushroom"]
    assert numbers["a blue mushroom with a stem"]["presence_right"] == 1.0


def test_what_has_two_fronts_by_nature_is_not_asked_for_one(learned: LearnedJudge) -> None:
    for name, has_front in (("heart", False), ("duck", True)):
        asset = in_frame(untextured(make_prop(prop_spec(name), np.random.default_rng(0)).painted_mesh()))
        numbers = learned(asset, f"a {name}", look(asset))
        assert "azimuth_error_deg" in numbers
        assert ("janus" in numbers, "front_behind" in numbers) == (has_front, has_front)


def test_symmetric_things_have_no_azimuth(learned: LearnedJudge) -> None:
    asset = in_frame(untextured(make_prop(prop_spec("barrel"), np.random.default_rng(0)).painted_mesh()))
    numbers = learned(asset, "a barrel", look(asset))
    assert numbers.keys() & {"janus", "front_behind", "azimuth_error_deg"} == set()
    assert 0.0 <= numbers["hard_r_precision"] <= 1.0


def test_prompts_outside_the_grammar_get_no_numbers(learned: LearnedJudge) -> None:
    images = torch.zeros(12, 64, 64, 4)
    assert learned.judge_pictures(images, "a zeppelin over Paris") == {}
    asset = in_frame(untextured(make_prop(prop_spec("mug"), np.random.default_rng(0)).painted_mesh()))
    assert learned(asset, None, look(asset)) == {}
    assert learned(asset, "a zeppelin over Paris", look(asset)) == {}


def test_portraits_are_premultiplied_with_soft_edges() -> None:
    asset = in_frame(untextured(make_prop(prop_spec("mug"), np.random.default_rng(0)).painted_mesh()))
    images = portraits(asset, judge_cameras())
    assert images.shape == (12, 64, 64, 4)
    alpha = images[..., 3]
    assert (images[..., :3] <= alpha[..., None] + 1e-6).all()
    assert ((alpha > 0) & (alpha < 1)).any()
    hard = look(asset).mask
    assert hard.shape == (24, 64, 64)
    assert alpha[0].mean() == pytest.approx(float(hard[0].float().mean()), rel=0.2)
