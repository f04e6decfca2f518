"""What a visitor may ask for. A browser can send anything: every value is checked here."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal, cast, get_args

from dream3d.config import Collision, Compression, Config, ExportConfig, Origin, check_guidance
from dream3d.errors import InputError
from dream3d.export.checks import check_export
from dream3d.inputs import check_prompt
from dream3d.stage_config import GuidanceMethod

FileFormat = Literal["glb", "gltf", "obj", "usdz"]

# What the page asks, in the order in which it comes from the browser.
ORDER_FORM = (
    "prompt",
    "negative_prompt",
    "random_seed",
    "seed",
    "method",
    "scale",
    "steps",
    "refine_steps",
    "faces",
    "texture_size",
    "normal_map",
    "occlusion",
)
EXPORT_FORM = ("format", "faces", "texture_size", "lods", "collision", "height", "origin", "compression")

Form = Mapping[str, object]
"""What came from the browser, by the name of its field."""


@dataclass(frozen=True)
class Limits:
    """How much one server does, for each visitor and for all of them."""

    max_steps: int = 1000
    """Optimisation steps of a stage."""
    max_faces: int = 20_000
    """Triangles of an asset."""
    max_texture_size: int = 1024
    """Side of its texture in texels."""
    max_waiting: int = 20
    """Runs that wait for their turn, of all visitors; the same number of exports may wait."""
    jobs_per_visitor: int = 2
    """Runs of one visitor that wait or go on."""
    assets_per_visitor: int = 12
    """Assets that are kept for a visitor; the oldest one makes room."""
    max_visitors: int = 500
    """Visitors at a time."""
    max_assets: int = 500
    """Assets that are kept for all visitors."""
    keep_minutes: float = 360.0
    """How long an asset is kept."""
    drop_minutes: float = 1.0
    """How long after a visitor has closed the page their runs are dropped."""
    forget_minutes: float = 15.0
    """How long after a visitor has closed the page their assets are removed."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            if not getattr(self, limit.name) > 0:
                flag = limit.name.replace("_", "-")
                raise InputError(f"--limits.{flag} must be above 0, not {getattr(self, limit.name)}")


@dataclass(frozen=True)
class Order:
    """A run that a visitor asked for."""

    prompt: str
    config: Config


@dataclass(frozen=True)
class ExportOrder:
    """A file that a visitor wants of a finished asset."""

    format: FileFormat
    max_faces: int  # fewer where the asset has fewer
    texture_size: int  # the same
    export: ExportConfig


def max_scale(settings: Config) -> float:
    """The largest guidance scale on the form: a server may be started with a larger one."""
    return max(100.0, settings.coarse.guidance.scale)


def min_steps(settings: Config) -> int:
    """The fewest steps of the first stage on the form: a server may be started without any."""
    return min(1, settings.coarse.num_steps)


def read_order(form: Form, settings: Config, limits: Limits) -> Order:
    """Turn what the browser sent into settings.

    Args:
        form: Values of `ORDER_FORM`, of any type and size.
        settings: Those of the server: what the form does not say.
        limits: How much may be asked for.

    Raises:
        InputError: A value is impossible or too much; the message says so in one line.
    """
    prompt = check_prompt(_text(form, "prompt"))
    negative = _text(form, "negative_prompt").strip()
    seed = secrets.randbelow(2**32) if _flag(form, "random_seed") else _whole(form, "seed", 0, 2**32 - 1)
    guidance = replace(
        settings.coarse.guidance,
        method=cast(GuidanceMethod, _choice(form, "method", get_args(GuidanceMethod))),
        scale=_number(form, "scale", 0.0, max_scale(settings)),
    )
    coarse = replace(
        settings.coarse,
        num_steps=_whole(form, "steps", min_steps(settings), limits.max_steps),
        guidance=guidance,
    )
    refine = replace(settings.refine, num_steps=_whole(form, "refine_steps", 0, limits.max_steps))
    bake = replace(
        settings.bake,
        texture_size=_whole(form, "texture_size", 64, limits.max_texture_size),
        normal_map=_flag(form, "normal_map"),
        occlusion=_flag(form, "occlusion"),
    )
    config = replace(
        settings,
        negative_prompt=check_prompt(negative, "negative prompt") if negative else "",
        seed=seed,
        coarse=coarse,
        refine=refine,
        extract=replace(settings.extract, target_faces=_whole(form, "faces", 4, limits.max_faces)),
        bake=bake,
    )
    check_guidance([guidance], config.prior_options)
    return Order(prompt, config)


def read_export(form: Form, limits: Limits) -> ExportOrder:
    """Turn what the browser sent into a file to make.

    Args:
        form: Values of `EXPORT_FORM`, of any type and size.
        limits: How much may be asked for.

    Raises:
        InputError: A value is impossible, or the format cannot say it.
    """
    kind = cast(FileFormat, _choice(form, "format", get_args(FileFormat)))
    size = _whole(form, "texture_size", 64, limits.max_texture_size)
    if size & (size - 1):
        raise InputError(f"texture size must be a power of two, not {size}")
    export = ExportConfig(
        height_m=_number(form, "height", 1e-3, 1e4),
        origin=cast(Origin, _choice(form, "origin", ("bottom", "center"))),
        lods=_whole(form, "lods", 1, 8),
        collision=cast(Collision, _choice(form, "collision", get_args(Collision))),
        compression=cast(Compression, _choice(form, "compression", get_args(Compression))),
    )
    check_export(export, Path(f"asset.{kind}"))
    return ExportOrder(kind, _whole(form, "faces", 4, limits.max_faces), size, export)


def _text(form: Form, name: str) -> str:
    value = form.get(name)
    if value is None:  # an empty field, to some browsers
        return ""
    if not isinstance(value, str):
        raise InputError(f"{_say(name)} must be text, not {_shown(value)}")
    return value


def _flag(form: Form, name: str) -> bool:
    value = form.get(name)
    if not isinstance(value, bool):
        raise InputError(f"{_say(name)} must be on or off, not {_shown(value)}")
    return value


def _number(form: Form, name: str, low: float, high: float) -> float:
    value = form.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{_say(name)} must be from {low:g} to {high:g}, not {_shown(value)}")
    return float(value)


def _whole(form: Form, name: str, low: int, high: int) -> int:
    value = form.get(name)
    if isinstance(value, float) and value.is_integer():  # a browser may write 5.0
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{_say(name)} must be a whole number from {low} to {high}, not {_shown(value)}")
    return value


def _choice(form: Form, name: str, choices: tuple[str, ...]) -> str:
    value = form.get(name)
    if value not in choices:
        raise InputError(
            f"{_say(name)} must be {', '.join(choices[:-1])} or {choices[-1]}, not {_shown(value)}"
        )
    return cast(str, value)


def _say(name: str) -> str:
    """A field as people read it."""
    return name.replace("_", " ")


def _shown(value: object) -> str:
    """A value of any size in a few characters."""
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:40]}..."
