"""What a pipeline's network is told, and what its answer means for the clean latents."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.prior import schedule
from dream3d.prior.pipelines.card import PipelineCard
from dream3d.prior.pipelines.controlnet import Control
from dream3d.prior.pipelines.multi_view import told_views
from dream3d.prior.text import Branch, TextEmbedding
from dream3d.stage_config import Shading, ViewConditioning

EMBEDDED_SCALE = (
    8.5  # Guidance scale that guidance-distilled networks are told; the default of their pipeline.
)
_CONSISTENCY_SIGMA = 0.5  # sigma_data in diffusers' LCMScheduler


@dataclass(frozen=True)
class Schedule:
    """The noise levels of a pipeline as the variance preserving process that guidance works in."""

    alphas_cumprod: Tensor  # [T]
    sigmas: Tensor | None = None  # [T], the same levels as rectified flow counts them
    consistency_scale: float | None = None  # of a consistency model: what timesteps are multiplied by


@dataclass(frozen=True)
class PipelineDenoiser:
    """The network of a text-to-image pipeline. It is told of views in words, unless it is for several."""

    unet: Any  # diffusers UNet2DConditionModel or SD3Transformer2DModel
    card: PipelineCard
    schedule: Schedule
    dtype: torch.dtype
    control: Control | None = None

    @property
    def alphas_cumprod(self) -> Tensor:
        """[T], decreasing."""
        return self.schedule.alphas_cumprod

    def predict_x0(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        shading: list[Shading],  # noqa: ARG002 (a text-to-image model is not told)
        views: ViewConditioning,
        branches: Sequence[Branch],
    ) -> tuple[Tensor, ...]:
        """As `Prior.predict_x0`."""
        count = len(branches)
        tokens, pooled = embedding.rows(branches, cameras, views)
        told: dict[str, Any] = {}
        if self.card.pipeline == "MVDreamPipeline":
            told = told_views(self.unet, cameras, views, count)
        x0 = self.x0(noisy.repeat(count, 1, 1, 1), timesteps.repeat(count), tokens, pooled, told)
        return tuple(x0.chunk(count))

    def x0(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        tokens: Tensor,
        pooled: Tensor,
        told: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """The clean latents that the network believes in.

        Args:
            noisy: [N, c, h, w], x_t of the variance preserving process, float32.
            timesteps: [N], int64.
            tokens: [N, L, D].
            pooled: [N, P].
            told: What else the network is called with, by name.

        Returns:
            [N, c, h, w], float32.
        """
        alphas_cumprod = self.alphas_cumprod
        match self.card.prediction:
            case "flow":
                assert self.schedule.sigmas is not None
                sigmas = self.schedule.sigmas[timesteps]
                shown = noisy * schedule.flow_scale(sigmas)[:, None, None, None]
                velocity = self._answer(shown, sigmas * len(alphas_cumprod), tokens, pooled, told)
                x0 = shown - sigmas[:, None, None, None] * velocity
            case "epsilon":
                noise = self._answer(noisy, timesteps, tokens, pooled, told)
                x0 = schedule.x0_from_noise(noisy, noise, alphas_cumprod, timesteps)
            case "v_prediction":
                velocity = self._answer(noisy, timesteps, tokens, pooled, told)
                x0 = schedule.x0_from_velocity(noisy, velocity, alphas_cumprod, timesteps)
            case "sample":
                x0 = self._answer(noisy, timesteps, tokens, pooled, told)
        if self.schedule.consistency_scale is None:
            return x0
        # At no noise a consistency model answers what it is shown (Luo et al. 2023, arXiv 2310.04378, eq. 9).
        level = (timesteps * self.schedule.consistency_scale)[:, None, None, None]
        spread = level.square() + _CONSISTENCY_SIGMA**2
        return level / spread.sqrt() * x0 + _CONSISTENCY_SIGMA**2 / spread * noisy

    def _answer(
        self,
        shown: Tensor,
        timesteps: Tensor,
        tokens: Tensor,
        pooled: Tensor,
        more: Mapping[str, Any] | None,
    ) -> Tensor:
        """What the network answers, in float32."""
        shown, tokens, pooled = (value.to(self.dtype) for value in (shown, tokens, pooled))
        if self.card.pipeline == "StableDiffusion3Pipeline":
            return self.unet(
                hidden_states=shown,
                timestep=timesteps,
                encoder_hidden_states=tokens,
                pooled_projections=pooled,
            ).sample.float()
        told = dict(more or {})
        if self.unet.config.time_cond_proj_dim is not None:
            told["timestep_cond"] = scale_embedding(len(shown), self.unet.config.time_cond_proj_dim).to(shown)
        if self.card.pipeline == "StableDiffusionXLPipeline":
            # Original size, corner of the crop, size asked for (Podell et al. 2023, arXiv 2307.01952, 2.2).
            height, width = (side * self.card.pixels_per_latent for side in shown.shape[-2:])
            ids = torch.tensor([height, width, 0, 0, height, width], device=shown.device).float()
            told["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": ids.expand(len(shown), -1)}
        shown = shown.contiguous(memory_format=torch.channels_last)
        if self.control is not None:
            told |= self.control.added(shown, timesteps, tokens, told)
        answer = self.unet(
            shown,
            timesteps,
            encoder_hidden_states=tokens,
            **told,
        ).sample.float()
        return answer[:, : shown.shape[1]]  # DeepFloyd IF appends a variance


def scale_embedding(count: int, width: int) -> Tensor:
    """`EMBEDDED_SCALE` as guidance-distilled networks are told, [count, width].

    Sines and cosines of 1000 (s - 1), where s is the guidance scale of this project's only form.
    """
    half = width // 2
    frequencies = torch.exp(torch.arange(half) * (-math.log(10000.0) / (half - 1)))
    angles = 1000.0 * (EMBEDDED_SCALE - 1.0) * frequencies
    row = torch.nn.functional.pad(torch.cat([angles.sin(), angles.cos()]), (0, width % 2))
    return row.expand(count, -1)
