"""Measure a prior in 2D, before any 3D: does it draw what is said, and from the side that is asked for?

    python scripts/eval_prior.py -o out/prior                  # results.json, table.md and two sheets
    python scripts/eval_prior.py -o out/prior --shard 0/2      # half of the work, for one of two processes;
                                                               # then once without, to put the report together
    python scripts/eval_prior.py -o out/prior --card assets/priors/props    # and the scores into its card
    python scripts/eval_prior.py --sheet assets/gallery/prior_2d.jpg        # only look: every family

Each prompt is sampled as one group of four views 90 degrees apart. Samples and scores that are in the folder
are kept: a stopped run goes on. Real renders of the same prompts are judged alike; what they miss is the
judge's own error.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from prior_report import HALVES, markdown, summarize, update_card
from prior_samples import Asked, Samples, SampleSettings, read_asked
from prior_scores import ScoreBook, half_of, score
from prior_sheets import family_sheet, prompt_sheet
from sheets import encode_jpeg

from dream3d.errors import InputError
from dream3d.evaluate.columns import METRICS_VERSION
from dream3d.export.files import write_files
from dream3d.inputs import Shard, parse_shard
from dream3d.metrics.judge import Judge
from dream3d.metrics.judge_folder import find_judge, judge_sha256
from dream3d.prior import Prior
from dream3d.props import FAMILIES


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, help="folder of samples, scores and report")
    parser.add_argument("--prompts", type=Path, default=Path("assets/prompts/prior400.txt"))
    parser.add_argument("--limit", type=int, help="only the first prompts")
    parser.add_argument("--shard", type=parse_shard, metavar="I/N", help="every N-th prompt, no report")
    parser.add_argument("--prior", default="props")
    parser.add_argument("--judge", default="props")
    parser.add_argument("--views", choices=("joint", "camera", "words"), default="joint")
    parser.add_argument("--steps", type=int, default=16, help="of DDIM")
    parser.add_argument("--scale", type=float, default=3.0, help="guidance scale")
    parser.add_argument("--card", type=Path, help="prior folder whose card takes the scores")
    parser.add_argument("--sheet", type=Path, help="paint families into this file")
    parser.add_argument("--families", nargs="*", help="of the sheet; all unless named")
    args = parser.parse_args(words)
    if not (args.out or args.sheet):
        parser.error("name a folder with -o, or a picture with --sheet")
    return args


def measure(
    prior: Prior, judge: Judge, judge_name: str, asked: Sequence[Asked], samples: Samples, book: ScoreBook
) -> None:
    """Draw and score what is not there yet."""
    is_group = samples.settings.views == "joint"
    for done, item in enumerate(samples.draw(prior, asked), start=1):
        if (item.prompt, "prior", judge_name) not in book.scores:
            book.append(score(judge, judge_name, item, samples.load(item), "prior", is_group))
        if (item.prompt, "truth", judge_name) not in book.scores:
            book.append(score(judge, judge_name, item, item.truth(), "truth", is_group))
        print(f"\r{done}/{len(asked)} {item.prompt[:60]:60s}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def report(
    args: argparse.Namespace, judge_name: str, asked: Sequence[Asked], samples: Samples, book: ScoreBook
) -> None:
    """Write results.json, table.md and the sheets; and the card, if one is named."""
    scores = [book.scores[item.prompt, source, judge_name] for item in asked for source in ("prior", "truth")]
    summary = summarize(scores)
    results = {
        "prompts": f"{len(asked)} of {args.prompts.name}",
        "samples": asdict(samples.settings),
        "judge": judge_name,
        "summary": summary,
    }
    table = markdown(summary, scores)
    files = {
        args.out / "results.json": (json.dumps(results, indent=1) + "\n").encode(),
        args.out / "table.md": table.encode(),
    }
    by_prompt = {entry.prompt: entry for entry in scores if entry.source == "prior"}
    for half in HALVES:
        chosen = [item for item in asked if half_of(item.spec) == half]
        if chosen:
            picture = prompt_sheet(chosen, samples, by_prompt)
            files[args.out / f"sheet_{half.replace(' ', '_')}.jpg"] = encode_jpeg(picture)
    write_files(files)
    print(table, *files, sep="\n")
    if args.card:
        update_card(args.card, results)


def main(words: Sequence[str] | None = None) -> None:
    """Do what the options say; those of the command line when None."""
    args = options(words)
    prior = Prior.from_pretrained(args.prior)
    settings = SampleSettings(prior.sha256, args.views, args.steps, args.scale)
    if args.sheet:
        picture = family_sheet(prior, args.families or list(FAMILIES), settings)
        write_files({args.sheet: encode_jpeg(picture)})
        print(args.sheet)
    if args.out:
        judge_name = f"{judge_sha256(find_judge(args.judge))[:16]}, metrics {METRICS_VERSION}"
        judge = Judge.from_pretrained(args.judge)
        asked = read_asked(args.prompts, args.limit)
        samples = Samples(args.out / "samples", settings)
        book = ScoreBook(args.out / "scores.jsonl")
        part = (args.shard or Shard(0, 1)).of(asked)
        measure(prior, judge, judge_name, part, samples, book)
        if args.shard is None:
            report(args, judge_name, asked, samples, book)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"eval_prior: {error}")
