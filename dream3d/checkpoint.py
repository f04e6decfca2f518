"""The state of a run as one file: tensors by safetensors, the rest as JSON in its header; no code."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from dream3d.errors import InputError

State = dict[str, Any]
"""Tensors and JSON values in dictionaries with text keys, and in lists."""

_TENSOR = "$tensor"  # the key of what stands in the JSON for a tensor
_HEADER = "state"


def pack_state(state: Mapping[str, Any]) -> bytes:
    """A state as the bytes of a .safetensors file."""
    tensors: dict[str, Tensor] = {}

    def outline(value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            unique = f"{len(tensors)}:{name}"  # two paths can read alike
            # A copy of its own: safetensors takes no two names for one memory.
            tensors[unique] = value.detach().to("cpu", copy=True).contiguous()
            return {_TENSOR: unique}
        if isinstance(value, Mapping):
            entries = cast(Mapping[str, Any], value)
            return {key: outline(part, f"{name}.{key}" if name else key) for key, part in entries.items()}
        if isinstance(value, (list, tuple)):
            parts = cast(list[Any], value)
            return [outline(part, f"{name}.{index}") for index, part in enumerate(parts)]
        return value

    text = json.dumps(outline(state, ""), allow_nan=False)
    return save(tensors, {_HEADER: text})


def unpack_state(content: bytes) -> State:
    """What `pack_state` packed, tensors on the CPU.

    Raises:
        InputError: These are not such bytes, or not all of them.
    """
    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        outline = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][_HEADER])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"not a checkpoint: {error}") from None

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            entries = cast(dict[str, Any], value)
            if _TENSOR in entries:
                return tensors[entries[_TENSOR]]
            return {key: filled(part) for key, part in entries.items()}
        if isinstance(value, list):
            return [filled(part) for part in cast(list[Any], value)]
        return value

    try:
        state = filled(outline)
    except (KeyError, TypeError, RecursionError):
        raise InputError("not a checkpoint: a tensor is missing") from None
    if not isinstance(state, dict):
        raise InputError("not a checkpoint: no state in it")
    return cast(State, state)


def check_form(state: Any, like: Any, name: str = "state") -> None:
    """Check that a state has the form of another one: keys, kinds of values, shapes and types of tensors.

    What the other one does not have yet may be anything: None, and the memory of an optimizer at its start.

    Raises:
        ValueError: It has not; the message names the place.
    """
    fits, parts = True, list[tuple[Any, Any, str]]()  # parts: of the state, of the other one, and their names
    match like:
        case None:
            pass
        case Tensor():
            fits = isinstance(state, Tensor) and (state.shape, state.dtype) == (like.shape, like.dtype)
        case Mapping():
            wanted = cast(Mapping[str, Any], like)
            fits = isinstance(state, Mapping) and (not wanted or state.keys() == wanted.keys())
            parts = [(state[key], part, key) for key, part in wanted.items()] if fits else parts
        case list() | tuple():
            listed = cast(list[Any], like)
            fits = isinstance(state, (list, tuple)) and len(state) == len(listed)
            parts = [(state[index], part, str(index)) for index, part in enumerate(listed)] if fits else parts
        case float():
            fits = isinstance(state, (int, float)) and math.isfinite(state)
        case _:
            fits = type(state) is type(like)
    if not fits:
        raise ValueError(f"{name} is not what it should be")
    for part, other, key in parts:
        check_form(part, other, f"{name}.{key}")


@contextmanager
def expect_fit() -> Iterator[None]:
    """While a state is loaded: what is missing in it, or of another shape, is the file's fault.

    Raises:
        InputError: In place of what the loading raised.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the checkpoint does not fit this run: {type(error).__name__}: {reason}") from error
