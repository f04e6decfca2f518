"""Prompts of two things: which words say so, and where things stand steadily."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_scenes import body_of

from dream3d.pair.arrange import GAP, STEADY, arrange, heights_over, steadiest_stand
from dream3d.pair.relations import Pair, split_pair
from dream3d.prior.text import Vocabulary
from dream3d.props import FAMILIES, SceneSpec, caption, parse_caption, sample_spec
from dream3d.props.body import Body, joined
from dream3d.props.shapes import box


@pytest.mark.parametrize(
    ("prompt", "pair"),
    [
        ("a candle on a barrel", Pair("a candle", "on", "a barrel")),
        ("A Duck, in front of the red Crate!", Pair("A Duck", "in front of", "the red Crate!")),
        ("toadstool under bee", Pair("bee", "on", "toadstool")),
        ("a chest behind a sword", Pair("a sword", "in front of", "a chest")),
        ("a café  on top of\ta würfel", Pair("a café", "on", "a würfel")),
        ("a mug beside a cup on a table", Pair("a mug", "next to", "a cup on a table")),
        ("a red mushroom", None),
        ("an onion ring", None),
        ("on a barrel", None),
        ("a candle on", None),
        ("on", None),
        ("...", None),
    ],
)
def test_a_prompt_is_split_at_its_first_relation(prompt: str, pair: Pair | None) -> None:
    assert split_pair(prompt) == pair


@given(st.integers(0, 10**6), st.sampled_from(list(FAMILIES)))
def test_the_halves_of_a_caption_say_what_the_caption_says(seed: int, family: str) -> None:
    rng = np.random.default_rng(seed)
    spec = sample_spec(rng, family)
    pair = split_pair(caption(spec, rng))
    if not isinstance(spec, SceneSpec):
        assert pair is None
        return
    assert pair is not None
    assert (parse_caption(pair.first), pair.relation, parse_caption(pair.second)) == (
        spec.first,
        spec.relation,
        spec.second,
    )


def test_only_nouns_name_things() -> None:
    words = Vocabulary(("mug", "pine tree"), ("red",), ("handle",), ("tall",), ("a",))
    assert words.names_thing("two red Mugs")
    assert words.names_thing("a tall pine tree")
    assert not words.names_thing("a tall pine")
    assert not words.names_thing("a red handle, smug")


def seat_with_back() -> Body:
    """A cube of side 1 with a thin wall at its back, which is as high again."""
    return joined(moved_box((1, 1, 1), (0, 0, 0)), moved_box((1, 1, 0.2), (0, 1, -0.4))).fitted(1.0)


def moved_box(size: tuple[float, float, float], shift: tuple[float, float, float]) -> Body:
    solid = box(*size)
    paint = (np.zeros(len(solid.faces), np.int32), np.zeros(len(solid.vertices), np.int32))
    return Body(solid.vertices, solid.normals, solid.faces, *paint, ()).moved(*shift)


def test_a_thing_stands_on_the_seat_and_not_over_it_on_the_back_rest() -> None:
    seat, cube = seat_with_back(), body_of(box(1, 1, 1))
    stand = steadiest_stand(cube, seat)
    first, second = arrange(cube, "on", seat, stand)
    seat_height = second.low[1] + 0.5 * np.ptp(second.vertices[:, 1])
    assert first.low[1] == pytest.approx(seat_height)
    is_back = second.vertices[:, 1] > seat_height + 1e-9
    assert first.low[2] >= second.vertices[is_back, 2].max()
    over_all, _ = arrange(cube, "on", seat, (0.0, 1.0))
    assert over_all.low[1] == pytest.approx(second.high[1])  # what the search is for


def test_all_of_a_flat_top_is_stood_on() -> None:
    cube = body_of(box(1, 1, 1))
    assert steadiest_stand(cube, cube) == (0.0, 1.0)
    wavy = joined(moved_box((1, 1, 1), (0, 0, 0)), moved_box((0.2, 0.5 * STEADY, 0.2), (0, 1, 0)))
    assert steadiest_stand(cube, wavy.fitted(1.0)) == (0.0, 1.0)  # a low bump does not disturb


def test_heights_are_those_of_the_highest_surface_and_unknown_beside_it() -> None:
    seat = seat_with_back()
    low, high = seat.low[[0, 2]], seat.high[[0, 2]]
    heights = heights_over(seat, low - 0.5 * (high - low), high)
    side = (seat.high - seat.low)[0]
    assert np.isnan(heights).any()
    found = np.unique(np.round((heights[~np.isnan(heights)] - seat.low[1]) / side, 6))
    assert found.tolist() == [1.0, 2.0]


def test_what_is_next_to_something_stands_left_of_it() -> None:
    cube = body_of(box(1, 1, 1))
    first, second = arrange(cube, "next to", cube, (0.0, 1.0))
    assert second.low[0] - first.high[0] == pytest.approx(GAP)
    assert first.low[1] == second.low[1] == 0.0
