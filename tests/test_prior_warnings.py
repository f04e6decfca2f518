"""What the prior can do nothing with is said in a warning, a line each."""

import pytest

from dream3d.config import Config
from dream3d.events import Event, ignore
from dream3d.finish import open_prior
from dream3d.prior import Prior
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
