"""The state of a run as a file, and what of other files is taken for one."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dream3d.checkpoint import check_form, expect_fit, pack_state, unpack_state
from dream3d.errors import InputError

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool)
TENSORS = st.builds(
    lambda shape, dtype: torch.arange(torch.Size(shape).numel()).reshape(shape).to(dtype),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from(DTYPES),
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text() | TENSORS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
STATE = {"step": 3, "field": {"table": torch.arange(6.0).view(2, 3)}, "rates": [0.5, None]}


def same(value, other) -> bool:
    if isinstance(value, torch.Tensor):
        return value.dtype == other.dtype and torch.equal(value, other)
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(same(part, other[key]) for key, part in value.items())
    if isinstance(value, list):
        return len(value) == len(other) and all(map(same, value, other))
    return value == other and type(value) is type(other)


@given(st.dictionaries(st.text(min_size=1, max_size=4), VALUES, max_size=4))
def test_what_is_packed_comes_out_again(state):
    assert same(state, unpack_state(pack_state(state)))


def test_tensors_that_share_memory_are_kept_apart_and_need_not_be_contiguous():
    table = torch.arange(6.0).view(2, 3)
    state = unpack_state(pack_state({"a": table, "b": table, "c": table.T}))
    state["a"][0, 0] = 7.0
    assert same(state["b"], table)
    assert same(state["c"], table.T)


def test_no_key_of_a_state_is_mistaken_for_a_tensor():
    # Two tensors whose paths read alike, once joined by dots.
    state = {"a": {"b.c": torch.zeros(1), "b": {"c": torch.ones(1)}}, "a.b": {"c": torch.full((1,), 2.0)}}
    assert same(state, unpack_state(pack_state(state)))


def changed(state, path, value):
    """A copy with another value at a path."""
    key, *rest = path
    part = {**state} if isinstance(state, dict) else [*state]
    part[key] = changed(state[key], rest, value) if rest else value
    return part


@given(st.dictionaries(st.text(min_size=1, max_size=4), VALUES, max_size=4))
def test_a_state_has_its_own_form(state):
    check_form(state, state)
    check_form(unpack_state(pack_state(state)), state)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["step"], 3.0),
        (["step"], True),
        (["step"], "3"),
        (["field"], {}),
        (["field"], [1]),
        (["field", "table"], torch.zeros(3, 2)),
        (["field", "table"], torch.zeros(2, 3, dtype=torch.float64)),
        (["field", "table"], 0),
        (["rates"], [0.5]),
        (["rates", 0], float("inf")),
        (["rates", 0], None),
    ],
)
def test_a_state_of_another_form_is_told_by_its_place(path, value):
    with pytest.raises(ValueError, match=r"\.".join(["state", *map(str, path)])):
        check_form(changed(STATE, path, value), STATE)
    check_form(changed(STATE, path, value), changed(STATE, path, None))  # which may be anything


def test_every_truncation_is_refused():
    content = pack_state(STATE)
    for length in range(len(content)):
        with pytest.raises(InputError, match="not a checkpoint"):
            unpack_state(content[:length])


@given(st.binary(max_size=60), st.integers(0, 400))
def test_damage_is_refused_or_harmless(noise, place):
    content = pack_state(STATE)
    damaged = content[:place] + noise + content[place + len(noise) :]
    try:
        assert isinstance(unpack_state(damaged), dict)
    except InputError as error:
        assert "not a checkpoint" in str(error)  # noqa: PT017 - either is right


@pytest.mark.parametrize(
    "outline",
    ["[]", "3", "{", json.dumps({"a": {"$tensor": "gone"}}), json.dumps({"a": {"$tensor": []}}), "[" * 9999],
)
def test_an_outline_that_does_not_fit_its_tensors_is_refused(outline):
    from safetensors.torch import save

    with pytest.raises(InputError, match="not a checkpoint"):
        unpack_state(save({"b": torch.zeros(1)}, {"state": outline}))


def test_only_misfits_are_blamed_on_the_file():
    with pytest.raises(InputError, match="does not fit this run: KeyError: 'step'"), expect_fit():
        _ = dict[str, int]()["step"]
    with pytest.raises(InputError, match="does not fit this run: RuntimeError: Error"), expect_fit():
        torch.nn.Linear(2, 2).load_state_dict({"weight": torch.zeros(3, 3)})
    with pytest.raises(KeyboardInterrupt), expect_fit():
        raise KeyboardInterrupt
