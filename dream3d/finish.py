"""What every way to an asset shares: the device, the prior's warnings, textures, and how it was made."""

from collections.abc import Mapping
from dataclasses import asdict

import torch

from dream3d import __version__
from dream3d.bake import bake_base_color
from dream3d.config import BakeConfig, Config
from dream3d.detail.bake import bake_detail
from dream3d.detail.substance import bake_substance, packed_orm
from dream3d.errors import InputError
from dream3d.events import Event, OnEvent
from dream3d.mesh import Material, Mesh
from dream3d.prior import Prior, TextEmbedding
from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import GuidanceConfig


def choose_device(device: str) -> str:
    """Resolve "auto", and refuse a GPU that is not there.

    Raises:
        InputError: "cuda" was asked for and no GPU can be used.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise InputError("--device cuda: no usable GPU was found; use --device cpu, or see 'dream3d doctor'")
    return ("cuda" if available else "cpu") if device == "auto" else device


def open_prior(
    prompt: str,
    config: Config,
    device: str,
    prior: Prior | None,
    on_event: OnEvent,
    guided: Mapping[str, GuidanceConfig],
    from_prompt: str | None = None,
) -> tuple[Prior, TextEmbedding, tuple[str, ...]]:
    """The prior, the prompt as it reads it, and a warning per word or option that it can do nothing with.

    Args:
        prompt: Checked.
        config: Which prior, and the negative prompt.
        device: "cpu" or "cuda".
        prior: One that is loaded already; None loads that of the settings.
        on_event: Told before and after.
        guided: How it guides the stages that are run, by the option that sets it.
        from_prompt: Of an edit.

    Raises:
        InputError: The prior cannot be loaded, or does not know what it is to be told.
    """
    on_event(Event("prior", 0, 1, "loading"))
    prior = prior or Prior.from_pretrained(config.prior, device, options=config.prior_options)
    for option, guidance in guided.items():
        prior.check_views(guidance.views, f"{option}.views")
    prior.check_said((prompt, config.negative_prompt, from_prompt or ""))
    embedding = prior.embed(prompt, config.negative_prompt)
    warnings = (*unknown_word_warnings(prior, prompt), *emphasis_warnings(embedding, guided))
    on_event(Event("prior", 1, 1, "; ".join(warnings)))
    return prior, embedding, warnings


def unknown_word_warnings(prior: Prior, prompt: str) -> list[str]:
    """One line per word of the prompt that the prior never saw."""
    lines = []
    for word, nearest in prior.unknown_words(prompt).items():
        hint = f"; nearest known: {', '.join(nearest)}" if nearest else ""
        lines.append(f"the prior {prior.name!r} does not know {word!r} and leaves it out{hint}")
    return lines


def emphasis_warnings(embedding: TextEmbedding, guided: Mapping[str, GuidanceConfig]) -> list[str]:
    """One line per stage whose emphasis changes nothing: the prompt says nothing that it acts on."""
    return [
        f"{option}.emphasis changes nothing: to the prior, {embedding.prompt!r} says no more than one thing "
        "and its color, or speaks of two things, or its words are not known"
        for option, guidance in guided.items()
        if guidance.emphasis and not embedding.says_looks
    ]


def bake_material(
    mesh: Mesh,
    dense: Mesh,
    field: RadianceField,
    prior: Prior,
    embedding: TextEmbedding,
    config: BakeConfig,
    on_event: OnEvent,
    metallic: float = 0.0,
) -> Material:
    """All textures of a mesh with UVs, normals, and tangents where a normal map is asked for.

    Args:
        mesh: In scene units.
        dense: The same surface with all its details.
        field: Its colors.
        prior: Tells what the surface is made of.
        embedding: Of what it is.
        config: Which textures; its roughness is that of what nobody can tell more about.
        on_event: Told before and after.
        metallic: Of the same.
    """
    on_event(Event("bake", 0, 1))
    texture = bake_base_color(mesh, field.density, field.albedo_srgb, config, prior.device)
    maps = bake_detail(mesh, dense, config)
    found = bake_substance(mesh, texture, prior, embedding) if config.substance else None
    orm = None
    if found is not None or maps.occlusion is not None:
        orm = packed_orm(maps.occlusion, found, metallic, config.roughness, config.texture_size)
    on_event(Event("bake", 1, 1))
    return Material(texture, metallic, config.roughness, orm, maps.normal_map)


def provenance(prompt: str, config: Config, prior: Prior, method: str) -> dict[str, object]:
    """How an asset was made, in JSON types; enough to make it again."""
    return {
        "prompt": prompt,
        "negative_prompt": config.negative_prompt,
        "seed": config.seed,
        "prior": prior.name,
        "prior_sha256": prior.sha256,
        "settings": asdict(config),
        "versions": {"dream3d": __version__, "torch": torch.__version__},
        "method": method,
    }
