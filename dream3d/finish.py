"""What every way to an asset shares: the device, the prior's warnings, textures, and how it was made."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch

from dream3d import __version__
from dream3d.bake import Colored, bake_base_color
from dream3d.config import BakeConfig, Config, OneByOne
from dream3d.detail.bake import bake_detail
from dream3d.detail.substance import bake_substance, packed_orm
from dream3d.errors import InputError
from dream3d.events import Event, OnEvent
from dream3d.mesh import Material, Mesh
from dream3d.prior import Prior, TextEmbedding
from dream3d.stage_config import GuidanceConfig
from dream3d.things.relations import RELATIONS, Things, split_places, split_things
from dream3d.things.sizes import split_size

LONG_STEPS = 1000  # of a field: recipes of large priors have 10,000 and more
MAX_THINGS = 4  # each takes as long as a prompt of its own


def choose_device(device: str) -> str:
    """Resolve "auto", and refuse a GPU that is not there.

    Raises:
        InputError: "cuda" was asked for and no GPU can be used.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise InputError("--device cuda: no usable GPU was found; use --device cpu, or see 'dream3d doctor'")
    return ("cuda" if available else "cpu") if device == "auto" else device


@dataclass(frozen=True)
class Opened:
    """A prior, and the prompt as it reads it."""

    prior: Prior
    embedding: TextEmbedding  # of all of it
    warnings: tuple[str, ...]  # one per word or option that it can do nothing with
    said: Things  # what is made one by one, or all of the prompt
    things: tuple[TextEmbedding, ...]  # of each of these


def open_prior(
    prompt: str,
    config: Config,
    device: str,
    prior: Prior | None,
    on_event: OnEvent,
    guided: Mapping[str, GuidanceConfig],
    from_prompt: str | None = None,
    things: OneByOne = "together",
) -> Opened:
    """Load the prior where that is not done yet, and let it read the prompt.

    Args:
        prompt: Checked.
        config: Which prior, and the negative prompt.
        device: "cpu" or "cuda".
        prior: One that is loaded already; None loads that of the settings.
        on_event: Told before and after.
        guided: How it guides the stages that are run, by the option that sets it.
        from_prompt: Of an edit.
        things: Whether several things in the prompt are read one by one.

    Raises:
        InputError: The prior cannot be loaded, or does not know what it is to be told.
    """
    on_event(Event("prior", 0, 1, "loading"))
    prior = prior or Prior.from_pretrained(config.prior, device, options=config.prior_options)
    for option, guidance in guided.items():
        prior.check_views(guidance.views, f"{option}.views")
    prior.check_said((prompt, config.negative_prompt, from_prompt or ""))
    # An edit goes from all that one prompt says to all that the other does.
    said = Things((prompt,), (), (1.0,)) if from_prompt else find_things(prompt, things, prior)
    read = tuple(prior.embed(text, config.negative_prompt) for text in said.texts)
    embedding = prior.embed(prompt, config.negative_prompt) if said.joins else read[0]
    heard = (*said.texts, config.negative_prompt, from_prompt or "")
    unknown = dict.fromkeys(line for text in heard for line in unread_warnings(prior, text))
    unknown |= dict.fromkeys(place_warnings(prior, prompt, said))
    joined = [] if things == "together" else unjoined_warnings(prior, said)
    long = long_warnings(prior, config) if "--coarse.guidance" in guided else []
    warnings = (*unknown, *joined, *emphasis_warnings(read, guided, from_prompt is not None), *long)
    on_event(Event("prior", 1, 1, "; ".join(warnings)))
    return Opened(prior, embedding, warnings, said, read)


def find_things(prompt: str, things: OneByOne, prior: Prior) -> Things:
    """What a prompt speaks of; all of it as one where its things are to be made at once.

    A prior with a vocabulary is asked for things of the usual size: in its pictures small ones are small.

    Raises:
        InputError: There are too many.
    """
    words = prior.vocabulary
    found = split_things(prompt, words.names_thing, words.names_part) if words else split_things(prompt, bool)
    if found.joins and (things == "together" or (things == "auto" and words is None)):
        return Things((prompt,), (), (1.0,))
    if len(found.texts) > MAX_THINGS:
        raise InputError(
            f"the prompt names {len(found.texts)} things, and at most {MAX_THINGS} are made one by one: "
            "name fewer, or take --things together"
        )
    if words is None:
        return found
    texts, sizes = zip(*(split_size(split_places(text)[0]) for text in found.texts), strict=True)
    return replace(found, texts=texts, sizes=sizes)


def expect_things(said: Things, prior: Prior) -> None:
    """Refuse what would become a lump: a shape of which the prior knows at most color and material.

    Raises:
        InputError: The prior has a vocabulary, and a text names nothing in it.
    """
    for text in said.texts:
        if prior.vocabulary is None or prior.vocabulary.names_thing(text):
            continue
        near = [word for words in prior.unknown_words(text).values() for word in words]
        hint = f" (nearest known words: {', '.join(near)})" if near else ""
        raise InputError(
            f"the prior {prior.name!r} knows no thing that {text!r} could be{hint}: "
            f"'dream3d priors {prior.name}' lists what it knows"
        )


def unjoined_warnings(prior: Prior, said: Things) -> list[str]:
    """One line per text of several things: the built-in prior tends to draw one of them."""
    lines, words = list[str](), prior.vocabulary
    if words is None:
        return lines
    for text in said.texts:
        wanted = re.split(r"\bwithout\b", text)[0]
        named = [thing for thing in words.things_in(wanted) if thing not in words.parts]
        if len(named) > 1:
            joined = ", ".join(repr(relation) for relation in RELATIONS)
            lines.append(
                f"{text!r} names {' and '.join(named)}, which are made as one thing: "
                f"put one of {joined} between them for one each"
            )
    return lines


def unread_warnings(prior: Prior, prompt: str) -> list[str]:
    """One line per word of the prompt that the prior never saw, and one for those it has no room for."""
    lines = []
    for word, nearest in prior.unknown_words(prompt).items():
        hint = f"; nearest known: {', '.join(nearest)}" if nearest else ""
        lines.append(f"the prior {prior.name!r} does not know {word!r} and leaves it out{hint}")
    if cut := prior.words_too_many(prompt):
        lines.append(f"the prompt is too long for the prior {prior.name!r}, which leaves out {cut!r}")
    return lines


def place_warnings(prior: Prior, prompt: str, said: Things) -> list[str]:
    """One line per place of a part that was left out."""
    return [
        f"the prior {prior.name!r} cannot be told where a part is, and leaves out {place!r}"
        for place in split_places(prompt)[1]
        if not any(place in text for text in said.texts)
    ]


def long_warnings(prior: Prior, config: Config) -> list[str]:
    """A line where a run is as long as large priors need it: the built-in one drives shapes to extremes."""
    num_steps = config.coarse.num_steps
    if prior.vocabulary is None or num_steps < LONG_STEPS:
        return []
    return [
        f"{num_steps} steps of a field are meant for a large prior (--prior ID): with {prior.name!r} more"
        " than a hundred or two make shapes worse; --guidance METHOD is enough for its methods"
    ]


def emphasis_warnings(
    things: Sequence[TextEmbedding], guided: Mapping[str, GuidanceConfig], is_edit: bool = False
) -> list[str]:
    """One line per stage whose emphasis changes nothing, because there is nothing that it acts on."""
    said = " and ".join(repr(thing.prompt) for thing in things)
    says_looks = any(thing.says_looks for thing in things)
    lines = []
    for option, guidance in guided.items():
        if not guidance.emphasis:
            continue
        if is_edit and option == "--paint.guidance":  # `dream3d.guidance.dds`
            lines.append(
                f"{option}.emphasis changes nothing in an edit, which goes from one prompt to another"
            )
        elif not says_looks:
            lines.append(
                f"{option}.emphasis changes nothing: to the prior, {said} says no more than one thing and "
                "its color, or speaks of two things, or its words are not known"
            )
    return lines


def bake_material(
    mesh: Mesh,
    dense: Mesh,
    colors: Colored,
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
        colors: Of the surface.
        prior: Tells what the surface is made of.
        embedding: Of what it is.
        config: Which textures; its roughness is that of what nobody can tell more about.
        on_event: Told before and after.
        metallic: Of the same.
    """
    on_event(Event("bake", 0, 1))
    texture = bake_base_color(mesh, colors.density, colors.albedo_srgb, config, prior.device)
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
