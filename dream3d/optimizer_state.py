"""The memory of optimizers as plain nested values, for checkpoints."""

import copy
from typing import Any

import torch


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What an optimizer remembers of each parameter, by its number as text. Rates are not in it."""
    return {str(number): dict(memory) for number, memory in optimizer.state_dict()["state"].items()}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give an optimizer of the same parameters the memory of another; the state is copied."""
    # torch itself would go on in the tensors that it is given, and change the state with them.
    memory = {int(number): copy.deepcopy(values) for number, values in state.items()}
    optimizer.load_state_dict(optimizer.state_dict() | {"state": memory})
