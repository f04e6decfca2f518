"""A copy of a prior whose low-rank adapters learn what the renders of a scene look like.

Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) of a frozen denoiser, as variational score distillation
uses it (Wang et al. 2023, arXiv 2305.16213, section 3.3). The copy shares the frozen weights with the prior.
"""

import copy
import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dream3d.cameras import Cameras
from dream3d.extras import import_extra
from dream3d.prior import schedule
from dream3d.prior.prior import Prior
from dream3d.prior.text import TextEmbedding
from dream3d.stage_config import Shading, ViewConditioning

ADAPTED = r".*\.(to_q|to_k|to_v|to_out\.0|ff\.net\.0\.proj|ff\.net\.2|conv1|conv2|proj_in|proj_out)"
UNSEEN_SHARE = 0.1  # Of the steps that do not tell where the cameras are.


class AdaptedPrior:
    """A prior that learns the renders it is shown, at all noise levels."""

    def __init__(self, prior: Prior, rank: int, learning_rate: float, generator: torch.Generator) -> None:
        unet = with_adapters(prior.unet, rank, generator)
        self.prior = replace(prior, unet=unet)
        self.parameters = [weight for weight in unet.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=learning_rate, weight_decay=0.0)

    @torch.no_grad()
    def predict_x0(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        shading: list[Shading],
        views: ViewConditioning,
        is_camera_told: bool = True,
    ) -> Tensor:
        """Clean latents [B, c, h, w] that the renders seen so far make likely; see `Prior.predict_x0`."""
        (answer,) = self.prior.velocity(
            noisy, timesteps, embedding, cameras, shading, views, ("text",), is_camera_told
        )
        return schedule.x0_from_velocity(noisy, answer, self.prior.alphas_cumprod, timesteps)

    @torch.enable_grad()
    def learn(
        self,
        clean: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        shading: list[Shading],
        views: ViewConditioning,
        generator: torch.Generator,
    ) -> None:
        """One step of AdamW on the loss that the prior was trained with, in v, at one noise level of all.

        Args:
            clean: [B, c, h, w], latents of renders.
            embedding: Of the prompt.
            cameras: B cameras.
            shading: B shading names.
            views: How the network learns where the views stand.
            generator: CPU generator of noise and noise level.
        """
        level = int(torch.randint(1, len(self.prior.alphas_cumprod), (), generator=generator))
        is_camera_told = float(torch.rand((), generator=generator)) >= UNSEEN_SHARE
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        timesteps = torch.full((len(clean),), level, device=clean.device)
        alphas = self.prior.alphas_cumprod
        noisy = schedule.add_noise(clean, noise, alphas, timesteps)
        (answer,) = self.prior.velocity(
            noisy, timesteps, embedding, cameras, shading, views, ("text",), is_camera_told
        )
        loss = (answer - schedule.velocity(clean, noise, alphas, timesteps)).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def with_adapters(network: nn.Module, rank: int, generator: torch.Generator) -> Any:
    """A copy of a frozen network, over the same weights, with adapters that change nothing yet.

    Args:
        network: A diffusers UNet; not changed.
        rank: Of the adapters.
        generator: CPU generator of their starting weights.

    Raises:
        InputError: PEFT is not installed.
    """
    peft = import_extra("peft", "vsd", "guidance that learns the renders", "choose another guidance method")
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    twin = copy.deepcopy(network, shared)
    config = peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=ADAPTED, init_lora_weights=True)
    peft.inject_adapter_in_model(config, twin)
    with torch.no_grad():
        for name, weight in twin.named_parameters():
            if "lora_A" in name:  # PEFT draws from the global generator; the other factor starts at zero
                fan_in = weight[0].numel()
                weight.copy_(torch.randn(weight.shape, generator=generator) / math.sqrt(fan_in))
    return twin
