"""The frozen diffusion prior: text and a noisy view in, the clean view it believes in out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.errors import InputError
from dream3d.ops._library import resolve_backend
from dream3d.prior import codec, schedule, text
from dream3d.prior.card import PriorCard, read_card
from dream3d.prior.cell_reader import CellReader, load_reader, read_block
from dream3d.prior.conditioning import ray_map, view_vector
from dream3d.prior.folder import find_prior, weights_sha256
from dream3d.prior.text import Branch, TextEmbedding
from dream3d.stage_config import Shading, ViewConditioning


@dataclass(frozen=True)
class Prior:
    """A text-, camera- and shading-conditional denoiser of premultiplied RGBA views. Nothing here learns."""

    card: PriorCard
    alphas_cumprod: Tensor  # [T]
    unet: Any  # diffusers UNet2DConditionModel
    text_encoder: Any  # transformers CLIPTextModel
    tokenizer: Any
    reader: CellReader | None  # tells what a picture shows where; None of a prior that cannot
    device: torch.device
    dtype: torch.dtype
    sha256: str  # of the UNet's weights file

    @classmethod
    def from_pretrained(cls, name_or_path: str = "props", device: str = "cpu") -> "Prior":
        """Load a prior by its built-in name or from a folder in diffusers layout; never from the network.

        Args:
            name_or_path: "props", or a folder with unet/, text_encoder/, tokenizer/, scheduler/ and
                dream3d.json.
            device: A torch device.

        Raises:
            InputError: Unknown name, incomplete or damaged folder, or weights that are not safetensors.
        """
        folder = find_prior(name_or_path)
        card = read_card(folder)
        target = torch.device(device)
        dtype = fastest_dtype(target)
        try:
            unet, encoder, tokenizer, scheduler = _load_components(folder, target)
        except Exception as error:  # The loaders raise dozens of types; all mean a damaged folder.
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"the prior in {folder} cannot be loaded: {reason}") from error
        unet = (
            unet.to(device=target, dtype=dtype, memory_format=torch.channels_last)
            .requires_grad_(False)
            .eval()
        )
        encoder = encoder.to(target).requires_grad_(False).eval()
        reader = load_reader(folder)
        reader = reader and reader.to(target)
        alphas = scheduler.alphas_cumprod.float().to(target)
        return cls(card, alphas, unet, encoder, tokenizer, reader, target, dtype, weights_sha256(folder))

    @property
    def name(self) -> str:
        """The prior's name."""
        return self.card.name

    @property
    def image_size(self) -> int:
        """Side of the square images it denoises best, in pixels."""
        return self.card.image_size

    @property
    def image_sizes(self) -> tuple[int, ...]:
        """Sides of all square images that it denoises."""
        return self.card.image_sizes

    @property
    def joint_views(self) -> int:
        """Views, evenly around an object, that it can denoise together; 1 where it was not taught to."""
        return self.card.joint_views

    @property
    def image_channels(self) -> int:
        """4: premultiplied RGBA."""
        return self.card.image_channels

    def embed(self, prompt: str, negative_prompt: str = "") -> TextEmbedding:
        """Encode a prompt; words the prior never saw are left out.

        Raises:
            InputError: No word of the prompt says anything the prior knows.
        """
        words = set(text.split_words(prompt))
        if not words & self.card.vocabulary.content_words():
            raise InputError(
                f"the prior {self.name!r} knows no word of {prompt!r}: "
                f"'dream3d priors {self.name}' lists what it knows"
            )
        known = [text.keep_known(item, self.card.vocabulary) for item in (prompt, negative_prompt)]
        tokens, pooled = text.encode(self.tokenizer, self.text_encoder, text.embedded_texts(*known))
        return TextEmbedding(prompt, tokens, pooled)

    def unknown_words(self, prompt: str) -> dict[str, list[str]]:
        """Words of the prompt that the prior never saw, each with its nearest known words."""
        return text.unknown_words(prompt, self.card.vocabulary)

    def sample_cameras(
        self, num_groups: int, generator: torch.Generator, close_up_share: float = 0.0
    ) -> Cameras:
        """Draw groups of four views, 90 degrees apart, from the law the prior was trained on."""
        return self.card.camera_law.sample(num_groups, generator, close_up_share=close_up_share).to(
            self.device
        )

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, H, W, C] in [0, 1] (premultiplied sRGB) to latents [B, 4 C, H / 2, W / 2]."""
        return codec.images_to_latents(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images; the inverse of `encode`."""
        return codec.latents_to_images(latents)

    @torch.no_grad()
    def predict_x0(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        shading: list[Shading],
        views: ViewConditioning = "camera",
        branches: Sequence[Branch] = ("text", "negative"),
    ) -> tuple[Tensor, ...]:
        """Predict the clean latents under several texts, in one batched forward.

        Camera and shading are given to all branches, so that guidance moves meaning and not pose; view words
        belong to the text.

        Args:
            noisy: [B, c, h, w], x_t.
            timesteps: [B], int64.
            embedding: From `embed`.
            cameras: B cameras; with "joint" views in groups of `joint_views` around one object.
            shading: B shading names.
            views: How the network learns where the views stand.
            branches: The texts.

        Returns:
            x_0 [B, c, h, w], float32, for each branch.

        Raises:
            InputError: Views in words, of a prior that was not taught them.
        """
        answers = self.velocity(noisy, timesteps, embedding, cameras, shading, views, branches)
        return tuple(
            schedule.x0_from_velocity(noisy, answer, self.alphas_cumprod, timesteps) for answer in answers
        )

    def velocity(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        shading: list[Shading],
        views: ViewConditioning,
        branches: Sequence[Branch],
        is_camera_told: bool = True,
    ) -> tuple[Tensor, ...]:
        """The same as what the network answers, v [B, c, h, w] for each branch, with a graph if one is kept.

        Args:
            noisy: As in `predict_x0`, also what follows.
            timesteps: [B].
            embedding: From `embed`.
            cameras: B cameras.
            shading: B shading names.
            views: How the network learns where the views stand.
            branches: The texts.
            is_camera_told: False leaves the views open.
        """
        is_in_words = views in ("words", "blended")
        if is_in_words and not self.card.vocabulary.views:
            raise InputError(f"the prior {self.name!r} was not taught views in words: choose camera or joint")
        is_told = torch.full((len(noisy),), is_camera_told and not is_in_words, device=noisy.device)
        tokens, pooled = embedding.rows(branches, cameras, views)
        view = view_vector(cameras, shading, is_told)
        labels = torch.cat([pooled, view.repeat(len(branches), 1)], dim=1)
        sample = torch.cat([noisy, ray_map(cameras, noisy.shape[-1], is_told)], dim=1)
        return self._answer(
            sample.repeat(len(branches), 1, 1, 1),
            timesteps.repeat(len(branches)),
            tokens,
            labels,
            self.joint_views if views == "joint" else 1,
        ).chunk(len(branches))

    @torch.no_grad()
    def read_cells(
        self,
        images: Tensor,
        timestep: int,
        embedding: TextEmbedding,
        cameras: Cameras,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Tell what unlit pictures show where, from the features of the network.

        Args:
            images: [B, H, W, C] in [0, 1], premultiplied sRGB.
            timestep: Noise level; the less noise, the more the picture counts, and the less the text.
            embedding: Of what the pictures should show.
            cameras: B cameras.
            generator: Source of the noise, on the CPU.

        Returns:
            Question -> probabilities [B, H / CELL, W / CELL, answers] in the order of `reader.answers`.

        Raises:
            InputError: This prior has no reader.
        """
        if self.reader is None:
            raise InputError(f"the prior {self.name!r} was not taught to tell what it sees")
        count, clean, cameras = len(images), self.encode(images.to(self.device)), cameras.to(self.device)
        timesteps = torch.full((count,), timestep, device=self.device)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        noisy = schedule.add_noise(clean, noise, self.alphas_cumprod, timesteps)
        is_told = torch.ones(count, dtype=torch.bool, device=self.device)
        sample = torch.cat([noisy, ray_map(cameras, noisy.shape[-1], is_told)], dim=1)
        view = view_vector(cameras, ["albedo"] * count, is_told)
        labels = torch.cat([embedding.pooled[:1].expand(count, -1), view], dim=1)
        features: list[Tensor] = []
        hook = read_block(self.unet).register_forward_hook(lambda *call: features.append(call[-1]))
        try:
            self._answer(sample, timesteps, embedding.tokens[:1].expand(count, -1, -1), labels, 1)
        finally:
            hook.remove()
        return {question: scores.softmax(dim=-1) for question, scores in self.reader(features[0]).items()}

    def _answer(
        self, sample: Tensor, timesteps: Tensor, tokens: Tensor, labels: Tensor, num_views: int
    ) -> Tensor:
        """What the network answers, in float32."""
        return self.unet(
            sample.to(self.dtype).contiguous(memory_format=torch.channels_last),
            timesteps,
            tokens.to(self.dtype),
            class_labels=labels.to(self.dtype),
            cross_attention_kwargs={"num_views": num_views},
        ).sample.float()


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it in hardware, else float32."""
    if device.type == "cpu":
        return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
    return torch.bfloat16


def _load_components(folder: Path, device: torch.device) -> tuple[Any, Any, Any, Any]:
    """The four components, from safetensors and JSON only."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

    from dream3d.prior.fused_blocks import fuse_blocks
    from dream3d.prior.joint_attention import JointViewAttention

    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", low_cpu_mem_usage=False, **options)
    unet.set_attn_processor(JointViewAttention())
    if resolve_backend("auto", device) == "cpu":
        fuse_blocks(unet)
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", **options)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
    return unet, encoder, tokenizer, scheduler
