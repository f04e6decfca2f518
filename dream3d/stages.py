"""What is optimized: the coarse field, then the surface made of it. This part of a run can be continued."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from dream3d.checkpoint import State, check_form, expect_fit
from dream3d.config import Config
from dream3d.events import Event, OnEvent
from dream3d.extract.isosurface import density_threshold
from dream3d.mesh import Mesh
from dream3d.optimize.coarse import CoarseStats, optimize_coarse
from dream3d.optimize.latent_pictures import LatentPictures
from dream3d.optimize.refine import optimize_refine
from dream3d.prior import Prior, TextEmbedding
from dream3d.run_folder import Checkpoints, RunFolder
from dream3d.scene.radiance_field import RadianceField
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface


@dataclass(frozen=True)
class Distilled:
    """What the prior made of a prompt."""

    field: RadianceField
    surface: Mesh | None  # refined, closed, vertices and faces only; None where there was no second stage
    stats: CoarseStats
    prior_evaluations: int  # of all stages


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

    def saving(stage: str, coarse: CoarseStats | None) -> OnEvent:
        return (
            on_event if folder is None else Checkpoints(folder, on_event, _state_of(stage, generator, coarse))
        )

    if begun is not None and begun["stage"] == "refine":
        # Only the form: its weights are in the state.
        layer = LatentPictures.of(prior).layer if config.coarse.latent_share > 0 else None
        field = RadianceField(config.coarse.radiance_field, torch.Generator(), layer).to(device)
        with expect_fit():
            check_form(begun["coarse"], asdict(CoarseStats(0, 0, 0.0, 0)), "coarse")
            stats = CoarseStats(**begun["coarse"])
    else:
        tell, moment = saving("coarse", None), None if begun is None else begun["moment"]
        coarse = optimize_coarse(prior, embedding, config.coarse, generator, tell, device, moment)
        field, stats, begun = coarse.field, coarse.stats, None
    if not config.refine.num_steps:
        return Distilled(field, None, stats, stats.prior_evaluations)

    lattice = tet_lattice(config.refine.lattice_resolution, device=device)
    if begun is None:
        threshold = density_threshold(field.density, config.extract.resolution, device)
        surface, moment = TetSurface.from_density(field.density, threshold, lattice), None
    else:
        surface, moment = TetSurface(lattice, torch.ones_like(lattice.vertices[:, 0])), begun["moment"]
    tell = saving("refine", stats)
    refined = optimize_refine(prior, embedding, field, surface, config.refine, generator, tell, moment)
    return Distilled(field, refined.mesh, stats, stats.prior_evaluations + refined.prior_evaluations)


def _begun(folder: RunFolder | None, generator: torch.Generator) -> State | None:
    """The state that an earlier process left; the generator becomes as it was then."""
    state = folder.latest() if folder else None
    if state is not None:
        with expect_fit():
            generator.set_state(state["generator"])
            _ = state["stage"], state["moment"], state["coarse"]
    return state


def _state_of(stage: str, generator: torch.Generator, coarse: CoarseStats | None) -> Callable[[Event], State]:
    """What a checkpoint holds: the stage's own state, and what is left of the stages before."""

    def state(event: Event) -> State:
        assert event.moment is not None
        return {
            "stage": stage,
            "generator": generator.get_state(),
            "coarse": None if coarse is None else asdict(coarse),
            "moment": event.moment.state_dict(),
        }

    return state
