"""A guidance method at work on one scene: renders in, their gradient out."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.guidance.consistent3d import consistent3d
from dream3d.guidance.dds import dds
from dream3d.guidance.inversion import ism, sdi
from dream3d.guidance.pullback import distance, limited
from dream3d.guidance.question import Comparison, DenoisingPrior, Question
from dream3d.guidance.sds import csd, nfsd, sds
from dream3d.guidance.surface_noise import LEAST_RESOLUTION, SurfaceNoise, cfd
from dream3d.guidance.vsd import RenderScore, esd, learn_renders, vsd
from dream3d.prior import TextEmbedding
from dream3d.stage_config import GuidanceConfig, GuidanceWeight, Shading


@dataclass(frozen=True)
class Shown:
    """Renders as the prior takes them, and how they came about."""

    images: Tensor  # [B, H, W, C]; four channels are premultiplied RGBA
    cameras: Cameras  # B
    shading: Shading
    points: Tensor  # [B, H, W, 3] of the scene that the pixels show
    opacity: Tensor  # [B, H, W]
    original: Tensor | None = None  # [B, H, W, C] the same views before an edit


@dataclass(frozen=True)
class Guidance:
    """What the prior wants changed."""

    gradient: Tensor  # [B, H, W, C] of the loss with respect to the images
    loss: float  # half the squared distance to the target, weighted, summed over an image, mean over them
    timestep: int
    num_pixels: int  # that the sum over an image goes over: of the latents of a VAE, else of the image


class Guide:
    """What a method asks, and what it has to remember between the steps of one scene."""

    def __init__(
        self,
        prior: DenoisingPrior,
        embedding: TextEmbedding,
        config: GuidanceConfig,
        generator: torch.Generator,
        renders: RenderScore | None = None,
        original_embedding: TextEmbedding | None = None,
    ) -> None:
        """Prepare a method.

        Args:
            prior: The frozen prior.
            embedding: The prompt.
            config: Which method, and how.
            generator: CPU generator, the only source of randomness; also used by every step.
            renders: Learns what the scene looks like; VSD and ESD need it.
            original_embedding: Of the prompt that an original fits; where one is shown, the method is DDS.
        """
        self.prior = prior
        self.embedding = embedding
        self.config = config
        self.generator = generator
        self.evaluations = 0  # images denoised so far, all branches and networks counted
        self.renders = renders
        self.original_embedding = original_embedding
        self.noise: SurfaceNoise | None = None

    def gradient(
        self, shown: Shown, timestep: int, is_opening: bool = False, prior: DenoisingPrior | None = None
    ) -> Guidance:
        """The gradient of the images at a noise level, the same for all views.

        Args:
            shown: Renders; not changed, no graph is kept.
            timestep: Noise level.
            is_opening: Use plain SDS in x0 form; whatever learns the renders starts to.
            prior: The same prior, told more of these views or shown them in another way; by default as it is.

        Returns:
            The gradient and what to log.
        """
        prior = prior or self.prior
        images = shown.images.detach().requires_grad_(True)
        with torch.enable_grad():
            latents = prior.encode(images)
        question = Question(
            prior,
            latents.detach(),
            timestep,
            self.embedding,
            shown.cameras,
            shown.shading,
            self.config,
            self.generator,
        )
        if shown.original is not None:
            comparison, form = self._compare_edit(question, shown.original), self.config.weight
        elif is_opening:
            comparison, form = sds(question), "x0"
            if self.renders is not None:
                learn_renders(question, self.renders)
        else:
            comparison, form = self._compare(question, shown), self.config.weight
        self.evaluations += question.evaluations
        compared = timestep if comparison.timestep is None else comparison.timestep
        weight = method_weight(form, *question.coefficients(compared))
        with torch.enable_grad():
            loss = weight * distance(images, latents, comparison, prior, self.config)
            (gradient,) = torch.autograd.grad(loss, images)
        height, width = images.shape[1:3] if prior.has_pixel_latents else latents.shape[-2:]
        return Guidance(limited(gradient, self.config), float(loss.detach()), timestep, height * width)

    def state_dict(self) -> dict[str, Any]:
        """What it remembers, but for the generator, which is the caller's; not copied."""
        return {
            "evaluations": self.evaluations,
            "renders": None if self.renders is None else self.renders.state_dict(),
            "noise": None if self.noise is None else self.noise.values,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember what the same method did at another time."""
        self.evaluations = max(self.evaluations, state["evaluations"])  # the way back was paid for too
        if self.renders is not None:
            self.renders.load_state_dict(state["renders"])
        self.noise = None
        if state["noise"] is not None:
            if state["noise"].ndim != 4 or len(set(state["noise"].shape[:3])) != 1:
                raise ValueError("the noise of the surface is not what it should be")
            self.noise = SurfaceNoise(state["noise"].clone(), self.generator)

    def _compare_edit(self, question: Question, original: Tensor) -> Comparison:
        """What an edit should change, given the images [B, H, W, C] before it."""
        assert self.original_embedding is not None
        latents = question.prior.encode(original.detach())
        before = replace(question, clean=latents, embedding=self.original_embedding, evaluations=0)
        return dds(question, before)

    def _compare(self, question: Question, shown: Shown) -> Comparison:
        """What the method makes of the prior's answers."""
        match self.config.method:
            case "sds":
                return sds(question)
            case "csd":
                return csd(question)
            case "nfsd":
                return nfsd(question)
            case "ism":
                return ism(question)
            case "sdi":
                return sdi(question)
            case "consistent3d":
                return consistent3d(question)
            case "cfd":
                return cfd(question, self._surface_noise(question, shown))
            case "vsd":
                assert self.renders is not None
                return vsd(question, self.renders)
            case "esd":
                assert self.renders is not None
                return esd(question, self.renders)

    def _surface_noise(self, question: Question, shown: Shown) -> Tensor:
        """Noise [B, c, h, w] for latents: of their own channels, or, of a pixel prior, of the image's."""
        latents, encode = question.clean, question.prior.encode
        is_pixels = latents.numel() == shown.images.numel()
        channels = shown.images.shape[-1] if is_pixels else latents.shape[1]
        side = shown.images.shape[1] if is_pixels else latents.shape[-1]
        if self.noise is None or self.noise.resolution < side:
            self.noise = SurfaceNoise.draw(channels, self.generator, max(side, LEAST_RESOLUTION))
        else:
            self.noise.refresh()
        if is_pixels:
            noise = self.noise.at(shown.points, shown.opacity).to(latents)
            zero = encode(torch.zeros_like(noise))  # the codec may shift and scale: undo both
            return (encode(noise) - zero) / (encode(torch.ones_like(noise)) - zero)
        stride = shown.images.shape[1] // latents.shape[2]
        middle = slice(stride // 2, None, stride)
        noise = self.noise.at(shown.points[:, middle, middle], shown.opacity[:, middle, middle])
        return noise.permute(0, 3, 1, 2).to(latents)


def method_weight(weight: GuidanceWeight, signal_scale: Tensor, noise_scale: Tensor) -> Tensor:
    """Factor on differences of clean predictions that a weight w of differences of noise stands for.

    A difference of noise predictions is a/s times that of clean ones: w a/s, with w = s/a for "x0".
    """
    match weight:
        case "x0":
            return torch.ones_like(signal_scale)
        case "sigma2":
            return signal_scale * noise_scale
        case "sigma2_signal":
            return signal_scale**2 * noise_scale
        case "uniform":
            return signal_scale / noise_scale
