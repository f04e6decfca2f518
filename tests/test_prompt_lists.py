import re
from collections import Counter
from itertools import combinations

import pytest

from dream3d.evaluate.prompts import read_prompts
from dream3d.prior.text import MAX_TOKENS
from dream3d.props import (
    FAMILIES,
    PAIR_KINDS,
    PropSpec,
    SceneSpec,
    Spec,
    held_out_pairs,
    is_held_out,
    parse_caption,
)
from scripts.prompt_lists import FOLDER, PLANS, Plan, draw_lists, encode, says_pair

ROOT = FOLDER.parent.parent


def texts(name: str) -> list[str]:
    lines = read_prompts([FOLDER / f"{name}.txt"]).lines
    assert [line.place for line in lines if line.error] == []
    return [line.text for line in lines]


def specs(name: str) -> list[Spec]:
    found = [parse_caption(text) for text in texts(name)]
    assert None not in found
    return [spec for spec in found if spec is not None]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
class TestEveryList:
    def test_half_is_held_out_in_equal_shares_of_every_kind_of_pair(self, plan: Plan) -> None:
        drawn = specs(plan.name)
        assert len(drawn) == plan.count
        assert sum(map(is_held_out, drawn)) == plan.count // 2
        kinds = Counter(kind for spec in drawn for kind in held_out_pairs(spec))
        assert sum(kinds.values()) == plan.count // 2  # no prompt is held out for two reasons
        assert set(kinds) <= set(plan.kinds)
        assert max(kinds.values()) - min(kinds[kind] for kind in plan.kinds) <= 1

    def test_no_family_is_shown_much_more_often_than_others(self, plan: Plan) -> None:
        names = [
            spec.family if isinstance(spec, PropSpec) else spec.first.family for spec in specs(plan.name)
        ]
        choice = [n for n in FAMILIES if not (plan.is_asymmetric and FAMILIES[n].symmetric)]
        assert set(names) <= set(choice)
        assert max(Counter(names).values()) <= plan.count / len(choice) + 3

    def test_the_text_encoder_reads_it_to_the_end(self, plan: Plan) -> None:
        longest = max(texts(plan.name), key=lambda text: len(re.findall(r"\w+|,", text)))
        assert len(re.findall(r"\w+|,", longest)) + 2 <= MAX_TOKENS, longest


def test_no_two_lists_share_a_spec() -> None:
    lists = {plan.name: specs(plan.name) for plan in PLANS} | {"gallery": specs("gallery")}
    for one, other in combinations(lists, 2):
        assert [spec for spec in lists[one] if spec in lists[other]] == [], (one, other)
    for name, drawn in lists.items():
        assert [spec for spec in drawn if drawn.count(spec) > 1] == [], name


def test_what_the_documentation_shows_is_in_no_list() -> None:
    words = [
        re.findall(r'"([^"\n]+)"', (ROOT / name).read_text()) for name in ("README.md", "CONTRIBUTING.md")
    ]
    shown = [spec for found in words for text in found if (spec := parse_caption(text)) is not None]
    assert len(shown) > 3
    assert [spec for plan in PLANS for spec in specs(plan.name) if spec in shown] == []


def test_the_lists_are_drawn_again_alike() -> None:
    # From the families that they name: one that is added later does not move them.
    drawn = specs("prior400")
    named = {spec.family for spec in drawn if isinstance(spec, PropSpec)}
    named |= {
        one.family for spec in drawn if isinstance(spec, SceneSpec) for one in (spec.first, spec.second)
    }
    lists = draw_lists([name for name in reversed(FAMILIES) if name in named])
    for plan in PLANS:
        assert encode(plan, lists[plan.name]) == (FOLDER / f"{plan.name}.txt").read_text("utf-8"), plan.name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a mushroom", []),
        ("a red mushroom", []),  # it is red anyway
        ("a blue mushroom", [("color", False)]),
        ("a purple mushroom", [("color", True)]),
        ("a mushroom with a purple stem", []),  # other parts are never held out
        ("a blue metal mushroom", [("color", False), ("material", False)]),
        ("a blue glass mushroom", [("material", True)]),
        ("a purple glass mushroom", []),  # held out for two reasons
        ("a spotted chair", [("pattern", True)]),
        ("a striped chair next to a green mug", []),  # held out, but not for its relation
    ],
)
def test_what_a_prompt_is_good_for(text: str, expected: list[tuple[str, bool]]) -> None:
    spec = parse_caption(text)
    assert spec is not None
    asked = [(kind, is_out) for kind in PAIR_KINDS for is_out in (False, True)]
    assert [pair for pair in asked if says_pair(spec, *pair)] == expected
