"""The memory of optimizers goes from one to another, and nothing else is taken for one."""

import copy

import pytest
import torch

from dream3d.optimizer_state import load_optimizer_state, optimizer_state


def optimizer(num_steps: int = 0, kind: str = "adam") -> torch.optim.Optimizer:
    weights = [torch.ones(2, 3, requires_grad=True), torch.ones(4, requires_grad=True)]
    if kind == "adam":
        made: torch.optim.Optimizer = torch.optim.Adam(weights, lr=0.1, fused=True)
    else:
        made = torch.optim.SGD(weights, lr=0.1, momentum=0.9, dampening=0.9)
    for _ in range(num_steps):
        made.zero_grad()
        sum((weight**2).sum() for weight in weights).backward()
        made.step()
    return made


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_the_memory_goes_over(kind: str) -> None:
    used, fresh = optimizer(3, kind), optimizer(0, kind)
    assert optimizer_state(used)["1"]
    load_optimizer_state(fresh, optimizer_state(used))
    for number, memory in optimizer_state(used).items():
        for name, value in memory.items():
            assert torch.equal(optimizer_state(fresh)[number][name], value)
    load_optimizer_state(fresh, {})
    assert optimizer_state(fresh) == {}


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_it_is_copied_so_that_going_on_leaves_it_alone(kind: str) -> None:
    """Else a run could go back to a good state only once."""
    state = copy.deepcopy(optimizer_state(optimizer(1, kind)))
    before = copy.deepcopy(state)
    going_on = optimizer(0, kind)
    load_optimizer_state(going_on, state)
    for group in going_on.param_groups:
        for weight in group["params"]:
            weight.grad = torch.ones_like(weight)
    going_on.step()
    for number, memory in before.items():
        for name, value in memory.items():
            assert torch.equal(state[number][name], value)
            assert not torch.equal(optimizer_state(going_on)[number][name], value)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["0"].update(exp_avg=torch.zeros(3, 2)),
        lambda state: state["0"].update(exp_avg_sq=torch.zeros(1)),
        lambda state: state["1"].update(step=torch.zeros(4)),
        lambda state: state["1"].update(step=3),
        lambda state: state["1"].update(more=torch.zeros(4)),
        lambda state: state["1"].pop("exp_avg"),
        lambda state: state.update({"2": state["1"]}),
        lambda state: state.update({"-1": state["1"]}),
        lambda state: state.update({"one": state["1"]}),
        lambda state: state.update(optimizer_state(optimizer(1, "sgd"))),
    ],
)
def test_memory_of_another_form_is_refused(change) -> None:
    """A fused step would read beyond its end."""
    state = optimizer_state(optimizer(1))
    change(state)
    with pytest.raises(ValueError, match=r"memory of parameter|invalid literal"):
        load_optimizer_state(optimizer(), state)
