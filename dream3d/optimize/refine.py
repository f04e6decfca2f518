"""The second stage: the coarse field becomes a surface, and the prior looks at that.

Magic3D (Lin et al. 2023, arXiv 2211.10440, section 3.2): the density's level set goes on as signed distances
on a lattice of tetrahedra, the color as the field it is. First both move, under small noise only, so that the
layout stays; then the shape is frozen and the color alone is refined.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.config import RefineConfig, Shading
from dream3d.errors import RunError
from dream3d.events import Event, OnEvent, ignore
from dream3d.mesh import Mesh
from dream3d.optimize import mesh_regularizers, schedules
from dream3d.optimize.distillation import RenderablePrior, ask_prior, prior_images
from dream3d.optimize.surface_flow import bounded, distance_gradient, smooth_rows
from dream3d.prior import TextEmbedding
from dream3d.render.rasterized import render_rasterized, vertex_normals
from dream3d.scene.radiance_field import RadianceField
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface


@dataclass(frozen=True)
class RefineResult:
    """A finished surface; its color is that of the field given, which has been refined in place."""

    mesh: Mesh  # closed, vertices and faces only, in scene units
    prior_evaluations: int  # images denoised, both guidance branches counted


def optimize_refine(
    prior: RenderablePrior,
    embedding: TextEmbedding,
    field: RadianceField,
    threshold: float,
    config: RefineConfig,
    generator: torch.Generator,
    on_event: OnEvent = ignore,
) -> RefineResult:
    """Refine a coarse field into a surface.

    Args:
        prior: The frozen prior.
        embedding: The prompt.
        field: The finished coarse field; its color goes on learning.
        threshold: Density at its surface.
        config: Everything that can be set.
        generator: CPU generator; the only source of randomness.
        on_event: Told after every step.

    Returns:
        The surface and what it cost.

    Raises:
        RunError: Nothing is above the threshold, or the surface vanished or diverged.
    """
    run = RefineRun(prior, embedding, field, threshold, config, generator)
    for step in range(config.num_steps):
        run.do_step(step)
        on_event(Event("refine", step + 1, config.num_steps))
    vertices, faces = run.surface.mesh()
    if not len(faces) or not bool(vertices.isfinite().all()):
        raise RunError(
            "the surface vanished while it was refined: try another --seed, or fewer --refine.num-steps"
        )
    mesh = Mesh(vertices.detach().cpu().numpy(), faces.cpu().numpy())
    return RefineResult(mesh, 2 * config.num_views * config.num_steps)


class RefineRun:
    """The surface, its optimizer and the parts of a step."""

    def __init__(
        self,
        prior: RenderablePrior,
        embedding: TextEmbedding,
        field: RadianceField,
        threshold: float,
        config: RefineConfig,
        generator: torch.Generator,
    ) -> None:
        self.prior = prior
        self.embedding = embedding
        self.config = config
        self.generator = generator
        self.field = field
        lattice = tet_lattice(config.lattice_resolution, device=field.table.device)
        self.surface = TetSurface.from_density(field.density, threshold, lattice)
        self.spacing = min(lattice.spacing)
        self.color_rates = config.table_learning_rate, config.network_learning_rate
        color = [{"params": part} for part in ([field.table], field.network_parameters())]
        self.color_optimizer = torch.optim.Adam(color, lr=0.0, betas=(0.9, 0.99), eps=1e-15, fused=True)
        # Dampened by as much as it remembers, so that the rate is what a step moves.
        self.shape_optimizer = torch.optim.SGD([self.surface.sdf], lr=0.0, momentum=0.9, dampening=0.9)

    def do_step(self, step: int) -> None:
        """Render, ask the prior, update once."""
        config = self.config
        cameras = self.prior.sample_cameras(
            config.num_views // 4, self.generator, close_up_share=config.close_up_share
        )
        is_free = step < config.shape_until * config.num_steps
        draw = float(torch.rand((), generator=self.generator))
        shading = schedules.refine_shading(draw, is_free, config)
        edges, faces = self.surface.topology()
        vertices = self.surface.positions(edges).detach().requires_grad_(is_free)
        self.color_optimizer.zero_grad(set_to_none=True)
        self.guidance(vertices, faces, cameras, shading, step).backward()
        factor = schedules.learning_rate_factor(step, config.num_steps)
        descend(self.color_optimizer, self.color_rates, factor)
        if is_free:
            self.move(vertices, edges, faces, factor)

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
        descend(self.shape_optimizer, (self.config.shape_learning_rate * self.spacing,), factor)

    def guidance(
        self, vertices: Tensor, faces: Tensor, cameras: Cameras, shading: Shading, step: int
    ) -> Tensor:
        """A scalar whose gradient is what the prior wants changed."""
        render = render_rasterized(
            vertices,
            faces,
            self.field.albedo_srgb,
            cameras,
            self.prior.image_size,
            shading,
            self.config.samples_per_axis,
        )
        images = prior_images(self.prior, render.color_srgb, render.opacity, self.generator)
        bounds = schedules.timestep_bounds(step, self.config.num_steps, self.config.guidance)
        guidance = ask_prior(
            self.prior, images, self.embedding, cameras, shading, bounds, self.config.guidance, self.generator
        )
        return (images * guidance.gradient).sum()


def descend(optimizer: torch.optim.Optimizer, rates: tuple[float, ...], factor: float) -> None:
    """Step with each group's own rate times a common factor."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor
    optimizer.step()
