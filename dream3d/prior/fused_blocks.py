"""Blocks, normalisations and convolutions of a diffusers UNet, computed faster.

Parameters and their names stay as they are.
"""

from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from dream3d.ops.group_norm_silu import group_norm_silu
from dream3d.ops.winograd_conv import PANEL, pack_winograd_weight, winograd_conv


class FusedResnetBlock(ResnetBlock2D):
    """A block whose normalisations, scale and shift by the embedding, and activations are one op each."""

    def forward(self, input_tensor: Tensor, temb: Tensor, *_args: object, **_kwargs: object) -> Tensor:
        """As the block of diffusers in evaluation, or in training without dropout.

        Args:
            input_tensor: [B, C, H, W].
            temb: [B, E], embedding of timestep and view.

        Returns:
            [B, C', H, W].
        """
        hidden = self.conv1(norm_silu(input_tensor, self.norm1))
        assert self.time_emb_proj is not None  # `_is_plain`
        scale, shift = self.time_emb_proj(nn.functional.silu(temb)).float().chunk(2, dim=1)
        hidden = self.conv2(norm_silu(hidden, self.norm2, scale, shift))
        return hidden + (input_tensor if self.conv_shortcut is None else self.conv_shortcut(input_tensor))


class FusedGroupNorm(nn.GroupNorm):
    """Group normalisation and the SiLU after it."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name in torch)
        """[B, C, H, W] to the same."""
        return norm_silu(input, self)


class WinogradConv(nn.Conv2d):
    """A convolution with 3 x 3 weights that do not change any more; with gradients it is that of torch."""

    packed: Tensor | None

    def __init__(self, *args: Any, **options: Any) -> None:
        """Not packed, it computes as torch does: PEFT makes adapters of the class that they adapt."""
        super().__init__(*args, **options)
        self.register_buffer("packed", None, persistent=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name in torch)
        """[B, C, H, W] to [B, K, H, W]."""
        has_gradient = torch.is_grad_enabled() and (input.requires_grad or self.weight.requires_grad)
        is_plain = input.device.type == "cpu" and input.dtype == torch.float32 and not has_gradient
        if self.packed is None or self.bias is None or not is_plain:
            return super().forward(input)
        return winograd_conv(input, self.packed, self.bias)


def norm_silu(
    images: Tensor, norm: nn.GroupNorm, scale: Tensor | None = None, shift: Tensor | None = None
) -> Tensor:
    """SiLU of (1 + scale) norm(images) + shift; scale and shift are [B, C] float32."""
    batch = len(images)
    gain, bias = norm.weight.float().expand(batch, -1), norm.bias.float().expand(batch, -1)
    if scale is not None and shift is not None:
        gain, bias = gain * (1.0 + scale), bias * (1.0 + scale) + shift
    return group_norm_silu(images, gain, bias, norm.num_groups, norm.eps)


def fuse_blocks(unet: nn.Module) -> None:
    """Compute the residual blocks of a UNet2DConditionModel of our own layout by `FusedResnetBlock`.

    Blocks of any other kind (another activation, dropout, resampling inside) stay what they are.
    """
    for block in unet.modules():
        if type(block) is ResnetBlock2D and _is_plain(block):
            block.__class__ = FusedResnetBlock
    if type(unet.conv_norm_out) is nn.GroupNorm and isinstance(unet.conv_act, nn.SiLU):
        unet.conv_norm_out.__class__ = FusedGroupNorm
        unet.conv_act = nn.Identity()


def pack_convolutions(unet: nn.Module) -> None:
    """Compute the convolutions of a frozen float32 UNet on a CPU by `WinogradConv`, where they can be.

    Takes four times their weights' memory more. Weights that change later do so only where gradients flow.
    """
    for conv in unet.modules():
        if type(conv) is nn.Conv2d and _can_pack(conv):
            conv.register_buffer("packed", pack_winograd_weight(conv.weight), persistent=False)
            conv.__class__ = WinogradConv


def _can_pack(conv: nn.Conv2d) -> bool:
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == conv.padding == conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.padding_mode == "zeros"
        and conv.bias is not None
        and conv.in_channels % PANEL == conv.out_channels % PANEL == 0
    )


def _is_plain(block: ResnetBlock2D) -> bool:
    return (
        block.time_embedding_norm == "scale_shift"
        and isinstance(block.nonlinearity, nn.SiLU)
        and not block.skip_time_act
        and block.upsample is None
        and block.downsample is None
        and block.dropout.p == 0.0
        and block.output_scale_factor == 1.0
        and all(norm.num_channels % 16 == 0 for norm in (block.norm1, block.norm2))
    )
