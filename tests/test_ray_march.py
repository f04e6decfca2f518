"""Rays marched by hand, the edges of the domain, and what is refused."""

import math

import pytest
import torch
from ray_scenes import UNIT_BOX, march_on, random_occupancy, random_rays
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops.ray_march import ray_march


def one_ray(
    device: torch.device,
    origin: tuple[float, float, float],
    direction: tuple[float, float, float],
    occupancy: Tensor,
    step_size: float,
    jitter: float = 0.0,
    aabb: tuple[float, ...] = UNIT_BOX,
) -> list[float]:
    """Starts of the samples of a single ray."""
    samples = march_on(
        device,
        torch.tensor([origin]),
        torch.tensor([direction]),
        occupancy,
        step_size,
        torch.tensor([jitter]),
        aabb,
    )
    return samples.t_starts.tolist()


class TestByHand:
    box = (0.0, 0.0, 0.0, 2.0, 1.0, 1.0)
    second_cell = torch.tensor([[[False]], [[True]]])  # x in [1, 2]

    def test_intervals_of_one_cell(self, device: torch.device) -> None:
        samples = march_on(
            device,
            torch.tensor([[-1.0, 0.5, 0.5]]),
            torch.tensor([[1.0, 0.0, 0.0]]),
            self.second_cell,
            0.25,
            torch.zeros(1),
            self.box,
        )
        assert samples.t_starts.tolist() == [2.0, 2.25, 2.5, 2.75]
        assert samples.t_ends.tolist() == [2.25, 2.5, 2.75, 3.0]
        assert samples.ray_index.tolist() == [0, 0, 0, 0]
        assert samples.packed_info.tolist() == [[0, 4]]
        assert samples.midpoints().tolist() == [2.125, 2.375, 2.625, 2.875]

    @pytest.mark.parametrize(
        ("jitter", "starts"),
        [
            (0.25, [2.0625, 2.3125, 2.5625, 2.8125]),
            (0.5, [1.875, 2.125, 2.375, 2.625]),  # the first midpoint is on the wall between the cells
        ],
    )
    def test_jitter_shifts_the_lattice(
        self, device: torch.device, jitter: float, starts: list[float]
    ) -> None:
        actual = one_ray(device, (-1.0, 0.5, 0.5), (1.0, 0.0, 0.0), self.second_cell, 0.25, jitter, self.box)
        assert actual == starts

    def test_backwards(self, device: torch.device) -> None:
        assert one_ray(device, (3.0, 0.5, 0.5), (-1.0, 0.0, 0.0), self.second_cell, 0.5, 0.0, self.box) == [
            1.0,
            1.5,
        ]

    def test_origin_inside_starts_at_zero(self, device: torch.device) -> None:
        assert one_ray(device, (1.5, 0.5, 0.5), (1.0, 0.0, 0.0), self.second_cell, 0.25, 0.0, self.box) == [
            0.0,
            0.25,
        ]

    def test_the_box_behind_is_not_seen(self, device: torch.device) -> None:
        assert (
            one_ray(device, (-1.0, 0.5, 0.5), (-1.0, 0.0, 0.0), self.second_cell, 0.25, 0.0, self.box) == []
        )

    def test_direction_length_scales_distances(self, device: torch.device) -> None:
        assert one_ray(device, (-1.0, 0.5, 0.5), (4.0, 0.0, 0.0), self.second_cell, 0.125, 0.0, self.box) == [
            0.5,
            0.625,
        ]


class TestEdgeCases:
    def test_no_rays(self, device: torch.device) -> None:
        none = torch.zeros(0, 3)
        samples = march_on(device, none, none, random_occupancy((4, 4, 4), 0.5), 0.1, torch.zeros(0))
        assert samples.num_samples == 0
        assert samples.packed_info.shape == (0, 2)

    def test_an_empty_grid(self, device: torch.device) -> None:
        origins, directions, jitter = random_rays(20)
        samples = march_on(device, origins, directions, torch.zeros(4, 4, 4, dtype=torch.bool), 0.1, jitter)
        assert samples.num_samples == 0
        assert (samples.packed_info == 0).all()

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("where", ["origin", "direction", "jitter"])
    def test_a_bad_number_loses_its_own_ray_only(self, device: torch.device, bad: float, where: str) -> None:
        origins, directions, jitter = random_rays(30)
        occupancy = random_occupancy((8, 8, 8), 0.5)
        expected = march_on(device, origins, directions, occupancy, 0.1, jitter)
        {"origin": origins[:, 1], "direction": directions[:, 2], "jitter": jitter}[where][11] = bad
        samples = march_on(device, origins, directions, occupancy, 0.1, jitter)
        counts = expected.packed_info[:, 1].clone()
        assert counts[11] > 0
        counts[11] = 0
        assert torch.equal(samples.packed_info[:, 1], counts)

    def test_a_zero_direction_has_no_samples(self, device: torch.device) -> None:
        assert (
            one_ray(device, (0.0, 0.0, 0.0), (0.0, -0.0, 0.0), torch.ones(2, 2, 2, dtype=torch.bool), 0.1)
            == []
        )

    def test_same_bits_for_any_number_of_threads(self) -> None:
        origins, directions, jitter = random_rays(3000)
        occupancy = random_occupancy((16, 16, 16), 0.1)

        def run() -> tuple[Tensor, ...]:
            samples = ray_march(origins, directions, occupancy, UNIT_BOX, 0.02, jitter, backend="cpu")
            return samples.t_starts, samples.t_ends, samples.ray_index, samples.packed_info

        assert_same_bits_for_any_number_of_threads(run)

    def test_too_many_intervals_are_refused(self, device: torch.device) -> None:
        with pytest.raises(InputError, match="more than 8388608 intervals; use a larger step"):
            one_ray(device, (0.0, 0.0, -2.0), (0.0, 0.0, 1.0), torch.ones(2, 2, 2, dtype=torch.bool), 1e-7)

    def test_refusals(self) -> None:
        origins, directions, jitter = random_rays(5)
        grid = torch.ones(4, 4, 4, dtype=torch.bool)
        good = {
            "origins": origins,
            "directions": directions,
            "occupancy": grid,
            "aabb": UNIT_BOX,
            "step_size": 0.1,
            "jitter": jitter,
        }
        for bad, message in [
            ({"step_size": 0.0}, "step_size must be a positive number"),
            ({"step_size": math.nan}, "step_size must be a positive number"),
            ({"aabb": (0.0, 0.0, 0.0, 1.0, 0.0, 1.0)}, "larger upper corner"),
            ({"aabb": (0.0, 1.0)}, "aabb must hold 6 numbers"),
            ({"origins": origins.double()}, "origins must be float32"),
            ({"directions": directions[:4]}, r"directions must have shape \[5, 3\]"),
            ({"jitter": jitter[:, None]}, "jitter must have shape"),
            ({"occupancy": grid.float()}, "occupancy must be bool or uint8"),
            ({"occupancy": grid[:, :, :0]}, "1 to 4096 cells per axis"),
            ({"occupancy": grid.to("meta")}, "occupancy is on meta"),
        ]:
            with pytest.raises(InputError, match=message):
                ray_march(**(good | bad))


def test_the_op_is_registered_correctly(device: torch.device) -> None:
    origins, directions, jitter = (tensor.to(device) for tensor in random_rays(20))
    occupancy = random_occupancy((4, 4, 4), 0.5).to(device)
    torch.library.opcheck(
        torch.ops.dream3d.ray_march.default, (origins, directions, occupancy, UNIT_BOX, 0.1, jitter)
    )
