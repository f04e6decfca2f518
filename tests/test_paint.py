"""Painting a surface that stays, against a prior that believes in one known object."""

import numpy as np
import torch
import trimesh
from oracle_prior import OraclePrior, Part

from dream3d.events import Event
from dream3d.mesh import Mesh
from dream3d.optimize.paint import fit_colors, optimize_paint
from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import FieldConfig, PaintConfig

FIELD = FieldConfig(num_levels=4, log2_hashmap_size=10, finest_resolution=24, hidden_size=16)
HALF = 0.6
TOP, BOTTOM = (0.9, 0.2, 0.1), (0.1, 0.3, 0.8)
TWO_HALVES = (
    Part("box", (0.0, HALF / 2, 0.0), (HALF, HALF / 2, HALF), TOP),
    Part("box", (0.0, -HALF / 2, 0.0), (HALF, HALF / 2, HALF), BOTTOM),
)


def field() -> RadianceField:
    return RadianceField(FIELD, torch.Generator().manual_seed(0))


def cube() -> Mesh:
    shape = trimesh.creation.box(extents=[2 * HALF] * 3)
    return Mesh(np.array(shape.vertices, np.float32), np.array(shape.faces, np.int32))


def on_the_sides() -> torch.Tensor:
    """Points [N, 3] of the cube's four walls, clear of the border between the colors."""
    height = torch.tensor([-0.45, -0.25, 0.25, 0.45])
    across = torch.linspace(-0.4, 0.4, 5)
    y, x = torch.meshgrid(height, across, indexing="ij")
    front = torch.stack([x, y, torch.full_like(x, HALF)], dim=-1).view(-1, 3)
    return torch.cat([front, front * torch.tensor([1, 1, -1]), front.flip(1) * 1.0])[:40]


def expected(points: torch.Tensor) -> torch.Tensor:
    return torch.where(points[:, 1:2] > 0, torch.tensor(TOP), torch.tensor(BOTTOM))


def test_a_cube_takes_the_colors_that_the_prior_believes_in():
    prior = OraclePrior(TWO_HALVES, image_size=32, image_sizes=(32,))
    config = PaintConfig(num_steps=60, samples_per_axis=1)
    painted, events = field(), list[Event]()
    asked = optimize_paint(
        prior, None, painted, cube(), config, torch.Generator().manual_seed(0), events.append
    )
    with torch.no_grad():
        errors = (painted.albedo_srgb(on_the_sides()) - expected(on_the_sides())).abs()
    assert errors.median() < 0.08  # guidance exaggerates colors a little
    assert errors.max() < 0.3
    assert asked == prior.calls * 2 * 4 == 60 * 2 * 4
    assert [event.step for event in events] == list(range(1, 61))


def test_no_steps_change_nothing():
    prior, painted = OraclePrior(TWO_HALVES), field()
    before = painted.table.detach().clone()
    config = PaintConfig(num_steps=0)
    assert optimize_paint(prior, None, painted, cube(), config, torch.Generator().manual_seed(0)) == 0
    assert torch.equal(painted.table, before)


def test_a_field_takes_over_the_colors_of_a_surface():
    fitted, generator = field(), torch.Generator().manual_seed(1)
    points = torch.nn.functional.normalize(torch.randn(4000, 3, generator=generator), dim=1) * 0.8
    colors = 0.5 + 0.4 * points / 0.8
    fit_colors(fitted, points, colors, generator)
    with torch.no_grad():
        assert (fitted.albedo_srgb(points) - colors).abs().mean() < 0.01
