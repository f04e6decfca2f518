"""The pipeline: a prompt goes in, an asset comes out."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from dream3d.asset import Asset
from dream3d.config import Config, check_guidance, generate_guidance
from dream3d.events import Event, OnEvent, ignore
from dream3d.export.names import slug
from dream3d.extract.solid import check_solids
from dream3d.extract.tangents import add_tangents
from dream3d.extract.unwrap import unwrap
from dream3d.finish import bake_material, choose_device, expect_things, open_prior, provenance
from dream3d.inputs import check_prompt
from dream3d.mesh import TexturedMesh
from dream3d.prior import Prior
from dream3d.run_folder import open_run
from dream3d.shape import shape_of
from dream3d.stage_config import GuidanceConfig
from dream3d.stages import Distilled, distill_things

METHOD = "score distillation of a 2D diffusion prior into a hash-grid radiance field"
METHOD_OF_THINGS = f"{METHOD} for each of several things, put together"


def generate(
    prompt: str,
    config: Config | None = None,
    on_event: OnEvent = ignore,
    prior: Prior | None = None,
    run_dir: str | Path | None = None,
) -> Asset:
    """Make a textured mesh from a prompt.

        settings = dream3d.load_config("draft")
        asset = dream3d.generate("a red mushroom", settings)
        asset.save("mushroom.glb", height=0.3)

    Args:
        prompt: What to make. Words the prior does not know are left out and reported in `Asset.warnings`.
        config: All settings; the defaults are the `standard` effort.
        on_event: Called with the progress of each stage; it may raise `StoppedError` to end the run.
        prior: A loaded prior to use again; `config.prior` is loaded when it is None.
        run_dir: Folder where the state of the run is saved every ten seconds, at the end of each stage and
            when it is stopped. A run that is there already is continued, and makes on this machine the same
            asset, on a CPU bit for bit, as if it had never been interrupted. (Unless a later step is not
            finite: a way back then leads no further than to where the run was continued.)

    Returns:
        The asset, in scene units until it is saved.

    Raises:
        InputError: The prompt or a setting is impossible, the prior is missing or damaged, or the run in the
            folder is another one, of other versions, or in the hands of another process.
        RunError: The field stayed empty, full or not finite after all restarts, or the disk is full.
        StoppedError: `on_event` asked for it.
    """
    config = config or Config()
    prompt = check_prompt(prompt)
    device = choose_device(config.device)
    guided = _checked_guidance(config)
    started = time.perf_counter()
    with open_run(None if run_dir is None else Path(run_dir)) as folder:
        if folder is not None:
            folder.expect({"prompt": prompt, "settings": asdict(config)})
        opened = open_prior(prompt, config, device, prior, on_event, guided, things=config.things)
        expect_things(opened.said, opened.prior)
        metadata = provenance(prompt, config, opened.prior, METHOD_OF_THINGS if opened.said.joins else METHOD)
        if folder is not None:
            folder.claim(metadata | {"device": device})
        distilled = distill_things(opened.prior, opened.things, config, device, on_event, folder)
    on_event(Event("extract", 0, 2))
    shape = shape_of(distilled, opened.said, config, device)
    on_event(Event("extract", 1, 2))
    # On a refined surface the prior saw the color itself, not in a soft shell.
    bake = replace(config.bake, samples=1) if config.refine.num_steps else config.bake
    mesh = unwrap(shape.surfaces.mesh, bake.texture_size, bake.padding_texels)
    if bake.normal_map:
        mesh = add_tangents(mesh)
    on_event(Event("extract", 2, 2))
    material = bake_material(
        mesh, shape.surfaces.dense, shape.colors, opened.prior, opened.embedding, bake, on_event
    )
    names = opened.said.texts if opened.said.joins else ()
    textured = TexturedMesh(mesh, material, slug(prompt), metadata, names)
    costs = _costs(distilled) | {"seconds": time.perf_counter() - started}
    return Asset(textured, config.export, costs, opened.warnings)


def _costs(distilled: Sequence[Distilled]) -> dict[str, float]:
    """What all things cost together."""
    costs = [asdict(one.stats) | {"prior_evaluations": one.prior_evaluations} for one in distilled]
    return {name: sum(cost[name] for cost in costs) for name in costs[0]}


def _checked_guidance(config: Config) -> dict[str, GuidanceConfig]:
    """That of the stages that are run, by the option that sets it, once what the settings need is there."""
    guided = generate_guidance(config)
    check_guidance(guided.values(), config.prior_options)
    if config.export.require_watertight:
        check_solids()
    return guided
