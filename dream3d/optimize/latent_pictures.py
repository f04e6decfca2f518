"""Pictures of latents: a field that holds a prior's latents needs no encoder (Latent-NeRF).

Metzer et al. 2022 (arXiv 2211.07600): the field is rendered in the latent space of the prior's VAE, at its
resolution, and distilled there; later a linear layer makes colors of its latents, and the prior sees those
through its encoder. The paper gives that layer for one VAE. Here it is fitted to the prior's own, by encoding
plain colors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.errors import InputError
from dream3d.prior import Prior, TextEmbedding
from dream3d.prior.pipelines.card import PipelineCard
from dream3d.prior.text import Branch
from dream3d.stage_config import Shading, ViewConditioning

MAX_LATENTS = 7  # What a field can hold besides its density.
_NUM_COLORS, _SIDE, _CHUNK = 256, 8, 32  # of the fit: colors, latents per side of a picture, pictures at once
_DARKEST = 0.02  # Logits of darker and of lighter colors would dominate it.
_TEXTURE = (
    0.1  # Spread of latents around those of plain colors: what lies across these must not count for much.
)


@dataclass(frozen=True)
class LatentPictures:
    """A prior whose pictures are its latents; see `RenderablePrior`."""

    prior: Prior
    layer: Tensor  # [3, c + 1], from latents and 1 to the logits of sRGB colors
    inverse: Tensor  # [c, 4], from sRGB colors and 1 to latents

    @classmethod
    def of(cls, prior: object) -> "LatentPictures":
        """Fit both maps to a prior's encoder; always the same ones.

        Raises:
            InputError: The prior has no latents, or more than a field can hold.
        """
        if (
            not isinstance(prior, Prior)
            or prior.has_pixel_latents
            or not isinstance(prior.card, PipelineCard)
        ):
            raise InputError(
                "--coarse.latent-share needs a prior with a VAE, such as Stable Diffusion: leave it out"
            )
        if prior.control_kind is not None:
            raise InputError("--coarse.latent-share: a ControlNet is not shown latents: leave one out")
        if prior.card.latent_channels > MAX_LATENTS:
            count = prior.card.latent_channels
            raise InputError(
                f"--coarse.latent-share: a field holds {MAX_LATENTS} latents, this prior has {count}"
            )
        colors = torch.rand(_NUM_COLORS, 3, generator=torch.Generator().manual_seed(0))
        latents = _latents_of(prior, colors.to(prior.device)).double().cpu()
        logits = colors.double().clamp(_DARKEST, 1.0 - _DARKEST).logit()
        layer, inverse = _affine(latents, logits, _TEXTURE), _affine(colors.double(), latents, 0.0)
        return cls(prior, layer.to(prior.device), inverse.to(prior.device))

    @property
    def alphas_cumprod(self) -> Tensor:
        """[T], decreasing."""
        return self.prior.alphas_cumprod

    @property
    def image_size(self) -> int:
        """Side of the latents of the prior's pictures."""
        assert isinstance(self.prior.card, PipelineCard)
        return self.prior.image_size // self.prior.card.pixels_per_latent

    @property
    def image_sizes(self) -> tuple[int, ...]:
        """That one."""
        return (self.image_size,)

    @property
    def has_opacity(self) -> bool:
        """They are opaque."""
        return False

    @property
    def has_pixel_latents(self) -> bool:
        """They have no bounds."""
        return False

    def latents_of(self, colors_srgb: Tensor) -> Tensor:
        """What the encoder makes of plain colors [..., 3], nearly: [..., c]."""
        return colors_srgb @ self.inverse[:, :-1].T + self.inverse[:, -1]

    def encode(self, images: Tensor) -> Tensor:
        """Pictures of latents [B, H, W, c] as the network takes them, [B, c, H, W]."""
        return images.permute(0, 3, 1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """The inverse of `encode`."""
        return latents.permute(0, 2, 3, 1)

    def sample_cameras(
        self, num_groups: int, generator: torch.Generator, close_up_share: float = 0.0
    ) -> Cameras:
        """As the prior's."""
        return self.prior.sample_cameras(num_groups, generator, close_up_share)

    def predict_x0(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        shading: list[Shading],
        views: ViewConditioning,
        branches: Sequence[Branch],
    ) -> tuple[Tensor, ...]:
        """As the prior's."""
        return self.prior.predict_x0(noisy, timesteps, embedding, cameras, shading, views, branches)


@torch.no_grad()
def _latents_of(prior: Prior, colors: Tensor) -> Tensor:
    """Latents [N, c] in the middle of pictures of plain colors [N, 3]."""
    assert isinstance(prior.card, PipelineCard)
    side = _SIDE * prior.card.pixels_per_latent
    pictures = colors[:, None, None].expand(-1, side, side, 3)
    latents = torch.cat([prior.encode(chunk) for chunk in pictures.split(_CHUNK)])
    return latents[:, :, _SIDE // 2, _SIDE // 2]


def _affine(inputs: Tensor, outputs: Tensor, spread: float) -> Tensor:
    """The map from inputs [N, I] and 1 to outputs [N, O] with the least squared error, [O, I + 1].

    The error is that expected when noise of a spread is added to the inputs.
    """
    count, width = inputs.shape
    rows = torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)
    noise = count**0.5 * spread * torch.eye(width, width + 1).to(inputs)
    wanted = torch.cat([outputs, outputs.new_zeros(width, outputs.shape[1])])
    return torch.linalg.lstsq(torch.cat([rows, noise]), wanted).solution.T.float().contiguous()
