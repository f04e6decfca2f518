"""The parts of the built-in prior: a small vocabulary, and a network that is told rays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.errors import InputError, reason_of
from dream3d.ops._library import resolve_backend
from dream3d.prior import schedule, text, vocabulary
from dream3d.prior.cell_reader import CellReader, read_block
from dream3d.prior.conditioning import ray_map, view_vector
from dream3d.prior.files import find_weights, read_scheduler
from dream3d.prior.text import Branch, TextEmbedding
from dream3d.prior.view_words import VIEW_WORDS
from dream3d.prior.vocabulary import Vocabulary
from dream3d.stage_config import Shading, ViewConditioning


@dataclass(frozen=True)
class BuiltinTexts:
    """Encodes prompts without the words that the prior never saw."""

    name: str
    vocabulary: Vocabulary
    tokenizer: Any
    encoder: Any  # transformers CLIPTextModel

    def embed(self, prompt: str, negative_prompt: str) -> TextEmbedding:
        """Encode a prompt and all that it is compared with.

        Raises:
            InputError: No word of the prompt says anything the prior knows.
        """
        content = self.vocabulary.content_words()
        if content.isdisjoint(self.vocabulary.read(prompt)):
            raise InputError(
                f"the prior {self.name!r} knows no word of {prompt!r}: "
                f"'dream3d priors {self.name}' lists what it knows"
            )
        says_nothing = content.isdisjoint(self.vocabulary.read(negative_prompt))
        try:
            said = self._fitting(prompt)
            unwanted = "" if says_nothing else self._fitting(negative_prompt)
            plain = vocabulary.plain_prompt(said, self.vocabulary)
            seen = self._fitting(prompt, f", {VIEW_WORDS[0]}")  # all of them are two words
            texts = text.embedded_texts(said, unwanted, plain, seen)
            tokens, pooled = text.encode(self.tokenizer, self.encoder, texts)
        except Exception as error:  # A damaged tokenizer, or one of another encoder, raises nearly anything.
            raise InputError(f"the texts of {self.name!r} cannot be encoded: {reason_of(error)}") from error
        return TextEmbedding(prompt, tokens, pooled)

    def unknown_words(self, prompt: str) -> dict[str, list[str]]:
        """Words of the prompt that the prior never saw, each with its nearest known words."""
        return vocabulary.unknown_words(prompt, self.vocabulary)

    def words_too_many(self, prompt: str) -> str:
        """The end of a prompt for which the encoder has no room."""
        return vocabulary.keep_known(prompt, self.vocabulary).removeprefix(self._fitting(prompt)).strip()

    def _fitting(self, prompt: str, suffix: str = "") -> str:
        """The known words of a prompt, as many as there is room for before a suffix."""
        words = vocabulary.keep_known(prompt, self.vocabulary).split()
        while words and self._count(" ".join(words) + suffix) > text.MAX_TOKENS:
            words.pop()
        return " ".join(words)

    def _count(self, said: str) -> int:
        return len(self.tokenizer(said, verbose=False).input_ids)


@dataclass(frozen=True)
class RayDenoiser:
    """A v-prediction UNet that is told text, rays, camera and shading."""

    unet: Any  # diffusers UNet2DConditionModel
    alphas_cumprod: Tensor  # [T]
    joint_views: int
    dtype: torch.dtype

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
        """As `Prior.predict_x0`."""
        is_told = torch.full((len(noisy),), views in ("camera", "joint"), device=noisy.device)
        tokens, pooled = embedding.rows(branches, cameras, views)
        view = view_vector(cameras, shading, is_told)
        labels = torch.cat([pooled, view.repeat(len(branches), 1)], dim=1)
        sample = torch.cat([noisy, ray_map(cameras, noisy.shape[-1], is_told)], dim=1)
        answers = self._velocity(
            sample.repeat(len(branches), 1, 1, 1),
            timesteps.repeat(len(branches)),
            tokens,
            labels,
            self.joint_views if views == "joint" else 1,
        )
        return tuple(
            schedule.x0_from_velocity(noisy, answer, self.alphas_cumprod, timesteps)
            for answer in answers.chunk(len(branches))
        )

    def read_cells(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        reader: CellReader,
    ) -> dict[str, Tensor]:
        """What noised unlit pictures show where, as `Prior.read_cells`."""
        count = len(noisy)
        is_told = torch.ones(count, dtype=torch.bool, device=noisy.device)
        sample = torch.cat([noisy, ray_map(cameras, noisy.shape[-1], is_told)], dim=1)
        view = view_vector(cameras, ["albedo"] * count, is_told)
        labels = torch.cat([embedding.pooled[:1].expand(count, -1), view], dim=1)
        features: list[Tensor] = []
        hook = read_block(self.unet).register_forward_hook(lambda *call: features.append(call[-1]))
        try:
            self._velocity(sample, timesteps, embedding.tokens[:1].expand(count, -1, -1), labels, 1)
        finally:
            hook.remove()
        return {question: scores.softmax(dim=-1) for question, scores in reader(features[0]).items()}

    def _velocity(
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


def load_components(folder: Path, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any, Any, Any]:
    """UNet, text encoder, tokenizer and scheduler, from safetensors and JSON only.

    The UNet is frozen, on the device and in the dtype in which it computes.

    Raises:
        InputError: They would not fit what the files hold. The loaders raise dozens of other types.
    """
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

    from dream3d.prior.fused_blocks import fuse_blocks, pack_convolutions
    from dream3d.prior.joint_attention import JointViewAttention

    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    read_scheduler(folder / "scheduler" / "scheduler_config.json")
    with torch.device("meta"):  # where parameters take no room: a configuration may ask for any amount of it
        config: Any = UNet2DConditionModel.load_config(folder, subfolder="unet")
        asked: Any = UNet2DConditionModel.from_config(config)
    stored_bytes = sum(file.stat().st_size for file in find_weights(folder / "unet").files)
    if sum(parameter.numel() for parameter in asked.parameters()) > stored_bytes:
        raise InputError(f"{folder / 'unet'} lacks weights that its configuration asks for")
    unet: Any = UNet2DConditionModel.from_pretrained(
        folder, subfolder="unet", low_cpu_mem_usage=False, **options
    )
    unet.set_attn_processor(JointViewAttention())
    unet.to(device=device, dtype=dtype, memory_format=torch.channels_last).requires_grad_(False).eval()
    if resolve_backend("auto", device) == "cpu":
        fuse_blocks(unet)
        if dtype == torch.float32:
            pack_convolutions(unet)
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", **options)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
    return unet, encoder, tokenizer, scheduler
