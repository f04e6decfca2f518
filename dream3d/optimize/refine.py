"""The second stage: the coarse field becomes a surface, and the prior looks at that.

Magic3D (Lin et al. 2023, arXiv 2211.10440, section 3.2): the density's level set goes on as signed distances
on a lattice of tetrahedra, the color as the field it is. First both move, without the highest noise, so that
the layout stays; then the shape is frozen and the color alone is refined.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.checkpoint import State
from dream3d.errors import RunError
from dream3d.events import Event, OnEvent, ignore
from dream3d.mesh import ByteArray, Mesh
from dream3d.optimize import mesh_regularizers, schedules
from dream3d.optimize.distillation import RenderablePrior
from dream3d.optimize.loop import go_on, take_steps
from dream3d.optimize.paint import Painter, descend
from dream3d.optimize.surface_flow import bounded, distance_gradient, smooth_rows
from dream3d.optimizer_state import load_optimizer_state, optimizer_state
from dream3d.prior import TextEmbedding
from dream3d.render.rasterized import vertex_normals
from dream3d.scene.radiance_field import RadianceField
from dream3d.scene.tet_surface import TetSurface
from dream3d.stage_config import RefineConfig


@dataclass(frozen=True)
class RefineResult:
    """A finished surface; its color is that of the field given, which has been refined in place."""

    surface: TetSurface  # the one given
    prior_evaluations: int  # images denoised, all guidance branches counted

    @property
    def mesh(self) -> Mesh:
        """Closed, vertices and faces only, in scene units."""
        return self.surface.detached_mesh()


def optimize_refine(
    prior: RenderablePrior,
    embedding: TextEmbedding,
    field: RadianceField,
    surface: TetSurface,
    config: RefineConfig,
    generator: torch.Generator,
    on_event: OnEvent = ignore,
    state: State | None = None,
) -> RefineResult:
    """Refine a surface and its colors.

    Args:
        prior: The frozen prior.
        embedding: The prompt.
        field: Its color goes on learning, in place; its density is not used.
        surface: Where it starts, such as the level set of a coarse field; moved in place.
        config: Everything that can be set.
        generator: CPU generator; the only source of randomness.
        on_event: Told after every step.
        state: That of a moment of such a stage, to go on from; field, surface and generator become as then.

    Returns:
        The surface and what it cost.

    Raises:
        RunError: The surface vanished or diverged.
    """
    run = RefineRun(Painter(prior, embedding, field, config, generator), Sculptor(surface, config))
    if state is not None:
        go_on(run, state, config.num_steps)
    for _ in take_steps(run, "refine", config.num_steps, on_event):
        on_event(Event("refine", run.step, config.num_steps, moment=run))
    vertices, faces = surface.mesh()
    if not len(faces) or not bool(vertices.isfinite().all()):
        raise RunError(
            "the surface vanished while it was refined: try another --seed, or fewer --refine.num-steps"
        )
    return RefineResult(surface, run.painter.guide.evaluations)


class RefineRun:
    """A painter and a sculptor at work on one surface, first both, then the painter alone."""

    def __init__(self, painter: Painter, sculptor: "Sculptor") -> None:
        self.painter = painter
        self.sculptor = sculptor
        self.config = sculptor.config
        self.step = 0
        self.caution = 1.0

    def do_step(self) -> float:
        """Update the color, and the shape while it is free; the loss."""
        config, surface = self.config, self.sculptor.surface
        if not bool(surface.sdf.isfinite().all()):
            return math.nan  # of a gradient that the loss did not show
        is_free = self.step < round(config.shape_until * config.num_steps)
        draw = float(torch.rand((), generator=self.painter.generator))
        edges, faces = surface.topology()
        vertices = surface.positions(edges).detach().requires_grad_(is_free)
        shading = schedules.refine_shading(draw, is_free, config)
        loss = self.painter.do_step(vertices, faces, shading, self.step, self.caution)
        if is_free and math.isfinite(loss):
            factor = self.caution * schedules.learning_rate_factor(self.step, config.num_steps)
            self.sculptor.move(vertices, edges, faces, factor)
        return loss

    def state_dict(self) -> State:
        """All that the rest of the stage depends on; tensors are not copied."""
        return {
            "step": self.step,
            "caution": self.caution,
            "painter": self.painter.state_dict(),
            "surface": self.sculptor.surface.state_dict(),
            "sculptor": optimizer_state(self.sculptor.optimizer),
        }

    def load_state_dict(self, state: State) -> None:
        """Be as when the state was taken; tensors are copied."""
        self.step, self.caution = state["step"], state["caution"]
        self.painter.load_state_dict(state["painter"])
        self.sculptor.surface.load_state_dict(state["surface"])
        load_optimizer_state(self.sculptor.optimizer, state["sculptor"])

    @torch.no_grad()
    def preview(self, azimuth_deg: float = 0.0) -> ByteArray:
        """The surface as it is, [S, S, 3]."""
        return self.painter.preview(*self.sculptor.surface.mesh(), azimuth_deg)


class Sculptor:
    """A surface and the optimizer that moves it."""

    def __init__(self, surface: TetSurface, config: RefineConfig) -> None:
        self.surface = surface
        self.config = config
        self.spacing = min(surface.lattice.spacing)
        # Dampened by as much as it remembers, so that the rate is what a step moves.
        self.optimizer = torch.optim.SGD([surface.sdf], lr=0.0, momentum=0.9, dampening=0.9)
        # torch does not dampen the first gradient it sees: it would count ten times.
        self.optimizer.state[surface.sdf]["momentum_buffer"] = torch.zeros_like(surface.sdf)

    def move(self, vertices: Tensor, edges: Tensor, faces: Tensor, factor: float) -> None:
        """Let the surface follow the gradient of its vertices, smoothed, and grow smoother itself."""
        assert vertices.grad is not None
        adjacency = mesh_regularizers.mesh_adjacency(faces)
        flow = bounded(smooth_rows(vertices.grad, adjacency, self.config.smoothing))
        bumps = mesh_regularizers.normal_consistency(vertices, faces, adjacency)
        (evening,) = torch.autograd.grad(bumps, vertices)
        flow = flow + self.config.normal_weight * bounded(evening)
        with torch.no_grad():
            normals = vertex_normals(vertices, faces)
        sdf = self.surface.sdf
        sdf.grad = distance_gradient(flow, normals, edges, self.surface.lattice.edges)
        descend(self.optimizer, (self.config.shape_learning_rate * self.spacing,), factor)
