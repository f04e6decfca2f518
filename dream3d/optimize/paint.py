"""Colors for a surface, by what the prior says of its pictures."""

import copy

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.checkpoint import State
from dream3d.events import Event, OnEvent, ignore
from dream3d.mesh import ByteArray, Mesh
from dream3d.optimize import schedules
from dream3d.optimize.distillation import Answer, RenderablePrior, ask_prior, make_guide
from dream3d.optimize.loop import go_on, take_steps
from dream3d.optimizer_state import load_optimizer_state, optimizer_state
from dream3d.prior import TextEmbedding
from dream3d.render.rasterized import RasterRender, render_rasterized
from dream3d.render.snapshot import SIZE, snapshot, snapshot_camera
from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import PaintConfig, Shading

FIT_STEPS, FIT_POINTS = 200, 1 << 13
FIT_RATES = 5e-2, 1e-2  # of the hash table and of the network


def optimize_paint(
    prior: RenderablePrior,
    embedding: TextEmbedding,
    field: RadianceField,
    mesh: Mesh,
    config: PaintConfig,
    generator: torch.Generator,
    on_event: OnEvent = ignore,
    original_embedding: TextEmbedding | None = None,
    state: State | None = None,
) -> int:
    """Paint a surface that stays as it is: the last phase of Magic3D (Lin et al. 2023) on its own.

    Args:
        prior: The frozen prior.
        embedding: The prompt.
        field: Its color learns, in place; its density is not used.
        mesh: In scene units.
        config: Everything that can be set.
        generator: CPU generator; the only source of randomness.
        on_event: Told after every step.
        original_embedding: Of a prompt that the colors fit as they are: only what the prompts say differently
            changes.
        state: That of a moment of such a stage, to go on from; field and generator become as then.

    Returns:
        How many images the prior denoised, all guidance branches counted.

    Raises:
        RunError: It diverged.
    """
    painter = Painter(prior, embedding, field, config, generator, original_embedding)
    run = PaintRun(painter, mesh)
    if state is not None:
        go_on(run, state, config.num_steps)
    for _ in take_steps(run, "paint", config.num_steps, on_event):
        on_event(Event("paint", run.step, config.num_steps, moment=run))
    return painter.guide.evaluations


class PaintRun:
    """A painter before a surface that stays as it is."""

    def __init__(self, painter: "Painter", mesh: Mesh) -> None:
        device = painter.field.table.device
        self.painter = painter
        self.vertices, self.faces = (
            torch.from_numpy(part).to(device) for part in (mesh.vertices, mesh.faces)
        )
        self.step = 0
        self.caution = 1.0

    def do_step(self) -> float:
        """Update the color once; the loss."""
        return self.painter.do_step(self.vertices, self.faces, "albedo", self.step, self.caution)

    def state_dict(self) -> State:
        """All that the rest of the stage depends on; tensors are not copied."""
        return {"step": self.step, "caution": self.caution, "painter": self.painter.state_dict()}

    def load_state_dict(self, state: State) -> None:
        """Be as when the state was taken; tensors are copied."""
        self.step, self.caution = state["step"], state["caution"]
        self.painter.load_state_dict(state["painter"])

    def preview(self, azimuth_deg: float = 0.0) -> ByteArray:
        """The surface as it is, [S, S, 3]."""
        return self.painter.preview(self.vertices, self.faces, azimuth_deg)


class Painter:
    """The color field, its optimizer, and the question to the prior that moves it."""

    def __init__(
        self,
        prior: RenderablePrior,
        embedding: TextEmbedding,
        field: RadianceField,
        config: PaintConfig,
        generator: torch.Generator,
        original_embedding: TextEmbedding | None = None,
    ) -> None:
        self.prior = prior
        self.field = field
        self.config = config
        self.generator = generator
        self.original = None if original_embedding is None else copy.deepcopy(field).requires_grad_(False)
        self.guide = make_guide(prior, embedding, config.guidance, generator, original_embedding)
        self.optimizer = color_optimizer(field)

    def do_step(
        self, vertices: Tensor, faces: Tensor, shading: Shading, step: int, caution: float = 1.0
    ) -> float:
        """Render, ask the prior, update the color once; vertices that need a gradient get theirs.

        Args:
            vertices: [V, 3].
            faces: [T, 3] int32.
            shading: How the prior sees it.
            step: Of the stage.
            caution: Factor on the learning rates.

        Returns:
            The loss.
        """
        config = self.config
        cameras = self.prior.sample_cameras(
            config.num_views // 4, self.generator, close_up_share=config.close_up_share
        )
        self.optimizer.zero_grad(set_to_none=True)
        answer = self._ask(vertices, faces, cameras, shading, step)
        answer.surrogate.backward()
        factor = caution * schedules.learning_rate_factor(step, config.num_steps)
        descend(self.optimizer, (config.table_learning_rate, config.network_learning_rate), factor)
        return answer.loss

    def state_dict(self) -> State:
        """Colors, memory and random state; tensors are not copied. An edit's first colors are not in it."""
        return {
            "generator": self.generator.get_state(),
            "field": self.field.state_dict(),
            "optimizer": optimizer_state(self.optimizer),
            "guide": self.guide.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Be as when the state was taken; tensors are copied."""
        self.generator.set_state(state["generator"])
        self.field.load_state_dict(state["field"])
        load_optimizer_state(self.optimizer, state["optimizer"])
        self.guide.load_state_dict(state["guide"])

    @torch.no_grad()
    def preview(self, vertices: Tensor, faces: Tensor, azimuth_deg: float) -> ByteArray:
        """A surface in the colors of the field, [S, S, 3]."""
        camera = snapshot_camera(azimuth_deg, vertices.device)
        render = render_rasterized(vertices, faces, self.field.albedo_srgb, camera, SIZE, "shaded")
        return snapshot(render.color_srgb, render.opacity)

    def _ask(self, vertices: Tensor, faces: Tensor, cameras: Cameras, shading: Shading, step: int) -> Answer:
        """What the prior wants changed."""
        config = self.config

        def seen(field: RadianceField, vertices: Tensor) -> RasterRender:
            size, samples = self.prior.image_size, config.samples_per_axis
            return render_rasterized(vertices, faces, field.albedo_srgb, cameras, size, shading, samples)

        original = None
        if self.original is not None:
            with torch.no_grad():
                original = seen(self.original, vertices.detach())
        render, num_steps = seen(self.field, vertices), config.num_steps
        return ask_prior(self.prior, self.guide, render, cameras, shading, step, num_steps, original)


def fit_colors(field: RadianceField, points: Tensor, colors_srgb: Tensor, generator: torch.Generator) -> None:
    """Give a field the colors that a surface has already, in place, by least squares.

    Args:
        field: Its density is not touched on purpose, and is worth nothing afterwards.
        points: [N, 3] on the surface.
        colors_srgb: [N, 3] in [0, 1].
        generator: CPU generator that draws the points of each step.
    """
    optimizer = color_optimizer(field)
    for step in range(FIT_STEPS):
        chosen = torch.randint(len(points), (FIT_POINTS,), generator=generator).to(points.device)
        optimizer.zero_grad(set_to_none=True)
        error = field.albedo_srgb(points[chosen]) - colors_srgb[chosen]
        error.square().sum(dim=1).mean().backward()
        descend(optimizer, FIT_RATES, schedules.learning_rate_factor(step, FIT_STEPS))


def color_optimizer(field: RadianceField) -> torch.optim.Adam:
    """Adam over the field's table and network, two groups whose rates `descend` sets."""
    groups = [{"params": part} for part in ([field.table], field.network_parameters())]
    return torch.optim.Adam(groups, lr=0.0, betas=(0.9, 0.99), eps=1e-15, fused=True)


def descend(optimizer: torch.optim.Optimizer, rates: tuple[float, ...], factor: float) -> None:
    """Step with each group's own rate times a common factor."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor
    optimizer.step()
