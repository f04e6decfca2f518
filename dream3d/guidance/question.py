"""One step's question to a diffusion prior: these renders, at this noise level."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.guidance.classifier_free import guidance_scale, guided_x0
from dream3d.guidance.perp_neg import NEGATIVE_VIEWS, negative_weights, perp_neg
from dream3d.prior import TextEmbedding
from dream3d.prior.parts import Codec, X0Predictor
from dream3d.prior.text import Branch
from dream3d.stage_config import GuidanceConfig, Shading, ViewConditioning


class DenoisingPrior(X0Predictor, Codec, Protocol):
    """What score distillation needs to know of a diffusion prior; `dream3d.prior.Prior` is one."""

    @property
    def alphas_cumprod(self) -> Tensor:
        """[T], decreasing."""
        ...

    @property
    def has_opacity(self) -> bool:
        """Whether its pictures are premultiplied RGBA; else they are opaque."""
        ...


@dataclass
class Question:
    """Renders at a noise level, and the prior that is asked what it makes of them.

    Methods work in clean latents throughout: differences of noise predictions at one timestep are those of
    clean predictions times -a/s, and nothing is divided by an `a` that vanishes at zero terminal SNR.
    """

    prior: DenoisingPrior
    clean: Tensor  # [B, c, h, w], the latents of the renders, no gradient
    timestep: int  # the same for all views, so that they agree on what is decided now
    embedding: TextEmbedding
    cameras: Cameras
    shading: Shading
    config: GuidanceConfig
    generator: torch.Generator  # on the CPU, so that a seed means the same on every device
    evaluations: int = 0  # images denoised so far

    def coefficients(self, timestep: int) -> tuple[Tensor, Tensor]:
        """Signal and noise scales (a, s) at a timestep, scalars."""
        alpha_bar = self.prior.alphas_cumprod[timestep].to(self.clean)
        return alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt()

    def fresh_noise(self) -> Tensor:
        """White noise in the shape of the latents."""
        return torch.randn(self.clean.shape, generator=self.generator).to(self.clean)

    def noised(self, noise: Tensor) -> Tensor:
        """x_t of the renders at the question's own timestep."""
        signal_scale, noise_scale = self.coefficients(self.timestep)
        return signal_scale * self.clean + noise_scale * noise

    def ask(self, noisy: Tensor, timestep: int, *branches: Branch) -> tuple[Tensor, ...]:
        """What the prior believes under each text, [B, c, h, w] each."""
        return self.ask_of(self.prior, noisy, timestep, self.config.views, branches)

    def ask_of(
        self,
        network: X0Predictor,
        noisy: Tensor,
        timestep: int,
        views: ViewConditioning,
        branches: Sequence[Branch],
    ) -> tuple[Tensor, ...]:
        """The same of another network than the prior, or told of the views in another way."""
        count = len(noisy)
        self.evaluations += count * len(branches)
        timesteps = torch.full((count,), timestep, dtype=torch.int64, device=noisy.device)
        shading: list[Shading] = [self.shading] * count
        answers = network.predict_x0(noisy, timesteps, self.embedding, self.cameras, shading, views, branches)
        return tuple(answer.to(noisy) for answer in answers)

    def scale(self, timestep: int) -> float:
        """Guidance scale at a timestep."""
        return guidance_scale(timestep / (len(self.prior.alphas_cumprod) - 1), self.config)

    def guided(self, noisy: Tensor, timestep: int) -> tuple[Tensor, Tensor]:
        """What the prior is made to believe by classifier-free guidance, and what it believes unguided."""
        sides = NEGATIVE_VIEWS if self.config.perp_neg else ()
        plain: tuple[Branch, ...] = ("plain",) if self.config.emphasis and self.embedding.says_looks else ()
        text, negative, *others = self.ask(noisy, timestep, "text", "negative", *plain, *sides)
        if plain:
            text = text + self.config.emphasis * (text - others.pop(0))
        if sides:
            weights = negative_weights(self.cameras, self.config.views == "blended")
            text = perp_neg(text, negative, others, weights)
        return self.guide(text, negative, timestep), negative

    def guide(self, text: Tensor, null: Tensor, timestep: int) -> Tensor:
        """Classifier-free guidance from `null` to `text`."""
        is_bounded = self.prior.has_pixel_latents
        return guided_x0(text, null, self.scale(timestep), self.config.rescale, is_bounded)

    def bounded(self, belief: Tensor) -> Tensor:
        """An unguided belief in the range of images, where latents are pixels, as guided ones are.

        What is compared with a guided belief has to be: else the part of both that lies outside, which they
        share, would be a difference, and thin the opaque and fill the empty.
        """
        return belief.clamp(-1.0, 1.0) if self.prior.has_pixel_latents else belief


@dataclass(frozen=True)
class Comparison:
    """What a method makes of the prior's answers: the renders should change by target - reference."""

    target: Tensor  # [B, c, h, w]
    reference: Tensor | None = None  # [B, c, h, w]; None: the renders themselves
    # Of the noise predictions whose difference this is, where that is not the question's.
    timestep: int | None = None
