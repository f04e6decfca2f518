import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from prior_folders import write_tiny_prior  # puts scripts/ on the path, where they find each other

from dream3d.errors import InputError
from dream3d.metrics.judge import Answer
from dream3d.metrics.judge_folder import Lexicon, save_judge
from dream3d.metrics.judge_network import JudgeNetwork, JudgeShape
from dream3d.metrics.questions import Kind
from dream3d.prior import Prior
from dream3d.prior.card import read_card
from dream3d.props import FAMILIES, parse_caption, vocabulary
from scripts.eval_prior import main
from scripts.prior_report import markdown, summarize, update_card, worst
from scripts.prior_samples import Asked, Samples, SampleSettings, read_asked
from scripts.prior_scores import Said, Score, ScoreBook, half_of, nearest_azimuth_errors, said

NUMBERS = {"r_precision": 1.0, "hard_r_precision": 0.5, "hard_r_precision_worst": 0.0}


def asked(prompt: str) -> Asked:
    spec = parse_caption(prompt)
    assert spec is not None
    return Asked(prompt, spec)


def answer(kind: Kind, family: str, part: str | None, expected: str, found: str) -> Answer:
    return Answer(kind, family, part, (expected,), found, 0.0, 1.0, True)


class TestHalves:
    """A color, material, pattern or relation by its own pair; anything else by its prompt."""

    # "purple" is held out of mushrooms, "glass" too; nothing is of their stems.
    @pytest.mark.parametrize(
        ("prompt", "given", "expected"),
        [
            ("a blue mushroom", ("color", "mushroom", "cap"), ("color", "seen")),
            ("a purple mushroom", ("color", "mushroom", "cap"), ("color", "held out")),
            ("a purple mushroom", ("family", "mushroom", None), ("family", "held out")),
            ("a blue glass mushroom", ("color", "mushroom", "cap"), ("color", "seen")),
            ("a blue glass mushroom", ("material", "mushroom", "cap"), ("material", "held out")),
            ("a glass mushroom with a pink stem", ("color", "mushroom", "stem"), ("part color", "held out")),
            ("a mushroom with a purple stem", ("color", "mushroom", "stem"), ("part color", "seen")),
            ("a purple mushroom next to a blue chair", ("color", "chair", "seat"), ("color", "seen")),
            ("a purple mushroom next to a blue chair", ("color", "mushroom", "cap"), ("color", "held out")),
            ("a purple mushroom next to a blue chair", ("relation", "mushroom", None), ("relation", "seen")),
        ],
    )
    def test_of_answers(self, prompt: str, given: tuple[Kind, str, str | None], expected: tuple) -> None:
        found = said(answer(*given, "a", "b"), asked(prompt).spec)
        assert (found.name, found.half) == expected
        assert (found.expected, found.found, found.is_right) == ("a", "b", False)


class TestSamples:
    def test_are_drawn_once_and_come_back(self, tmp_path: Path) -> None:
        prior = Prior.from_pretrained(str(write_tiny_prior(tmp_path / "tiny")))
        settings = SampleSettings(prior.sha256, "camera", 2, 3.0)
        items = [asked("a red mushroom"), asked("a blue house")]
        samples = Samples(tmp_path / "samples", settings)
        assert list(samples.draw(prior, items)) == items
        first = [samples.load(item) for item in items]
        assert first[0].shape == (4, 64, 64, 4)
        assert not torch.equal(*first)
        times = [samples.path(item).stat().st_mtime_ns for item in items]
        list(samples.draw(prior, items))
        assert [samples.path(item).stat().st_mtime_ns for item in items] == times
        samples.path(items[1]).unlink()
        list(samples.draw(prior, reversed(items)))  # alone and in another order: the same pictures
        assert torch.equal(samples.load(items[1]), first[1])

    def test_of_other_settings_are_refused(self, tmp_path: Path) -> None:
        settings = SampleSettings("abc", "joint", 16, 3.0)
        Samples(tmp_path, settings)
        Samples(tmp_path, settings)
        with pytest.raises(InputError, match="another prior"):
            Samples(tmp_path, replace(settings, views="words"))

    def test_views_are_a_quarter_turn_apart(self) -> None:
        turns = torch.tensor(asked("a red mushroom").azimuth_deg)
        assert (turns.diff() % 360).tolist() == [90.0] * 3
        assert turns[0] != asked("a blue mushroom").azimuth_deg[0]

    def test_a_prompt_outside_the_grammar_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "list.txt"
        path.write_text("a red mushroom\na thing of beauty\n")
        with pytest.raises(InputError, match="line 2"):
            read_asked(path, None)


def test_the_nearest_render_tells_the_azimuth() -> None:
    around = torch.rand(2, 36, 8, 8, 4, generator=torch.Generator().manual_seed(0))
    pictures = torch.stack([around[1, 0], around[0, 35], around[1, 9]]) + 0.001
    assert nearest_azimuth_errors(pictures, around, [0.0, 0.0, 270.0]) == pytest.approx([0.0, 10.0, 180.0])


def score(prompt: str, source: str, said: list[Said], azimuth: list[float]) -> Score:
    is_exact = all(each.is_right for each in said)
    half = half_of(asked(prompt).spec)
    return Score(prompt, source, "judge", half, said, 0.75, [is_exact], NUMBERS, azimuth, [])  # pyright: ignore


def scores() -> list[Score]:
    """Two seen prompts and one that is held out, of a house, as a prior drew them."""
    right = Said("family", "seen", "mushroom", "mushroom", "mushroom", True)
    wrong = Said("color", "seen", "mushroom", "blue", "red", False)
    house = Said("family", "held out", "house", "house", "tent", False)
    return [
        score("a blue mushroom", "prior", [right, wrong], [0.0, 10.0, 20.0, 180.0]),
        score("a mushroom", "prior", [right], []),
        score(
            "a purple mushroom", "prior", [replace(house, half="held out"), replace(wrong, half="seen")], []
        ),
        score("a mushroom", "truth", [right], []),
    ]


class TestReport:
    def test_halves_and_sources_stand_apart(self) -> None:
        summary = summarize(scores())
        seen, held_out = summary["seen"]["prior"], summary["held out"]["prior"]
        assert (seen["prompts"], held_out["prompts"]) == (2, 1)
        assert seen["unsaid_right"] == 0.75
        assert (seen["exact_match"], held_out["exact_match"]) == (0.5, 0.0)
        # Of the prompt that is held out, one attribute is a trained one.
        assert seen["attributes"] == {"all": 0.5, "color": 0.0, "family": 1.0}
        assert seen["num_attributes"] == {"all": 4, "color": 2, "family": 2}
        assert held_out["num_attributes"] == {"all": 1, "family": 1}
        assert summary["seen"]["truth"]["exact_match"] == 1.0

    def test_azimuth(self) -> None:
        seen = summarize(scores())["seen"]["prior"]
        assert (seen["azimuth_error_deg"], seen["azimuth_over_45"]) == (15.0, 0.25)
        assert "nearest_error_deg" not in seen

    def test_what_was_not_measured_is_blank_and_not_zero(self) -> None:
        summary = summarize(scores())
        assert summary["held out"]["truth"]["prompts"] == 0
        assert "exact_match" not in summary["held out"]["truth"]
        lines = markdown(summary, scores()).splitlines()
        (row,) = (line for line in lines if line.startswith("| exact match"))
        assert row.split("|")[2:6] == [" 50.0% ", " 100.0% ", " 0.0% ", "  "]

    def test_the_worst_come_first_with_their_most_frequent_mistake(self) -> None:
        def told(expected: str, found: str) -> Said:
            return Said("color", "seen", "mug", expected, found, expected == found)

        answers = [told("red", "red")] * 3 + [told("lime", "green")] * 2 + [told("lime", "lime")] * 2
        answers += [told("navy", "blue")] * 3 + [told("navy", "black")] + [told("pink", "red")] * 2
        rows = worst(answers, lambda each: each.expected)
        assert rows == [("navy", 0.0, 4, "navy > blue"), ("lime", 0.5, 4, "lime > green")]

    def test_scores_reach_the_card_and_nothing_else_changes(self, tmp_path: Path) -> None:
        folder = write_tiny_prior(tmp_path / "tiny")
        before = json.loads((folder / "dream3d.json").read_text())
        results = {"prompts": "3 of x", "samples": {}, "judge": "j", "summary": summarize(scores())}
        update_card(folder, results)
        card = json.loads((folder / "dream3d.json").read_text())
        assert card["facts"].pop("scores")["seen"]["prior"]["exact_match"] == 0.5
        assert card == before
        assert read_card(folder).facts["scores"]["held_out"]["prior"]["attributes"]["family"] == 0.0


def write_random_judge(folder: Path) -> Path:
    """A judge that was never trained."""
    lexicon = Lexicon(vocabulary(), tuple(FAMILIES))
    shape = JudgeShape(len(lexicon.words), len(lexicon.families))
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(5)
        save_judge(folder, shape, lexicon, JudgeNetwork(shape).state_dict(), {})
    return folder


def test_two_processes_find_what_one_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prior, judge = write_tiny_prior(tmp_path / "tiny"), write_random_judge(tmp_path / "judge")
    prompts = tmp_path / "list.txt"
    prompts.write_text("a red mushroom\na purple mushroom  # held out\n")
    common = ["--prior", str(prior), "--judge", str(judge), "--prompts", str(prompts), "--steps", "2"]
    main(["-o", str(tmp_path / "one"), *common])
    for shard in ("1/2", "0/2"):
        main(["-o", str(tmp_path / "two"), *common, "--shard", shard])
        assert not (tmp_path / "two" / "results.json").exists()
    scores = (tmp_path / "two" / "scores.jsonl").read_text()
    capsys.readouterr()
    main(["-o", str(tmp_path / "two"), *common, "--card", str(prior)])
    assert (tmp_path / "two" / "scores.jsonl").read_text() == scores  # nothing was measured again
    assert len(scores.split("\n")) == 1 + 2 * 2  # each prompt's samples and its truth
    names = ["results.json", "table.md", "sheet_seen.jpg", "sheet_held_out.jpg"]
    assert all((tmp_path / "one" / n).read_bytes() == (tmp_path / "two" / n).read_bytes() for n in names)
    assert "| prompts | 1 | 1 | 1 | 1 |" in capsys.readouterr().out
    results = json.loads((tmp_path / "two" / "results.json").read_text())
    assert read_card(prior).facts["scores"]["judge"] == results["judge"]


class TestScoreBook:
    def test_scores_come_back_and_a_cut_line_costs_itself_only(self, tmp_path: Path) -> None:
        path = tmp_path / "scores.jsonl"
        one, other, *_ = scores()
        ScoreBook(path).append(one)
        with path.open("a") as stream:
            stream.write('\n{"prompt": "cut o')
        ScoreBook(path).append(other)
        book = ScoreBook(path)
        assert sorted(book.scores.values(), key=lambda s: s.prompt) == [one, other]
