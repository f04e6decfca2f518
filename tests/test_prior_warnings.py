"""What the prior can do nothing with is said in a warning, a line each."""

import pytest
import torch

from dream3d.config import Config, OneByOne
from dream3d.events import Event, ignore
from dream3d.finish import open_prior
from dream3d.overlays import load_config
from dream3d.prior import Prior
from dream3d.prior.text import BRANCHES, MAX_TOKENS
from dream3d.stage_config import GuidanceConfig

EMPHASIZED = {
    "--coarse.guidance": GuidanceConfig(emphasis=0.5),
    "--refine.guidance": GuidanceConfig(),
}


def opened(prior: Prior, prompt: str) -> tuple[tuple[str, ...], list[Event]]:
    """The warnings, and what the run was told."""
    events: list[Event] = []
    return open_prior(prompt, Config(), "cpu", prior, events.append, EMPHASIZED).warnings, events


@pytest.mark.parametrize("prompt", ["a red mushroom", "mushroom"])
def test_emphasis_says_where_it_changes_nothing(tiny_prior: Prior, prompt: str) -> None:
    warnings, events = opened(tiny_prior, prompt)
    (line,) = [warning for warning in warnings if "emphasis" in warning]
    assert line.startswith("--coarse.guidance.emphasis changes nothing")
    assert repr(prompt) in line
    assert line in events[-1].message


def test_emphasis_is_silent_where_there_is_something_to_emphasize(tiny_prior: Prior) -> None:
    assert opened(tiny_prior, "a tall red mushroom")[0] == ()


def test_emphasis_says_that_edits_do_without_it(tiny_prior: Prior) -> None:
    guided = {
        "--paint.guidance": GuidanceConfig(emphasis=0.5),
        "--refine.guidance": GuidanceConfig(emphasis=0.5),
    }
    said = ("a tall red mushroom", Config(), "cpu", tiny_prior, ignore, guided)
    assert open_prior(*said).warnings == ()
    (line,) = open_prior(*said, from_prompt="a mushroom").warnings
    assert line.startswith("--paint.guidance.emphasis changes nothing in an edit")


def test_a_word_that_the_prior_never_saw_is_named_with_its_nearest(tiny_prior: Prior) -> None:
    line, *_ = opened(tiny_prior, "a red houze")[0]
    assert "does not know 'houze'" in line
    assert "nearest known: house" in line


def test_words_of_the_other_prompts_are_heard_too(tiny_prior: Prior) -> None:
    config = Config(negative_prompt="blurry")
    said = ("a red mushroom", config, "cpu", tiny_prior, ignore, {})
    assert ["'blurry'" in line for line in open_prior(*said).warnings] == [True]
    assert any("'scarlet'" in line for line in open_prior(*said, from_prompt="a scarlet mushroom").warnings)
    nothing = tiny_prior.embed("a red mushroom", "a the")  # no word that says anything
    assert torch.equal(nothing.tokens, tiny_prior.embed("a red mushroom").tokens)


def test_an_edit_hears_the_sizes_in_both_prompts(tiny_prior: Prior) -> None:
    said = ("a small red mushroom", Config(), "cpu", tiny_prior, ignore, {})
    assert open_prior(*said).embedding.prompt == "a red mushroom"
    assert open_prior(*said, from_prompt="a small mushroom").embedding.prompt == "a small red mushroom"


def test_a_prompt_that_is_too_long_is_cut_and_says_so(tiny_prior: Prior) -> None:
    longest = " ".join(["a red mushroom"] + ["red"] * (MAX_TOKENS - 5))
    said = (Config(), "cpu", tiny_prior, ignore, {})
    assert open_prior(longest, *said).warnings == ()
    (line,) = open_prior(f"{longest} tall house", *said).warnings
    assert line.endswith("which leaves out 'tall house'")
    cut, whole = (tiny_prior.embed(text).tokens for text in (f"{longest} tall house", longest))
    assert torch.equal(cut, whole)
    front, back = cut[BRANCHES.index("front view")], cut[BRANCHES.index("back view")]
    assert not torch.equal(front, back)  # there is room for these words


def test_things_that_no_word_joins_are_named(tiny_prior: Prior) -> None:
    def warned(prompt: str, things: OneByOne) -> tuple[str, ...]:
        return open_prior(prompt, Config(), "cpu", tiny_prior, ignore, {}, things=things).warnings

    (line,) = warned("a mushroom, a house", "auto")
    assert line.startswith("'a mushroom, a house' names mushroom and house, which are made as one thing")
    assert warned("a mushroom, a house", "together") == ()
    assert warned("a mushroom next to a house", "auto") == ()
    assert not any("names mushroom" in line for line in warned("a mushroom without a house", "auto"))


def test_a_place_of_a_part_is_left_out_and_named(tiny_prior: Prior) -> None:
    prompt = "a red mushroom with spots on the cap"
    apart = open_prior(prompt, Config(), "cpu", tiny_prior, ignore, {})
    assert ["leaves out 'on the cap'" in line for line in apart.warnings].count(True) == 1
    assert apart.said.texts == ("a red mushroom with spots",)
    assert torch.equal(apart.embedding.tokens, tiny_prior.embed("a red mushroom with spots", "").tokens)
    edit = open_prior(prompt, Config(), "cpu", tiny_prior, ignore, {}, from_prompt="a red mushroom")
    assert edit.said.texts == (prompt,)
    assert not any("on the cap" in line for line in edit.warnings)


def test_a_recipe_of_a_large_prior_is_named_as_one(tiny_prior: Prior) -> None:
    recipe = load_config("dreamfusion")
    for guided, count in (({"--coarse.guidance": recipe.coarse.guidance}, 1), ({}, 0)):
        warnings = open_prior("a red mushroom", recipe, "cpu", tiny_prior, ignore, guided).warnings
        assert sum(f"{recipe.coarse.num_steps} steps" in line for line in warnings) == count
