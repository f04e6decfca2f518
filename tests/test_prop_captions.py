"""Words: a caption reads back as its spec, and every part wears the color its spec names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dream3d.props import (
    COLORS,
    FAMILIES,
    PropSpec,
    caption,
    make_prop,
    parse_caption,
    prop_spec,
    vocabulary,
)
from dream3d.props.captions import SIZES
from dream3d.props.family import Vary
from dream3d.props.palette import SRGB


def specs() -> st.SearchStrategy[PropSpec]:
    """Any family with any colors and size."""
    return st.sampled_from(list(FAMILIES.values())).flatmap(
        lambda family: st.builds(
            lambda colors, size: PropSpec(family.name, dict(colors), size),
            st.fixed_dictionaries({part.name: st.sampled_from(COLORS) for part in family.parts}),
            st.sampled_from((None, *SIZES)),
        )
    )


@given(specs())
@settings(max_examples=60, deadline=None)
def test_each_part_wears_its_color(spec: PropSpec) -> None:
    mesh = make_prop(spec, np.random.default_rng(0)).mesh
    counts = [
        (part, len(solid.vertices))
        for part, solid in FAMILIES[spec.family].build(Vary(np.random.default_rng(0)))
    ]
    assert mesh.colors is not None
    srgb = np.where(mesh.colors <= 0.0031308, 12.92 * mesh.colors, 1.055 * mesh.colors ** (1 / 2.4) - 0.055)
    start = 0
    for part, count in counts:
        shade = srgb[start : start + count]
        distances = {word: np.abs(shade - np.array(value) / 255).max() for word, value in SRGB.items()}
        assert min(distances, key=lambda word: float(distances[word])) == spec.colors[part]
        start += count
    assert start == len(mesh.vertices)


@given(specs(), st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_a_caption_reads_back_as_its_spec(spec: PropSpec, seed: int) -> None:
    text = caption(spec, np.random.default_rng(seed))
    assert parse_caption(text) == spec
    assert set(text.replace(",", "").split()) <= set(vocabulary())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mushroom", prop_spec("mushroom")),
        ("A Blue Mushroom.", prop_spec("mushroom", {"cap": "blue"})),
        ("two mushrooms", None),
        ("blue mushrooms", prop_spec("mushroom", {"cap": "blue"})),
        (
            "a mushroom with a blue cap and a green stem",
            prop_spec("mushroom", {"cap": "blue", "stem": "green"}),
        ),
        ("toadstool, grey, yellow dots", prop_spec("mushroom", {"cap": "gray", "spots": "yellow"})),
        ("a low poly tall gold chair", prop_spec("chair", {"seat": "golden"}, "tall")),
        ("a thin fir tree with a white trunk", prop_spec("pine tree", {"trunk": "white"}, "slim")),
        ("a cactus with a red flower", prop_spec("cactus", {"flower": "red"})),
        ("a boat that is red", prop_spec("boat", {"hull": "red"})),
        ("a red house with a red door", prop_spec("house", {"walls": "red", "door": "red"})),
        ("a red blue mushroom", None),
        ("a tall short mushroom", None),
        ("a shiny mushroom", None),
        ("a dragon", None),
        ("", None),
    ],
)
def test_parsing_by_hand(text: str, expected: PropSpec | None) -> None:
    assert parse_caption(text) == expected


def test_vocabulary_is_sorted_and_holds_every_noun_part_color_and_size() -> None:
    words = vocabulary()
    assert list(words) == sorted(set(words))
    for family in FAMILIES.values():
        for text in (*family.nouns, *(name for part in family.parts for name in part.names)):
            assert set(text.split()) <= set(words)
    assert {*COLORS, *SIZES} <= set(words)


@pytest.mark.parametrize(
    ("family", "colors", "size"),
    [
        ("dragon", {}, None),
        ("mushroom", {"wing": "red"}, None),
        ("mushroom", {"cap": "mauve"}, None),
        ("mushroom", {}, "fat"),
    ],
)
def test_impossible_specs_are_refused(family: str, colors: dict[str, str], size: str | None) -> None:
    with pytest.raises(ValueError, match=r"unknown family|has no"):
        prop_spec(family, colors, size)
