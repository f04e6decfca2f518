import torch

from dream3d.scene.occupancy import OccupancyGrid
from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import FieldConfig


def ball(density_scale: float = 20.0, radius: float = 0.5) -> RadianceField:
    """Density falls linearly through softplus(0) at `radius`; the grid features say nothing."""
    field = RadianceField(
        FieldConfig(num_levels=2, log2_hashmap_size=8, density_scale=density_scale, blob_radius=radius)
    )
    with torch.no_grad():
        field.output_weight.zero_()
    return field


def centers(resolution: int) -> torch.Tensor:
    axis = (torch.arange(resolution) + 0.5) * (2.0 / resolution) - 1.0
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)


def test_starts_as_the_sphere():
    grid = OccupancyGrid(32)
    assert torch.equal(grid.occupied.bool(), centers(32).norm(dim=-1) < 1.0)
    assert grid.fraction() == 1.0
    assert float(grid.density_floor.max()) == 0.0


def test_every_point_above_the_threshold_is_in_an_occupied_cell():
    field, grid = ball(), OccupancyGrid(32)
    grid.update(field, 2.0, 0.9, torch.Generator().manual_seed(0))
    points = torch.rand(20000, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    points = points[points.norm(dim=-1) < 0.9]
    dense = points[field.density(points).detach() > 2.0]
    assert bool(grid.occupied.flatten()[grid.cells_of(dense)].all())
    assert 0.1 < grid.fraction() < 0.6  # and the empty space is really given up


def test_the_floor_is_below_the_density_of_every_point_of_the_cell():
    field, grid = ball(), OccupancyGrid(32)
    grid.update(field, 2.0, 0.9, torch.Generator().manual_seed(0))
    points = torch.rand(20000, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    points = points[points.norm(dim=-1) < 0.95]
    floor = grid.density_floor.flatten()[grid.cells_of(points)]
    assert float((floor - field.density(points).detach()).max()) <= 1e-4
    assert float(floor.max()) > 40.0  # and tight inside


def test_cells_of_maps_centers_to_their_own_cell_and_clamps():
    grid = OccupancyGrid(8)
    cells = grid.cells_of(centers(8).reshape(-1, 3))
    assert torch.equal(cells, torch.arange(8**3))
    assert grid.is_occupied(centers(8).reshape(-1, 3)).view(8, 8, 8).equal(grid.occupied > 0)
    assert grid.cells_of(torch.tensor([[9.0, 9.0, 9.0], [-9.0, -9.0, -9.0]])).tolist() == [8**3 - 1, 0]


def test_a_cell_that_empties_is_given_up_after_the_decay():
    grid = OccupancyGrid(16)
    generator = torch.Generator().manual_seed(0)
    grid.update(ball(radius=0.5), 2.0, 0.5, generator)
    before = grid.fraction()
    empty = ball(density_scale=1e-6)
    grid.update(empty, 2.0, 0.5, generator)
    assert grid.fraction() > 0.3 * before  # one look is not enough
    for _ in range(8):
        grid.update(empty, 2.0, 0.5, generator)
    assert grid.fraction() == 0.0


def test_updates_depend_on_the_generator_alone():
    first, second = OccupancyGrid(16), OccupancyGrid(16)
    for grid in (first, second):
        grid.update(ball(), 2.0, 0.9, torch.Generator().manual_seed(5))
    assert torch.equal(first.occupied, second.occupied)
    assert torch.equal(first.density_floor, second.density_floor)
