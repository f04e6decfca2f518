"""The processes of a data-parallel run: one per core or GPU under torchrun, a single one without it."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """Which process this is, and how many there are."""

    rank: int = 0
    count: int = 1

    @staticmethod
    def join(device: torch.device) -> "Processes":
        """Meet the other processes that torchrun started, if it did."""
        if "WORLD_SIZE" not in os.environ:
            return Processes()
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # what "cuda" means from here on
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return Processes(dist.get_rank(), dist.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, tensors: list[Tensor]) -> list[Tensor]:
        """Element-wise sums over all processes, exchanged as one buffer in bfloat16."""
        if self.count == 1:
            return tensors
        flat = torch.cat([tensor.flatten().to(torch.bfloat16) for tensor in tensors])
        dist.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]

    def any(self, flag: bool) -> bool:
        """Whether any process says so: all of them must leave a loop in the same turn."""
        device = "cuda" if self.count > 1 and dist.get_backend() == "nccl" else "cpu"
        return bool(self.sum([torch.tensor([float(flag)], device=device)])[0] > 0)
