"""Random rays: the kernel agrees bit for bit with the twin, which tests every interval, and with geometry."""

import pytest
import torch
from ray_scenes import UNIT_BOX, assert_equal_bits, generator, march_on, random_occupancy, random_rays
from torch import Tensor

from dream3d.ops.ray_march import RaySamples, ray_march, ray_march_reference


class TestAgainstTwin:
    @pytest.mark.parametrize("shape", [(16, 16, 16), (5, 7, 3), (1, 1, 1), (33, 2, 64)])
    @pytest.mark.parametrize("fraction", [0.0, 0.02, 0.3, 1.0])
    @pytest.mark.parametrize("step_size", [0.013, 0.2, 5.0])
    def test_same_bits(
        self, device: torch.device, shape: tuple[int, int, int], fraction: float, step_size: float
    ) -> None:
        origins, directions, jitter = random_rays(200)
        occupancy = random_occupancy(shape, fraction)
        assert_equal_bits(
            march_on(device, origins, directions, occupancy, step_size, jitter),
            ray_march_reference(origins, directions, occupancy, UNIT_BOX, step_size, jitter),
        )

    @pytest.mark.parametrize("seed", range(8))
    def test_trimming_to_few_cells_changes_nothing(self, device: torch.device, seed: int) -> None:
        origins, directions, jitter = random_rays(400, seed, distance=0.9 if seed % 2 else 3.0)
        directions[::5, seed % 3] = 0.0
        directions[1::5, (seed + 1) % 3] = -0.0
        occupancy = torch.zeros(24, 24, 24, dtype=torch.bool)
        cell = torch.randint(0, 24, (2, 3), generator=generator(seed))
        occupancy[tuple(cell.T)] = True
        # Half of the rays aim at a corner of an occupied cell, where entering and leaving coincide.
        corner = cell[0] * (2 / 24) - 1.0
        directions[::2] = torch.nn.functional.normalize(corner - origins[::2], dim=1)
        assert_equal_bits(
            march_on(device, origins, directions, occupancy, 0.02, jitter),
            ray_march_reference(origins, directions, occupancy, UNIT_BOX, 0.02, jitter),
        )

    def test_axis_parallel_rays_with_both_zeros(self, device: torch.device) -> None:
        edges = torch.tensor([-1.0, -0.5, 0.0, 0.3, 1.0, 1.5])
        a, b = torch.meshgrid(edges, edges, indexing="ij")
        rays = []
        for axis in range(3):
            for sign in (1.0, -1.0):
                for zero in (0.0, -0.0):
                    for start in (-3.0, 0.1, 3.0):
                        origin = (
                            torch.stack([torch.full_like(a, start), a, b], dim=-1).view(-1, 3).roll(axis, 1)
                        )
                        direction = torch.tensor([sign, zero, zero]).roll(axis).expand_as(origin)
                        rays.append((origin, direction))
        origins = torch.cat([origin for origin, _ in rays])
        directions = torch.cat([direction for _, direction in rays])
        occupancy = random_occupancy((8, 4, 6), 0.5)
        jitter = torch.zeros(len(origins))
        actual = march_on(device, origins, directions, occupancy, 0.1, jitter)
        assert_equal_bits(actual, ray_march_reference(origins, directions, occupancy, UNIT_BOX, 0.1, jitter))
        outside = (origins.abs() > 1).logical_and(directions == 0).any(1)
        assert (actual.packed_info[outside, 1] == 0).all()
        assert actual.num_samples > 0

    def test_far_away_and_huge_numbers(self, device: torch.device) -> None:
        origins, directions, jitter = random_rays(60)
        scale = torch.tensor([1e3, 1e5, 1e7, 1e12, 1e30]).repeat(12)[:, None]
        origins = origins * scale
        directions = torch.nn.functional.normalize(-origins, dim=1)
        occupancy = random_occupancy((8, 8, 8), 0.5)
        samples = march_on(device, origins, directions, occupancy, 0.1, jitter)
        assert (samples.packed_info[:, 1] <= 37).all()  # the diagonal holds 34.6 intervals
        near = (scale[:, 0] <= 1e5).nonzero()[:, 0]
        assert_equal_bits(
            march_on(device, origins[near], directions[near], occupancy, 0.1, jitter[near]),
            ray_march_reference(origins[near], directions[near], occupancy, UNIT_BOX, 0.1, jitter[near]),
        )

    def test_bytes_and_booleans_and_strides(self) -> None:
        origins, directions, jitter = random_rays(50)
        occupancy = random_occupancy((8, 8, 8), 0.3)
        expected = ray_march(origins, directions, occupancy, UNIT_BOX, 0.05, jitter)
        variants = [
            (origins, directions, occupancy.to(torch.uint8) * 200, UNIT_BOX, jitter),
            (origins.T.contiguous().T, directions, occupancy, torch.tensor(UNIT_BOX), jitter),
            (
                origins,
                directions,
                occupancy,
                torch.tensor(UNIT_BOX).view(2, 3),
                torch.stack([jitter] * 2, 1)[:, 0],
            ),
        ]
        for variant in variants:
            *tensors, last = variant
            assert_equal_bits(ray_march(*tensors, 0.05, last), expected)

    def test_double_precision_twin_agrees_away_from_boundaries(self) -> None:
        origins, directions, jitter = random_rays(500)
        occupancy = random_occupancy((16, 16, 16), 0.3)
        single = ray_march(origins, directions, occupancy, UNIT_BOX, 0.02, jitter)
        double = ray_march_reference(
            origins.double(), directions.double(), occupancy, UNIT_BOX, 0.02, jitter.double()
        )
        same = single.packed_info[:, 1] == double.packed_info[:, 1]
        assert same.float().mean() > 0.98  # the rest has a midpoint within rounding of a cell's wall


class TestProperties:
    step = 0.02
    occupancy = random_occupancy((9, 10, 11), 0.2, seed=4)

    def samples(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor, RaySamples]:
        origins, directions, jitter = random_rays(300, seed=2)
        origins[::7] *= 0.2  # some start inside
        samples = march_on(device, origins, directions, self.occupancy, self.step, jitter)
        return origins, directions, jitter, samples

    def test_every_midpoint_is_in_an_occupied_cell(self, device: torch.device) -> None:
        origins, directions, _, samples = self.samples(device)
        ray = samples.ray_index.long()
        points = origins[ray].double() + directions[ray].double() * samples.midpoints()[:, None].double()
        position = (points + 1) * 0.5 * torch.tensor(self.occupancy.shape)
        near_wall = ((position - position.round()).abs() < 1e-4).any(1)
        x, y, z = position.long().unbind(1)
        assert (self.occupancy[x, y, z] | near_wall).all()
        assert near_wall.float().mean() < 0.01

    def test_every_occupied_cell_that_a_ray_crosses_is_sampled(self, device: torch.device) -> None:
        origins, directions, _, samples = self.samples(device)
        cells = self.occupancy.nonzero()  # [K, 3]
        size = 2.0 / torch.tensor(self.occupancy.shape).double()
        low = -1.0 + cells * size
        first = (low - origins[:, None].double()) / directions[:, None].double()  # [R, K, 3]
        second = (low + size - origins[:, None].double()) / directions[:, None].double()
        enter = torch.minimum(first, second).amax(2).clamp_min(0.0)
        leave = torch.maximum(first, second).amin(2)
        # A chord of one step holds a midpoint; at the start of a ray the first comes within 1.5 steps.
        near = torch.minimum((-1 - origins) / directions, (1 - origins) / directions).amax(1).clamp_min(0.0)
        at_start = enter < near[:, None] + self.step
        long_enough = leave - enter > self.step * torch.where(at_start, 1.501, 1.001)
        assert long_enough.sum() > 500
        midpoints = samples.midpoints().double()
        for ray, (start, count) in enumerate(samples.packed_info.tolist()):
            mine = midpoints[start : start + count]
            inside = (mine > enter[ray][:, None] - 1e-5) & (mine < leave[ray][:, None] + 1e-5)  # [K, S]
            assert (inside.any(1) | ~long_enough[ray]).all()

    def test_samples_are_packed_and_ordered(self, device: torch.device) -> None:
        origins, _, _, samples = self.samples(device)
        starts, counts = samples.packed_info.long().unbind(1)
        assert torch.equal(starts, counts.cumsum(0) - counts)
        assert counts.sum() == samples.num_samples
        assert torch.equal(samples.ray_index.long(), torch.arange(len(origins)).repeat_interleave(counts))
        same_ray = samples.ray_index[1:] == samples.ray_index[:-1]
        assert (samples.t_starts[1:] >= samples.t_ends[:-1])[same_ray].all()
        assert (samples.t_ends > samples.t_starts).all()

    def test_empty_cells_never_shift_the_lattice(self, device: torch.device) -> None:
        origins, directions, jitter, samples = self.samples(device)
        everything = march_on(device, origins, directions, torch.ones_like(self.occupancy), self.step, jitter)
        every = set(zip(everything.ray_index.tolist(), everything.t_starts.tolist(), strict=True))
        assert every.issuperset(zip(samples.ray_index.tolist(), samples.t_starts.tolist(), strict=True))

    def test_a_full_grid_is_sampled_from_side_to_side(self, device: torch.device) -> None:
        origins, directions, jitter = random_rays(200, seed=6)
        samples = march_on(
            device, origins, directions, torch.ones(4, 4, 4, dtype=torch.bool), self.step, jitter
        )
        o, d = origins.double(), directions.double()
        near = torch.minimum((-1 - o) / d, (1 - o) / d).amax(1)
        far = torch.maximum((-1 - o) / d, (1 - o) / d).amin(1)
        exact = (far - near) / self.step - jitter.double() + 0.5
        decided = (exact - exact.round()).abs() > 1e-3
        expected = exact.floor().clamp_min(0).where(far > near, 0.0)
        assert decided.float().mean() > 0.9
        assert torch.equal(samples.packed_info[:, 1].double()[decided], expected[decided])
