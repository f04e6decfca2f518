"""One-attribute changes: complete, never the same in meaning, and sayable."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from dream3d.metrics.changes import (
    CHANGE_KINDS,
    changed_captions,
    looks_alike,
    one_attribute_changes,
    random_captions,
)
from dream3d.props import (
    COLORS,
    FAMILIES,
    MATERIALS,
    PATTERNS,
    Finish,
    PropSpec,
    SceneSpec,
    Spec,
    caption,
    parse_caption,
    prop_spec,
    sample_spec,
)


def random_specs(count: int) -> list[Spec]:
    rng = np.random.default_rng(5)
    names = list(FAMILIES)
    return [sample_spec(rng, names[int(rng.integers(len(names)))], allow_held_out=True) for _ in range(count)]


@pytest.mark.parametrize("spec", random_specs(12), ids=lambda spec: type(spec).__name__)
def test_changes_say_something_else_and_captions_say_them(spec: Spec) -> None:
    rng = np.random.default_rng(0)
    changes = [change.spec for change in one_attribute_changes(spec)]
    assert spec not in changes
    assert len({repr(change) for change in changes}) == len(changes)
    for change in changes[:: 1 + len(changes) // 60]:
        assert parse_caption(caption(change, rng)) == change


@pytest.mark.parametrize("spec", random_specs(6), ids=lambda spec: type(spec).__name__)
def test_kinds_are_parts_of_the_whole_list(spec: Spec) -> None:
    everything = one_attribute_changes(spec)
    for kind in CHANGE_KINDS:
        assert one_attribute_changes(spec, [kind]) == [change for change in everything if change.kind == kind]


def test_the_list_is_complete_for_a_natural_prop() -> None:
    spec = prop_spec("crystal")
    changes = one_attribute_changes(spec)
    assert {c.spec.family for c in changes if c.kind == "family" and isinstance(c.spec, PropSpec)} == set(
        FAMILIES
    ) - {"crystal"}
    for part, look in spec.finishes.items():
        seen = {"color": set(), "material": set(), "pattern": set()}
        for change in changes:
            assert isinstance(change.spec, PropSpec)
            if change.kind in seen and change.spec.finishes.get(part) != look:
                changed = change.spec.finishes[part]
                seen[change.kind].add(getattr(changed, change.kind))
        assert seen["color"] == set(COLORS) - {look.color}
        assert seen["material"] == set(MATERIALS)
        assert seen["pattern"] == set(PATTERNS)


def test_a_change_touches_one_part_or_exchanges_two() -> None:
    spec = prop_spec("house", {"roof": Finish("blue", None, "striped", "yellow")})
    for change in one_attribute_changes(spec, ["color", "material", "pattern", "second color", "swap"]):
        assert isinstance(change.spec, PropSpec)
        differing = [part for part, look in change.spec.finishes.items() if look != spec.finishes[part]]
        assert len(differing) == (2 if change.kind == "swap" else 1)


def test_what_looks_the_same_is_no_change() -> None:
    marble = Finish(None, "marble")
    assert looks_alike(marble, Finish("white", "marble"))
    assert not looks_alike(marble, Finish("red", "marble"))
    assert looks_alike(Finish("red", None, "striped"), Finish("red", None, "striped", "white"))
    assert not looks_alike(Finish("orange"), Finish("golden"))
    changes = one_attribute_changes(prop_spec("crystal", {"points": marble}), ["color"])
    mains = [change.spec.main for change in changes if isinstance(change.spec, PropSpec)]
    assert Finish("red", "marble") in mains
    assert Finish("white", "marble") not in mains


def test_pairs_change_their_relation_and_their_order() -> None:
    spec = parse_caption("a red apple next to a blue mug")
    assert isinstance(spec, SceneSpec)
    changed = [change.spec for change in one_attribute_changes(spec, ["relation", "swap"])]
    assert SceneSpec(spec.second, "next to", spec.first) in changed
    assert replace(spec, relation="in front of") in changed
    swapped = parse_caption("a blue apple next to a red mug")
    assert swapped in changed
    for change in one_attribute_changes(spec):
        assert isinstance(change.spec, SceneSpec)
        assert change.spec.first.family != change.spec.second.family
        assert change.spec.relation != "on" or FAMILIES[change.spec.second.family].stand is not None


def test_random_captions_are_a_hundred_others_and_always_the_same() -> None:
    spec = prop_spec("mushroom")
    captions = random_captions(spec)
    assert len(captions) == 100
    assert captions == random_captions(spec)
    read = [parse_caption(text) for text in captions]
    assert None not in read
    assert spec not in read
    # Whatever is asked for is taken out of the list.
    own = read[3]
    assert own is not None
    assert own not in [parse_caption(text) for text in random_captions(own)]
    assert any(isinstance(one, SceneSpec) != isinstance(other, SceneSpec) for one, other in pairwise(read))


def test_changed_captions_are_always_the_same() -> None:
    spec = prop_spec("duck", {"body": "pink"})
    assert changed_captions(spec) == changed_captions(spec)
    assert len(changed_captions(spec)) == len(one_attribute_changes(spec))
