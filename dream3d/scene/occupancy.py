"""Which cells of the scene may hold something, so that rays skip the rest (Mueller et al. 2022, section E.2)."""

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
        self.density = torch.full((len(self._cells),), torch.inf, device=device)  # [N]
        self.occupied = inside.view(resolution, resolution, resolution).to(torch.uint8)  # [X, Y, Z]

    @property
    def aabb(self) -> tuple[float, float, float, float, float, float]:
        """Corners of the box the grid covers: minimum, then maximum."""
        return (-1.0, -1.0, -1.0, 1.0, 1.0, 1.0)

    @torch.no_grad()
    def update(
        self, field: RadianceField, threshold: float, decay: float, generator: torch.Generator | None
    ) -> None:
        """Measure the density at one random point of every cell and mark the occupied ones anew.

        A cell stays occupied while its decayed maximum, or that of one of its 26 neighbours, is above the
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
        old = torch.where(self.density.isinf(), torch.zeros_like(fresh), self.density)
        self.density = torch.maximum(old * decay, fresh)
        mask = torch.zeros(self.resolution**3, device=fresh.device)
        mask[self._cells] = (self.density > threshold).float()
        grown = _grow(mask.view(1, 1, self.resolution, self.resolution, self.resolution)).view(-1)
        inside = torch.zeros_like(grown)
        inside[self._cells] = grown[self._cells]
        self.occupied = inside.view(self.resolution, self.resolution, self.resolution).to(torch.uint8)

    def fraction(self) -> float:
        """Share of the cells inside the sphere that are occupied."""
        return float(self.occupied.sum()) / len(self._cells)


def _grow(mask: Tensor) -> Tensor:
    """Dilate a mask [1, 1, X, Y, Z] of zeros and ones by one cell along each axis."""
    for axis in range(3):
        kernel = [1, 1, 1]
        kernel[axis] = 3
        padding = [size // 2 for size in kernel]
        mask = torch.nn.functional.max_pool3d(mask, kernel, stride=1, padding=padding)
    return mask
