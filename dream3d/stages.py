"""What is optimized: a field, a surface made of it, colors of a given mesh. It can be continued."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch

from dream3d.checkpoint import State, check_form, expect_fit
from dream3d.config import Config
from dream3d.events import Event, OnEvent
from dream3d.extract.isosurface import Density, density_threshold
from dream3d.mesh import Mesh
from dream3d.optimize.coarse import CoarseStats, optimize_coarse
from dream3d.optimize.latent_pictures import LatentPictures
from dream3d.optimize.paint import optimize_paint
from dream3d.optimize.refine import optimize_refine
from dream3d.prior import Prior, TextEmbedding
from dream3d.run_folder import Checkpoints, RunFolder, open_run
from dream3d.scene.radiance_field import RadianceField
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface
from dream3d.stage_config import PaintConfig, RefineConfig

START_SMOOTHING = 2  # rounds: a short coarse stage leaves rough surfaces


@dataclass(frozen=True)
class Distilled:
    """What the prior made of a prompt."""

    field: RadianceField
    shape: Density | TetSurface  # the density as renders saw it, or, after the second stage, a surface
    stats: CoarseStats
    prior_evaluations: int  # of all stages


def distill_things(
    prior: Prior,
    things: Sequence[TextEmbedding],
    config: Config,
    device: str,
    on_event: OnEvent,
    folder: RunFolder | None,
) -> list[Distilled]:
    """`distill` each thing; of several, each has a field, a seed and a folder of its own."""
    if len(things) == 1:
        return [distill(prior, things[0], config, device, on_event, folder)]
    made = []
    for index, thing in enumerate(things):
        message = f"thing {index + 1} of {len(things)}: {thing.prompt}"
        on_event(Event("coarse", 0, config.coarse.num_steps, message))
        seeded = replace(config, seed=(config.seed + index) % 2**32)
        with open_run(folder.path / f"thing-{index + 1}" if folder else None) as own:
            made.append(distill(prior, thing, seeded, device, on_event, own))
    return made


def distill(
    prior: Prior,
    embedding: TextEmbedding,
    config: Config,
    device: str,
    on_event: OnEvent,
    folder: RunFolder | None,
) -> Distilled:
    """Optimize a field, and a surface where the settings ask for one.

    Args:
        prior: The frozen prior.
        embedding: The prompt.
        config: All settings.
        device: Where to compute.
        on_event: Told after every step.
        folder: Where states are saved, and where an earlier one is continued from; claimed.

    Raises:
        RunError: The field or the surface came out as nothing, or diverged.
        InputError: The state in the folder does not fit.
    """
    generator = torch.Generator().manual_seed(config.seed)
    begun = _begun(folder, generator)

    if begun is not None and begun["stage"] == "refine":
        # Only the form: the numbers are in the state.
        layer = LatentPictures.of(prior).layer if config.coarse.latent_share > 0 else None
        field = RadianceField(config.coarse.radiance_field, torch.Generator(), layer).to(device)
        lattice = tet_lattice(config.refine.lattice_resolution, device=device)
        surface, moment = TetSurface(lattice, torch.ones_like(lattice.vertices[:, 0])), begun["moment"]
        with expect_fit():
            check_form(begun["before"], asdict(CoarseStats(0, 0, 0.0, 0)), "before")
            stats = CoarseStats(**begun["before"])
    else:
        tell = _saving(on_event, folder, "coarse", generator)
        moment = None if begun is None else begun["moment"]
        coarse = optimize_coarse(prior, embedding, config.coarse, generator, tell, device, moment)
        field, stats = coarse.field, coarse.stats
        if not config.refine.num_steps:
            return Distilled(field, coarse.seen_density, stats, stats.prior_evaluations)
        surface, moment = _level_set(coarse.seen_density, config, device), None
    tell = _saving(on_event, folder, "refine", generator, asdict(stats))
    refined = optimize_refine(prior, embedding, field, surface, config.refine, generator, tell, moment)
    return Distilled(field, refined.surface, stats, stats.prior_evaluations + refined.prior_evaluations)


def _level_set(density: Density, config: Config, device: str) -> TetSurface:
    """Where the refinement starts."""
    lattice = tet_lattice(config.refine.lattice_resolution, device=device)
    threshold = density_threshold(density, config.extract.resolution, device)
    return TetSurface.from_density(density, threshold, lattice, smoothing_rounds=START_SMOOTHING)


@dataclass(frozen=True)
class Repainted:
    """What the prior made of a given mesh; its colors are those of the field, which learned in place."""

    surface: TetSurface | None  # None where the shape stayed
    prior_evaluations: int  # of both stages


def repaint(
    prior: Prior,
    embedding: TextEmbedding,
    field: RadianceField,
    mesh: Mesh,
    paint: PaintConfig,
    generator: torch.Generator,
    on_event: OnEvent,
    folder: RunFolder | None,
    from_prompt: str | None = None,
    free: tuple[TetSurface, RefineConfig] | None = None,
) -> Repainted:
    """Optimize the colors of a mesh, then its shape where that is free.

    Args:
        prior: The frozen prior.
        embedding: The prompt.
        field: Its colors are those at the start, also of a run that is continued.
        mesh: In scene units.
        paint: How the colors are found.
        generator: CPU generator; the only source of randomness.
        on_event: Told after every step.
        folder: Where states are saved, and where an earlier one is continued from; claimed.
        from_prompt: Of an edit: what the colors at the start fit.
        free: The same mesh as a surface that can be moved, and how it is.

    Raises:
        RunError: It diverged, or the surface vanished.
        InputError: The state in the folder does not fit.
    """
    begun = _begun(folder, generator)
    if begun is not None and begun["stage"] == "refine":
        with expect_fit():
            check_form(begun["before"], {"prior_evaluations": 0}, "before")
            evaluations = int(begun["before"]["prior_evaluations"])
    else:
        tell = _saving(on_event, folder, "paint", generator)
        original = None if from_prompt is None else prior.embed(from_prompt)
        moment = None if begun is None else begun["moment"]
        evaluations = optimize_paint(prior, embedding, field, mesh, paint, generator, tell, original, moment)
        begun = None
    if free is None:
        return Repainted(None, evaluations)
    tell = _saving(on_event, folder, "refine", generator, {"prior_evaluations": evaluations})
    moment = None if begun is None else begun["moment"]
    refined = optimize_refine(prior, embedding, field, *free, generator, tell, moment)
    return Repainted(refined.surface, evaluations + refined.prior_evaluations)


def _begun(folder: RunFolder | None, generator: torch.Generator) -> State | None:
    """The state that an earlier process left; the generator becomes as it was then."""
    state = folder.latest() if folder else None
    if state is not None:
        with expect_fit():
            generator.set_state(state["generator"])
            _ = state["stage"], state["moment"], state["before"]
    return state


def _saving(
    on_event: OnEvent,
    folder: RunFolder | None,
    stage: str,
    generator: torch.Generator,
    before: State | None = None,
) -> OnEvent:
    """Tells of a stage and, where there is a folder, saves its state.

    Args:
        on_event: Told first.
        folder: Where the states go.
        stage: Which one it is.
        generator: That of the run.
        before: What is left of the stages before.
    """

    def state(event: Event) -> State:
        assert event.moment is not None
        return {
            "stage": stage,
            "generator": generator.get_state(),
            "before": before,
            "moment": event.moment.state_dict(),
        }

    return on_event if folder is None else Checkpoints(folder, on_event, state)
