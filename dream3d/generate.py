"""The pipeline: a prompt goes in, an asset comes out."""

import time
from dataclasses import asdict, replace

import torch

from dream3d.asset import Asset
from dream3d.config import Config, check_guidance, generate_guidance
from dream3d.events import Event, OnEvent, ignore
from dream3d.export.names import slug
from dream3d.extract.isosurface import density_threshold
from dream3d.extract.mesh import clean_surfaces, extract_surfaces
from dream3d.extract.solid import check_solids, close_surfaces
from dream3d.extract.tangents import add_tangents
from dream3d.extract.unwrap import unwrap
from dream3d.finish import bake_material, choose_device, open_prior, provenance
from dream3d.inputs import check_prompt
from dream3d.mesh import TexturedMesh
from dream3d.optimize.coarse import optimize_coarse
from dream3d.optimize.refine import optimize_refine
from dream3d.prior import Prior
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface
from dream3d.stage_config import ViewConditioning

METHOD = "score distillation of a 2D diffusion prior into a hash-grid radiance field"


def generate(
    prompt: str, config: Config | None = None, on_event: OnEvent = ignore, prior: Prior | None = None
) -> Asset:
    """Make a textured mesh from a prompt.

    Args:
        prompt: What to make. Words the prior does not know are left out and reported in `Asset.warnings`.
        config: All settings; the defaults are the `standard` effort.
        on_event: Called with the progress of each stage.
        prior: A loaded prior to use again; `config.prior` is loaded when it is None.

    Returns:
        The asset, in scene units until it is saved.

    Raises:
        InputError: The prompt or a setting is impossible, or the prior is missing or damaged.
        RunError: The field stayed empty, full or not finite after all restarts.
    """
    config = config or Config()
    prompt = check_prompt(prompt)
    device = choose_device(config.device)
    check_guidance(generate_guidance(config))
    if config.export.require_watertight:
        check_solids()
    started = time.perf_counter()
    views: dict[str, ViewConditioning] = {}
    if config.coarse.num_steps:
        views["--coarse.guidance.views"] = config.coarse.guidance.views
    if config.refine.num_steps:
        views["--refine.guidance.views"] = config.refine.guidance.views
    prior, embedding, warnings = open_prior(prompt, config, device, prior, on_event, views)
    generator = torch.Generator().manual_seed(config.seed)
    coarse = optimize_coarse(prior, embedding, config.coarse, generator, on_event, device)
    field, bake, evaluations = coarse.field, config.bake, coarse.stats.prior_evaluations
    if config.refine.num_steps:
        threshold = density_threshold(field.density, config.extract.resolution, device)
        lattice = tet_lattice(config.refine.lattice_resolution, device=device)
        surface = TetSurface.from_density(field.density, threshold, lattice)
        refined = optimize_refine(prior, embedding, field, surface, config.refine, generator, on_event)
        evaluations += refined.prior_evaluations
        on_event(Event("extract", 0, 2))
        surfaces = clean_surfaces(refined.mesh, config.extract)
        bake = replace(bake, samples=1)  # the prior saw the color on the surface itself, not in a soft shell
    else:
        on_event(Event("extract", 0, 2))
        surfaces = extract_surfaces(field.density, config.extract, device)
    if config.export.require_watertight:
        surfaces = close_surfaces(surfaces, config.extract)
    on_event(Event("extract", 1, 2))
    mesh = unwrap(surfaces.mesh, bake.texture_size, bake.padding_texels)
    if bake.normal_map:
        mesh = add_tangents(mesh)
    on_event(Event("extract", 2, 2))
    material = bake_material(mesh, surfaces.dense, field, prior, embedding, bake, on_event)
    costs = {"prior_evaluations": evaluations, "seconds": time.perf_counter() - started}
    metadata = provenance(prompt, config, prior, METHOD)
    textured = TexturedMesh(mesh, material, slug(prompt), metadata)
    return Asset(textured, config.export, asdict(coarse.stats) | costs, warnings)
