"""The coarse stage: distil a prior's idea of a prompt into a radiance field.

Each step renders four views, 90 degrees apart, asks the prior what it would rather see, and moves the field
there. An empty, full or non-finite field is noticed early and started again with the next seed. Where the
guidance learns what renders look like, it may learn from several fields (particles) that take turns.
"""

import time
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.checkpoint import State
from dream3d.errors import RunError
from dream3d.events import Event, OnEvent, ignore
from dream3d.mesh import ByteArray
from dream3d.optimize import regularizers, schedules
from dream3d.optimize.distillation import RenderablePrior, ask_prior, make_guide, needs_normals
from dream3d.optimize.health import Problem, diagnose, scene_coverage
from dream3d.optimize.latent_pictures import LatentPictures
from dream3d.optimize.loop import DivergedError, go_on, take_steps
from dream3d.optimize.particle import Particle
from dream3d.prior import TextEmbedding
from dream3d.render.snapshot import SIZE, snapshot, snapshot_camera
from dream3d.render.volume import Render, render_volume
from dream3d.scene.occupancy import OccupancyGrid
from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import CoarseConfig, Shading


@dataclass(frozen=True)
class CoarseStats:
    """What the stage cost."""

    restarts: int  # fresh starts after a failed attempt
    steps: int  # over all attempts
    seconds: float
    prior_evaluations: int  # images denoised, all guidance branches counted


@dataclass(frozen=True)
class CoarseResult:
    """A finished field: of several particles the first one, which is no better or worse than the others."""

    field: RadianceField
    occupancy: OccupancyGrid
    stats: CoarseStats

    def seen_density(self, points: Tensor) -> Tensor:
        """The density [N] at points [N, 3] as renders saw it: none in cells that rays skip.

        Mist may be left there: no gradient reaches it.
        """
        return torch.where(self.occupancy.is_occupied(points), self.field.density(points), 0.0)


def optimize_coarse(
    prior: RenderablePrior,
    embedding: TextEmbedding,
    config: CoarseConfig,
    generator: torch.Generator,
    on_event: OnEvent = ignore,
    device: torch.device | str = "cpu",
    state: State | None = None,
) -> CoarseResult:
    """Optimise a radiance field until the prior is content with its views.

    Args:
        prior: The frozen prior.
        embedding: The prompt.
        config: Everything that can be set.
        generator: CPU generator; the only source of randomness. Each attempt takes one number of it.
        on_event: Told after every step.
        device: Where to compute; the prior must be there too.
        state: That of a moment of such a stage, to go on from; the generator must be as it was then.

    Returns:
        The field, its occupancy grid and what it cost.

    Raises:
        RunError: The field came out empty, full or non-finite in every attempt.
    """
    spent = CoarseStats(0, 0, 0.0, 0)
    run = CoarseRun(prior, embedding, config, _next_generator(generator, state), device, spent)
    if state is not None:
        go_on(run, state, config.num_steps)
    while problem := run.optimize(on_event):
        if run.spent.restarts == config.max_restarts:
            raise RunError(
                f"the field came out {problem} in each of {config.max_restarts + 1} attempts: "
                "try another --seed or prompt"
            )
        message = f"the field is {problem} after {run.step} steps: starting again with another seed"
        on_event(Event("coarse", 0, config.num_steps, message))
        spent = replace(run.stats(), restarts=run.spent.restarts + 1)
        run = CoarseRun(prior, embedding, config, _next_generator(generator), device, spent)
    kept = run.particles[0]
    return CoarseResult(kept.field, kept.occupancy, run.stats())


def _next_generator(generator: torch.Generator, state: State | None = None) -> torch.Generator:
    """That of an attempt: with a seed drawn from the caller's, unless a state will say where it stands."""
    if state is not None:
        return torch.Generator()
    return torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))


class CoarseRun:
    """One attempt: the fields, the guidance and the loop. The methods are the parts of a step."""

    def __init__(
        self,
        prior: RenderablePrior,
        embedding: TextEmbedding,
        config: CoarseConfig,
        generator: torch.Generator,
        device: torch.device | str,
        spent: CoarseStats,
    ) -> None:
        """Start all fields.

        Args:
            prior: The frozen prior.
            embedding: The prompt.
            config: Everything that can be set.
            generator: Of this attempt alone.
            device: Where to compute.
            spent: By the attempts before.
        """
        self.started = time.perf_counter()
        self.spent = spent
        self.prior = prior
        self.config = config
        self.generator = generator
        self.device = torch.device(device)
        self.latents = LatentPictures.of(prior) if config.latent_share > 0 else None
        layer = None if self.latents is None else self.latents.layer
        count = config.guidance.num_particles
        self.particles = [Particle(config, generator, self.device, layer) for _ in range(count)]
        self.guide = make_guide(prior, embedding, config.guidance, generator)
        self.step = 0
        self.caution = 1.0
        self.coverages = [1.0] * count  # solid share of what the last step saw

    def optimize(self, on_event: OnEvent) -> Problem | None:
        """Run all steps; stop early and say why where the field is beyond hope."""
        num_steps = self.config.num_steps
        try:
            for _ in take_steps(self, "coarse", num_steps, on_event):
                for coverage in self.coverages:
                    problem = diagnose(self.step, num_steps, coverage)
                    if problem is not None:
                        return problem
                on_event(Event("coarse", self.step, num_steps, moment=self))
        except DivergedError:
            return "not finite"
        return None

    def stats(self) -> CoarseStats:
        """What this attempt and those before it cost."""
        return CoarseStats(
            self.spent.restarts,
            self.spent.steps + self.step,
            self.spent.seconds + time.perf_counter() - self.started,
            self.spent.prior_evaluations + self.guide.evaluations,
        )

    def state_dict(self) -> State:
        """All that the rest of the stage depends on; tensors are not copied."""
        return {
            "step": self.step,
            "caution": self.caution,
            "spent": asdict(self.spent),
            "seconds": time.perf_counter() - self.started,
            "generator": self.generator.get_state(),
            "particles": [particle.state_dict() for particle in self.particles],
            "guide": self.guide.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Be as when the state was taken; tensors are copied."""
        self.step, self.caution = state["step"], state["caution"]
        self.spent = CoarseStats(**state["spent"])
        self.started = time.perf_counter() - state["seconds"]
        self.generator.set_state(state["generator"])
        for particle, own in zip(self.particles, state["particles"], strict=True):
            particle.load_state_dict(own)
        self.guide.load_state_dict(state["guide"])

    @torch.no_grad()
    def preview(self, azimuth_deg: float = 0.0) -> ByteArray:
        """The field that is kept as it is, [S, S, 3]."""
        camera, kept = snapshot_camera(azimuth_deg, self.device), self.particles[0]
        step_size = self.config.step_size
        render = render_volume(kept.field, kept.occupancy, camera, SIZE, SIZE, "shaded", step_size)
        return snapshot(render.color_srgb, render.opacity)

    def do_step(self) -> float:
        """Render, ask the prior, update the field once, one particle after the other; their mean loss."""
        return sum(self._move(index) for index in range(len(self.particles))) / len(self.particles)

    def _move(self, index: int) -> float:
        """The step of one particle; its loss."""
        particle = self.particles[index]
        particle.prepare(self.step, self.generator)
        cameras = self.prior.sample_cameras(self.config.num_views // 4, self.generator)
        draw = float(torch.rand((), generator=self.generator))
        prior, num_steps = self._asked(), self.config.num_steps
        in_latents = isinstance(prior, LatentPictures)
        shading = "albedo" if in_latents else schedules.shading(self.step, draw, self.config)
        render = self.render(particle, cameras, shading)
        answer = ask_prior(prior, self.guide, render, cameras, shading, self.step, num_steps)
        penalty = self.regularize(render) * answer.num_pixels
        particle.descend(answer.surrogate + penalty, self.step, self.caution)
        self.coverages[index] = scene_coverage(render.opacity, cameras)
        return answer.loss + float(penalty.detach())

    def _asked(self) -> RenderablePrior:
        """The prior, as this step's renders are shown to it: as latents first, where that is wanted."""
        if self.latents is not None and self.step < round(self.config.latent_share * self.config.num_steps):
            return self.latents
        return self.prior

    def render(self, particle: Particle, cameras: Cameras, shading: Shading) -> Render:
        """What the cameras see of a particle now, at the size this step calls for."""
        prior = self._asked()
        size = schedules.render_size(self.step, prior.image_size, self.config)
        # Small images have large pixels, which need as few samples as they have detail.
        step_size = self.config.step_size * (prior.image_size / size)
        jitter = torch.rand(len(cameras) * size * size, generator=self.generator).to(self.device)
        normals = self.config.roughness_weight > 0 and shading != "albedo"
        normals |= needs_normals(prior)
        field, occupancy, in_latents = particle.field, particle.occupancy, isinstance(prior, LatentPictures)
        return render_volume(
            field, occupancy, cameras, size, size, shading, step_size, jitter, normals, in_latents
        )

    def regularize(self, render: Render) -> Tensor:
        """All regularizers, weighted, per pixel; the guidance loss is a sum over an image's pixels."""
        config = self.config
        certainty = schedules.regularizer_factor(self.step, config.num_steps)
        penalty = config.depth_spread_weight * regularizers.depth_spread(render)
        penalty = penalty + config.entropy_weight * certainty * regularizers.opacity_entropy(render.opacity)
        penalty = penalty + config.sparsity_weight * render.opacity.mean()
        if config.roughness_weight > 0:
            penalty = penalty + config.roughness_weight * regularizers.normal_roughness(
                render.normals, render.opacity
            )
        return penalty
