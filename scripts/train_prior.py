"""Train the built-in prior on renders of the procedural props; stop and go on at any time.

    python scripts/train_prior.py --minutes 60 --work runs/prior             # start
    python scripts/train_prior.py --minutes 60 --work runs/prior --resume    # go on
    python scripts/train_prior.py --minutes 60 --work runs/prior --start-from assets/priors/props
    python scripts/train_prior.py --minutes 15 --work runs/prior --resume --anneal    # end: rate goes to zero

The work folder holds the exact training state (safetensors and JSON), a log with a held-out loss, and
`release/`, the prior folder made of the averaged weights; copy that one to assets/priors/props.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from muon import muon_step
from prior_data import TRAINED_FAMILIES, Batch, PropViews, known_words
from prior_model import (
    load_tokenizer,
    make_scheduler,
    make_text_encoder,
    make_tokenizer,
    make_unet,
    save_prior,
)
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import CLIPTextModel

from dream3d.prior import schedule
from dream3d.prior.camera_law import CameraLaw
from dream3d.prior.conditioning import ray_map, view_vector
from dream3d.prior.text import MAX_TOKENS
from dream3d.props import vocabulary

LEARNING_RATE = 4e-4  # AdamW: vectors, embeddings, first and last convolution
MUON_LEARNING_RATE = 1e-3  # all other matrices and convolutions
WEIGHT_DECAY = 0.01
WARM_UP_STEPS = 150
EMA_DECAY = 0.9995
TIMESTEP_EXPONENT = 0.45  # t = T u^0.45 with u uniform: biased towards high noise, where pose is decided.
HELD_OUT_SEED = 2**31 - 1


class Trainer:
    """Networks in compute precision, float32 master weights with AdamW and their moving average."""

    def __init__(self, work: Path, device: torch.device, resume: bool):
        self.device = device
        self.work = work
        # A resumed run keeps its tokens even where the families' words have changed since.
        self.tokenizer = (
            load_tokenizer(work / "tokenizer") if resume else make_tokenizer(vocabulary(), work / "tokenizer")
        )
        torch.manual_seed(0)  # noqa: TID251 - diffusers and transformers initialise from the global state
        self.encoder: Any = make_text_encoder(self.tokenizer)
        self.unet: Any = make_unet()
        self.encoder.to(device)
        self.unet.to(device, torch.bfloat16, memory_format=torch.channels_last)
        self.alphas_cumprod = make_scheduler().alphas_cumprod.to(device)
        self.weights = [*self.unet.parameters(), *self.encoder.parameters()]
        self.masters = [w.detach().float().clone().requires_grad_(True) for w in self.weights]
        self.averages = [m.detach().clone() for m in self.masters]
        names = [*dict(self.unet.named_parameters()), *dict(self.encoder.named_parameters())]
        by_muon = [_is_hidden_matrix(n, m) for n, m in zip(names, self.masters, strict=True)]
        self.momenta = [
            torch.zeros_like(m) if chosen else None for m, chosen in zip(self.masters, by_muon, strict=True)
        ]
        self.rest = [m for m, chosen in zip(self.masters, by_muon, strict=True) if not chosen]
        self.optimizer = torch.optim.AdamW(
            self.rest, lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY, fused=True
        )
        self.step = 0

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Weighted v-prediction loss of one batch (prior/schedule.py)."""
        images = batch.images.to(self.device)
        clean = torch.nn.functional.pixel_unshuffle(images.permute(0, 3, 1, 2) * 2 - 1, 2)
        u = torch.rand(len(clean), generator=generator)
        timesteps = (
            (u**TIMESTEP_EXPONENT * len(self.alphas_cumprod)).long().clamp_max(len(self.alphas_cumprod) - 1)
        )
        timesteps = timesteps.to(self.device)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        noisy = schedule.add_noise(clean, noise, self.alphas_cumprod, timesteps)
        target = schedule.velocity(clean, noise, self.alphas_cumprod, timesteps)
        cameras = batch.cameras.to(self.device)
        ids = self.tokenizer(
            batch.captions, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
        )["input_ids"].to(self.device)
        text = self.encoder(input_ids=ids)
        sample = torch.cat([noisy, ray_map(cameras, noisy.shape[-1])], dim=1).to(torch.bfloat16)
        labels = torch.cat([text.pooler_output, view_vector(cameras, batch.shading)], dim=1).to(
            torch.bfloat16
        )
        output = self.unet(
            sample.contiguous(memory_format=torch.channels_last),
            timesteps,
            text.last_hidden_state.to(torch.bfloat16),
            class_labels=labels,
        ).sample
        weight = schedule.x0_loss_weight(self.alphas_cumprod, timesteps)
        return (weight * (output.float() - target) ** 2).mean()

    def train_step(self, batch: Batch, rate_scale: float) -> float:
        """One optimiser step; returns the loss."""
        loss = self.loss(batch, torch.Generator().manual_seed(self.step))
        for weight in self.weights:
            weight.grad = None
        loss.backward()
        for master, weight in zip(self.masters, self.weights, strict=True):
            assert weight.grad is not None
            master.grad = weight.grad.float()
        torch.nn.utils.clip_grad_norm_(self.masters, 1.0)
        rate = rate_scale * min(1.0, (self.step + 1) / WARM_UP_STEPS)
        self.optimizer.param_groups[0]["lr"] = LEARNING_RATE * rate
        self.optimizer.step()
        for master, momentum in zip(self.masters, self.momenta, strict=True):
            if momentum is not None and master.grad is not None:
                muon_step(master.data, master.grad, momentum, MUON_LEARNING_RATE * rate, WEIGHT_DECAY)
        with torch.no_grad():
            decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
            for average, master in zip(self.averages, self.masters, strict=True):
                average.lerp_(master, 1 - decay)
        self.use_averages(False)
        self.step += 1
        return loss.item()

    def use_averages(self, on: bool) -> None:
        """Put the averaged (or back the trained) weights into the networks."""
        with torch.no_grad():
            for weight, source in zip(self.weights, self.averages if on else self.masters, strict=True):
                weight.copy_(source)

    @torch.no_grad()
    def held_out_loss(self, batches: list[Batch]) -> float:
        """Loss of the averaged weights on batches never trained on, with fixed noise."""
        self.use_averages(True)
        losses = [self.loss(b, torch.Generator().manual_seed(i)).item() for i, b in enumerate(batches)]
        self.use_averages(False)
        return sum(losses) / len(losses)

    def save(self, seconds: float, images_per_step: int) -> None:
        """Write the state and the release folder, each swapped in whole."""
        tensors: dict[str, Tensor] = {}
        tensors = {f"master.{i}": m.data for i, m in enumerate(self.masters)}
        tensors |= {f"average.{i}": a for i, a in enumerate(self.averages)}
        tensors |= {f"momentum.{i}": m for i, m in enumerate(self.momenta) if m is not None}
        for index, master in enumerate(self.rest):
            moments = self.optimizer.state[master]
            tensors |= {f"{key}.{index}": moments[key] for key in ("exp_avg", "exp_avg_sq")}
        facts = {"step": self.step, "seconds": seconds, "images_seen": self.step * images_per_step}
        staging = self.work / "state.staging.safetensors"
        save_file(
            {name: t.contiguous() for name, t in tensors.items()},
            staging,
            metadata={"facts": json.dumps(facts)},
        )
        staging.replace(self.work / "state.safetensors")
        (self.work / "facts.json").write_text(json.dumps(facts))
        self.use_averages(True)
        save_prior(self.work / "release", self.unet, self.encoder, self.tokenizer, self.card(facts))
        self.use_averages(False)

    def load(self) -> float:
        """Read the state back; returns the seconds trained so far."""
        tensors = load_file(self.work / "state.safetensors")
        facts = json.loads((self.work / "facts.json").read_text())
        self.step = facts["step"]
        for index, master in enumerate(self.masters):
            master.data.copy_(tensors[f"master.{index}"])
            self.averages[index].copy_(tensors[f"average.{index}"])
            momentum = self.momenta[index]
            if momentum is not None:
                momentum.copy_(tensors[f"momentum.{index}"])
        for index, master in enumerate(self.rest):
            self.optimizer.state[master] = {
                "step": torch.tensor(float(self.step)),
                "exp_avg": tensors[f"exp_avg.{index}"].to(self.device),
                "exp_avg_sq": tensors[f"exp_avg_sq.{index}"].to(self.device),
            }
        self.use_averages(False)
        return facts["seconds"]

    def start_from(self, prior_folder: Path) -> None:
        """Begin with a released prior's averaged weights and tokens; moments and counters start anew."""
        self.tokenizer = load_tokenizer(prior_folder / "tokenizer")
        self.tokenizer.save_pretrained(self.work / "tokenizer")
        self.unet.load_state_dict(load_file(prior_folder / "unet" / "diffusion_pytorch_model.safetensors"))
        encoder = CLIPTextModel.from_pretrained(prior_folder / "text_encoder")
        self.encoder.load_state_dict(encoder.state_dict())
        for master, average, weight in zip(self.masters, self.averages, self.weights, strict=True):
            master.data.copy_(weight)
            average.copy_(weight)

    def card(self, facts: dict) -> dict:
        """The card that travels with the weights (dream3d.json)."""
        return {
            "name": "props",
            "image_size": 64,
            "image_channels": 4,
            "camera_law": asdict(CameraLaw()),
            "vocabulary": known_words(),
            "facts": {
                "families": list(TRAINED_FAMILIES),
                "parameters": sum(w.numel() for w in self.weights),
                "images_seen": facts["images_seen"],
                "training_hours": round(facts["seconds"] / 3600, 2),
                "trained_on": f"{self.device.type}, renders of dream3d/props only, no outside data",
                "licence": "Apache-2.0",
            },
        }


def _is_hidden_matrix(name: str, weight: Tensor) -> bool:
    """Whether Muon updates this weight: matrices between learned features, not those at the borders."""
    return weight.ndim >= 2 and not any(part in name for part in ("embedding.weight", "conv_in", "conv_out"))


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, required=True, help="how long this call may train")
    parser.add_argument("--work", type=Path, required=True, help="folder of state, log and release")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --work")
    parser.add_argument("--start-from", type=Path, help="prior folder whose weights to begin with")
    parser.add_argument(
        "--anneal", action="store_true", help="lower the learning rate to zero over this call"
    )
    parser.add_argument("--batch", type=int, default=24, help="images per step")
    parser.add_argument("--views", type=int, default=2, help="views rendered of each prop")
    parser.add_argument("--workers", type=int, default=1, help="rendering processes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of the network")
    parser.add_argument("--save-every", type=float, default=5.0, help="minutes between saves")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)

    trainer = Trainer(args.work, torch.device(args.device), args.resume)
    seconds_before = trainer.load() if args.resume else 0.0
    if args.start_from:
        trainer.start_from(args.start_from)
    law = CameraLaw()
    held_out_views = PropViews(HELD_OUT_SEED, 32, 1, 64, law)
    held_out = [held_out_views[i] for i in range(4)]
    torch.set_num_threads(args.threads)
    views = PropViews(0, args.batch, args.views, 64, law)
    loader = DataLoader(
        views,
        batch_size=None,
        sampler=range(trainer.step, 2**31),
        num_workers=args.workers,
        prefetch_factor=8 if args.workers else None,
    )
    start = last_save = last_log = time.monotonic()
    losses: list[float] = []
    for batch in loader:
        now = time.monotonic()
        progress = (now - start) / (60 * args.minutes)
        if progress >= 1:
            break
        losses.append(trainer.train_step(batch, 1.0 - progress if args.anneal else 1.0))
        if now - last_log > 30:
            rate = len(losses) * args.batch / (now - last_log)
            line = {"step": trainer.step, "loss": sum(losses) / len(losses), "images_per_second": rate}
            losses, last_log = [], now
            if now - last_save > 60 * args.save_every:
                line["held_out_loss"] = trainer.held_out_loss(held_out)
                trainer.save(seconds_before + now - start, args.batch)
                last_save = time.monotonic()
            with (args.work / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
    trainer.save(seconds_before + time.monotonic() - start, args.batch)


if __name__ == "__main__":
    main()
