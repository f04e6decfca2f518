"""Settings that a list gives to single items, read by the same rules as overlays and options."""

import dataclasses
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, get_type_hints

import tyro

from dream3d.config import Config
from dream3d.errors import InputError
from dream3d.overlays import field_names, parsed, settings_of


def with_settings(config: Config, tree: Mapping[Any, Any]) -> Config:
    """The settings with some others.

    Args:
        config: Stays as it is.
        tree: Settings and sections of settings; dotted names work too.

    Raises:
        InputError: A setting is unknown, or has a value of the wrong type or range.
    """
    nested: dict[str, Any] = {}
    for key, value in settings_of(tree, field_names()):
        *sections, name = key.split(".")
        section = nested
        for each in sections:
            section = section.setdefault(each, {})
        try:
            section[name] = _value_of(key, value)
        except InputError as error:
            raise InputError(f"{key}: {str(error).removeprefix('--value: ')}") from None
    return _merged(config, nested)


def _merged(owner: Any, values: Mapping[str, Any]) -> Any:
    """A dataclass with other values, and others in those in it: each is checked once, as a whole."""
    changed = {
        name: _merged(getattr(owner, name), value) if isinstance(value, dict) else value
        for name, value in values.items()
    }
    return dataclasses.replace(owner, **changed)


def _value_of(key: str, value: object) -> object:
    """What a setting becomes by a value from a list."""
    kind, text = _holder_of(key).__annotations__["value"], str(value)
    # Seeds differ in every line of a long list, and the parser takes a millisecond.
    if kind is int and re.fullmatch("[0-9]{1,18}", text):
        return int(text)
    if kind is not str:
        read, fault = _read_value(key, text)
        if fault:
            raise InputError(fault)
        return read
    if not isinstance(value, str):
        raise InputError(f"expected a text, not {value!r}")
    return value


@lru_cache(maxsize=4096)  # lists say the same again and again
def _read_value(key: str, text: str) -> tuple[object, str]:
    """The value, and what is wrong with the text: a refusal takes as long as an answer."""
    try:
        return parsed(tyro.conf.FlagConversionOff[_holder_of(key)], args=[f"--value={text}"]).value, ""
    except InputError as error:
        return None, str(error)


@cache
def _holder_of(key: str) -> type:
    """A dataclass with this setting alone, under the name "value"."""
    kind: Any = Config
    for name in key.split("."):
        kind = get_type_hints(kind)[name]
    return dataclasses.make_dataclass("Holder", [("value", kind)])
