import math
import shlex
from pathlib import Path

import pytest
from prior_folders import write_tiny_prior  # puts scripts/ on the path, where they find each other

from dream3d.cli_eval import Eval
from dream3d.config import Config
from dream3d.errors import InputError
from dream3d.evaluate.columns import COLUMNS
from dream3d.evaluate.rows import Journal, Row
from dream3d.overlays import parse
from scripts.ablate import Ablate
from scripts.ablation_table import difference, prompt_means, variant_table
from scripts.ablations import ABLATIONS, Ablation, Variant

IOU, ERROR = (next(c for c in COLUMNS if c.name == name) for name in ("silhouette_iou", "color_error"))


def row(prompt: str, seed: int, **metrics: float) -> Row:
    return Row(f"{prompt} {seed}", "asset", prompt, seed, metrics=metrics)


def failed(prompt: str, seed: int) -> Row:
    return Row(f"{prompt} {seed}", "asset", prompt, seed, error="empty", blame="run")


class TestMeans:
    def test_seeds_first_so_that_every_prompt_counts_alike(self) -> None:
        rows = [
            row("a", 0, silhouette_iou=0.2),
            row("a", 1, silhouette_iou=0.4),
            row("b", 0, silhouette_iou=0.9),
        ]
        assert prompt_means(rows, IOU) == pytest.approx({"a": 0.3, "b": 0.9})

    def test_a_failure_is_nothing_where_more_is_better_and_blank_elsewhere(self) -> None:
        rows = [row("a", 0, silhouette_iou=0.8, color_error=0.2), failed("a", 1), failed("b", 0)]
        assert prompt_means(rows, IOU) == {"a": 0.4, "b": 0.0}
        assert prompt_means(rows, ERROR) == {"a": 0.2}


class TestDifference:
    def test_is_paired_by_prompt(self) -> None:
        # Prompts differ by 50 times more than variants do; each is 0.01 to 0.03 better.
        reference = {"a": 0.1, "b": 0.6, "c": 0.9}
        found = difference({"a": 0.11, "b": 0.62, "c": 0.93, "d": 0.0}, reference)
        assert found is not None
        assert found.mean == pytest.approx(0.02)
        assert found.standard_error == pytest.approx(0.01 / math.sqrt(3))
        assert found.is_significant

    def test_of_noise_is_not_significant(self) -> None:
        found = difference({"a": 0.5, "b": 0.7}, {"a": 0.6, "b": 0.5})
        assert found is not None
        assert not found.is_significant

    def test_of_one_prompt_says_nothing(self) -> None:
        found = difference({"a": 0.9}, {"a": 0.1})
        assert found is not None
        assert not found.is_significant
        assert difference({"a": 0.9}, {"b": 0.1}) is None


def test_the_table_compares_with_the_reference() -> None:
    reference = [row(prompt, 0, silhouette_iou=value) for prompt, value in (("a", 0.5), ("b", 0.7))]
    better = [row(prompt, 0, silhouette_iou=value) for prompt, value in (("a", 0.6), ("b", 0.81))]
    lines = variant_table({"old": reference, "new": better, "none": [failed("a", 0)]}, "old").splitlines()
    assert lines[0] == "| variant | assets | failed | IoU ↑ |"
    assert lines[2] == "| old (reference) | 2 | 0 | 0.600 |"
    assert lines[3] == "| new | 2 | 0 | 0.705 (**+0.105 ± 0.005**) |"
    assert lines[4].startswith("| none | 1 | 1 | 0.000 (-0.500 ")


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda ablation: ablation.name)
class TestEveryAblation:
    def test_its_variants_differ_and_one_of_them_is_the_default(self, ablation: Ablation) -> None:
        configs = [variant.applied(Config()) for variant in ablation.variants]
        assert all(configs.count(config) == 1 for config in configs)
        assert Config() in configs

    def test_its_options_say_the_same_on_the_command_line(self, ablation: Ablation) -> None:
        for variant in ablation.variants:
            words = ["list.txt", "-o", "out", *variant.options.split()]
            assert parse(Eval, words, "eval").settings == variant.applied(Config())

    def test_folders_differ_and_the_default_is_shared(self, ablation: Ablation) -> None:
        names = [ablation.folder_name(variant, Config()) for variant in ablation.variants]
        assert len(set(names)) == len(names)
        assert names.count("default") == 1


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(TypeError):
        Variant("x", {"no_such_setting": 1}).applied(Config())


@pytest.mark.slow
def test_the_page_is_made_of_rows_that_processes_share(work: Path, tmp_path: Path) -> None:
    prior = write_tiny_prior(tmp_path / "tiny")
    (work / "list.txt").write_text("a red mushroom\na blue house\n")
    small = ["--coarse.num-steps=4", "--refine.num-steps=0", "--target-faces=200"]
    small += ["--texture-size=64", "--extract.resolution=32"]
    words = ["--prompts", "list.txt", "--seeds", "1", "--only", "views", "--prior", str(prior), *small]
    for shard in ("0/2", "1/2"):
        parse(Ablate, [*words, "--shard", shard], "ablate").run()
        assert not Path("assets").exists()
    folders = {path.name: path for path in Path("out/ablations").iterdir()}
    assert set(folders) == {"default", "views-words", "views-camera"}
    kinds = {
        name: [r.kind for r in Journal(path / "rows.jsonl").rows.values()] for name, path in folders.items()
    }
    assert kinds["views-words"] == kinds["views-camera"] == ["asset"] * 2
    assert kinds["default"].count("ground truth") == 2
    stamps = {path: path.stat().st_mtime_ns for path in Path("out/ablations").rglob("*.*")}
    parse(Ablate, words, "ablate").run(command=["scripts/ablate.py", *words])
    assert {path: path.stat().st_mtime_ns for path in Path("out/ablations").rglob("*.*")} == stamps
    page = Path("assets/ablations/README.md").read_text()
    assert [line.split("|")[1:4] for line in page.splitlines() if line.startswith("|")][2:] == [
        [" words ", " 2 ", " 0 "],
        [" camera ", " 2 ", " 0 "],
        [" joint (reference) ", " 2 ", " 0 "],
    ]
    assert f"`python scripts/ablate.py {shlex.join(words)}`" in page
    assert "4 steps\nof the field and 0 of its surface" in page
    assert "](views.jpg)" in page
    assert Path("assets/ablations/views.jpg").is_file()


def test_an_ablation_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="views, scale, emphasis, timesteps, shading"):
        parse(Ablate, ["--only", "views", "--only", "weather"], "ablate").run()
