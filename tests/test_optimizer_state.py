"""The memory of optimizers, saved and given back."""

import copy

import torch

from dream3d.optimizer_state import load_optimizer_state, optimizer_state


def descend(weight: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    weight.square().sum().backward()
    optimizer.step()


def test_it_is_copied_so_that_going_on_leaves_it_alone() -> None:
    """Else a run could go back to a good state only once."""
    weight = torch.full((3,), 2.0, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.1, fused=True)
    descend(weight, optimizer)
    state, start = copy.deepcopy(optimizer_state(optimizer)), weight.detach().clone()
    ends = []
    for _ in range(2):
        with torch.no_grad():
            weight.copy_(start)
        load_optimizer_state(optimizer, state)
        descend(weight, optimizer)
        descend(weight, optimizer)
        ends.append(weight.detach().clone())
    assert torch.equal(*ends)
    assert float(state["0"]["step"]) == 1.0
