"""What a visitor may ask for: hostile values are refused in one line, whatever their type and size."""

from typing import Any

import pytest

from dream3d.app.limits import EXPORT_FORM, ORDER_FORM, Limits, read_export, read_order
from dream3d.config import Config, ExportConfig
from dream3d.errors import InputError
from dream3d.overlays import load_config

LIMITS = Limits(max_steps=500, max_faces=8000, max_texture_size=512)

ORDER: dict[str, Any] = {
    "prompt": "a red  mushroom",
    "negative_prompt": "",
    "random_seed": False,
    "seed": 7,
    "method": "csd",
    "scale": 3,
    "steps": 20.0,
    "refine_steps": 5,
    "faces": 800,
    "texture_size": 128,
    "normal_map": True,
    "occlusion": False,
}
EXPORT: dict[str, Any] = {
    "format": "glb",
    "faces": 300,
    "texture_size": 64,
    "lods": 3,
    "collision": "none",
    "height": 2,
    "origin": "center",
    "compression": "none",
}


def test_the_forms_are_complete() -> None:
    assert tuple(ORDER) == ORDER_FORM
    assert tuple(EXPORT) == EXPORT_FORM


def test_an_order_changes_what_it_names_and_nothing_else() -> None:
    settings = Config(prior="props", device="cpu")
    order = read_order(ORDER, settings, LIMITS)
    config = order.config
    assert order.prompt == "a red mushroom"
    assert (config.seed, config.negative_prompt, config.prior, config.device) == (7, "", "props", "cpu")
    assert (config.coarse.num_steps, config.refine.num_steps) == (20, 5)
    assert (config.coarse.guidance.method, config.coarse.guidance.scale) == ("csd", 3.0)
    assert (config.extract.target_faces, config.bake.texture_size) == (800, 128)
    assert (config.bake.normal_map, config.bake.occlusion) == (True, False)
    assert (config.export, config.coarse.radiance_field) == (settings.export, settings.coarse.radiance_field)


def test_a_drawn_seed_is_another_one_each_time() -> None:
    seeds = {read_order(ORDER | {"random_seed": True}, Config(), LIMITS).config.seed for _ in range(8)}
    assert len(seeds) == 8  # of 2^32: the same one twice once in a hundred million tests


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("prompt", "", "the prompt is empty"),
        ("prompt", None, "the prompt is empty"),
        ("prompt", "x" * 301, "the prompt has 301 characters; 300 is the most"),
        ("prompt", "a\x00b", "control character U+0000"),
        ("prompt", "\ud800", "control character U+D800"),
        ("prompt", ["a"], "prompt must be text, not a list"),
        ("prompt", {"path": "/etc/passwd"}, "prompt must be text, not a dict"),
        ("negative_prompt", "x" * 301, "the negative prompt has 301 characters"),
        ("random_seed", 1, "random seed must be on or off, not 1"),
        ("seed", -1, "seed must be a whole number from 0 to 4294967295, not -1"),
        ("seed", 2**32, "seed must be a whole number"),
        ("seed", 10**400, "seed must be a whole number"),
        ("seed", 1.5, "seed must be a whole number"),
        ("seed", float("nan"), "not nan"),
        ("seed", True, "not True"),
        ("steps", 501, "steps must be a whole number from 1 to 500, not 501"),
        ("steps", 0, "steps must be a whole number from 1 to 500, not 0"),
        ("steps", "9" * 5000, "steps must be a whole number from 1 to 500, not '999"),
        ("refine_steps", 501, "refine steps must be a whole number from 0 to 500"),
        ("method", "magic", "method must be sds, csd"),
        ("method", None, "not nothing"),
        ("scale", float("inf"), "scale must be from 0 to 100, not inf"),
        ("scale", float("nan"), "scale must be from 0 to 100, not nan"),
        ("faces", 8001, "faces must be a whole number from 4 to 8000, not 8001"),
        ("texture_size", 1024, "texture size must be a whole number from 64 to 512, not 1024"),
        ("texture_size", 100, "power of two"),
        ("normal_map", "yes", "normal map must be on or off, not 'yes'"),
    ],
)
def test_an_impossible_order_is_refused(name: str, value: object, says: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_order(ORDER | {name: value}, Config(), LIMITS)
    assert says in str(refusal.value)
    assert len(str(refusal.value)) < 200
    assert "\n" not in str(refusal.value)


def test_an_export_says_what_is_wanted() -> None:
    order = read_export(EXPORT, LIMITS)
    assert (order.format, order.max_faces, order.texture_size) == ("glb", 300, 64)
    assert order.export == ExportConfig(height_m=2.0, origin="center", lods=3)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "exe"}, "format must be glb, gltf, obj or usdz, not 'exe'"),
        ({"format": "../../etc"}, "format must be"),
        ({"format": "obj"}, "an .obj cannot keep levels of detail apart"),
        ({"format": "gltf", "compression": "meshopt"}, "--compression is for a .glb"),
        ({"faces": 0}, "faces must be a whole number from 4"),
        ({"texture_size": 100}, "texture size must be a power of two, not 100"),
        ({"lods": 9}, "lods must be a whole number from 1 to 8"),
        ({"height": 0}, "height must be from 0.001 to 10000, not 0"),
        ({"origin": "source"}, "origin must be bottom or center, not 'source'"),
        ({"collision": "unity"}, "collision must be none, unreal or godot"),
    ],
)
def test_an_impossible_export_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_export(EXPORT | changes, LIMITS)
    assert says in str(refusal.value)


def test_limits_are_positive() -> None:
    with pytest.raises(InputError, match=r"--limits\.max-waiting must be above 0, not 0"):
        Limits(max_waiting=0)


def test_a_server_started_with_more_or_less_takes_its_own_values() -> None:
    settings = load_config("dreamfusion", "fantasia3d")
    assert (settings.coarse.num_steps, settings.coarse.guidance.scale) == (0, 101.0)
    order = read_order(ORDER | {"steps": 0, "scale": 101.0}, settings, LIMITS)
    assert (order.config.coarse.num_steps, order.config.coarse.guidance.scale) == (0, 101.0)
    with pytest.raises(InputError, match="steps"):
        read_order(ORDER | {"steps": 0}, Config(), LIMITS)
