"""Several fields under one network that learns them all (variational score distillation)."""

from dataclasses import replace

import pytest
import torch
from prior_folders import write_tiny_prior

from dream3d.cli import main
from dream3d.errors import InputError
from dream3d.events import Event
from dream3d.optimize.coarse import CoarseRun, CoarseStats, optimize_coarse
from dream3d.prior import Prior
from dream3d.stage_config import CoarseConfig, FieldConfig, GuidanceConfig, PaintConfig, RefineConfig

pytest.importorskip("peft")

CONFIG = CoarseConfig(
    num_steps=3,
    radiance_field=FieldConfig(num_levels=4, log2_hashmap_size=10, finest_resolution=24, hidden_size=16),
    guidance=GuidanceConfig(method="vsd", opening=0.0, num_particles=2),
    occupancy_resolution=16,
)


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    folder = write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")
    return Prior.from_pretrained(str(folder), dtype=torch.float32)


def start(prior, config):
    spent, draws = CoarseStats(0, 0, 0.0, 0), torch.Generator().manual_seed(0)
    return CoarseRun(prior, prior.embed("a red mushroom"), config, draws, "cpu", spent)


def tables(run):
    return [particle.field.table.detach().clone() for particle in run.particles]


@pytest.mark.parametrize("count", [1, 3])
def test_each_takes_its_steps_and_the_network_learns_from_all(prior, count):
    config = replace(CONFIG, guidance=replace(CONFIG.guidance, num_particles=count))
    run = start(prior, config)
    before = tables(run)
    assert len(before) == count
    events: list[Event] = []
    assert run.optimize(events.append) is None
    assert [event.step for event in events] == [1, 2, 3]
    moved = tables(run)
    assert not any(torch.equal(one, other) for one, other in zip(before, moved, strict=True))
    assert all(not torch.equal(moved[0], other) for other in moved[1:])
    memory = run.guide.renders.optimizer.state.values()
    assert {int(of_weight["step"]) for of_weight in memory} == {3 * count}
    assert run.guide.evaluations == 3 * count * (4 * 4)  # two texts, the copy's answer, and what it learns


def test_one_that_fails_ends_the_attempt(prior):
    run = start(prior, replace(CONFIG, num_steps=20))
    with torch.no_grad():
        run.particles[1].field.output_bias[0] = -60.0
    assert run.optimize(lambda _: None) == "empty"
    assert run.step == 2


def test_a_state_has_all_and_the_first_one_is_kept(prior):
    run, again = start(prior, CONFIG), start(prior, CONFIG)
    run.do_step()
    run.step = 1
    again.load_state_dict(run.state_dict())
    for _ in range(2):
        assert all(torch.equal(one, other) for one, other in zip(tables(again), tables(run), strict=True))
        for each in (run, again):
            each.do_step()
            each.step += 1
    embedding, state = prior.embed("a red mushroom"), run.state_dict()
    kept = optimize_coarse(prior, embedding, CONFIG, torch.Generator(), state=state)
    assert torch.equal(kept.field.table, run.particles[0].field.table)


@pytest.mark.parametrize("section", [PaintConfig, RefineConfig])
def test_a_surface_is_one(section):
    with pytest.raises(InputError, match="num-particles must be 1"):
        section(guidance=CONFIG.guidance)
    with pytest.raises(InputError, match="from 1 to 16"):
        replace(CONFIG.guidance, num_particles=0)


@pytest.mark.usefixtures("work")
def test_methods_that_learn_nothing_refuse_several(capfd):
    words = ["generate", "a red mushroom", "--coarse.guidance.num-particles", "2", "--dry-run"]
    assert main(words) == 2
    assert "guidance sds learns nothing from several particles" in capfd.readouterr().err
    assert main([*words, "--guidance", "esd"]) == 0
