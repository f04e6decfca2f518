"""The second stage: the coarse field becomes a surface, and the prior looks at that.

Magic3D (Lin et al. 2023, arXiv 2211.10440, section 3.2): the density's level set goes on as signed distances
on a lattice of tetrahedra, the color as the field it is. First both move, under small noise only, so that the
layout stays; then the shape is frozen and the color alone is refined.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.errors import RunError
from dream3d.events import Event, OnEvent, ignore
from dream3d.mesh import Mesh
from dream3d.optimize import mesh_regularizers, schedules
from dream3d.optimize.distillation import RenderablePrior
from dream3d.optimize.paint import Painter, descend
from dream3d.optimize.surface_flow import bounded, distance_gradient, smooth_rows
from dream3d.prior import TextEmbedding
from dream3d.render.rasterized import vertex_normals
from dream3d.scene.radiance_field import RadianceField
from dream3d.scene.tet_surface import TetSurface
from dream3d.stage_config import RefineConfig


@dataclass(frozen=True)
class RefineResult:
    """A finished surface; its color is that of the field given, which has been refined in place."""

    mesh: Mesh  # closed, vertices and faces only, in scene units
    prior_evaluations: int  # images denoised, all guidance branches counted


def optimize_refine(
    prior: RenderablePrior,
    embedding: TextEmbedding,
    field: RadianceField,
    surface: TetSurface,
    config: RefineConfig,
    generator: torch.Generator,
    on_event: OnEvent = ignore,
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

    Returns:
        The surface and what it cost.

    Raises:
        RunError: The surface vanished or diverged.
    """
    painter = Painter(prior, embedding, field, config, generator)
    sculptor = Sculptor(surface, config)
    num_free = round(config.shape_until * config.num_steps)
    for step in range(config.num_steps):
        is_free = step < num_free
        draw = float(torch.rand((), generator=generator))
        edges, faces = surface.topology()
        vertices = surface.positions(edges).detach().requires_grad_(is_free)
        painter.do_step(vertices, faces, schedules.refine_shading(draw, is_free, config), step)
        if is_free:
            sculptor.move(vertices, edges, faces, schedules.learning_rate_factor(step, config.num_steps))
        on_event(Event("refine", step + 1, config.num_steps))
    vertices, faces = surface.mesh()
    if not len(faces) or not bool(vertices.isfinite().all()):
        raise RunError(
            "the surface vanished while it was refined: try another --seed, or fewer --refine.num-steps"
        )
    mesh = Mesh(vertices.detach().cpu().numpy(), faces.cpu().numpy())
    return RefineResult(mesh, painter.guide.evaluations)


class Sculptor:
    """A surface and the optimizer that moves it."""

    def __init__(self, surface: TetSurface, config: RefineConfig) -> None:
        self.surface = surface
        self.config = config
        self.spacing = min(surface.lattice.spacing)
        # Dampened by as much as it remembers, so that the rate is what a step moves.
        self.optimizer = torch.optim.SGD([surface.sdf], lr=0.0, momentum=0.9, dampening=0.9)

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
