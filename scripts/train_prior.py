"""Train the built-in prior on renders of the procedural props; stop and go on at any time.

    python scripts/train_prior.py --minutes 60 --work runs/prior             # start
    python scripts/train_prior.py --minutes 60 --work runs/prior --resume    # go on
    python scripts/train_prior.py --minutes 60 --work runs/prior --start-from assets/priors/props
    python scripts/train_prior.py --minutes 15 --work runs/prior --resume --anneal    # end: rate goes to zero
    torchrun --nproc-per-node 2 scripts/train_prior.py --threads 1 ...    # a process per core or GPU

The work folder holds the exact training state (safetensors and JSON), a log with a held-out loss, and
`release/`, the prior folder made of the averaged weights; copy that one to assets/priors/props.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from prior_data import BASE_SIZE, IMAGE_SIZES, Batch, PropViews
from prior_trainer import Trainer
from processes import Processes
from torch.utils.data import DataLoader

from dream3d.prior.camera_law import CameraLaw

HELD_OUT_SEED = 2**31 - 1


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
    parser.add_argument(
        "--rate",
        type=float,
        default=1.0,
        help="factor on the learning rates: larger batches bear larger ones",
    )
    parser.add_argument("--batch", type=int, default=24, help="images of 64 px per step and process")
    parser.add_argument(
        "--size-shares",
        type=float,
        nargs=len(IMAGE_SIZES),
        default=(0.25, 0.65, 0.1),
        help=f"shares of batches at {IMAGE_SIZES} px; small images cost less and teach what things are",
    )
    parser.add_argument("--workers", type=int, default=1, help="rendering processes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of the network")
    parser.add_argument("--save-every", type=float, default=5.0, help="minutes between saves")
    args = parser.parse_args()
    train(args)


def train(args: argparse.Namespace) -> None:
    """Train for the time asked, saving and logging on the way."""
    device = torch.device(args.device)
    processes = Processes.join(device)
    args.work.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(args.work, device, args.resume, processes)
    seconds_before = trainer.load() if args.resume else 0.0
    if args.start_from:
        trainer.start_from(args.start_from)
    held_out_views = PropViews(HELD_OUT_SEED, 32, CameraLaw(), {BASE_SIZE: 1.0})
    held_out = [held_out_views[i] for i in range(4)]
    torch.set_num_threads(args.threads)
    start = last_save = last_log = time.monotonic()
    losses: list[tuple[float, float]] = []
    images_before = trainer.images_seen
    for batch in batches(args, trainer.step, processes):
        now = time.monotonic()
        progress = (now - start) / (60 * args.minutes)
        if processes.any(progress >= 1):
            break
        losses.append(trainer.train_step(batch, args.rate * (1.0 - progress if args.anneal else 1.0)))
        if processes.is_first and now - last_log > 30:
            rate = (trainer.images_seen - images_before) / (now - last_log)
            denoising, telling = (sum(each) / len(losses) for each in zip(*losses, strict=True))
            line = {"step": trainer.step, "loss": denoising, "telling_loss": telling}
            line["images_per_second"] = rate
            losses, images_before, last_log = [], trainer.images_seen, now
            if now - last_save > 60 * args.save_every:
                line["held_out_loss"], line["held_out_telling_loss"] = trainer.held_out_losses(held_out)
                trainer.save(seconds_before + now - start)
                last_save = time.monotonic()
            with (args.work / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
    if processes.is_first:
        trainer.save(seconds_before + time.monotonic() - start)


def batches(args: argparse.Namespace, step: int, processes: Processes) -> DataLoader[Batch]:
    """This process's batches from a step on: every count-th of one endless series."""
    size_shares = dict(zip(IMAGE_SIZES, args.size_shares, strict=True))
    return DataLoader(
        PropViews(0, args.batch, CameraLaw(), size_shares, processes.count),
        batch_size=None,
        sampler=range(step * processes.count + processes.rank, 2**31, processes.count),
        num_workers=args.workers,
        prefetch_factor=8 if args.workers else None,
    )


if __name__ == "__main__":
    main()
