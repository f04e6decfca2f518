"""Train the learned judge on renders made on the fly; resumable at any time.

    python scripts/train_judge.py --work runs/judge --minutes 60             # constant rate
    python scripts/train_judge.py --work runs/judge --minutes 20 --anneal    # goes on, the rate falls to zero

The work folder keeps the state, a log (one JSON object a line) and `release/`, a judge that loads.
Copy `release/` to assets/judges/props, then `python scripts/eval_judge.py --write` adds its scores to the
card.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from judge_data import Batch, JudgeViews
from judge_trainer import Trainer
from torch.utils.data import DataLoader

LOG_SECONDS = 30
HELD_OUT_SEED, HELD_OUT_BATCHES = 1, 10


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--start-from", type=Path, help="judge folder whose weights a new run begins with")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--anneal", action="store_true", help="let the rate fall to zero over this run")
    parser.add_argument("--groups", type=int, default=32, help="of two props each, per step")
    parser.add_argument("--views", type=int, default=1, help="of each prop")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure-every", type=float, default=4.0, help="minutes")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(args.work, torch.device(args.device))
    seconds_before = 0.0
    if (args.work / "state.safetensors").is_file():
        seconds_before = trainer.load()
    elif args.start_from:
        trainer.start_from(args.start_from)
    held_out = [JudgeViews(HELD_OUT_SEED, args.groups, args.views)[i] for i in range(HELD_OUT_BATCHES)]
    train(trainer, args, seconds_before, held_out)


def train(trainer: Trainer, args: argparse.Namespace, seconds_before: float, held_out: list[Batch]) -> None:
    """Steps until the time is up; logs, measures and saves as it goes."""
    start = last_log = last_measure = time.monotonic()
    history: list[dict[str, float]] = []
    for batch in batches(args, trainer.step):
        now = time.monotonic()
        progress = (now - start) / (60 * args.minutes)
        is_over = progress >= 1
        if not is_over:
            history.append(trainer.train_step(batch, 1.0 - progress if args.anneal else 1.0))
        if is_over or now - last_log > LOG_SECONDS:
            names = history[0] if history else ()  # time may be up right after a line
            line = {name: sum(each[name] for each in history) / len(history) for name in names}
            line |= {"images_per_second": len(history) * len(batch.images) / (now - last_log)}
            if is_over or now - last_measure > 60 * args.measure_every:
                line |= {f"held_out_{name}": value for name, value in trainer.measure(held_out).items()}
                trainer.save(seconds_before + now - start)
                last_measure = time.monotonic()
            log(args.work / "log.jsonl", trainer, line)
            history, last_log = [], time.monotonic()
        if is_over:
            return


def log(path: Path, trainer: Trainer, line: dict[str, float]) -> None:
    """Append one line."""
    rounded = {name: round(value, 4) for name, value in line.items()}
    with path.open("a") as stream:
        stream.write(json.dumps({"step": trainer.step, "images_seen": trainer.images_seen, **rounded}) + "\n")


def batches(args: argparse.Namespace, step: int) -> DataLoader[Batch]:
    """All batches from a step on."""
    return DataLoader(
        JudgeViews(0, args.groups, args.views),
        batch_size=None,
        sampler=range(step, 2**31),
        num_workers=args.workers,
        prefetch_factor=6 if args.workers else None,
    )


if __name__ == "__main__":
    main()
