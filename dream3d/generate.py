"""The pipeline: a prompt goes in, an asset comes out."""

import time
from dataclasses import asdict, replace

import torch

from dream3d import __version__
from dream3d.asset import Asset
from dream3d.bake import bake_base_color
from dream3d.config import BakeConfig, Config
from dream3d.detail.bake import bake_detail
from dream3d.errors import InputError
from dream3d.events import Event, OnEvent, ignore
from dream3d.export.names import slug
from dream3d.extract.isosurface import density_threshold
from dream3d.extract.mesh import Surfaces, clean_surfaces, extract_surfaces
from dream3d.extract.solid import check_solids, close_surfaces
from dream3d.extract.tangents import add_tangents
from dream3d.extract.unwrap import unwrap
from dream3d.inputs import check_prompt
from dream3d.mesh import Material, TexturedMesh
from dream3d.optimize.coarse import optimize_coarse
from dream3d.optimize.refine import optimize_refine
from dream3d.prior import Prior
from dream3d.scene.radiance_field import RadianceField


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
    if config.export.require_watertight:
        check_solids()
    started = time.perf_counter()
    on_event(Event("prior", 0, 1, "loading"))
    prior = prior or Prior.from_pretrained(config.prior, device)
    warnings = unknown_word_warnings(prior, prompt)
    embedding = prior.embed(prompt, config.negative_prompt)
    on_event(Event("prior", 1, 1, "; ".join(warnings)))

    generator = torch.Generator().manual_seed(config.seed)
    coarse = optimize_coarse(prior, embedding, config.coarse, generator, on_event, device)
    field, bake, evaluations = coarse.field, config.bake, coarse.stats.prior_evaluations
    if config.refine.num_steps:
        threshold = density_threshold(field.density, config.extract.resolution, device)
        refined = optimize_refine(prior, embedding, field, threshold, config.refine, generator, on_event)
        evaluations += refined.prior_evaluations
        on_event(Event("extract", 0, 2))
        surfaces = clean_surfaces(refined.mesh, config.extract)
        bake = replace(bake, samples=1)  # the prior saw the color on the surface itself, not in a soft shell
    else:
        on_event(Event("extract", 0, 2))
        surfaces = extract_surfaces(field.density, config.extract, device)
    if config.export.require_watertight:
        surfaces = close_surfaces(surfaces, config.extract)
    textured = _textured_mesh(slug(prompt), surfaces, field, bake, on_event, device)
    costs = {"prior_evaluations": evaluations, "seconds": time.perf_counter() - started}
    metadata = _provenance(prompt, config, prior)
    metrics = asdict(coarse.stats) | costs
    return Asset(replace(textured, metadata=metadata), config.export, metrics, tuple(warnings))


def _textured_mesh(
    name: str, surfaces: Surfaces, field: RadianceField, config: BakeConfig, on_event: OnEvent, device: str
) -> TexturedMesh:
    """Atlas and textures of a finished surface."""
    on_event(Event("extract", 1, 2))
    mesh = unwrap(surfaces.mesh, config.texture_size, config.padding_texels)
    if config.normal_map:
        mesh = add_tangents(mesh)
    on_event(Event("extract", 2, 2))
    on_event(Event("bake", 0, 1))
    texture = bake_base_color(mesh, field.density, field.albedo_srgb, config, device)
    maps = bake_detail(mesh, surfaces.dense, config)
    on_event(Event("bake", 1, 1))
    material = Material(texture, roughness_factor=config.roughness, orm=maps.orm, normal_map=maps.normal_map)
    return TexturedMesh(mesh, material, name)


def choose_device(device: str) -> str:
    """Resolve "auto", and refuse a GPU that is not there.

    Raises:
        InputError: "cuda" was asked for and no GPU can be used.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise InputError("--device cuda: no usable GPU was found; use --device cpu, or see 'dream3d doctor'")
    return ("cuda" if available else "cpu") if device == "auto" else device


def unknown_word_warnings(prior: Prior, prompt: str) -> list[str]:
    """One line per word of the prompt that the prior never saw."""
    lines = []
    for word, nearest in prior.unknown_words(prompt).items():
        hint = f"; nearest known: {', '.join(nearest)}" if nearest else ""
        lines.append(f"the prior {prior.name!r} does not know {word!r} and leaves it out{hint}")
    return lines


def _provenance(prompt: str, config: Config, prior: Prior) -> dict[str, object]:
    """How the asset was made, in JSON types; enough to make it again."""
    return {
        "prompt": prompt,
        "negative_prompt": config.negative_prompt,
        "seed": config.seed,
        "prior": prior.name,
        "prior_sha256": prior.sha256,
        "settings": asdict(config),
        "versions": {"dream3d": __version__, "torch": torch.__version__},
        "method": "score distillation (x0 form) of a 2D diffusion prior into a hash-grid radiance field",
    }
