"""The grammar of captions: everything said is read back, everything else is refused; the hold-out holds."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prop_specs import specs

from dream3d.props import (
    COLORS,
    FAMILIES,
    MATERIALS,
    PATTERNS,
    RELATIONS,
    SIZES,
    Finish,
    PropSpec,
    SceneSpec,
    Spec,
    caption,
    held_out_colors,
    is_held_out,
    parse_caption,
    prop_spec,
    sample_spec,
    told_looks,
    vocabulary,
)
from dream3d.props.held_out import held_out_materials, held_out_patterns, is_relation_held_out
from dream3d.props.sample import RELATION_RATE
from dream3d.props.words import (
    FUNCTION_WORDS,
    MATERIAL_NOUNS,
    PATTERN_NOUNS,
    SIZE_SPELLINGS,
    finish_role,
)
from dream3d.things.relations import INVERSE_RELATIONS, RELATION_SPELLINGS

GALLERY = Path(__file__).parent.parent / "assets" / "prompts" / "gallery.txt"
MAX_WORDS = 22  # what the text encoder takes beside its two marks


def mug(look: str | Finish | None = None, size=None, **parts: str | Finish | None) -> PropSpec:
    """A mug whose main part looks so."""
    return prop_spec("mug", ({"body": look} if look else {}) | parts, size)


# --- captions -----------------------------------------------------------------------------------------


@given(specs(), st.integers(0, 2**32 - 1))
@settings(max_examples=600, deadline=None)
def test_a_caption_reads_back_as_its_spec(spec: Spec, seed: int) -> None:
    text = caption(spec, np.random.default_rng(seed))
    assert parse_caption(text) == spec
    assert parse_caption(text.upper() + ".") == spec
    assert set(text.replace(",", "").split()) <= set(vocabulary())


def test_captions_of_the_training_distribution_read_back_and_fit_the_text_encoder() -> None:
    rng = np.random.default_rng(0)
    lengths = []
    for name in [*FAMILIES] * 30:
        spec = sample_spec(rng, name, allow_held_out=True)
        text = caption(spec, rng)
        assert parse_caption(text) == spec
        lengths.append(len(text.replace(",", " ,").split()))
    assert np.mean(np.array(lengths) > MAX_WORDS) < 1e-3


@given(st.lists(st.sampled_from((*vocabulary(), ",")), max_size=12))
@settings(max_examples=600, deadline=None)
def test_any_words_are_understood_or_refused_and_what_is_understood_is_sayable(words: list[str]) -> None:
    spec = parse_caption(" ".join(words))
    if spec is not None:
        assert parse_caption(caption(spec, np.random.default_rng(0))) == spec


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a mushroom", [{}]),
        ("a red mushroom", [{"cap": {"color"}}]),
        ("a mug with a handle", [{"handle": set()}]),
        ("a wooden mug without a handle", [{"body": {"material"}, "handle": set()}]),
        (
            "red and white striped mug with a gold handle",
            [{"body": {"color", "pattern", "second"}, "handle": {"color"}}],
        ),
        ("a barrel under a red candle", [{"wax": {"color"}}, {}]),
        ("a red apple next to a green apple", [{"skin": {"color"}}, {"skin": {"color"}}]),
        ("a brown horse", []),
    ],
)
def test_what_the_words_tell_is_known_also_where_it_is_natural(
    text: str, told: list[dict[str, set[str]]]
) -> None:
    assert [dict(each) for each in told_looks(text)] == told


@given(specs(), st.integers(0, 2**32 - 1))
def test_captions_tell_whatever_is_not_natural(spec: Spec, seed: int) -> None:
    told = told_looks(caption(spec, np.random.default_rng(seed)))
    props = (spec,) if isinstance(spec, PropSpec) else (spec.first, spec.second)
    assert len(told) == len(props)
    for prop, looks in zip(props, told, strict=True):
        natural = prop_spec(prop.family).finishes
        changed = {
            part for part in {*natural, *prop.finishes} if natural.get(part) != prop.finishes.get(part)
        }
        assert changed <= set(looks)
        assert all(getattr(prop.finishes[part], role) for part in looks for role in looks[part])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mushroom", prop_spec("mushroom")),
        ("A Blue Mushroom.", prop_spec("mushroom", {"cap": "blue"})),
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
        # Looks.
        ("a wooden chair", prop_spec("chair", {"seat": Finish(None, "wooden")})),
        ("a wooden chair painted blue", prop_spec("chair", {"seat": Finish("blue", "wooden")})),
        ("a blue chair made of wood", prop_spec("chair", {"seat": Finish("blue", "wooden")})),
        ("chair, iron", prop_spec("chair", {"seat": Finish(None, "metal")})),
        ("a red and white striped mug", mug(Finish("red", None, "striped", "white"))),
        ("a red mug with white stripes", mug(Finish("red", None, "striped", "white"))),
        ("a striped mug with a red handle", mug(Finish("blue", None, "striped"), handle="red")),
        ("a mug that is wooden and white striped", mug(Finish(None, "wooden", "striped", "white"))),
        ("a spotted blue mushroom", prop_spec("mushroom", {"cap": Finish("blue", None, "spotted")})),
        ("a blue mushroom with yellow spots", prop_spec("mushroom", {"cap": "blue", "spots": "yellow"})),
        ("a lantern with a metal frame", prop_spec("lantern", {"frame": Finish(None, "metal")})),
        ("a lantern with red metal", prop_spec("lantern", {"frame": "red"})),
        ("a lantern with a metal glass", prop_spec("lantern", {"glass": Finish(None, "metal")})),
        ("a stone well with red stones", prop_spec("well", {"stones": Finish("red", "stone")})),
        # Parts that are there or not.
        ("a mug without a handle", mug(handle=None)),
        ("a mug with no handle", mug(handle=None)),
        ("a mug without handle and drink", mug(handle=None, drink=None)),
        ("a mug with a handle", mug()),
        ("a barrel with a lid", prop_spec("barrel", {"lid": "brown"})),
        ("a barrel with a red lid", prop_spec("barrel", {"lid": "red"})),
        ("a mug without a body", None),
        ("a mug without a red handle", None),
        ("a mug with a red handle without a handle", None),
        # Sizes.
        ("a tiny fat mug", None),
        ("a chubby mug", mug(size="fat")),
        # Relations.
        ("a candle on a barrel", SceneSpec(prop_spec("candle"), "on", prop_spec("barrel"))),
        ("a barrel under a candle", SceneSpec(prop_spec("candle"), "on", prop_spec("barrel"))),
        ("sword, beside shield", SceneSpec(prop_spec("sword"), "next to", prop_spec("shield"))),
        (
            "a rock behind a tall red mug with no drink",
            SceneSpec(mug("red", "tall", drink=None), "in front of", prop_spec("rock")),
        ),
        ("a duck on top of a top hat", SceneSpec(prop_spec("duck"), "on", prop_spec("top hat"))),
        ("a duck on a dragon", None),
        ("a duck on a mug on a table", None),
        ("on a table", None),
        # Not understood, or not at one.
        ("two mushrooms", None),
        ("a red blue mushroom", None),
        ("a red mushroom that is blue", None),
        ("a red and white mug", None),
        ("a red and red striped mug", None),
        ("a tall short mushroom", None),
        ("a shiny mushroom", None),
        ("a dragon", None),
        ("", None),
    ],
)
def test_parsing_by_hand(text: str, expected: Spec | None) -> None:
    assert parse_caption(text) == expected


def test_vocabulary_is_sorted_and_holds_every_word_of_the_grammar() -> None:
    words = vocabulary()
    assert list(words) == sorted(set(words))
    for family in FAMILIES.values():
        for text in (*family.nouns, *(name for part in family.parts for name in part.names)):
            assert set(text.split()) <= set(words)
    assert {*COLORS, *SIZES, *MATERIALS, *PATTERNS} <= set(words)


def test_no_word_has_two_roles_outside_the_parts() -> None:
    relations = {word for phrase in (*RELATION_SPELLINGS, *INVERSE_RELATIONS) for word in phrase.split()}
    first_words = {phrase.split()[0] for phrase in (*RELATION_SPELLINGS, *INVERSE_RELATIONS)}
    finish_words = {word for word in vocabulary() if finish_role(word)}
    sizes = {*SIZES, *SIZE_SPELLINGS}
    nouns = {noun for family in FAMILIES.values() for noun in family.nouns}
    roles = [finish_words, sizes, nouns, relations - {"top"}, FUNCTION_WORDS - relations, {*PATTERN_NOUNS}]
    counts = Counter(word for role in roles for word in role)
    assert [word for word, count in counts.items() if count > 1] == []
    parts = {name for family in FAMILIES.values() for part in family.parts for name in part.names}
    assert not parts & (first_words | sizes | FUNCTION_WORDS)
    assert all(finish_role(word) == ("material", name) for name, word in MATERIAL_NOUNS.items())


@pytest.mark.parametrize(
    ("family", "looks", "size"),
    [
        ("dragon", {}, None),
        ("mushroom", {"wing": "red"}, None),
        ("mushroom", {"cap": None}, None),
        ("mushroom", {"cap": "mauve"}, None),
        ("mushroom", {}, "huge"),
    ],
)
def test_impossible_specs_are_refused(family: str, looks: dict, size) -> None:
    with pytest.raises(ValueError, match=r"unknown family|has no|no such finish"):
        prop_spec(family, looks, size)


# --- sampling and the hold-out ------------------------------------------------------------------------


def test_training_never_shows_what_is_held_out_and_shows_the_rest() -> None:
    rng = np.random.default_rng(0)
    seen: dict[str, set] = {"color": set(), "material": set(), "pattern": set()}
    names = ("duck", "house", "mug", "table")
    for index in range(8_000):
        spec = sample_spec(rng, names[index % len(names)])
        assert not is_held_out(spec)
        if isinstance(spec, PropSpec):
            for role, found in seen.items():
                found.add((spec.family, getattr(spec.main, role)))
    for name in names:
        assert {(name, c) for c in COLORS if c not in held_out_colors(name)} <= seen["color"]
        assert {(name, m) for m in MATERIALS if m not in held_out_materials(name)} <= seen["material"]
        assert {(name, p) for p in PATTERNS if p not in held_out_patterns(name)} <= seen["pattern"]


def test_about_an_eighth_of_every_kind_of_pair_is_held_out() -> None:
    for name, family in FAMILIES.items():
        assert len(held_out_colors(name)) == len(COLORS) // 8
        assert family.parts[0].color not in held_out_colors(name)
    suffering = Counter(color for name in FAMILIES for color in held_out_colors(name))
    assert max(suffering.values()) < 0.4 * len(FAMILIES)
    materials = np.mean([len(held_out_materials(name)) / len(MATERIALS) for name in FAMILIES])
    patterns = np.mean([len(held_out_patterns(name)) / len(PATTERNS) for name in FAMILIES])
    relations = np.mean(
        [is_relation_held_out(a, r, b) for a in FAMILIES for b in FAMILIES for r in RELATIONS if a != b]
    )
    assert all(0.1 < share < 0.15 for share in (materials, patterns, relations))


def test_a_spec_is_held_out_by_any_of_its_pairs() -> None:
    color = sorted(held_out_colors("mug"))[0]
    assert is_held_out(mug(color))
    assert is_held_out(mug(Finish(color, None, "striped")))
    assert not is_held_out(mug())
    shown = next(n for n in FAMILIES if n != "mug" and not is_relation_held_out("mug", "on", n))
    assert not is_held_out(SceneSpec(mug(), "on", prop_spec(shown)))
    assert is_held_out(SceneSpec(mug(color), "on", prop_spec(shown)))
    hidden = next(n for n in FAMILIES if is_relation_held_out("mug", "on", n))
    assert is_held_out(SceneSpec(mug(), "on", prop_spec(hidden)))


def test_the_gallery_marks_what_is_held_out() -> None:
    lines = [line for line in GALLERY.read_text().splitlines() if line and not line.startswith("#")]
    for line in lines:
        prompt, _, mark = line.partition("#")
        spec = parse_caption(prompt)
        assert spec is not None, prompt
        assert is_held_out(spec) == (mark.strip() == "held out"), prompt
    assert len(lines) == 24


def test_held_out_pairs_come_when_asked_for() -> None:
    rng = np.random.default_rng(0)
    drawn = [sample_spec(rng, "duck", allow_held_out=True) for _ in range(1_500)]
    assert {spec.main.color for spec in drawn if isinstance(spec, PropSpec)} == {*COLORS, None}


def test_pairs_have_their_share_and_props_stand_only_where_they_can() -> None:
    rng = np.random.default_rng(0)
    drawn = [sample_spec(rng, name) for name in [*FAMILIES] * 40]
    scenes = [spec for spec in drawn if isinstance(spec, SceneSpec)]
    assert len(scenes) / len(drawn) == pytest.approx(RELATION_RATE, abs=0.02)  # 4 standard deviations
    assert {scene.relation for scene in scenes} == set(RELATIONS)
    assert all(FAMILIES[s.second.family].stand is not None for s in scenes if s.relation == "on")
    few = [sample_spec(rng, "duck", families=("duck", "mug")) for _ in range(300)]
    assert {spec.second.family for spec in few if isinstance(spec, SceneSpec)} == {"mug"}
