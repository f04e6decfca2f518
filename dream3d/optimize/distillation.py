"""What both stages do with a prior: show it a render, and take its gradient."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from dream3d.cameras import Cameras
from dream3d.errors import InputError
from dream3d.guidance.guide import Guide, Shown
from dream3d.optimize import schedules
from dream3d.optimize.latent_pictures import LatentPictures
from dream3d.prior import Prior, TextEmbedding
from dream3d.prior.adapted import AdaptedPrior
from dream3d.prior.parts import Codec, X0Predictor
from dream3d.render.control import control_picture
from dream3d.scene.background import over_background, random_solid_background
from dream3d.stage_config import GuidanceConfig, Shading


class RenderablePrior(X0Predictor, Codec, Protocol):
    """A prior that says what to render for it; `dream3d.prior.Prior` is one."""

    @property
    def alphas_cumprod(self) -> Tensor:
        """[T], decreasing."""
        ...

    @property
    def image_size(self) -> int:
        """Side of the square images it denoises best, in pixels."""
        ...

    @property
    def image_sizes(self) -> tuple[int, ...]:
        """Sides of all square images that it denoises."""
        ...

    @property
    def has_opacity(self) -> bool:
        """Whether its pictures are premultiplied RGBA; else they are opaque."""
        ...

    def sample_cameras(
        self, num_groups: int, generator: torch.Generator, close_up_share: float = 0.0
    ) -> Cameras:
        """Groups of four views around the object, drawn from the law the prior was trained on."""
        ...


@dataclass(frozen=True)
class Answer:
    """What the prior says of a render."""

    surrogate: Tensor  # scalar whose gradient with respect to the scene is that of the guidance loss
    loss: float
    num_pixels: int  # that the loss is a sum over: of an image's latents where they are those of a VAE


class SeenRender(Protocol):
    """Pictures of a scene, by whichever renderer."""

    @property
    def color_srgb(self) -> Tensor:
        """[B, H, W, 3], premultiplied; or [B, H, W, c] latents."""
        ...

    @property
    def opacity(self) -> Tensor:
        """[B, H, W]."""
        ...

    @property
    def points(self) -> Tensor:
        """[B, H, W, 3] of the scene that the pixels show, no gradient; anything where nothing is seen."""
        ...

    @property
    def normals(self) -> Tensor:
        """[B, H, W, 3] unit, world; anything where `needs_normals` did not ask for them."""
        ...


def prior_images(prior: RenderablePrior, render: SeenRender, background: Tensor | None) -> Tensor:
    """A render as the prior takes it.

    Args:
        prior: The frozen prior.
        render: B views.
        background: [B, 1, 1, C] behind the render, for a prior of opaque pictures; None keeps the opacity.

    Returns:
        [B, h, w, C] at a size that the prior knows.
    """
    if background is None:
        images = torch.cat([render.color_srgb, render.opacity[..., None]], dim=-1)
    else:
        images = over_background(render.color_srgb, render.opacity, background)
    if images.shape[1] in prior.image_sizes:
        return images
    size = prior.image_size
    larger = functional.interpolate(images.permute(0, 3, 1, 2), (size, size), mode="bilinear")
    return larger.permute(0, 2, 3, 1)


def needs_normals(prior: RenderablePrior) -> bool:
    """Whether renders must have normals whatever their shading, because a ControlNet is shown them."""
    return isinstance(prior, Prior) and prior.control_kind == "normal"


def informed(prior: RenderablePrior, render: SeenRender, cameras: Cameras, size: int) -> RenderablePrior:
    """The prior, whose ControlNet, if it has one, has been shown the render.

    Args:
        prior: The frozen prior.
        render: B views.
        cameras: B cameras.
        size: Of the pictures that the prior is asked about.
    """
    if not isinstance(prior, Prior) or prior.control_kind is None:
        return prior
    picture = control_picture(prior.control_kind, render.normals, render.points, render.opacity, cameras)
    if picture.shape[-1] != size:
        picture = functional.interpolate(picture, (size, size), mode="bilinear")
    return prior.shown(picture)


def make_guide(
    prior: RenderablePrior,
    embedding: TextEmbedding,
    config: GuidanceConfig,
    generator: torch.Generator,
    original_embedding: TextEmbedding | None = None,
) -> Guide:
    """A guidance method, with the network that learns the renders where it wants one; see `Guide`.

    Raises:
        InputError: The method wants one and this prior cannot be adapted, or PEFT is not installed.
    """
    renders = None
    if config.method in ("vsd", "esd"):
        if not isinstance(prior, Prior):
            raise InputError(f"guidance.method {config.method} cannot adapt this prior: try sds")
        renders = AdaptedPrior(prior, config.adapter_rank, config.adapter_learning_rate, generator)
    return Guide(prior, embedding, config, generator, renders, original_embedding)


def ask_prior(
    prior: RenderablePrior,
    guide: Guide,
    render: SeenRender,
    cameras: Cameras,
    shading: Shading,
    step: int,
    num_steps: int,
    original: SeenRender | None = None,
) -> Answer:
    """Show a render to the prior at the noise level that a step of a run calls for.

    Args:
        prior: Of the method.
        guide: The method at work.
        render: What the cameras see now.
        cameras: B cameras.
        shading: How the render is lit.
        step: Of the stage.
        num_steps: Of the stage.
        original: The same views before an edit.

    Returns:
        What moves the scene.
    """
    config, generator = guide.config, guide.generator
    background = None  # of premultiplied RGBA
    if not prior.has_opacity:
        background = random_solid_background(len(cameras), generator, render.opacity.device)
        background = prior.latents_of(background) if isinstance(prior, LatentPictures) else background
    images = prior_images(prior, render, background)
    size = images.shape[1]
    opacity = functional.interpolate(render.opacity[:, None].detach(), (size, size))[:, 0]
    points = functional.interpolate(render.points.permute(0, 3, 1, 2), (size, size)).permute(0, 2, 3, 1)
    if config.annealing == "dreamtime":
        timestep = schedules.dreamtime_timestep(step, num_steps, prior.alphas_cumprod, config)
    else:
        last = len(prior.alphas_cumprod) - 1
        low, high = (round(bound * last) for bound in schedules.timestep_bounds(step, num_steps, config))
        timestep = int(torch.randint(low, high + 1, (), generator=generator))
    before = None if original is None else prior_images(prior, original, background)
    shown = Shown(images, cameras, shading, points, opacity, before)
    is_opening = step < config.opening * num_steps
    guidance = guide.gradient(shown, timestep, is_opening, informed(prior, render, cameras, size))
    return Answer((images * guidance.gradient).sum(), guidance.loss, guidance.num_pixels)
