"""The refinement stage against a prior that believes in one known object."""

from dataclasses import replace

import torch
from oracle_prior import OraclePrior, Part

from dream3d.events import Event, ignore
from dream3d.optimize.refine import optimize_refine
from dream3d.scene.radiance_field import RadianceField
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface
from dream3d.stage_config import FieldConfig, RefineConfig

FIELD = FieldConfig(num_levels=4, log2_hashmap_size=10, finest_resolution=24, hidden_size=16)
CONFIG = RefineConfig(num_steps=60, lattice_resolution=32, samples_per_axis=1, shape_learning_rate=0.1)
HALF_SIZE = (0.5, 0.36, 0.42)
COLOR = (0.8, 0.2, 0.1)
ORACLE = (Part("ellipsoid", (0.0, 0.0, 0.0), HALF_SIZE, COLOR),)


def blob() -> RadianceField:
    """An untrained field: a round cloud."""
    return RadianceField(FIELD, torch.Generator().manual_seed(0))


def threshold(field: RadianceField) -> float:
    """The density at a radius of 0.4."""
    with torch.no_grad():
        return float(field.density(torch.tensor([[0.0, 0.4, 0.0]])))


def refine(config: RefineConfig = CONFIG, field: RadianceField | None = None, on_event=ignore):
    field = field or blob()
    prior = OraclePrior(ORACLE, image_size=32, image_sizes=(32,))
    generator = torch.Generator().manual_seed(0)
    surface = TetSurface.from_density(field.density, threshold(field), tet_lattice(config.lattice_resolution))
    return optimize_refine(prior, None, field, surface, config, generator, on_event)


def misfit(vertices) -> torch.Tensor:
    """Distances [V] of points to the oracle's ellipsoid, to first order."""
    points = torch.as_tensor(vertices) / torch.tensor(HALF_SIZE)
    value = points.square().sum(1).sqrt()
    slope = (points / torch.tensor(HALF_SIZE) / value[:, None]).norm(dim=1)
    return (value - 1.0).abs() / slope


def test_a_blob_becomes_the_shape_and_takes_the_color_that_the_prior_believes_in():
    field = blob()
    before = misfit(refine(replace(CONFIG, num_steps=0), blob()).mesh.vertices)
    events: list[Event] = []
    result = refine(field=field, on_event=events.append)
    after = misfit(result.mesh.vertices)
    assert before.median() > 0.02
    assert after.median() < 0.012  # a third of a pixel, a fifth of a cell
    assert after.max() < 0.07
    with torch.no_grad():
        color = field.albedo_srgb(torch.as_tensor(result.mesh.vertices))
    assert (color - torch.tensor(COLOR)).abs().median() < 0.1  # guidance exaggerates it a little
    assert [event.step for event in events] == list(range(1, 61))
    assert result.prior_evaluations == 2 * 4 * 60


def test_a_shape_can_form_from_its_normals_alone_before_its_colors():
    """Fantasia3D's first stage: the color field learns nothing."""
    field = blob()
    before = {name: value.clone() for name, value in field.state_dict().items()}
    options = {"num_steps": 30, "shaded_share": 1.0, "shape_until": 1.0}
    by_normals = replace(CONFIG, shape_shading="normals", **options)
    after = misfit(refine(by_normals, field).mesh.vertices)
    assert after.median() < 0.012
    assert all(torch.equal(value, before[name]) for name, value in field.state_dict().items())


def test_the_same_seed_gives_the_same_surface():
    config = replace(CONFIG, num_steps=4)
    one, other = refine(config), refine(config)
    assert (one.mesh.vertices == other.mesh.vertices).all()
    assert (one.mesh.faces == other.mesh.faces).all()


def test_a_frozen_shape_stays_while_its_color_is_refined():
    field = blob()
    table = field.table.detach().clone()
    result = refine(replace(CONFIG, num_steps=3, shape_until=0.0), field)
    start = refine(replace(CONFIG, num_steps=0))
    assert (result.mesh.vertices == start.mesh.vertices).all()
    assert not torch.equal(field.table, table)
