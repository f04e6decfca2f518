"""Overlays and the command line through one parser."""

import contextlib
import dataclasses
import io
import json
from pathlib import Path
from typing import Annotated

import pytest
import tyro
import yaml

from dream3d.cli import Generate
from dream3d.cli_refine import Refine
from dream3d.config import Config
from dream3d.errors import InputError
from dream3d.overlays import (
    did_you_mean,
    field_names,
    load_config,
    overlay_names,
    overlay_tokens,
    parse,
    to_yaml,
)


def generate(*args: str) -> Generate:
    return parse(Generate, ["a red mushroom", *args], "dream3d generate")


def overlay(folder: Path, text: str, name: str = "mine.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_without_options_the_defaults_are_used() -> None:
    assert generate() == Generate(prompt="a red mushroom")
    assert generate().settings == Config()


def test_standard_is_the_defaults() -> None:
    assert generate("--config", "standard").settings == Config()


def test_draft_does_less_work_than_standard() -> None:
    draft, standard = generate("--config", "draft").settings, Config()
    assert draft.coarse.num_steps == standard.coarse.num_steps
    assert 0 < draft.refine.num_steps < standard.refine.num_steps


@pytest.mark.parametrize("name", overlay_names())
def test_shipped_overlays_hold_only_differences(name: str) -> None:
    changed = len(yaml.safe_load((Path(__file__).parent.parent / "configs" / f"{name}.yaml").read_text()))
    tokens = overlay_tokens(name)
    defaults = {f"--{key.replace('_', '-')}={value}" for key, value in flat(dataclasses.asdict(Config()))}
    assert not defaults & set(tokens), "a value that equals the default is not a difference"
    assert (not changed) == (not tokens)


def flat(tree: dict, prefix: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for key, value in tree.items():
        found += flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return found


def test_defaults_then_overlays_in_order_then_options(tmp_path: Path) -> None:
    one = overlay(tmp_path, "seed: 1\nextract: {target_faces: 100}\nbake: {texture_size: 64}", "one.yaml")
    two = overlay(tmp_path, "seed: 2\nextract:\n  target-faces: 200", "two.yaml")
    settings = generate("--config", one, f"--config={two}", "--seed", "3").settings
    assert (settings.seed, settings.extract.target_faces, settings.bake.texture_size) == (3, 200, 64)
    assert generate("--seed", "3", "--config", two, "--config", one).settings.extract.target_faces == 100


def test_a_number_that_yaml_calls_a_string_is_a_number(tmp_path: Path) -> None:
    assert isinstance(yaml.safe_load("1e-2"), str)
    assert (
        generate("--config", overlay(tmp_path, "export: {height_m: 1e-2}")).settings.export.height_m == 0.01
    )


def test_a_string_that_looks_like_an_option_stays_a_string(tmp_path: Path) -> None:
    settings = generate("--config", overlay(tmp_path, 'negative_prompt: "--seed 3"')).settings
    assert (settings.negative_prompt, settings.seed) == ("--seed 3", 0)


def test_short_and_long_names_mean_the_same() -> None:
    assert generate("--target-faces", "80").settings == generate("--extract.target-faces", "80").settings
    assert generate("--height", "2").settings.export.height_m == 2.0


def test_the_printed_settings_can_be_read_back(tmp_path: Path) -> None:
    settings = generate(
        "--config", "draft", "--seed", "9", "--height", "0.25", "--negative-prompt", "- x: y"
    ).settings
    assert generate("--config", overlay(tmp_path, to_yaml(dataclasses.asdict(settings)))).settings == settings


def test_settings_of_one_command_are_not_those_of_another(tmp_path: Path) -> None:
    mine = overlay(tmp_path, "paint: {num_steps: 3}\nseed: 4")
    command = parse(Refine, ["a.obj", "--config", mine], "dream3d refine")
    assert (command.paint.num_steps, command.settings.seed) == (3, 4)
    with pytest.raises(InputError, match=r"unknown setting 'paint.num_steps'"):
        generate("--config", mine)
    with pytest.raises(InputError, match=r"unknown setting 'output'"):
        parse(Refine, ["a.obj", "--config", overlay(tmp_path, "output: b.glb")], "dream3d refine")


def test_words_after_two_dashes_are_not_overlays() -> None:
    command = parse(Generate, ["--seed", "1", "--", "--config"], "dream3d generate")
    assert (command.prompt, command.config, command.settings.seed) == ("--config", (), 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "extract: {target_fces: 5}",
            "unknown setting 'extract.target_fces'; did you mean 'extract.target_faces'?",
        ),
        ("target_faces: 5", "unknown setting 'target_faces'; did you mean 'extract.target_faces'?"),
        ("extract: 5", "unknown setting 'extract'"),
        ("extract: {}", "section 'extract' is empty"),
        ("seed: {deep: {er: 1}}", "unknown setting 'seed.deep.er'"),
        ("zzz: 5", "unknown setting 'zzz'"),
        ("seed: five", "--seed: expected a whole number, got 'five'"),
        ("seed: 1.5", "--seed: expected a whole number, got '1.5'"),
        ("seed: null", "--seed: expected a whole number, got 'None'"),
        ("seed: [1, 2]", "setting 'seed' takes one value, not a list"),
        ("seed: []", "setting 'seed' takes one value, not a list"),
        ("seed: -1", "--seed must be between"),
        ("device: gpu", "'gpu'"),
        ("export: {height_m: .nan}", "--height must be between"),
        ("extract: {target_faces: 0}", "--target-faces must be between 4"),
        ("- a\n- b", "must be a mapping of settings, not a list"),
        ("just text", "must be a mapping of settings, not a str"),
        ("a: [1\nb: 2", "not valid YAML in line 2"),
        ("a: b: c", "not valid YAML in line 1"),
        ("\tseed: 1", "not valid YAML in line 1"),
        ("seed: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("prompt: a red mushroom", "unknown setting 'prompt'"),
        ("1: 2", "unknown setting '1'"),
        ("seed: 2001-99-99", "not valid YAML"),
        ("seed: 2001-01-01 99:99:99", "not valid YAML"),
        ("seed: 0x_", "not valid YAML"),
        ("seed: !!float ''", "not valid YAML"),
        ("seed: " + "9" * 5000, "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
        ("{a: " * 2000, "not valid YAML"),
        ("&a {coarse: *a}", "nested deeper than any setting"),
        ("coarse: &a {guidance: *a, seed: 1}", "nested deeper than any setting"),
        ("a" * 1000 + ": 1", "unknown setting 'aaa"),
        ("#" * (1 << 20) + "\nseed: 1", "larger than 1 MiB"),
    ],
)
def test_bad_overlays_are_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        generate("--config", overlay(tmp_path, text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words", [("--texture-size", "500"), ("--seed", "x"), ("--seed",), ("--device", "gpu"), ("--lods", "9")]
)
def test_refusals_are_the_same_sentence_without_utf_8(words: tuple[str, ...]) -> None:
    """As in a cron job or a container: the parser then draws no frame around it."""
    messages: list[str] = []
    for encoding in ("utf-8", "ascii"):
        stdout = io.TextIOWrapper(io.BytesIO(), encoding)
        with contextlib.redirect_stdout(stdout), pytest.raises(InputError) as caught:
            generate(*words)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert words[0] in messages[0]
    assert "---" not in messages[0]


def test_python_reads_overlays_as_the_command_line_does(tmp_path: Path) -> None:
    mine = overlay(tmp_path, "seed: 7\ncoarse: {num_steps: 9}\n")
    assert load_config() == Config()
    assert load_config("draft", mine) == generate("--config", "draft", "--config", mine).settings
    assert load_config(mine, Path(mine)).coarse.num_steps == 9
    with pytest.raises(InputError, match="names that work are: "):
        load_config("nothing")
    with pytest.raises(InputError, match="no such file"):
        load_config("--seed=3")


def test_an_empty_overlay_changes_nothing(tmp_path: Path) -> None:
    assert generate("--config", overlay(tmp_path, "# nothing\n")).settings == Config()


def test_a_missing_overlay_names_those_that_exist(tmp_path: Path) -> None:
    for missing in ("nope", str(tmp_path / "nope.yaml"), ""):
        with pytest.raises(InputError) as caught:
            generate("--config", missing)
        assert "standard" in str(caught.value) or "cannot be read" in str(caught.value)


def test_an_overlay_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(bytes(range(128, 256)))
    for unreadable in (path, tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            generate("--config", str(unreadable))


@dataclasses.dataclass(frozen=True)
class Sample:
    """A command with the kinds of field that Config may grow."""

    flag: tyro.conf.FlagConversionOff[bool] = False
    sizes: tuple[int, ...] = (1, 2)
    maybe: Annotated[float | None, tyro.conf.arg(aliases=["--perhaps"])] = None


def test_other_kinds_of_field_are_read_by_the_same_rules() -> None:
    read = parse(Sample, ["--flag=True", "--sizes", "3", "4", "--perhaps=1e-3"], "sample")
    assert read == Sample(True, (3, 4), 1e-3)
    assert parse(Sample, ["--maybe=None"], "sample").maybe is None


def test_every_setting_can_be_given_on_the_command_line() -> None:
    defaults = flat(dataclasses.asdict(Config()))
    assert tuple(name for name, _ in defaults) == field_names()
    options = [f"--{name.replace('_', '-')}={value}" for name, value in defaults]
    assert generate(*options).settings == Config()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--sed=3", "unknown option --sed; did you mean '--seed'?"),
        ("--target-face", "unknown option --target-face; did you mean '--target-faces'?"),
        ("--hight", "unknown option --hight; did you mean '--height'?"),
        ("--outptu", "unknown option --outptu; did you mean '--output'?"),
        ("--coarse.nm-steps", "unknown option --coarse.nm-steps; did you mean '--coarse.num-steps'?"),
        ("--num-steps", "unknown option --num-steps; did you mean '--coarse.num-steps'?"),
        ("--zzzzzzzz", "unknown option --zzzzzzzz"),
        ("-q", "unknown option -q"),
        ("--prompt=a mug", "unknown option --prompt: the prompt stands by itself, in quotes"),
        ("mushroom", "unknown argument 'mushroom'; quote a prompt of several words, and see --help"),
    ],
)
def test_an_unknown_option_is_answered_with_the_nearest_known_one(option: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        generate(option)
    assert str(caught.value) == says


def test_the_nearest_known_word_is_suggested() -> None:
    assert did_you_mean("sed", ["seed", "device"]) == "; did you mean 'seed'?"
    assert did_you_mean("qqqq", ["seed", "device"]) == ""


def test_the_json_beside_an_asset_is_an_overlay(tmp_path: Path) -> None:
    made = Config(seed=7, negative_prompt="--moss: a 'quoted' word", prior="/a folder/prior")
    report = {"prompt": "a tent", "prior_sha256": "0", "settings": dataclasses.asdict(made)}
    beside = overlay(tmp_path, json.dumps(report | {"metrics": {"seconds": 1e-05}}), "tent.json")
    assert load_config(beside) == generate("--config", beside).settings == made
    assert generate("--config", beside, "--seed", "8").settings == dataclasses.replace(made, seed=8)
    painted = overlay(tmp_path, json.dumps(report | {"paint": {"num_steps": 3}}), "painted.json")
    assert parse(Refine, ["a.glb", "--config", painted], "dream3d refine").paint.num_steps == 3
    assert load_config(painted) == made
    with pytest.raises(InputError, match=r"unknown setting 'settings\.seed'"):
        load_config(overlay(tmp_path, "settings: {seed: 7}"))


def test_a_setting_without_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="setting 'negative_prompt' is empty; remove it or give it a value"):
        load_config(overlay(tmp_path, "negative_prompt:\nseed: 7"))
    assert load_config(overlay(tmp_path, "export: {height_m: }")).export.height_m is None
