"""Training of the judge goes on exactly, and its batches are the same whenever they are asked for."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dream3d.errors import InputError

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from judge_data import JudgeViews
from judge_trainer import SYMMETRIC_RELATION, Trainer, family_loss


def test_a_batch_is_the_same_whenever_it_is_asked_for():
    views = JudgeViews(5, 2, 1)
    once, again = views[1], views[1]
    assert torch.equal(once.images, again.images)
    assert (once.captions, once.wrong_captions) == (again.captions, again.wrong_captions)
    assert not torch.equal(once.images, views[2].images)


def test_training_goes_on_from_disk_exactly_as_if_it_had_not_stopped(tmp_path):
    views = JudgeViews(5, 2, 1)
    whole = Trainer(tmp_path, torch.device("cpu"))
    whole.train_step(views[0], 1.0)
    whole.train_step(views[1], 1.0)
    whole.save(1.0)
    resumed = Trainer(tmp_path, torch.device("cpu"))
    assert resumed.load() == 1.0
    assert whole.train_step(views[2], 1.0) == resumed.train_step(views[2], 1.0)
    pairs = zip(whole.masters + whole.averages, resumed.masters + resumed.averages, strict=True)
    for expected, found in pairs:
        assert torch.equal(expected, found)
    assert (resumed.step, resumed.images_seen) == (whole.step, whole.images_seen)


def test_a_new_run_begins_with_a_released_judge_and_refuses_one_of_other_words(tmp_path):
    first = Trainer(tmp_path / "first", torch.device("cpu"))
    (tmp_path / "first").mkdir()
    first.train_step(JudgeViews(5, 2, 1)[0], 1.0)
    first.save(1.0)
    released = tmp_path / "first" / "release"
    later = Trainer(tmp_path / "later", torch.device("cpu"))
    later.start_from(released)
    assert (later.step, later.images_seen) == (0, 0)
    for weight, average in zip(later.weights, first.averages, strict=True):
        assert torch.equal(weight, average.half().to(weight.dtype))  # as released, and as computed with
    card = json.loads((released / "card.json").read_text())
    card["lexicon"]["words"][0] = "unheard"
    (released / "card.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="other words"):
        later.start_from(released)


def test_the_order_of_two_objects_counts_unless_they_stand_next_to_each_other():
    batch = JudgeViews(5, 2, 1)[0]
    count = len(batch.families)
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(count, 127, generator=generator), torch.randn(count, 128, generator=generator)
    families = torch.stack([torch.arange(count), torch.arange(count) + 20], dim=1)
    next_to = replace(batch, families=families, relation=torch.full((count,), SYMMETRIC_RELATION))
    on = replace(next_to, relation=torch.zeros(count, dtype=torch.long))
    other_way = families.flip(1)
    loss = family_loss(first, second, next_to)
    assert torch.isclose(loss, family_loss(first, second, replace(next_to, families=other_way)))
    assert not torch.isclose(
        family_loss(first, second, on), family_loss(first, second, replace(on, families=other_way))
    )
    p, q = first.softmax(1), second.softmax(1)
    a, b = families.T
    row = torch.arange(count)
    either = p[row, a] * q[row, b] + p[row, b] * q[row, a]
    assert torch.isclose(loss, -either.log().mean())
