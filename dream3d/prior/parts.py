"""What a prior is made of: text encoder, codec and denoiser, each of one kind or another."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.prior.text import Branch, TextEmbedding
from dream3d.stage_config import Shading, ViewConditioning


class Texts(Protocol):
    """Turns prompts into what the network reads."""

    def embed(self, prompt: str, negative_prompt: str) -> TextEmbedding:
        """Encode a prompt and all that it is compared with."""
        ...

    def words_too_many(self, prompt: str) -> str:
        """The end of a prompt for which the encoder has no room, where that is not refused."""
        ...

    def unknown_words(self, prompt: str) -> dict[str, list[str]]:
        """Words of the prompt that it cannot use, each with what it knows instead."""
        ...


class Codec(Protocol):
    """Turns images into what the network denoises."""

    @property
    def has_pixel_latents(self) -> bool:
        """Whether latents are pixels, in [-1, 1]; those of a VAE have no bounds."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, H, W, C] in [0, 1] to latents [B, c, h, w], differentiably."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images."""
        ...


class X0Predictor(Protocol):
    """Whatever says which clean latents it believes in: a prior, its denoiser, a copy that learns."""

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
        """Clean latents [B, c, h, w] under each text, from noisy ones at timesteps [B]; see `Prior`."""
        ...


class Denoiser(X0Predictor, Protocol):
    """The network, and what its answers mean."""

    @property
    def unet(self) -> Any:
        """The network itself: a diffusers model."""
        ...
