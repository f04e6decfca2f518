"""The learned judge: its folder, its invariances, and what the shipped weights must be able to tell."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dream3d.errors import InputError
from dream3d.metrics.ground_truth import untextured
from dream3d.metrics.judge import Answer, Judge, accepted_colors, is_exact, pair_answers
from dream3d.metrics.judge_folder import CARD, WEIGHTS, Lexicon, find_judge, read_judge, save_judge
from dream3d.metrics.judge_network import BEGIN, MAX_WORDS, PADDING, UNKNOWN, JudgeNetwork, JudgeShape
from dream3d.metrics.learned import circular_error, judge_cameras
from dream3d.metrics.questions import OWN_COLOR, RELATION_ANSWERS
from dream3d.metrics.views import in_frame, portraits
from dream3d.props import (
    FAMILIES,
    Finish,
    PropSpec,
    SceneSpec,
    Spec,
    make_prop,
    parse_caption,
    prop_spec,
    vocabulary,
)

TWO_COLORS = [
    "a blue mushroom with a green stem",
    "a pink house with a navy roof",
    "a green duck with a purple beak",
    "a white car with cyan wheels",
    "a red mug with a black handle",
    "a yellow chair with blue legs",
]


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.from_pretrained()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A judge of random weights that knows two words."""
    torch.manual_seed(0)  # noqa: TID251 - layers are initialised from the global state
    lexicon = Lexicon(["red", "duck"], ["duck", "mug"])
    shape = JudgeShape(2, 2)
    save_judge(tmp_path / "j", shape, lexicon, JudgeNetwork(shape).state_dict(), {"images_seen": 0})
    return tmp_path / "j"


def pictures(spec: Spec, seed: int = 0) -> Tensor:
    prop = make_prop(spec, np.random.default_rng((77, seed)))
    return portraits(in_frame(untextured(prop.painted_mesh())), judge_cameras())


def spec_of(text: str) -> PropSpec:
    spec = parse_caption(text)
    assert isinstance(spec, PropSpec)
    return spec


class TestFolder:
    def test_a_saved_judge_reads_back_to_half_precision(self, folder: Path) -> None:
        network, lexicon, card = read_judge(folder)
        stored = load_file(folder / WEIGHTS)
        assert {name: tensor.dtype for name, tensor in stored.items()} == dict.fromkeys(stored, torch.float16)
        for name, weight in network.state_dict().items():
            assert torch.equal(weight, stored[name].float()), name
        assert (lexicon.words, lexicon.families) == (("red", "duck"), ("duck", "mug"))
        assert card["facts"] == {"images_seen": 0}
        assert not any(weight.requires_grad for weight in network.parameters())

    def test_the_shipped_one_fits_its_budget_and_knows_the_grammar(self) -> None:
        folder = find_judge("props")
        network, lexicon, card = read_judge(folder)
        assert sum(weight.numel() for weight in network.parameters()) < 4_500_000
        assert (folder / WEIGHTS).stat().st_size < 9_000_000
        assert set(lexicon.words) >= set(vocabulary())
        assert set(lexicon.families) >= set(FAMILIES)
        for fact in ("parameters", "images_seen", "training_hours", "trained_on", "licence"):
            assert card["facts"][fact]

    def test_unknown_names_are_one_line(self) -> None:
        with pytest.raises(InputError, match=r"^unknown judge 'nobody': .*$"):
            Judge.from_pretrained("nobody")

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[]", b"\xff\xfe", b"{}", b'{"schema": "dream3d-judge/1"}'],
        ids=["empty", "cut", "list", "bytes", "no schema", "no lexicon"],
    )
    def test_a_damaged_card_is_one_line(self, folder: Path, content: bytes) -> None:
        (folder / CARD).write_bytes(content)
        refused(folder)

    @pytest.mark.parametrize("words", [None, "red", [1, 2], ["red"], {"red": 1}])
    def test_wrong_words_are_one_line(self, folder: Path, words: object) -> None:
        card = json.loads((folder / CARD).read_text())
        card["lexicon"]["words"] = words
        (folder / CARD).write_text(json.dumps(card))
        refused(folder)

    def test_damaged_weights_are_one_line(self, folder: Path) -> None:
        path = folder / WEIGHTS
        whole, tensors = path.read_bytes(), load_file(path)
        for content in (b"", whole[:1000], whole[: len(whole) // 2], b"\x80\x04\x95" + whole):
            path.write_bytes(content)
            refused(folder)
        path.unlink()
        refused(folder)
        save_file({name: tensor for name, tensor in tensors.items() if name != "stem.bias"}, path)
        refused(folder)
        save_file(tensors | {"stem.bias": torch.zeros(3)}, path)
        refused(folder)
        save_file(tensors | {"stem.bias": torch.full_like(tensors["stem.bias"], torch.nan)}, path)
        refused(folder)


def refused(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        Judge.from_pretrained(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


class TestLexicon:
    def test_words_commas_and_strangers_have_ids(self) -> None:
        lexicon = Lexicon(["red", "duck", ","], ["duck"])
        ids = lexicon.ids(["Red, duck!", "duck xyzzy"], begin=True)
        assert ids.tolist() == [[BEGIN, 3, 5, 4], [BEGIN, 4, UNKNOWN, PADDING]]

    def test_plurals_are_read_as_one(self) -> None:
        lexicon = Lexicon(["mushroom", "spots", "torch"], ["mushroom"])
        assert lexicon.ids(["mushrooms torches spot zorps"]).tolist() == [[3, 5, 4, UNKNOWN]]

    def test_long_captions_are_cut_and_empty_ones_keep_their_beginning(self) -> None:
        lexicon = Lexicon(["red"], ["duck"])
        assert lexicon.ids(["red " * 100]).shape == (1, MAX_WORDS)
        assert lexicon.ids(["", "red"], begin=True).tolist() == [[BEGIN, PADDING], [BEGIN, 3]]


class TestInvariance:
    def test_pictures_are_judged_one_by_one(self, judge: Judge) -> None:
        images = torch.rand(5, 64, 64, 4, generator=torch.Generator().manual_seed(1))
        order = torch.tensor([3, 0, 4, 1, 2])
        texts = ["a red duck", "a mug"]
        whole = judge.image_text_scores(images, texts)
        assert whole.shape == (5, 2)
        assert torch.allclose(judge.image_text_scores(images[order], texts), whole[order], atol=1e-4)
        assert torch.allclose(judge.image_text_scores(images[:1], texts), whole[:1], atol=1e-4)
        azimuths = judge.azimuth_log_probs(images)
        assert torch.allclose(judge.azimuth_log_probs(images[order]), azimuths[order], atol=1e-4)
        assert torch.allclose(azimuths.exp().sum(1), torch.ones(5))

    def test_captions_are_read_one_by_one(self, judge: Judge) -> None:
        images = torch.rand(2, 64, 64, 4, generator=torch.Generator().manual_seed(2))
        texts = [
            "a red duck",
            "a very long caption of a mug with a lid and a red and white striped handle",
            "",
        ]
        whole = judge.image_text_scores(images, texts)
        for index, text in enumerate(texts):
            alone = judge.image_text_scores(images, [text])
            assert torch.allclose(alone[:, 0], whole[:, index], atol=1e-4)

    def test_more_pictures_than_fit_at_once_change_nothing(self, judge: Judge) -> None:
        image = torch.rand(1, 64, 64, 4, generator=torch.Generator().manual_seed(3))
        scores = judge.image_text_scores(image.expand(70, -1, -1, -1), ["a red duck"])
        assert torch.allclose(scores, scores[:1].expand(70, -1), atol=1e-4)

    def test_the_order_of_views_does_not_matter_to_attributes(self, judge: Judge) -> None:
        spec = spec_of(TWO_COLORS[0])
        images = pictures(spec)
        one, other = judge.attribute_match(images, spec), judge.attribute_match(images.flip(0), spec)
        assert [answer.found for answer in one] == [answer.found for answer in other]
        assert np.allclose([a.log_prob for a in one], [a.log_prob for a in other], atol=1e-4)


def told_of_pair(first: str, second: str, relation: str, text: str) -> list[Answer]:
    """What is answered about two views of which this is thought, the second less surely."""
    families = ["apple", "duck", "mug"]
    spec = parse_caption(text)
    assert isinstance(spec, SceneSpec)

    def thought(words: tuple[str, ...], word: str) -> Tensor:
        sure = torch.zeros(2, len(words)).index_fill_(1, torch.tensor([words.index(word)]), 4.0)
        return (sure * torch.tensor([[1.0], [0.5]])).log_softmax(1)

    names = tuple(families)
    told = thought(names, first), thought(names, second), thought(RELATION_ANSWERS, relation)
    return list(pair_answers(*told, families, spec))


class TestAnswers:
    def test_what_is_said_and_what_is_natural(self, judge: Judge) -> None:
        spec = spec_of("a blue mushroom with a wooden stem without spots")
        answers = judge.attribute_match(torch.zeros(1, 64, 64, 4), spec)
        said = {(answer.kind, answer.part) for answer in answers if answer.is_said}
        expected = {("family", None), ("color", "cap"), ("material", "stem"), ("presence", "spots")}
        assert said == expected
        natural = {(answer.kind, answer.part) for answer in answers if not answer.is_said}
        assert natural >= {("material", "cap"), ("pattern", "cap"), ("presence", "stem"), ("relation", None)}
        assert len(answers) == len(said) + len(natural)  # nothing is asked twice

    def test_pairs_are_asked_for_both_and_for_their_relation(self, judge: Judge) -> None:
        spec = parse_caption("a red apple next to a blue mug")
        assert spec is not None
        answers = judge.attribute_match(torch.zeros(1, 64, 64, 4), spec)
        said = {(answer.kind, answer.family, answer.expected) for answer in answers if answer.is_said}
        assert {("family", "apple", ("apple",)), ("family", "mug", ("mug",))} <= said
        assert ("relation", "apple", ("next to",)) in said

    @pytest.mark.parametrize(
        ("first", "second", "relation", "wrong"),
        [
            ("apple", "mug", "on", []),
            ("mug", "apple", "on", ["relation"]),
            ("apple", "mug", "next to", ["relation"]),
            ("apple", "duck", "on", ["mug"]),
            ("apple", "apple", "on", ["mug"]),
        ],
    )
    def test_which_is_which_belongs_to_the_relation(
        self, first: str, second: str, relation: str, wrong: list[str]
    ) -> None:
        answers = told_of_pair(first, second, relation, "an apple on a mug")
        assert [a.kind if a.kind == "relation" else a.family for a in answers if not a.is_right] == wrong

    def test_next_to_says_the_same_both_ways(self) -> None:
        for text in ("an apple next to a mug", "a mug next to an apple"):
            assert all(answer.is_right for answer in told_of_pair("apple", "mug", "next to", text))

    def test_words_that_look_the_same_are_all_right(self) -> None:
        assert accepted_colors(Finish("red")) == ["red"]
        assert accepted_colors(Finish(None, "marble")) == [OWN_COLOR, "white"]
        assert accepted_colors(Finish("white", "marble")) == ["white", OWN_COLOR]
        assert accepted_colors(Finish("red", "marble")) == ["red"]


class TestShippedWeights:
    def test_part_colors_are_not_confused_with_their_exchange(self, judge: Judge) -> None:
        right = []
        for seed, text in enumerate(TWO_COLORS):
            spec = spec_of(text)
            parts = [part for part, look in spec.finishes.items() if look.color != natural(spec, part)]
            assert len(parts) == 2
            first, second = (spec.finishes[part] for part in parts)
            swapped = replace(spec, finishes={**spec.finishes, parts[0]: second, parts[1]: first})
            images, wrong_images = pictures(spec, seed), pictures(swapped, seed)
            colors, wrong_colors = (
                [a for a in judge.attribute_match(seen, spec) if a.kind == "color" and a.part in parts]
                for seen in (images, wrong_images)
            )
            right += [all(a.is_right for a in colors), not any(a.is_right for a in wrong_colors)]
            right += [is_exact(judge.attribute_match(images, spec))]
            right += [not is_exact(judge.attribute_match(wrong_images, spec))]
        assert sum(right) >= 0.9 * len(right)

    def test_captions_find_their_pictures(self, judge: Judge) -> None:
        images = torch.cat([pictures(spec_of(text), seed) for seed, text in enumerate(TWO_COLORS)])
        found = judge.image_text_scores(images, TWO_COLORS).argmax(1)
        truth = torch.arange(len(TWO_COLORS)).repeat_interleave(12)
        assert (found == truth).float().mean() > 0.95

    @pytest.mark.parametrize("family", ["duck", "car", "cat"])
    def test_azimuths_follow_the_camera(self, judge: Judge, family: str) -> None:
        log_probs = judge.azimuth_log_probs(pictures(prop_spec(family)))
        error = circular_error(log_probs.argmax(1) * 10.0, torch.arange(12) * 30.0)
        assert error.median() <= 20.0


def natural(spec: PropSpec, part: str) -> str:
    return FAMILIES[spec.family].part(part).color
