"""Teach the text encoder of a prior in training to read captions, from text alone (reading.py).

    python scripts/train_prior.py --minutes 0 --work runs/prior              # a fresh state
    python scripts/teach_reading.py --steps 4000 --work runs/prior           # reads first: ten minutes
    python scripts/train_prior.py --minutes 600 --work runs/prior --resume   # then denoises

On a state that has seen images, `--anchor 1` holds the encoder's outputs near what the denoiser is used to.
"""

import argparse
import copy
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from prior_model import TEXT_WIDTH
from prior_trainer import Trainer
from processes import Processes
from reading import Answered, Reader, accuracy, draw_reading
from torch import Tensor

from dream3d.prior.text import MAX_TOKENS

BATCH = 192  # captions
RATE, READER_RATE = 4e-4, 2e-3
HEAD_START = 0.15  # Share of the time in which only the reader learns, so that its noise moves no words.
TEST_SEED = 2**31 - 1


def main() -> None:
    """Read the options and teach."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=4000, help=f"of {BATCH} captions")
    parser.add_argument("--work", type=Path, required=True, help="folder of the training state")
    parser.add_argument("--anchor", type=float, default=0.0, help="weight of staying near today's outputs")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    trainer = Trainer(args.work, torch.device("cpu"), resume=True, processes=Processes())
    seconds = trainer.load()
    trainer.use_averages(True)
    start = time.monotonic()
    teach(trainer.encoder, trainer.tokenizer, args.steps, args.anchor)
    trainer.adopt_encoder()
    trainer.save(seconds + time.monotonic() - start)


def teach(encoder: Any, tokenizer: Any, steps: int, anchor: float) -> "Lesson":
    """Train `encoder` in place to tell what captions say; prints how well it does."""
    torch.manual_seed(0)  # noqa: TID251 - torch initialises layers from the global state
    lesson = Lesson(encoder, tokenizer, copy.deepcopy(encoder).eval() if anchor else None)
    groups = [
        {"params": lesson.reader.parameters(), "peak": READER_RATE},
        {"params": encoder.parameters(), "peak": RATE},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(steps):
        progress = step / steps
        scales = 1.0, min(1.0, max(0.0, progress - HEAD_START) * 10)
        for group, scale in zip(optimizer.param_groups, scales, strict=True):
            group["lr"] = group["peak"] * scale * (1 - progress) * min(1.0, (step + 1) / 50)
        answered, moved = lesson.ask(BATCH, step)
        optimizer.zero_grad()
        (torch.stack([each.loss() for each in answered]).sum() + anchor * moved).backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 250 == 0 or step + 1 == steps:
            print(json.dumps({"step": step + 1} | lesson.test(1000)), flush=True)
    return lesson


class Lesson:
    """An encoder, what asks it, and the encoder it was (None: nothing to stay near)."""

    def __init__(self, encoder: Any, tokenizer: Any, before: Any) -> None:
        self.encoder, self.tokenizer, self.before = encoder, tokenizer, before
        self.reader = Reader(TEXT_WIDTH)

    def ask(self, count: int, seed: int) -> tuple[list[Answered], Tensor]:
        """Read captions; returns the answers, and how far the outputs moved relative to their variance."""
        reading = draw_reading(np.random.default_rng((0, seed)), count)
        ids = self.tokenizer(
            reading.captions, padding="longest", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
        )["input_ids"]
        is_padding = (ids == self.tokenizer.eos_token_id).cumsum(1) > 1
        text = self.encoder(input_ids=ids)
        answered = self.reader(text.pooler_output, text.last_hidden_state, is_padding, reading)
        if self.before is None:
            return answered, torch.zeros(())
        with torch.no_grad():
            before = self.before(input_ids=ids)
        tokens = (text.last_hidden_state - before.last_hidden_state)[~is_padding].square().mean()
        pooled = (text.pooler_output - before.pooler_output).square().mean()
        moved = tokens / before.last_hidden_state[~is_padding].var()
        return answered, moved + pooled / before.pooler_output.var(0).mean()

    @torch.no_grad()
    def test(self, count: int) -> dict[str, float]:
        """Shares of right answers on captions that are not trained on, and how far the outputs moved."""
        answered, moved = self.ask(count, TEST_SEED)
        shares = {name: round(right, 4) for name, (right, _) in accuracy(answered).items()}
        return shares | {"moved": round(moved.item(), 3)}


if __name__ == "__main__":
    main()
