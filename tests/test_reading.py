"""Teaching the text encoder to read: what captions are said to say is what they say, and it learns."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dream3d.props import FAMILIES, parse_caption
from dream3d.props.spec import PropSpec, SceneSpec

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from prior_data import PropViews
from prior_trainer import Trainer
from processes import Processes
from reading import (
    IGNORED,
    LOOK_WORDS,
    NOTHING,
    PARTS,
    PROP_WORDS,
    SCENE_WORDS,
    UNSAID,
    Answered,
    draw_reading,
)
from teach_reading import Lesson, teach

from dream3d.prior import CameraLaw


def said(finish, natural):
    """The words of a look, by kind."""
    if finish is None:
        return "missing"
    color = UNSAID if finish.color == natural and not finish.material else finish.color or NOTHING
    return color, finish.material or NOTHING, finish.pattern or NOTHING, finish.second or NOTHING, "there"


def told(look):
    """Indices of a look as words."""
    if look[0] == IGNORED:
        return LOOK_WORDS[-1][look[-1]]
    return tuple(words[index] for words, index in zip(LOOK_WORDS, look, strict=True))


def test_what_captions_say_is_what_the_parser_reads_in_them():
    reading = draw_reading(np.random.default_rng(3), 400)
    pairs = 0
    for row, text in enumerate(reading.captions):
        spec = parse_caption(text)
        assert spec is not None
        props = [spec] if isinstance(spec, PropSpec) else [spec.first, spec.second]
        pairs += len(props) - 1
        relation = spec.relation if isinstance(spec, SceneSpec) else NOTHING
        assert SCENE_WORDS[0][int(reading.scene[row, 0])] == relation
        for index, prop in enumerate(props):
            answers = reading.props[row, index].tolist()
            assert PROP_WORDS[0][answers[0]] == prop.family
            assert PROP_WORDS[1][answers[1]] == (prop.size or NOTHING)
            family = FAMILIES[prop.family]
            assert told(answers[2:]) == said(prop.main, family.parts[0].color)
            for part, look in zip(reading.asked[row, index], reading.looks[row, index].tolist(), strict=True):
                name = PARTS[int(part)]
                assert told(look) == said(prop.finishes.get(name), family.part(name).color)
        if len(props) == 1:
            assert (reading.props[row, 1] == IGNORED).all()
            assert (reading.looks[row, 1] == IGNORED).all()
    assert 20 < pairs < 120


def test_the_loss_leaves_out_what_is_not_asked():
    logits = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    one = Answered("x", logits, torch.tensor([0, IGNORED])).loss()
    assert one == pytest.approx(float(np.log1p(np.exp(-2.0))))
    assert Answered("x", logits, torch.full((2,), IGNORED)).loss() == 0.0


def fresh_trainer(folder):
    trainer = Trainer(folder, torch.device("cpu"), False, Processes())
    views = PropViews(5, 2, CameraLaw(), {32: 1.0})
    trainer.train_step(views[0], 1.0)  # optimizers have states now
    return trainer


@torch.no_grad()
def score(lesson):
    """Loss on captions that are not trained on."""
    return float(sum(each.loss() for each in lesson.ask(200, 10**6)[0]))


def test_an_encoder_learns_to_read_and_an_anchor_holds_it(tmp_path):
    trainer = fresh_trainer(tmp_path)
    trainer.use_averages(True)
    before = Lesson(trainer.encoder, trainer.tokenizer, None)
    torch.manual_seed(0)  # noqa: TID251
    start = score(before)
    reader = teach(trainer.encoder, trainer.tokenizer, steps=25, anchor=0.0).reader
    free = Lesson(trainer.encoder, trainer.tokenizer, None)
    free.reader = reader
    assert score(free) < 0.75 * start
    held = teach(trainer.encoder, trainer.tokenizer, steps=8, anchor=1.0)
    with torch.no_grad():
        assert 0.0 < float(held.ask(50, 1)[1]) < 1.0


def test_the_training_state_takes_over_what_was_taught(tmp_path):
    trainer = fresh_trainer(tmp_path)
    trainer.use_averages(True)
    with torch.no_grad():
        for weight in trainer.encoder.parameters():
            weight.add_(0.25)
    taught = [weight.clone() for weight in trainer.encoder.parameters()]
    unet = [weight.clone() for weight in trainer.unet.parameters()]
    trainer.adopt_encoder()
    trainer.save(0.0)
    again = Trainer(tmp_path, torch.device("cpu"), True, Processes())
    again.load()
    for averaged in (True, False):
        again.use_averages(averaged)
        assert all(torch.equal(a, b) for a, b in zip(again.encoder.parameters(), taught, strict=True))
    again.use_averages(True)
    assert all(torch.equal(a, b) for a, b in zip(again.unet.parameters(), unet, strict=True))
