"""Settings refuse what makes no sense, from Python as from the command line."""

import dataclasses
import math
import typing

import pytest

from dream3d.config import BakeConfig, Config, ExportConfig, ExtractConfig
from dream3d.errors import InputError
from dream3d.stage_config import CoarseConfig, FieldConfig, GuidanceConfig, PaintConfig, RefineConfig

NOTHING_MADE = {"coarse": CoarseConfig(num_steps=0), "refine": RefineConfig(num_steps=0)}


@pytest.mark.parametrize("size", [64, 128, 256, 512, 1024, 2048, 4096])
def test_texture_sizes_that_work(size: int) -> None:
    assert BakeConfig(texture_size=size).texture_size == size


@pytest.mark.parametrize(
    ("section", "values", "says"),
    [
        *[(BakeConfig, {"texture_size": size}, "power of two") for size in (-64, 0, 1, 32, 65, 1000, 8192)],
        *[(ExtractConfig, {"target_faces": faces}, "between 4 and") for faces in (-1, 0, 3, 1_000_001)],
        *[
            (ExportConfig, {"height_m": height}, "between 0.001")
            for height in (0.0, -1.0, 1e5, float("nan"), float("inf"))
        ],
        *[(Config, {"seed": seed}, "--seed must be between") for seed in (-1, 2**32)],
        (CoarseConfig, {"num_steps": -1}, "0 or more"),
        (Config, NOTHING_MADE, "needs --refine.num-steps"),
        *[(CoarseConfig, {"num_views": views}, "--coarse.num-views must be") for views in (-4, 0, 6, 10**7)],
        *[(CoarseConfig, {"occupancy_resolution": cells}, "between 4 and 512") for cells in (-1, 0, 10**7)],
        (CoarseConfig, {"num_views": 10**400}, "--coarse.num-views must be between 4 and 256, not 1000"),
        (CoarseConfig, {"occupancy_interval": 0}, "--coarse.occupancy-interval must be between 1"),
        (CoarseConfig, {"step_size": math.nan}, "--coarse.step-size must be a finite number, not nan"),
        *[(FieldConfig, {"hidden_size": size}, "field.hidden-size must be between 1") for size in (-1, 0)],
        *[(GuidanceConfig, {"scale": scale}, "a finite number") for scale in (math.inf, math.nan)],
        (PaintConfig, {"samples_per_axis": 0}, "--paint.samples-per-axis must be between 1 and 8, not 0"),
        (RefineConfig, {"num_views": 8, "smoothing": -1.0}, "--refine.smoothing must be between 0.0"),
        *[
            (
                RefineConfig,
                {"lattice_resolution": cells},
                "--refine.lattice-resolution must be between 1 and 256",
            )
            for cells in (-1, 0, 257)
        ],
        *[(RefineConfig, {"shape_until": share}, "--refine.shape-until must be") for share in (-0.1, 1.1)],
        (BakeConfig, {"roughness": math.nan}, "--bake.roughness must be"),
        (ExtractConfig, {"crease_angle_deg": math.inf}, "--extract.crease-angle-deg must be"),
    ],
)
def test_impossible_values_are_refused_in_one_line(section: type, values: dict, says: str) -> None:
    with pytest.raises(InputError) as caught:
        section(**values)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def sections(config_type: type) -> list[type]:
    hints = typing.get_type_hints(config_type)
    inner = [hint for hint in hints.values() if dataclasses.is_dataclass(hint)]
    return [config_type, *(section for hint in inner for section in sections(typing.cast(type, hint)))]


@pytest.mark.parametrize("section", sections(Config))
def test_every_section_is_frozen_documented_and_has_defaults(section: type) -> None:
    made = section()
    assert section.__doc__
    assert not section.__doc__.startswith(f"{section.__name__}("), "dataclasses invent a docstring"
    first = dataclasses.fields(section)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, first, getattr(made, first))


def test_settings_are_values() -> None:
    assert Config() == Config()
    assert Config(seed=1) != Config()
    assert hash(Config()) == hash(Config())
