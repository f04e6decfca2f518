"""The memory of optimizers as plain nested values, for checkpoints."""

import copy
from typing import Any

import torch


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What an optimizer remembers of each parameter, by its number as text. Rates are not in it."""
    return {str(number): dict(memory) for number, memory in optimizer.state_dict()["state"].items()}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give an optimizer of the same parameters the memory of another; the state is copied.

    Raises:
        ValueError: It is that of other parameters, or of another kind of optimizer.
    """
    # torch itself would go on in the tensors that it is given, and change the state with them.
    memory = {int(number): copy.deepcopy(values) for number, values in state.items()}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, values in memory.items():
        shape = parameters[number].shape if 0 <= number < len(parameters) else None
        if {name: getattr(value, "shape", None) for name, value in values.items()} != _shapes(
            optimizer, shape
        ):
            raise ValueError(f"the optimizer's memory of parameter {number} is not what it should be")
    optimizer.load_state_dict(optimizer.state_dict() | {"state": memory})


def _shapes(optimizer: torch.optim.Optimizer, shape: torch.Size | None) -> dict[str, torch.Size | None]:
    """What SGD with momentum, or Adam, remembers of a parameter of this shape."""
    if isinstance(optimizer, torch.optim.SGD):
        return {"momentum_buffer": shape}
    return {"step": torch.Size(()), "exp_avg": shape, "exp_avg_sq": shape}
