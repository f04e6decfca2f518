"""What training asks the prior's network about every cell of a picture, and the head that answers."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dream3d.cameras import orbit
from dream3d.prior.cell_reader import CELL, CellReader
from dream3d.props import Finish, make_prop, prop_spec
from dream3d.props.palette import SRGB
from dream3d.props.spec import SceneSpec

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from prior_data import render_views
from prior_labels import ANSWERS, COMMON_WEIGHT, NOTHING, CellLabels, calibrated, cell_labels, telling_loss

SIZE = 128
CAMERAS = orbit([20.0, 140.0, 260.0], 20.0, 3.05, 40.0)
QUESTION = {name: index for index, name in enumerate(ANSWERS)}


def labels_of(spec, shading="albedo", size=SIZE):
    prop = make_prop(spec, np.random.default_rng(0))
    return prop, cell_labels(prop, CAMERAS, [shading] * 3, size)


def words(labels, question):
    """The answers that count anywhere."""
    index = QUESTION[question]
    counted = labels.answers[:, index][labels.weights[:, index] > 0]
    return {ANSWERS[question][answer] for answer in counted.unique().tolist()}


def where(labels, question, answer):
    """Mask [B, h, w] of the cells with this answer."""
    is_asked = labels.weights[:, QUESTION[question]] > 0
    return is_asked & (labels.answers[:, QUESTION[question]] == ANSWERS[question].index(answer))


def test_labels_name_what_a_picture_of_the_same_prop_shows_there():
    looks = {"cap": Finish("blue"), "stem": Finish("yellow"), "spots": Finish("orange")}
    prop, labels = labels_of(prop_spec("mushroom", looks))
    family, color = (labels.answers[:, QUESTION[name]] for name in ("family", "color"))
    image = render_views(prop, CAMERAS, ["albedo"] * 3, SIZE)
    # The four pixels around the middle of a cell: only where they agree do they say what is in the middle.
    around = image.unfold(1, CELL, CELL).unfold(2, CELL, CELL)[..., 1:3, 1:3].flatten(4)  # [B, h, w, 4, 4]
    alike = (around.amax(-1) - around.amin(-1)).amax(-1) < 0.02
    middle = around.mean(-1)
    assert alike.float().mean() > 0.8
    assert ((family == 0) == (middle[..., 3] < 0.5))[alike].all()
    seen = alike & (family > 0)
    assert {ANSWERS["family"][i] for i in family[seen].unique().tolist()} == {"mushroom"}
    names = {"cap": "blue", "stem": "yellow", "spots": "orange"}
    for name, told in names.items():
        mine = seen & where(labels, "part", name)
        assert mine.any()
        assert (color[mine] == ANSWERS["color"].index(told)).all()
        wanted = torch.tensor(SRGB[told]) / 255
        others = torch.stack([torch.tensor(SRGB[other]) / 255 for other in names.values() if other != told])
        distance = (middle[mine][:, :3] - wanted).norm(dim=-1)
        assert (distance < (middle[mine][:, None, :3] - others).norm(dim=-1).amin(-1)).all()


def test_looks_are_told_with_the_color_that_a_pattern_shows_unsaid():
    looks = {"stone": Finish("red", "stone", "striped", None)}
    _, labels = labels_of(prop_spec("rock", looks))  # with moss, which has neither
    assert words(labels, "material") == {NOTHING, "stone"}
    assert words(labels, "pattern") == {NOTHING, "striped"}
    assert words(labels, "second color") == {NOTHING, "white"}
    assert where(labels, "pattern", "striped").equal(where(labels, "part", "stone"))


def test_both_props_of_a_scene_are_named_where_they_are():
    _, labels = labels_of(SceneSpec(prop_spec("apple"), "on", prop_spec("barrel")))
    family = labels.answers[:, QUESTION["family"]]
    upper = {ANSWERS["family"][i] for i in family[:, : family.shape[1] // 3].unique().tolist()}
    lower = {ANSWERS["family"][i] for i in family[:, -family.shape[1] // 3 :].unique().tolist()}
    assert upper == {NOTHING, "apple"}
    assert lower == {NOTHING, "barrel"}


def test_a_part_counts_by_the_root_of_its_area_and_a_look_that_is_said_more_than_a_natural_one():
    _, labels = labels_of(prop_spec("mushroom", {"stem": Finish("yellow", None, "striped", "black")}))
    for part in ("cap", "stem", "spots"):
        mine = where(labels, "part", part)
        area = mine.sum((1, 2)).float()
        assert (area > 0).all()
        for name, index in QUESTION.items():
            is_said = part == "stem" and name in ("color", "pattern", "second color")
            factor = 1.0 if name in ("family", "part") or is_said else COMMON_WEIGHT
            total = (labels.weights[:, index] * mine).sum((1, 2))
            torch.testing.assert_close(total, factor * area.sqrt())
    empty = labels.answers[:, QUESTION["family"]] == 0
    shares = [(labels.weights[:, index] * empty).sum((1, 2)) for index in QUESTION.values()]
    torch.testing.assert_close(shares[QUESTION["family"]], empty.sum((1, 2)).float().sqrt())
    assert all((share == 0).all() for share in shares[1:])


@pytest.mark.parametrize("shading", ["textureless", "normals"])
def test_no_look_is_asked_for_where_the_shading_hides_it(shading):
    _, labels = labels_of(prop_spec("mushroom"), shading)
    assert words(labels, "family") == {NOTHING, "mushroom"}
    assert words(labels, "part")
    for name in ("color", "material", "pattern", "second color"):
        assert words(labels, name) == set()


def test_a_head_that_knows_nothing_pays_the_entropy_of_a_guess_and_nothing_for_what_is_not_asked():
    reader = CellReader(8, ANSWERS, {})
    for weight in reader.parameters():
        torch.nn.init.zeros_(weight)
    features = torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    shape = 2, len(ANSWERS), 4, 4
    labels = CellLabels(torch.ones(shape, dtype=torch.int16), torch.full(shape, 0.3))
    whole = sum(math.log(len(answers)) for answers in ANSWERS.values())
    assert telling_loss(reader(features), labels).item() == pytest.approx(whole, rel=1e-5)
    labels.weights[:, QUESTION["material"]] = 0.0
    without = whole - math.log(len(ANSWERS["material"]))
    assert telling_loss(reader(features), labels).item() == pytest.approx(without, rel=1e-5)
    labels.weights[:] = 0.0
    nothing = telling_loss(reader(features), labels)
    nothing.backward()
    assert nothing.item() == 0.0
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in reader.parameters())


def test_cells_weigh_as_they_are_told():
    reader = CellReader(1, ANSWERS, {})
    with torch.no_grad():
        reader.head.weight.zero_()
        reader.head.bias.zero_()[0] = 3.0  # "no family", everywhere
    features = torch.zeros(1, 1, 1, 2)
    labels = CellLabels(
        torch.zeros(1, len(ANSWERS), 1, 2, dtype=torch.int16), torch.zeros(1, len(ANSWERS), 1, 2)
    )
    labels.answers[0, 0, 0] = torch.tensor([0, 5])
    labels.weights[0, 0, 0] = torch.tensor([0.2, 0.6])
    partition = math.log(math.exp(3.0) + len(ANSWERS["family"]) - 1)
    wanted = 0.25 * (partition - 3.0) + 0.75 * partition
    assert telling_loss(reader(features), labels).item() == pytest.approx(wanted, rel=1e-6)


def test_a_calibrated_reader_takes_back_the_weights_of_training():
    """What was learned under weights w is proportional to p w: divided by w it is p again."""
    reader = CellReader(1, ANSWERS, {})
    truth = torch.tensor([0.9, *[0.1 / (len(ANSWERS["material"]) - 1)] * (len(ANSWERS["material"]) - 1)])
    weights = torch.tensor([COMMON_WEIGHT, *[1.0] * (len(truth) - 1)])
    start = sum(len(words) for name, words in ANSWERS.items() if name in ("family", "part", "color"))
    with torch.no_grad():
        reader.head.weight.zero_()
        reader.head.bias[start : start + len(truth)] = (truth * weights).log()
    told = calibrated(reader)(torch.zeros(1, 1, 1, 1))["material"].softmax(-1).flatten()
    torch.testing.assert_close(told, truth)
    assert reader.head.bias[start].item() == pytest.approx(math.log(0.9 * COMMON_WEIGHT))  # left as it was
    again = calibrated(calibrated(reader), 1 / COMMON_WEIGHT)
    torch.testing.assert_close(again.head.bias, reader.head.bias)
