"""ControlNets (Zhang et al. 2023, arXiv 2302.05543): a copy of half a UNet is shown a picture of the scene.

What it answers is added to the features of the frozen network, in all branches of guidance, as diffusers' own
pipelines do.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dream3d.config import ControlKind, PriorOptions
from dream3d.errors import InputError
from dream3d.prior.files import read_json
from dream3d.prior.pipelines.card import PipelineCard
from dream3d.prior.pipelines.hub import find_in_hub, is_hub_id
from dream3d.prior.pipelines.models import load_model
from dream3d.prior.references import check_references

_KINDS = ("StableDiffusionPipeline", "LatentConsistencyModelPipeline", "StableDiffusionXLPipeline")
# What has to be as in the UNet, or the sums do not exist.
_SHARED = (
    *("cross_attention_dim", "in_channels", "block_out_channels", "layers_per_block", "down_block_types"),
    *("addition_embed_type", "projection_class_embeddings_input_dim"),
)


@dataclass(frozen=True)
class Control:
    """A ControlNet, and the picture that it is shown."""

    network: Any  # diffusers ControlNetModel
    kind: ControlKind
    scale: float
    picture: Tensor | None = None  # [B, 3, H, W] in [0, 1] of the views that are denoised

    def added(self, shown: Tensor, timesteps: Tensor, tokens: Tensor, told: dict[str, Any]) -> dict[str, Any]:
        """What a UNet is told besides; nothing while there is no picture.

        Args:
            shown: [N, c, h, w], what the UNet is shown; N a multiple of B, branch by branch.
            timesteps: [N].
            tokens: [N, L, D].
            told: What else the UNet is told, by name.
        """
        if self.picture is None:
            return {}
        picture = self.picture.repeat(len(shown) // len(self.picture), 1, 1, 1)
        down, middle = self.network(
            shown,
            timesteps,
            encoder_hidden_states=tokens,
            controlnet_cond=picture.to(shown),
            conditioning_scale=self.scale,
            added_cond_kwargs=told.get("added_cond_kwargs"),
            return_dict=False,
        )
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


def find_controlnet(name_or_path: str) -> Path:
    """The folder of a ControlNet, given itself or a hub id whose files are on this machine.

    Raises:
        InputError: There is none.
    """
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return folder
    if is_hub_id(name_or_path):
        return find_in_hub(name_or_path, "ControlNet")
    raise InputError(f"--controlnet {name_or_path}: no such folder, and no hub id OWNER/NAME")


def load_control(options: PriorOptions, card: PipelineCard, unet: Any, dtype: torch.dtype) -> Control | None:
    """The ControlNet that is asked for, in main memory; None where none is.

    Args:
        options: Which.
        card: Of the pipeline.
        unet: Its network.
        dtype: Precision it computes in.

    Raises:
        InputError: The pipeline takes none, it is none, it does not fit the network, or it is damaged.
    """
    asked = options.controlnet
    if not asked:
        return None
    if card.pipeline not in _KINDS:
        raise InputError(
            f"--controlnet {asked}: a {card.pipeline} takes none; those that do: {', '.join(_KINDS)}"
        )
    folder = find_controlnet(asked)
    _check(folder, asked, card, unet)
    from diffusers.models.controlnets.controlnet import ControlNetModel

    network = load_model(ControlNetModel, folder, "", dtype)
    return Control(network, options.controlnet_kind, options.controlnet_scale)


def _check(folder: Path, asked: str, card: PipelineCard, unet: Any) -> None:
    """Refuse what is no ControlNet, or that of another network.

    Raises:
        InputError: It is; the message says in which way.
    """
    check_references(folder)
    config = read_json(folder / "config.json")
    found = config.get("_class_name")
    if found != "ControlNetModel":
        raise InputError(f"--controlnet {asked}: holds a {found}, not a ControlNetModel")
    for name in _SHARED:
        own, theirs = (_plain(value) for value in (config.get(name), unet.config.get(name)))
        if own != theirs:
            raise InputError(
                f"--controlnet {asked}: does not fit the prior {card.name!r}: its {name} is {own}, "
                f"not {theirs} (it is for another version of Stable Diffusion)"
            )
    widths = config.get("conditioning_embedding_out_channels")
    num_widths = len(widths) if isinstance(widths, list) else 0
    if 2 ** (num_widths - 1) != card.pixels_per_latent or config.get("conditioning_channels", 3) != 3:
        raise InputError(f"--controlnet {asked}: does not take pictures of {card.image_size} pixels in color")
    if config.get("global_pool_conditions"):
        raise InputError(f"--controlnet {asked}: takes style from pictures, not shape: take another")


def _plain(value: Any) -> Any:
    """A setting as it stands in JSON."""
    return list(value) if isinstance(value, tuple) else value
