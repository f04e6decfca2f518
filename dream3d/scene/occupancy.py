"""Which cells of the scene may hold something: rays skip the rest (Mueller et al. 2022, section E.2)."""

import torch
from torch import Tensor

from dream3d.scene.radiance_field import SCENE_RADIUS, RadianceField


class OccupancyGrid:
    """A grid over [-1, 1]^3 with a decaying maximum of the density seen in each cell.

    Cells whose centre lies outside the scene's sphere are always empty.
    """

    def __init__(self, resolution: int, device: torch.device | str = "cpu") -> None:
        """Start with every cell inside the sphere occupied.

        Args:
            resolution: Cells along each axis.
            device: Where the grid lives.
        """
        self.resolution = resolution
        axis = (torch.arange(resolution, device=device) + 0.5) * (2.0 / resolution) - 1.0
        centers = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)
        inside = centers.norm(dim=-1) < SCENE_RADIUS
        self._cells = inside.nonzero()[:, 0]  # [N], the cells inside the sphere
        self._centers = centers[self._cells]  # [N, 3]
        self._inside = inside.view(resolution, resolution, resolution).float()  # [X, Y, Z]
        self._peak = torch.zeros(len(self._cells), device=device)  # [N], decaying maximum of the density
        self.occupied = self._inside.to(torch.uint8)  # [X, Y, Z]
        # A lower estimate of the density: the least of a cell and its neighbours when last measured.
        self.density_floor = torch.zeros_like(self._inside)  # [X, Y, Z]

    @property
    def aabb(self) -> tuple[float, float, float, float, float, float]:
        """Corners of the box the grid covers: minimum, then maximum."""
        return (-1.0, -1.0, -1.0, 1.0, 1.0, 1.0)

    @torch.no_grad()
    def update(
        self, field: RadianceField, threshold: float, decay: float, generator: torch.Generator | None
    ) -> None:
        """Measure the density at one random point of every cell and mark the occupied ones anew.

        A cell stays occupied while its decayed maximum, or that of one of its six neighbours, is above the
        threshold; the neighbours leave a surface room to grow.

        Args:
            field: The field to measure.
            threshold: Density per unit length above which a cell counts as occupied.
            decay: Factor on the old maximum, in [0, 1].
            generator: Source of the points.
        """
        noise = torch.rand(self._centers.shape, generator=generator).to(self._centers.device)
        points = self._centers + (noise - 0.5) * (2.0 / self.resolution)
        fresh = field.density(points)
        self._peak = torch.maximum(self._peak * decay, fresh)
        grown = _grow(self._to_grid((self._peak > threshold).float()), corners=False)
        self.occupied = (grown * self._inside).to(torch.uint8)
        self.density_floor = -_grow(self._to_grid(-fresh), corners=True)

    def state_dict(self) -> dict[str, Tensor]:
        """All that was measured; not copied."""
        return {"peak": self._peak, "occupied": self.occupied, "density_floor": self.density_floor}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take what a grid of the same resolution measured; copied."""
        self._peak = state["peak"].to(self._peak, copy=True)
        self.occupied = state["occupied"].to(self.occupied, copy=True)
        self.density_floor = state["density_floor"].to(self.density_floor, copy=True)

    def fraction(self) -> float:
        """Share of the cells inside the sphere that are occupied."""
        return float(self.occupied.sum()) / len(self._cells)

    def is_occupied(self, points: Tensor) -> Tensor:
        """Whether rays stop at `points` [N, 3], or skip their cells: [N] bool."""
        return self.occupied.reshape(-1)[self.cells_of(points)] > 0

    def cells_of(self, points: Tensor) -> Tensor:
        """Flat cell indices [N], int64, of `points` [N, 3]; points outside the box get the nearest cell."""
        position = ((points + 1.0) * (0.5 * self.resolution)).clamp(0.0, self.resolution - 1.0).long()
        return (position[:, 0] * self.resolution + position[:, 1]) * self.resolution + position[:, 2]

    def _to_grid(self, values: Tensor) -> Tensor:
        """Spread values [N] of the cells inside the sphere over the grid [X, Y, Z], zero elsewhere."""
        grid = values.new_zeros(self.resolution**3)
        grid[self._cells] = values
        return grid.view(self.resolution, self.resolution, self.resolution)


def _grow(grid: Tensor, corners: bool) -> Tensor:
    """Maximum over each cell of [X, Y, Z] and its six neighbours, or all 26 with those across corners."""
    result = grid.clone()
    for axis in range(3):
        source = result.clone() if corners else grid
        size = grid.shape[axis] - 1
        lower, upper = result.narrow(axis, 0, size), result.narrow(axis, 1, size)
        torch.maximum(lower, source.narrow(axis, 1, size), out=lower)
        torch.maximum(upper, source.narrow(axis, 0, size), out=upper)
    return result
