"""The frozen diffusion prior: text and a noisy view in, the clean view it believes in out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.config import ControlKind, PriorOptions
from dream3d.errors import InputError, RunError, reason_of
from dream3d.prior import schedule
from dream3d.prior.builtin import BuiltinTexts, RayDenoiser, load_components
from dream3d.prior.card import PriorCard, read_card
from dream3d.prior.cell_reader import CellReader, load_reader
from dream3d.prior.codec import SpaceToDepth
from dream3d.prior.folder import CARD, find_prior, weights_sha256
from dream3d.prior.parts import Codec, Denoiser, Texts
from dream3d.prior.pipelines.card import PipelineCard
from dream3d.prior.pipelines.denoiser import PipelineDenoiser
from dream3d.prior.pipelines.load import load_pipeline
from dream3d.prior.pipelines.texts import PipelineTexts
from dream3d.prior.precision import precision_dtype
from dream3d.prior.text import Branch, TextEmbedding
from dream3d.prior.vocabulary import Vocabulary
from dream3d.stage_config import Shading, ViewConditioning


@dataclass(frozen=True)
class Prior:
    """A text-conditional denoiser of views, made of parts of its kind. Nothing here learns."""

    card: PriorCard | PipelineCard
    alphas_cumprod: Tensor  # [T]
    texts: Texts
    codec: Codec
    denoiser: Denoiser
    reader: CellReader | None  # tells what a picture shows where; None of a prior that cannot
    device: torch.device
    dtype: torch.dtype
    sha256: str  # of the denoiser's weights

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str = "props",
        device: str = "cpu",
        dtype: torch.dtype | None = None,
        options: PriorOptions | None = None,
    ) -> "Prior":
        """Load a prior; never from the network, never running code or opening pickles that are in its folder.

        Args:
            name_or_path: "props", the folder of a prior of that kind, the folder of a text-to-image pipeline
                as diffusers saves it, or the id of one that is in the local cache of the Hugging Face hub.
            device: A torch device.
            dtype: Precision of the denoiser; None leaves it to the options.
            options: What is added to a pipeline, and how it computes; the defaults when None.

        Raises:
            InputError: Unknown name, incomplete or damaged folder, a pipeline of another kind, weights that
                are not safetensors or not finite, or a LoRA that does not fit.
        """
        folder = find_prior(name_or_path)
        target = torch.device(device)
        options = options or PriorOptions()
        dtype = dtype or precision_dtype(options.precision, target)
        if (folder / CARD).is_file():
            for option, name in options.given.items():
                raise InputError(f"{option} {name}: the prior {name_or_path!r} takes none; leave it out")
            if options.precision == "float16":
                raise InputError(
                    f"--prior-precision float16: {name_or_path!r} takes float32 or bfloat16; leave it out"
                )
            # float16 is what "auto" says of an old GPU.
            return _load_builtin(folder, target, torch.float32 if dtype == torch.float16 else dtype)
        parts = load_pipeline(folder, name_or_path, target, dtype, options)
        return cls(
            parts.card,
            parts.denoiser.alphas_cumprod,
            parts.texts,
            parts.codec,
            parts.denoiser,
            None,
            target,
            dtype,
            weights_sha256(folder, options),
        )

    @property
    def unet(self) -> Any:
        """The denoiser's network: a diffusers model."""
        return self.denoiser.unet

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
        """4 for premultiplied RGBA, 3 for opaque RGB."""
        return self.card.image_channels

    @property
    def has_pixel_latents(self) -> bool:
        """Whether latents are pixels, in [-1, 1]; those of a VAE have no bounds."""
        return self.codec.has_pixel_latents

    @property
    def control_kind(self) -> ControlKind | None:
        """Which pictures of the scene its ControlNet is shown; None where it has none."""
        control = self.denoiser.control if isinstance(self.denoiser, PipelineDenoiser) else None
        return None if control is None else control.kind

    def shown(self, picture: Tensor) -> "Prior":
        """The same prior, whose ControlNet is shown a picture of the views that it is asked about.

        Args:
            picture: [B, 3, H, W] in [0, 1], of the kind that `control_kind` names.
        """
        denoiser = self.denoiser
        assert isinstance(denoiser, PipelineDenoiser)
        assert denoiser.control is not None
        return replace(self, denoiser=replace(denoiser, control=replace(denoiser.control, picture=picture)))

    @property
    def has_opacity(self) -> bool:
        """Whether its pictures are premultiplied RGBA; else they are opaque."""
        return self.image_channels == 4

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The words it was taught; None of a pipeline, which may know any."""
        return self.card.vocabulary if isinstance(self.card, PriorCard) else None

    def embed(self, prompt: str, negative_prompt: str = "") -> TextEmbedding:
        """Encode a prompt; words the built-in prior never saw are left out.

        Raises:
            InputError: No word of the prompt says anything the prior knows, or there are too many of them.
        """
        return self.texts.embed(prompt, negative_prompt)

    def check_said(self, texts: Sequence[str]) -> None:
        """Refuse a learned word (textual inversion) that none of the texts says.

        Raises:
            InputError: None does.
        """
        if isinstance(self.texts, PipelineTexts):
            self.texts.check_said(texts)

    def words_too_many(self, prompt: str) -> str:
        """The end of a prompt that the built-in prior has no room for, and leaves out."""
        return self.texts.words_too_many(prompt)

    def unknown_words(self, prompt: str) -> dict[str, list[str]]:
        """Words of the prompt that the prior never saw, each with its nearest known words."""
        return self.texts.unknown_words(prompt)

    def sample_cameras(
        self, num_groups: int, generator: torch.Generator, close_up_share: float = 0.0
    ) -> Cameras:
        """Draw groups of four views, 90 degrees apart, from the law the prior was trained on."""
        return self.card.camera_law.sample(num_groups, generator, close_up_share=close_up_share).to(
            self.device
        )

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, H, W, C] in [0, 1] (sRGB; premultiplied where C is 4) to latents [B, c, h, w].

        Gradients pass.

        Raises:
            InputError: The prior takes no images of that size.
        """
        return self.codec.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images; the inverse of `encode`, or nearly so where a VAE stands between."""
        return self.codec.decode(latents)

    def check_views(self, views: ViewConditioning, flag: str = "--coarse.guidance.views") -> None:
        """Refuse a way to tell the views that this prior was not taught.

        Raises:
            InputError: It was not; the message says what to set the option `flag` to.
        """
        if views in self.card.views:
            return
        choices = " or ".join(choice for choice in self.card.views if choice != views)
        if views in ("words", "blended"):
            reason = "was not taught views in words"
        elif views == "camera" and "joint" in self.card.views:
            reason = "is told where cameras stand only of views together"
        else:
            reason = "is not told where cameras stand but in words"
        raise InputError(f"the prior {self.name!r} {reason}: set {flag} to {choices}")

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

        A prior that is told cameras and shading is told them in all branches, so that guidance moves meaning
        and not pose; view words belong to the text.

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
            InputError: Views in a way that the prior was not taught.
            RunError: The network fails: its configuration is impossible, or a GPU is full.
        """
        self.check_views(views)
        try:
            return self.denoiser.predict_x0(noisy, timesteps, embedding, cameras, shading, views, branches)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # A configuration that loads may still not compute; a GPU may be full.
            raise RunError(f"the network of the prior {self.name!r} failed: {reason_of(error)}") from error

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
        if self.reader is None or not isinstance(self.denoiser, RayDenoiser):
            raise InputError(f"the prior {self.name!r} was not taught to tell what it sees")
        clean, cameras = self.encode(images.to(self.device)), cameras.to(self.device)
        timesteps = torch.full((len(images),), timestep, device=self.device)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        noisy = schedule.add_noise(clean, noise, self.alphas_cumprod, timesteps)
        return self.denoiser.read_cells(noisy, timesteps, embedding, cameras, self.reader)


def _load_builtin(folder: Path, device: torch.device, dtype: torch.dtype) -> Prior:
    """A prior with a card of its own, from its folder."""
    card = read_card(folder)
    try:
        unet, encoder, tokenizer, scheduler = load_components(folder, device, dtype)
    except InputError:
        raise
    except Exception as error:  # The loaders raise dozens of types; all mean a damaged folder.
        raise InputError(f"the prior in {folder} cannot be loaded: {reason_of(error)}") from error
    encoder = encoder.to(device).requires_grad_(False).eval()
    reader = load_reader(folder)
    alphas_cumprod = scheduler.alphas_cumprod.float().to(device)
    return Prior(
        card,
        alphas_cumprod,
        BuiltinTexts(card.name, card.vocabulary, tokenizer, encoder),
        SpaceToDepth(),
        RayDenoiser(unet, alphas_cumprod, card.joint_views, dtype),
        reader and reader.to(device),
        device,
        dtype,
        weights_sha256(folder),
    )
