"""MVDream (Shi et al. 2023, arXiv 2308.16512) as its diffusers conversion stores it, opened without its code.

That conversion (`ashawkey/mvdream_diffusers`, hub id `ashawkey/mvdream-sd2.1-diffusers`) keeps the names that
latent diffusion gave to the weights of a UNet. The network is diffusers' own `UNet2DConditionModel` under
other names, with `JointViewAttention` over the views and an embedding of the camera added to that of the
timestep.

**Cameras.** The network reads the 16 numbers, row by row, of a camera-to-world matrix in a world whose +Z is
up, with OpenGL's axes in the camera and the camera on the unit sphere: neither distance nor field of view is
told (`get_camera` and `normalize_camera` of `bytedance/MVDream`). Of the front they say nothing, but the
first view of their script (`scripts/t2i.py`, azimuth 90) looks from +X, where their 3D code, threestudio's,
has azimuth 0 and its front views. Our front therefore faces their +X: (x, y, z) of theirs are (z, x, y) of
ours.

Both branches of guidance are told the camera. Where none is given the network adds nothing; images without
camera, each for itself, are part of its training (2D pictures), with views in words or none. Single views
with a camera are not, so "camera" is not among `VIEWS`.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.errors import InputError
from dream3d.prior.camera_law import CameraLaw
from dream3d.prior.files import find_weights, read_json
from dream3d.prior.pipelines.models import check_finite
from dream3d.stage_config import ViewConditioning

JOINT_VIEWS = 4
VIEWS: tuple[ViewConditioning, ...] = ("joint", "words", "blended", "none")

# Elevation and field of view are those of its training, and the distances 0.8 to 1.0 times that at which the
# object just fits: theirs over the tangent of half the field of view, ours over the sine, 1 to 15% farther.
# Close-ups it never saw, so they magnify by 1.
CAMERA_LAW = CameraLaw((0.0, 30.0), (15.0, 60.0), margin=(0.8, 1.0), magnification=(1.0, 1.0))

_CAMERA_NUMBERS = 16
_FROM_OURS = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
# What other networks of the same class may have and these must not, with what to say of it.
_FIXED: dict[str, tuple[Any, str]] = {
    "ip_dim": (0, "it is shown a picture (ImageDream), which a text-to-image model is not"),
    "camera_dim": (_CAMERA_NUMBERS, f"it is not told cameras by {_CAMERA_NUMBERS} numbers"),
    "dims": (2, "it is not for pictures"),
    "conv_resample": (True, "it resamples without convolutions"),
    "resblock_updown": (False, "it resamples in residual blocks"),
    "use_scale_shift_norm": (False, "its embedding also scales"),
    "num_classes": (None, "it is told classes"),
    "n_embed": (None, "it predicts codes"),
    "num_attention_blocks": (None, "only some of its blocks attend"),
    "use_linear_in_transformer": (True, "its transformers begin with convolutions (Stable Diffusion 1)"),
    "use_spatial_transformer": (True, "it does not read text"),
}
_RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def camera_numbers(cameras: Cameras) -> Tensor:
    """What the network is told of cameras, [B, 16]; see the module's text.

    Only the direction counts: a close-up is told as a view of the whole from there.
    """
    c2w = cameras.c2w()
    c2w[:, :3, 3] = cameras.backward()
    turn = torch.eye(4, device=c2w.device)
    turn[:3, :3] = torch.tensor(_FROM_OURS)
    return (turn @ c2w).flatten(1)


def told_views(network: Any, cameras: Cameras, views: ViewConditioning, num_branches: int) -> dict[str, Any]:
    """What a network from `load_multi_view` is told besides the text.

    Args:
        network: The network.
        cameras: B of them; with "joint" views in groups of `JOINT_VIEWS` around one object.
        views: One of `VIEWS`.
        num_branches: Texts that are asked about at once.

    Returns:
        Keyword arguments of a call for num_branches * B images.
    """
    embed = network.camera_embedding
    embedding = embed(camera_numbers(cameras).to(embed.linear_1.weight.dtype))
    if views != "joint":
        embedding = torch.zeros_like(embedding)
    num_views = JOINT_VIEWS if views == "joint" else 1
    return {
        "class_labels": embedding.repeat(num_branches, 1),
        "cross_attention_kwargs": {"num_views": num_views},
    }


def load_multi_view(folder: Path, dtype: torch.dtype) -> Any:
    """The network of a pipeline's folder, as a diffusers `UNet2DConditionModel`.

    Args:
        folder: Of the pipeline.
        dtype: Precision for the weights, whichever they are stored in.

    Raises:
        InputError: Its configuration is of another network, or weights are missing, too many, of another
            shape or not finite.
    """
    from diffusers.models.attention_processor import AttnProcessor2_0
    from diffusers.models.embeddings import TimestepEmbedding
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    from dream3d.prior.joint_attention import JointViewAttention

    where = folder / "unet"
    config = read_json(where / "config.json")
    try:
        options = network_options(config, where)
        with torch.device("meta"):
            network: Any = UNet2DConditionModel(**options)
            width = 4 * options["block_out_channels"][0]  # of the timestep's embedding
            network.camera_embedding = TimestepEmbedding(_CAMERA_NUMBERS, width)
    except InputError:
        raise
    except Exception as error:  # diffusers raises many types; all mean numbers that do not go together
        raise InputError(f"{where}/config.json describes no network: {_first_line(error)}") from error
    names = stored_names(options)
    wanted = {_stored(name, names): name for name in network.state_dict()}
    weights = _read_weights(where, {key: network.state_dict()[name] for key, name in wanted.items()})
    state = {name: weights[key].to(dtype) for key, name in wanted.items()}
    network.load_state_dict(state, assign=True)
    check_finite(network, where)
    network.set_attn_processor(JointViewAttention(AttnProcessor2_0()))
    return network.requires_grad_(False).eval()


def network_options(config: dict[str, Any], where: Path) -> dict[str, Any]:
    """A configuration in the terms of latent diffusion as arguments of a `UNet2DConditionModel`.

    Raises:
        InputError: It is of a network that differs in more than its sizes.
    """
    for name, (value, reason) in _FIXED.items():
        if config.get(name, None if name == "camera_dim" else value) != value:
            raise InputError(f"{where} cannot be a prior's network: {reason} ({name})")
    widths = [config["model_channels"] * factor for factor in config["channel_mult"]]
    attends = [2**level in config["attention_resolutions"] for level in range(len(widths))]
    per_head = config.get("num_head_channels", -1)
    heads = [config["num_heads"] if per_head == -1 else width // per_head for width in widths]
    pairs = zip(widths, heads, strict=True)
    if any(width % count or per_head not in (-1, width // count) for width, count in pairs):
        raise InputError(f"{where} cannot be a prior's network: its heads do not fill its widths")
    down = ["CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends]
    up = ["CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)]
    if config["channel_mult"][0] != 1:
        raise InputError(f"{where} cannot be a prior's network: its first blocks widen it (channel_mult)")
    return {
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "sample_size": config["image_size"],
        "block_out_channels": tuple(widths),
        "layers_per_block": config["num_res_blocks"],
        "down_block_types": tuple(down),
        "up_block_types": tuple(up),
        "transformer_layers_per_block": config.get("transformer_depth", 1),
        # The name is an old mistake of diffusers: these are numbers of heads.
        "attention_head_dim": tuple(heads),
        "cross_attention_dim": config["context_dim"],
        "use_linear_projection": True,
        "class_embed_type": "identity",  # what the camera's embedding, or zero, is added as
    }


def stored_names(options: dict[str, Any]) -> dict[str, str]:
    """Our prefix -> theirs, of all layers of a network of `network_options`."""
    names = {"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
    for ours, theirs in (("time_embedding", "time_embed"), ("camera_embedding", "camera_embed")):
        names |= {f"{ours}.linear_1": f"{theirs}.0", f"{ours}.linear_2": f"{theirs}.2"}
    for part, index in (("resnets.0", 0), ("attentions.0", 1), ("resnets.1", 2)):
        names[f"mid_block.{part}"] = f"middle_block.{index}"
    counts, kinds = options["layers_per_block"], options["down_block_types"]
    counts = [counts] * len(kinds) if isinstance(counts, int) else counts
    block = 1
    for level, count in enumerate(counts):
        for layer in range(count):
            names[f"down_blocks.{level}.resnets.{layer}"] = f"input_blocks.{block}.0"
            names[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{block}.1"
            block += 1
        names[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{block}.0.op"
        block += 1
    block = 0
    for level, (count, kind) in enumerate(zip(reversed(counts), reversed(kinds), strict=True)):
        for layer in range(count + 1):
            names[f"up_blocks.{level}.resnets.{layer}"] = f"output_blocks.{block}.0"
            names[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{block}.1"
            block += 1
        last = 2 if kind == "CrossAttnDownBlock2D" else 1
        names[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{block - 1}.{last}.conv"
    return names


def _stored(name: str, names: dict[str, str]) -> str:
    """Their name of one of our weights."""
    prefix = next(prefix for prefix in names if name.startswith(f"{prefix}."))
    rest = name.removeprefix(f"{prefix}.")
    layer, _, kind = rest.rpartition(".")
    if ".resnets." in prefix:
        rest = f"{_RESIDUAL[layer]}.{kind}"
    return f"{names[prefix]}.{rest}"


def _read_weights(where: Path, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of these names and shapes, of which the files must hold all and no others."""
    from safetensors.torch import load_file

    found: dict[str, Tensor] = {}
    for file in find_weights(where).files:
        found |= load_file(file)
    missing, unknown = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing:
        raise InputError(f"{where} lacks weights that its configuration asks for, such as {missing[0]}")
    if unknown:
        raise InputError(
            f"{where} holds weights that its configuration has no place for, such as {unknown[0]}"
        )
    for key, expected in wanted.items():
        if found[key].shape != expected.shape:
            shapes = f"{list(found[key].shape)}, not {list(expected.shape)}"
            raise InputError(f"{where} does not go with its configuration: {key} has the shape {shapes}")
    return found


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines and not isinstance(error, KeyError) else repr(error)
