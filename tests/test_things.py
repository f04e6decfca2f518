"""Prompts of several things: which words say so, and where things stand steadily."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_scenes import body_of

from dream3d.prior.vocabulary import Vocabulary
from dream3d.props import FAMILIES, SceneSpec, caption, parse_caption, sample_spec
from dream3d.props.body import Body, joined
from dream3d.props.shapes import box, cone
from dream3d.things.arrange import GAP, STEADY, arrange, find_stand, heights_over
from dream3d.things.relations import RELATIONS, Join, Things, split_places, split_things
from dream3d.things.sizes import SMALL, split_size

ON, BESIDE, BEFORE = (Join(relation, False) for relation in RELATIONS)
BELOW, BEHIND = Join("on", True), Join("in front of", True)


@pytest.mark.parametrize(
    ("prompt", "texts", "joins"),
    [
        ("a candle on a barrel", ("a candle", "a barrel"), (ON,)),
        ("A Duck, in front of the red Crate!", ("A Duck", "the red Crate!"), (BEFORE,)),
        ("toadstool under bee", ("toadstool", "bee"), (BELOW,)),
        ("a chest behind a sword", ("a chest", "a sword"), (BEHIND,)),
        ("a café  on top of\ta würfel", ("a café", "a würfel"), (ON,)),
        ("a mug on a table next to a cup", ("a mug", "a table", "a cup"), (ON, BESIDE)),
        ("a mug near a cup below a bee", ("a mug", "a cup", "a bee"), (BESIDE, BELOW)),
        ("a red mushroom", ("a red mushroom",), ()),
        ("an onion ring", ("an onion ring",), ()),
        ("on a barrel", ("on a barrel",), ()),
        ("a candle on", ("a candle on",), ()),
        ("on", ("on",), ()),
        ("...", ("...",), ()),
        ("", ("",), ()),
    ],
)
def test_a_prompt_is_split_at_its_relations(prompt: str, texts: tuple, joins: tuple) -> None:
    assert split_things(prompt, bool) == Things(texts, joins, (1.0,) * len(texts))


def test_a_relation_to_what_is_no_thing_is_a_part_of_one() -> None:
    found = split_things(
        "a mug on fire next to a cup on the left", lambda text: "mug" in text or "cup" in text
    )
    assert found == Things(("a mug on fire", "a cup on the left"), (BESIDE,), (1.0, 1.0))


@given(
    st.lists(st.sampled_from(["a mug", "on", "under", "next to", "in", "front", "of", ",", "é", "\t", "9"]))
)
def test_any_text_comes_apart_into_pieces_of_itself(words: list[str]) -> None:
    prompt = " ".join(words)
    found = split_things(prompt, bool)
    assert len(found.texts) == len(found.joins) + 1
    rest = prompt
    for text in found.texts:  # in their order, none twice
        assert text in rest
        rest = rest[rest.index(text) + len(text) :]
    assert all(found.texts) or not found.joins


@pytest.mark.parametrize(
    ("text", "thing", "size"),
    [
        ("a small red mushroom", "a red mushroom", SMALL),
        ("Tiny, little  mug", "mug", SMALL),
        ("a tall mug", "a tall mug", 1.0),
        ("a small cart with a little wheel", "a cart with a little wheel", SMALL),
        ("a mug without a tiny handle", "a mug without a tiny handle", 1.0),
        ("a mug that is small", "a mug", SMALL),
        ("a mug that is little, with a small handle", "a mug, with a small handle", SMALL),
        ("a mug that is small and red", "a mug that is red", SMALL),
        ("a small and red mug", "a red mug", SMALL),
        ("a smallish belittled mug", "a smallish belittled mug", 1.0),
        ("small", "small", 1.0),
    ],
)
def test_words_that_make_a_thing_small_are_told_from_it(text: str, thing: str, size: float) -> None:
    assert split_size(text) == (thing, size)


@given(st.integers(0, 10**6), st.sampled_from(list(FAMILIES)))
def test_the_caption_of_a_small_prop_is_that_of_a_larger_one(seed: int, family: str) -> None:
    rng = np.random.default_rng(seed)
    spec = sample_spec(rng, family)
    if isinstance(spec, SceneSpec):
        return
    said = caption(spec, rng)
    assert split_size(said) == (said, 1.0) or spec.size == "small"
    thing, size = split_size(caption(replace(spec, size="small"), rng))
    assert (parse_caption(thing), size) == (replace(spec, size=None), SMALL)


@given(st.integers(0, 10**6), st.sampled_from(list(FAMILIES)))
def test_the_parts_of_a_caption_say_what_the_caption_says(seed: int, family: str) -> None:
    rng = np.random.default_rng(seed)
    spec = sample_spec(rng, family)
    found = split_things(caption(spec, rng), bool)
    specs = [parse_caption(text) for text in found.texts]
    if not isinstance(spec, SceneSpec):
        assert specs == [spec]
        return
    (join,) = found.joins
    first, second = reversed(specs) if join.is_inverse else specs
    assert (first, join.relation, second) == (spec.first, spec.relation, spec.second)


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a castle with a flag on the tower", ("a castle with a flag on the tower",)),
        ("a tank that has a star on its barrel", ("a tank that has a star on its barrel",)),
        ("a tank with a star on top of the BARREL", ("a tank with a star on top of the BARREL",)),
        ("a tank with a star on a barrel", ("a tank with a star", "a barrel")),
        ("a tank with a star next to the barrel", ("a tank with a star", "the barrel")),
        ("a tank with a star on the bench", ("a tank with a star", "the bench")),
        ("a tank on the barrel", ("a tank", "the barrel")),
        ("a castle with a flag on the tower next to a tank", ("a castle with a flag on the tower", "a tank")),
    ],
)
def test_what_lies_on_a_part_is_a_part(prompt: str, texts: tuple[str, ...]) -> None:
    words = Vocabulary(
        ("castle", "tank", "barrel", "tower", "star", "bench"), (), ("flag", "barrel", "tower"), (), ()
    )
    assert split_things(prompt, words.names_thing, words.names_part).texts == texts


@pytest.mark.parametrize(
    ("text", "thing", "places"),
    [
        ("a castle with a flag on the tower", "a castle with a flag", ["on the tower"]),
        (
            "a castle with a flag on top of its left tower",
            "a castle with a flag",
            ["on top of its left tower"],
        ),
        (
            "a tank that has a star on the side, red and with wheels on each side and a gun",
            "a tank that has a star, red and with wheels and a gun",
            ["on the side", "on each side"],
        ),
        ("a candle on the barrel", "a candle on the barrel", []),
        ("a mushroom on fire with spots", "a mushroom on fire with spots", []),
        ("a house with spots on fire", "a house with spots on fire", []),
        ("a button with one on these", "a button with one on these", []),
    ],
)
def test_where_parts_are_is_told_apart_from_the_thing(text: str, thing: str, places: list[str]) -> None:
    assert split_places(text) == (thing, tuple(places))


@given(st.integers(0, 10**6), st.sampled_from(list(FAMILIES)))
def test_captions_say_no_places(seed: int, family: str) -> None:
    rng = np.random.default_rng(seed)
    for text in split_things(caption(sample_spec(rng, family), rng), bool).texts:
        assert split_places(text) == (text, ())


def test_nouns_side_by_side_are_one_thing_and_compounds_none() -> None:
    words = Vocabulary(("apple", "tree", "pine tree", "well", "mug"), (), (), (), ())
    assert words.things_in("Mugs and an apple tree") == ["mug", "tree"]
    assert words.things_in("a pine-tree, a pine tree") == ["pine tree", "pine tree"]
    assert words.things_in("a well-worn mug") == ["mug"]
    assert words.things_in("a well, worn") == ["well"]
    assert not words.names_thing("mug-shaped")


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
    stand = find_stand(cube, seat)
    first, second = arrange(cube, "on", seat, stand)
    seat_height = second.low[1] + 0.5 * np.ptp(second.vertices[:, 1])
    assert first.low[1] == pytest.approx(seat_height)
    is_back = second.vertices[:, 1] > seat_height + 1e-9
    assert first.low[2] >= second.vertices[is_back, 2].max()
    over_all, _ = arrange(cube, "on", seat, (0.0, 1.0))
    assert over_all.low[1] == pytest.approx(second.high[1])  # what the search is for


def test_all_of_a_flat_top_is_stood_on() -> None:
    cube = body_of(box(1, 1, 1))
    assert find_stand(cube, cube) == (0.0, 1.0)
    wavy = joined(moved_box((1, 1, 1), (0, 0, 0)), moved_box((0.2, 0.5 * STEADY, 0.2), (0, 1, 0)))
    assert find_stand(cube, wavy.fitted(1.0)) == (0.0, 1.0)  # a low bump does not disturb


def test_on_what_is_round_a_thing_stands_on_the_top() -> None:
    cube, hill = body_of(box(1, 1, 1)), body_of(cone(1.0, 1.0))
    assert find_stand(cube, hill) == (0.0, 1.0)
    first, second = arrange(cube, "on", hill, find_stand(cube, hill))
    assert first.low[1] == pytest.approx(second.high[1])


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
