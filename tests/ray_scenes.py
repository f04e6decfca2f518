"""Random rays and grids for the ray marcher's tests, and its kernel's answer for them."""

import torch
from backends import kernel_name
from torch import Tensor

from dream3d.ops.ray_march import RaySamples, ray_march

UNIT_BOX = (-1.0, -1.0, -1.0, 1.0, 1.0, 1.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_rays(num_rays: int, seed: int = 0, distance: float = 3.0) -> tuple[Tensor, Tensor, Tensor]:
    """Origins [R, 3] on a sphere, unit directions [R, 3] towards the unit box, jitter [R]."""
    source = generator(seed)
    origins = torch.nn.functional.normalize(torch.randn(num_rays, 3, generator=source), dim=1) * distance
    targets = torch.rand(num_rays, 3, generator=source) * 2 - 1
    directions = torch.nn.functional.normalize(targets - origins, dim=1)
    return origins, directions, torch.rand(num_rays, generator=source)


def random_occupancy(shape: tuple[int, int, int], fraction: float, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=generator(seed)) < fraction


def march_on(
    device: torch.device,
    origins: Tensor,
    directions: Tensor,
    occupancy: Tensor,
    step_size: float,
    jitter: Tensor,
    aabb: tuple[float, ...] = UNIT_BOX,
) -> RaySamples:
    """The kernel's answer, back on the CPU."""
    tensors = [tensor.to(device) for tensor in (origins, directions, occupancy)]
    samples = ray_march(*tensors, aabb, step_size, jitter.to(device), backend=kernel_name(device))
    return RaySamples(
        samples.t_starts.cpu(), samples.t_ends.cpu(), samples.ray_index.cpu(), samples.packed_info.cpu()
    )


def assert_equal_bits(actual: RaySamples, expected: RaySamples) -> None:
    assert torch.equal(actual.packed_info, expected.packed_info)
    assert torch.equal(actual.ray_index, expected.ray_index)
    assert torch.equal(actual.t_starts, expected.t_starts)
    assert torch.equal(actual.t_ends, expected.t_ends)
