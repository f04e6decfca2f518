"""Runs that make things one by one: as a whole, interrupted, and where they are not to be told apart."""

from dataclasses import replace

import numpy as np
import pytest
from khronos import validate
from test_resume import same, settings

import dream3d
from dream3d.config import Config
from dream3d.errors import InputError, StoppedError
from dream3d.events import Event, ignore
from dream3d.finish import open_prior
from dream3d.prior import Prior
from dream3d.run_folder import open_run
from dream3d.stage_config import GuidanceConfig
from dream3d.stages import distill, distill_things
from dream3d.things.relations import Join
from dream3d.things.sizes import SMALL

PROMPT = "a red mushroom on a house"


@pytest.mark.parametrize(("how", "texts"), [("auto", 2), ("apart", 2), ("together", 1)])
def test_the_built_in_prior_reads_two_things_one_by_one(tiny_prior: Prior, how, texts) -> None:
    opened = open_prior(PROMPT, Config(), "cpu", tiny_prior, ignore, {}, things=how)
    assert opened.embedding.prompt == PROMPT
    expected = ["a red mushroom", "a house"] if texts == 2 else [PROMPT]
    assert [thing.prompt for thing in opened.things] == expected
    assert opened.said.joins == ((Join("on", False),) if texts == 2 else ())


@pytest.mark.parametrize("prompt", ["a red mushroom", "a red mushroom on fire", "a tall red on a house"])
def test_what_names_one_thing_is_not_split(tiny_prior: Prior, prompt: str) -> None:
    opened = open_prior(prompt, Config(), "cpu", tiny_prior, ignore, {}, things="apart")
    assert (opened.said.joins, len(opened.things)) == ((), 1)


@pytest.mark.parametrize("how", ["auto", "apart", "together"])
def test_a_small_thing_is_asked_for_in_the_usual_size(tiny_prior: Prior, how) -> None:
    """In the pictures that the prior learned from, small things are small."""
    opened = open_prior("a small red mushroom", Config(), "cpu", tiny_prior, ignore, {}, things=how)
    assert opened.embedding.prompt == opened.things[0].prompt == "a red mushroom"
    opened = open_prior("a tiny mushroom on a house", Config(), "cpu", tiny_prior, ignore, {}, things=how)
    apart = how != "together"
    expected = ["a mushroom", "a house"] if apart else ["a tiny mushroom on a house"]
    assert [thing.prompt for thing in opened.things] == expected
    assert opened.said.sizes == ((SMALL, 1.0) if apart else (1.0,))


def test_emphasis_acts_on_each_of_two_things(tiny_prior: Prior) -> None:
    guided = {"--coarse.guidance": GuidanceConfig(emphasis=0.5)}
    opened = open_prior(
        "a tall mushroom on a house", Config(), "cpu", tiny_prior, ignore, guided, things="auto"
    )
    assert [thing.says_looks for thing in opened.things] == [True, False]
    assert opened.warnings == ()


def test_two_things_interrupted_at_every_step_come_out_the_same(tiny_prior: Prior, tmp_path) -> None:
    config, done = settings("sds", 2), []
    things = [tiny_prior.embed(text) for text in ("a red mushroom", "a house")]

    def stop(event: Event) -> None:
        if event.moment is not None:
            done.append((event.stage, event.step))
            raise StoppedError

    resumed = None
    while resumed is None:
        assert len(done) < 99
        try:
            with open_run(tmp_path / "run") as folder:
                resumed = distill_things(tiny_prior, things, config, "cpu", stop, folder)
        except StoppedError:
            pass
    alone = [
        distill(tiny_prior, thing, replace(config, seed=config.seed + index), "cpu", ignore, None)
        for index, thing in enumerate(things)
    ]
    for one, other in zip(resumed, alone, strict=True):
        same(one, other)
    steps = [("coarse", step) for step in range(1, 6)] + [("refine", 1), ("refine", 2)]
    assert done == 2 * steps


@pytest.mark.parametrize("refine_steps", [0, 2])
def test_both_things_are_in_the_asset(tiny_prior: Prior, tmp_path, refine_steps: int) -> None:
    config = settings("sds", refine_steps)
    asset = dream3d.generate(PROMPT, config, prior=tiny_prior)
    single = dream3d.generate("a red mushroom", config, prior=tiny_prior)
    mesh = asset.mesh
    assert asset.metrics["prior_evaluations"] == 2 * single.metrics["prior_evaluations"]
    assert asset.metrics["steps"] == 2 * single.metrics["steps"]
    assert len(mesh.faces) <= config.extract.target_faces
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(0.9, abs=1e-5)
    assert "several things" in str(asset.textured_mesh.metadata["method"])
    (report,) = validate(asset.save(tmp_path / "pair.glb")[0])
    assert report["messages"] == []


def test_other_words_for_how_to_make_things_are_refused() -> None:
    with pytest.raises(InputError, match="--things must be auto, apart or together"):
        Config(things="maybe")  # pyright: ignore[reportArgumentType]


def test_more_things_than_anybody_waits_for_are_refused(tiny_prior: Prior) -> None:
    prompt = " next to ".join(["a red house"] * 5)
    with pytest.raises(InputError, match="names 5 things, and at most 4 are made one by one"):
        open_prior(prompt, Config(), "cpu", tiny_prior, ignore, {}, things="auto")
