"""A copy of a prior whose low-rank adapters learn what the renders of a scene look like.

Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) of a frozen denoiser, as variational score distillation
uses it (Wang et al. 2023, arXiv 2305.16213, section 3.3). The copy shares the frozen weights with the prior.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dream3d.cameras import Cameras
from dream3d.extras import import_extra
from dream3d.optimizer_state import load_optimizer_state, optimizer_state
from dream3d.prior import schedule
from dream3d.prior.parts import Denoiser
from dream3d.prior.prior import Prior
from dream3d.prior.text import Branch, TextEmbedding
from dream3d.stage_config import Shading, ViewConditioning

# Linear layers of attention and transformers, and the convolutions of residual blocks, by diffusers' names.
ADAPTED = r".*\.(to_q|to_k|to_v|to_out\.0|ff\.net\.0\.proj|ff\.net\.2|conv1|conv2|proj_in|proj_out)"
UNSEEN_SHARE = 0.1  # Of the steps that do not tell where the cameras are.


class AdaptedPrior:
    """A prior that learns the renders it is shown, at all noise levels."""

    def __init__(self, prior: Prior, rank: int, learning_rate: float, generator: torch.Generator) -> None:
        self.alphas_cumprod = prior.alphas_cumprod
        self.denoiser = with_adapters(prior.denoiser, rank, generator)
        self.parameters = [weight for weight in self.denoiser.unet.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=learning_rate, weight_decay=0.0)

    def state_dict(self) -> dict[str, Any]:
        """The weights that learn and their optimizer's memory; not copied."""
        return {
            "parameters": [weight.detach() for weight in self.parameters],
            "optimizer": optimizer_state(self.optimizer),
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take those of a copy of the same prior; copied."""
        for weight, saved in zip(self.parameters, state["parameters"], strict=True):
            weight.copy_(saved)
        load_optimizer_state(self.optimizer, state["optimizer"])

    @torch.no_grad()
    def predict_x0(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        shading: list[Shading],
        views: ViewConditioning,
        branches: Sequence[Branch] = ("text",),
    ) -> tuple[Tensor, ...]:
        """Clean latents [B, c, h, w] that the renders seen so far make likely; see `Prior.predict_x0`."""
        return self.denoiser.predict_x0(noisy, timesteps, embedding, cameras, shading, views, branches)

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
        """One step of AdamW on the squared error in v, at one noise level of all.

        The error in v is that in x_0 over s, which weighs noise levels as the built-in prior's training does
        and stays finite where a noise prediction says nothing.

        Args:
            clean: [B, c, h, w], latents of renders.
            embedding: Of the prompt.
            cameras: B cameras.
            shading: B shading names.
            views: How the network learns where the views stand.
            generator: CPU generator of noise and noise level.
        """
        level = int(torch.randint(1, len(self.alphas_cumprod), (), generator=generator))
        is_unseen = float(torch.rand((), generator=generator)) < UNSEEN_SHARE
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        timesteps = torch.full((len(clean),), level, device=clean.device)
        noisy = schedule.add_noise(clean, noise, self.alphas_cumprod, timesteps)
        told: ViewConditioning = "none" if is_unseen else views
        (x0,) = self.denoiser.predict_x0(noisy, timesteps, embedding, cameras, shading, told, ("text",))
        _, noise_scale = schedule.coefficients(self.alphas_cumprod, timesteps)
        loss = ((x0 - clean) / noise_scale).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def with_adapters(denoiser: Denoiser, rank: int, generator: torch.Generator) -> Any:
    """A copy of a frozen denoiser, over the same weights, with adapters that change nothing yet.

    Args:
        denoiser: A dataclass with a diffusers network; not changed.
        rank: Of the adapters.
        generator: CPU generator of their starting weights.

    Raises:
        InputError: PEFT is not installed.
    """
    peft = import_extra("peft", "vsd", "guidance that learns the renders", "choose another guidance method")
    network: nn.Module = denoiser.unet
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    twin = copy.deepcopy(network, shared)
    peft.inject_adapter_in_model(peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=ADAPTED), twin)
    with torch.no_grad():
        for name, weight in twin.named_parameters():
            if "lora_" in name:  # half precision loses steps this small; PEFT casts what goes in and out
                weight.data = weight.data.float()
            if "lora_A" in name:  # PEFT draws from the global generator; the other factor starts at zero
                weight.copy_(torch.randn(weight.shape, generator=generator) / math.sqrt(weight[0].numel()))
    return replace(denoiser, unet=twin)  # pyright: ignore[reportArgumentType] (all denoisers are dataclasses)
