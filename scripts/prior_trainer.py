"""One training step of the built-in prior, and its state on disk."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from muon import apply_update, look_ahead, orthogonalize
from prior_data import BASE_SIZE, IMAGE_SIZES, JOINT_VIEWS, Batch, known_words
from prior_labels import ANSWERS, COMMON_WEIGHT, NATURALS, calibrated, telling_loss
from prior_model import (
    load_tokenizer,
    make_scheduler,
    make_text_encoder,
    make_tokenizer,
    make_unet,
    save_prior,
)
from processes import Processes
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextModel

from dream3d.prior import codec, schedule
from dream3d.prior.camera_law import CameraLaw
from dream3d.prior.cell_reader import CellReader, load_reader, read_block
from dream3d.prior.conditioning import ray_map, view_vector
from dream3d.prior.fused_blocks import fuse_blocks
from dream3d.prior.precision import precision_dtype
from dream3d.prior.text import MAX_TOKENS
from dream3d.prior.view_words import VIEW_WORDS
from dream3d.props import FAMILIES, vocabulary

LEARNING_RATE = 4e-4  # AdamW: vectors, embeddings, first and last convolution
MUON_LEARNING_RATE = 1e-3  # all other matrices and convolutions
WEIGHT_DECAY = 0.01
WARM_UP_STEPS = 150
EMA_DECAY = 0.998  # Per step of 48 images; weights averaged ten times as far apart make grainy samples.
MIN_LOSS_WEIGHT = 0.15  # of the v-loss: else the lowest noise is hardly learned, and samples stay grainy
TELLING_WEIGHT = 0.003  # of what `prior_labels.py` asks: its gradient is then about that of denoising
MOMENTS = ("exp_avg", "exp_avg_sq")  # as torch.optim.AdamW calls them
# t = T u^0.75 with u uniform: biased towards high noise, where pose is decided. With an exponent of 0.45 the
# levels from 400 to 800, where materials and patterns are, were starved.
TIMESTEP_EXPONENT = 0.75


class Trainer:
    """Networks in compute precision, float32 master weights with AdamW and their moving average.

    All processes hold the same weights and states: they average gradients and share out Muon's matrices.
    """

    def __init__(self, work: Path, device: torch.device, resume: bool, processes: Processes):
        self.processes = processes
        self.device = device
        self.dtype = precision_dtype("auto", device)
        self.work = work
        # A resumed run keeps its tokens even where the families' words have changed since.
        words = work / "tokenizer" if processes.is_first else work / f"tokenizer{processes.rank}"
        self.tokenizer = load_tokenizer(work / "tokenizer") if resume else make_tokenizer(all_words(), words)
        torch.manual_seed(0)  # noqa: TID251 - diffusers and transformers initialise from the global state
        self.encoder: Any = make_text_encoder(self.tokenizer)
        self.unet: Any = make_unet()
        # Reads the features from which the layers behind the attention draw.
        self.reader = CellReader(self.unet.config.block_out_channels[-1], ANSWERS, NATURALS).to(device)
        self.features: Tensor | None = None
        read_block(self.unet).register_forward_hook(self._keep_features)
        self.encoder.to(device)
        self.unet.to(device, self.dtype, memory_format=torch.channels_last)
        if device.type == "cpu":
            fuse_blocks(self.unet)
        self.alphas_cumprod = make_scheduler().alphas_cumprod.to(device)
        networks = (self.unet, self.encoder, self.reader)
        self.weights = [weight for network in networks for weight in network.parameters()]
        self.masters = [w.detach().float().clone().requires_grad_(True) for w in self.weights]
        self.averages = [m.detach().clone() for m in self.masters]
        names = [name for network in networks for name, _ in network.named_parameters()]
        by_muon = [_is_hidden_matrix(n, m) for n, m in zip(names, self.masters, strict=True)]
        self.momenta = [
            torch.zeros_like(m) if chosen else None for m, chosen in zip(self.masters, by_muon, strict=True)
        ]
        self.rest = [m for m, chosen in zip(self.masters, by_muon, strict=True) if not chosen]
        self.optimizer = torch.optim.AdamW(
            self.rest, lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY, fused=True
        )
        self.step = 0
        self.images_seen = 0

    def losses(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Weighted v-prediction loss of one batch (prior/schedule.py), and that of telling what is seen."""
        images = batch.images.to(self.device)
        clean = codec.images_to_latents(images)
        # Views that attend to each other share their noise level, as they do in distillation.
        u = torch.rand(len(clean) // batch.num_views, generator=generator).repeat_interleave(batch.num_views)
        num_timesteps = len(self.alphas_cumprod)
        timesteps = (u**TIMESTEP_EXPONENT * num_timesteps).long().clamp_max(num_timesteps - 1)
        timesteps = timesteps.to(self.device)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        noisy = schedule.add_noise(clean, noise, self.alphas_cumprod, timesteps)
        target = schedule.velocity(clean, noise, self.alphas_cumprod, timesteps)
        cameras = batch.cameras.to(self.device)
        ids = self.tokenizer(
            batch.captions, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
        )["input_ids"].to(self.device)
        text = self.encoder(input_ids=ids)
        is_told = batch.is_camera_told.to(self.device)
        rays = ray_map(cameras, noisy.shape[-1], is_told)
        view = view_vector(cameras, batch.shading, is_told)
        sample = torch.cat([noisy, rays], dim=1).to(self.dtype)
        labels = torch.cat([text.pooler_output, view], dim=1).to(self.dtype)
        output = self.unet(
            sample.contiguous(memory_format=torch.channels_last),
            timesteps,
            text.last_hidden_state.to(self.dtype),
            class_labels=labels,
            cross_attention_kwargs={"num_views": batch.num_views},
        ).sample
        weight = schedule.x0_loss_weight(self.alphas_cumprod, timesteps).clamp_min(MIN_LOSS_WEIGHT)
        assert self.features is not None  # the hook's
        told = telling_loss(self.reader(self.features), batch.labels)
        return (weight * (output.float() - target) ** 2).mean(), told

    def _keep_features(self, _module: object, _inputs: object, features: Tensor) -> None:
        self.features = features

    def train_step(self, batch: Batch, rate_scale: float) -> tuple[float, float]:
        """One optimiser step; returns the denoising loss and that of telling what is seen."""
        noise_seed = self.step * self.processes.count + self.processes.rank
        denoising, telling = self.losses(batch, torch.Generator().manual_seed(noise_seed))
        for weight in self.weights:
            weight.grad = None
        (denoising + TELLING_WEIGHT * telling).backward()
        gradients = self.processes.sum([gradient_of(weight) for weight in self.weights])
        for master, gradient in zip(self.masters, gradients, strict=True):
            # In the master's layout: the fused optimizer walks through memory as it lies.
            master.grad = torch.empty_like(master).copy_(gradient).div_(self.processes.count)
        torch.nn.utils.clip_grad_norm_(self.masters, 1.0)
        rate = rate_scale * min(1.0, (self.step + 1) / WARM_UP_STEPS)
        self.optimizer.param_groups[0]["lr"] = LEARNING_RATE * rate
        self.optimizer.step()
        self.muon_step(MUON_LEARNING_RATE * rate)
        with torch.no_grad():
            shown = batch.images[..., 0].numel() / BASE_SIZE**2 * self.processes.count
            decay = min(EMA_DECAY ** (shown / 48), (1 + self.step) / (10 + self.step))
            for average, master in zip(self.averages, self.masters, strict=True):
                average.lerp_(master, 1 - decay)
        self.use_averages(False)
        self.step += 1
        self.images_seen += len(batch.captions) * self.processes.count
        return denoising.item(), telling.item()

    def muon_step(self, rate: float) -> None:
        """Step the hidden matrices; each process makes the updates of its share and receives the others."""
        hidden = [(m, p) for m, p in zip(self.masters, self.momenta, strict=True) if p is not None]
        updates = []
        for index, (master, momentum) in enumerate(hidden):
            ahead = look_ahead(gradient_of(master), momentum)
            is_own = index % self.processes.count == self.processes.rank
            updates.append(orthogonalize(ahead) if is_own else torch.zeros_like(ahead, dtype=self.dtype))
        for (master, _), update in zip(hidden, self.processes.sum(updates), strict=True):
            apply_update(master.data, update, rate, WEIGHT_DECAY)

    def use_averages(self, on: bool) -> None:
        """Put the averaged (or back the trained) weights into the networks."""
        with torch.no_grad():
            for weight, source in zip(self.weights, self.averages if on else self.masters, strict=True):
                weight.copy_(source)

    @torch.no_grad()
    def held_out_losses(self, batches: list[Batch]) -> tuple[float, float]:
        """Both losses of the averaged weights on batches never trained on, with fixed noise."""
        self.use_averages(True)
        losses = [self.losses(b, torch.Generator().manual_seed(i)) for i, b in enumerate(batches)]
        self.use_averages(False)
        denoising, telling = (float(torch.stack(each).mean()) for each in zip(*losses, strict=True))
        return denoising, telling

    def save(self, seconds: float) -> None:
        """Write the state and the release folder, each swapped in whole."""
        tensors = {f"master.{i}": m.data for i, m in enumerate(self.masters)}
        tensors |= {f"average.{i}": a for i, a in enumerate(self.averages)}
        tensors |= {f"momentum.{i}": m for i, m in enumerate(self.momenta) if m is not None}
        for index, master in enumerate(self.rest):
            moments = self.optimizer.state[master]
            tensors |= {f"{key}.{index}": moments[key] for key in MOMENTS}
        facts = {"step": self.step, "seconds": seconds, "images_seen": self.images_seen}
        staging = self.work / "state.staging.safetensors"
        save_file(
            {name: t.contiguous() for name, t in tensors.items()},
            staging,
            metadata={"facts": json.dumps(facts)},
        )
        staging.replace(self.work / "state.safetensors")
        (self.work / "facts.json").write_text(json.dumps(facts))
        self.use_averages(True)
        reader, card = calibrated(self.reader), self.card(facts)
        save_prior(self.work / "release", self.unet, self.encoder, reader, self.tokenizer, card)
        self.use_averages(False)

    def load(self) -> float:
        """Read the state back; returns the seconds trained so far."""
        tensors = load_file(self.work / "state.safetensors")
        facts = json.loads((self.work / "facts.json").read_text())
        self.step, self.images_seen = facts["step"], facts["images_seen"]
        for index, master in enumerate(self.masters):
            master.data.copy_(tensors[f"master.{index}"])
            self.averages[index].copy_(tensors[f"average.{index}"])
            momentum = self.momenta[index]
            if momentum is not None:
                momentum.copy_(tensors[f"momentum.{index}"])
        for index, master in enumerate(self.rest):
            # The fused optimizer walks raw memory: moments need the memory format of their weights.
            self.optimizer.state[master] = {"step": torch.tensor(float(self.step), device=self.device)} | {
                key: torch.empty_like(master).copy_(tensors[f"{key}.{index}"]) for key in MOMENTS
            }
        self.use_averages(False)
        return facts["seconds"]

    def start_from(self, prior_folder: Path) -> None:
        """Begin with a released prior's averaged weights; moments and counters start anew.

        The tokens are those of today's vocabulary: words the prior knew keep their embedding, others begin
        with a random one.
        """
        known = load_tokenizer(prior_folder / "tokenizer").get_vocab()
        tokens = self.tokenizer.get_vocab()
        shared = [token for token in tokens if token in known]
        weights: dict[str, Tensor] = CLIPTextModel.from_pretrained(prior_folder / "text_encoder").state_dict()
        (name,) = [key for key in weights if key.endswith("token_embedding.weight")]
        embedding = self.encoder.state_dict()[name].clone()
        embedding[[tokens[t] for t in shared]] = weights[name][[known[t] for t in shared]].to(embedding)
        self.encoder.load_state_dict(weights | {name: embedding})
        self.unet.load_state_dict(load_file(prior_folder / "unet" / "diffusion_pytorch_model.safetensors"))
        reader = load_reader(prior_folder)
        if reader is not None and reader.answers == ANSWERS:
            self.reader.load_state_dict(calibrated(reader, 1 / COMMON_WEIGHT).state_dict())
        for master, average, weight in zip(self.masters, self.averages, self.weights, strict=True):
            master.data.copy_(weight)
            average.copy_(weight)

    def adopt_encoder(self) -> None:
        """Take over text encoder weights that were changed from outside; their moments start anew."""
        changed = {id(weight) for weight in self.encoder.parameters()}
        with torch.no_grad():
            for index, weight in enumerate(self.weights):
                if id(weight) not in changed:
                    continue
                master, momentum = self.masters[index], self.momenta[index]
                master.copy_(weight)
                self.averages[index].copy_(weight)
                if momentum is not None:
                    momentum.zero_()
                else:
                    for key in MOMENTS:
                        self.optimizer.state[master][key].zero_()

    def card(self, facts: dict) -> dict:
        """The card that travels with the weights (dream3d.json)."""
        return {
            "name": "props",
            "image_size": BASE_SIZE,
            "image_sizes": list(IMAGE_SIZES),
            "image_channels": 4,
            "joint_views": JOINT_VIEWS,
            "camera_law": asdict(CameraLaw()),
            "vocabulary": known_words(),
            "facts": {
                "families": list(FAMILIES),
                "parameters": sum(w.numel() for n in (self.unet, self.encoder) for w in n.parameters()),
                "images_seen": facts["images_seen"],
                "training_hours": round(facts["seconds"] / 3600, 2),
                "trained_on": f"{self.device.type}, renders of dream3d/props only, no outside data",
                "licence": "Apache-2.0",
            },
        }


def all_words() -> tuple[str, ...]:
    """Single words of captions and of views, sorted."""
    return tuple(sorted({*vocabulary(), *(word for text in VIEW_WORDS for word in text.split())}))


def gradient_of(weight: Tensor) -> Tensor:
    """The gradient that backward left on a weight."""
    assert weight.grad is not None
    return weight.grad


def _is_hidden_matrix(name: str, weight: Tensor) -> bool:
    """Whether Muon updates this weight: matrices between learned features, not those at the borders."""
    borders = ("embedding.weight", "conv_in", "conv_out", "head.")
    return weight.ndim >= 2 and not any(part in name for part in borders)
