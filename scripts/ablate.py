"""Ablations that settle defaults: variants of one choice, 12 prompts x 3 seeds each, through `dream3d eval`.

    python scripts/ablate.py --config draft                  # all, then assets/ablations/: page and pictures
    python scripts/ablate.py --config draft --only views     # one of them
    python scripts/ablate.py --config draft --shard 0/2      # half of the prompts, for one of two processes;
                                                             # then once without, to write the page

What is in the folder already is kept. Each variant has a folder there; that of the settings as they are is
shared by all ablations and holds the calibration.
"""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from ablation_table import variant_table
from ablations import ABLATIONS, Ablation
from PIL import Image
from sheets import BLACK, RED, Tile, contact_sheet, encode_jpeg

from dream3d.config import Config
from dream3d.errors import InputError
from dream3d.evaluate.measure import STRIP_SIZE, STRIP_VIEWS, make_judges
from dream3d.evaluate.prompts import Line, read_prompts
from dream3d.evaluate.report import with_relative_chamfer
from dream3d.evaluate.rows import Row
from dream3d.evaluate.run import Evaluation
from dream3d.export.files import write_files
from dream3d.finish import choose_device
from dream3d.inputs import Shard, parse_shard
from dream3d.overlays import Overlays, Settings, parse
from dream3d.prior import Prior

Extra = Callable[[Sequence[Row], Path], float | None]  # rows of a variant, and the folder of their pictures

PICTURE_VIEWS, PICTURE_HEIGHT = 4, 80  # of each asset; pixels
HEAD = """# Ablations

Made by `{command}`: {prompts} prompts, {seeds} seed(s) each, for every variant, {steps} steps
of the field and {refined} of its surface.
`{list}` holds families whose front one view tells, half of them in combinations that training
never shows. The numbers are those of `dream3d eval`, explained in its page and in
CONVENTIONS.md.

A cell is the mean over prompts of the mean over seeds; failed runs count as 0 where more is better. In
brackets: the difference from the reference, paired by prompt, and its standard error; bold where it is more
than twice that.
"""


@dataclass(frozen=True)
class Ablate:
    """Run the variants of every ablation, and write the page."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out/ablations")
    """Folder of the results, one folder in it per variant."""
    prompts: Path = Path("assets/prompts/ablation12.txt")
    """The list."""
    limit: int | None = None
    """Only the first prompts."""
    seeds: int = 3
    """Seeds for each prompt."""
    only: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Names of ablations; all unless named."""
    shard: str | None = None
    """I/N: every N-th prompt, and no page."""
    page: Path = Path("assets/ablations/README.md")
    """Where the page goes; its pictures go beside it."""
    config: Overlays = ()
    """Overlay of settings: the effort."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Config)

    def run(
        self,
        ablations: Sequence[Ablation] = ABLATIONS,
        command: Sequence[str] = (),
        extra: Mapping[str, Extra] = {},
    ) -> None:
        """Generate and measure what is not there yet; then the page.

        Args:
            ablations: What is compared.
            command: Script and options, as the page says how it was made.
            extra: Title -> number of a variant as a whole, for a column of its own.
        """
        chosen = [ablation for ablation in ablations if not self.only or ablation.name in self.only]
        names = [ablation.name for ablation in ablations]
        if not set(self.only) <= set(names):
            raise InputError(f"--only takes {', '.join(names)}")
        lines = read_prompts([self.prompts], self.limit).lines
        shard = parse_shard(self.shard) if self.shard else Shard(0, 1)
        results = self._results(chosen, shard.of(lines))
        if self.shard is None:
            self._write_page(chosen, results, len(lines), command, extra)

    def _results(self, chosen: Sequence[Ablation], lines: Sequence[Line]) -> dict[str, list[Row]]:
        """Rows of all assets by folder name, with the relative Chamfer distance."""
        configs = {"default": self.settings} | {
            ablation.folder_name(variant, self.settings): variant.applied(self.settings)
            for ablation in chosen
            for variant in ablation.variants
        }
        judges = make_judges()
        settings = self.settings
        device = choose_device(settings.device)
        prior = Prior.from_pretrained(settings.prior, device, options=settings.prior_options)
        evaluations: dict[str, Evaluation] = {}
        for name, config in configs.items():
            (self.output / name).mkdir(parents=True, exist_ok=True)
            evaluations[name] = Evaluation(self.output / name, config, judges=judges, prior=prior)
        rows: dict[str, list[Row]] = {name: [] for name in configs}
        # Prompt by prompt: the judges keep what they know of the last one.
        for line in lines:
            for name, evaluation in evaluations.items():
                made = list(evaluation.prompts([line], self.seeds, has_calibration=name == "default"))
                rows[name] += made
                print(
                    f"{line.text} / {name}: {sum(row.error is not None for row in made)} failed", flush=True
                )
        calibration = [row for row in rows["default"] if row.kind != "asset"]
        return {
            name: [row for row in with_relative_chamfer([*made, *calibration]) if row.kind == "asset"]
            for name, made in rows.items()
        }

    def _write_page(
        self,
        chosen: Sequence[Ablation],
        results: Mapping[str, list[Row]],
        num_prompts: int,
        command: Sequence[str],
        extra: Mapping[str, Extra],
    ) -> None:
        """The page and its pictures, all or none."""
        self.page.parent.mkdir(parents=True, exist_ok=True)
        parts = [
            HEAD.format(
                command=shlex.join(["python", *command]),
                prompts=num_prompts,
                seeds=self.seeds,
                list=self.prompts,
                steps=self.settings.coarse.num_steps,
                refined=self.settings.refine.num_steps,
            )
        ]
        files: dict[Path, bytes] = {}
        for ablation in chosen:
            names = {v.name: ablation.folder_name(v, self.settings) for v in ablation.variants}
            own = {variant: results[folder] for variant, folder in names.items()}
            picture = self.page.parent / f"{ablation.name}.jpg"
            files[picture] = encode_jpeg(paint(own, {v: self.output / f for v, f in names.items()}), 80)
            reference = next((v for v, folder in names.items() if folder == "default"), next(iter(names)))
            more = {
                title: {variant: number(rows, self.output / names[variant]) for variant, rows in own.items()}
                for title, number in extra.items()
            }
            parts.append(section(ablation, variant_table(own, reference, more), picture.name))
        files[self.page] = "\n".join(parts).encode()
        write_files(files)
        print(*files, sep="\n")


def section(ablation: Ablation, table: str, picture: str) -> str:
    """One ablation on the page; `picture` as seen from there."""
    options = "\n".join(f"- {variant.name}: `{variant.options}`" for variant in ablation.variants)
    conclusion = f"\n{ablation.conclusion}\n" if ablation.conclusion else ""
    return (
        f"## {ablation.name.capitalize()}\n\n{ablation.question}\n\n{options}\n\n{table}{conclusion}\n"
        f"![One asset of every prompt and variant]({picture})\n"
    )


def paint(results: Mapping[str, Sequence[Row]], folders: Mapping[str, Path]) -> Image.Image:
    """Rows are prompts, columns are variants: the asset of the first seed from four sides."""
    seed = min(row.seed for rows in results.values() for row in rows if row.seed is not None)
    firsts = {name: {row.prompt: row for row in rows if row.seed == seed} for name, rows in results.items()}
    prompts = dict.fromkeys(prompt for rows in firsts.values() for prompt in rows)
    tiles = []
    for prompt in prompts:
        for name, rows in firsts.items():
            row = rows[prompt]
            told = (row.error, RED) if row.error else (f"{name}: {prompt}", BLACK)
            tiles.append(Tile(_four_views(folders[name], row), (told,)))
    return contact_sheet(tiles, len(results), PICTURE_VIEWS * PICTURE_HEIGHT, PICTURE_HEIGHT)


def _four_views(folder: Path, row: Row) -> Image.Image | None:
    """Front, one side, back and the other side, out of the strip that `dream3d eval` leaves."""
    if row.picture is None:
        return None
    strip = Image.open(folder / row.picture)
    views = Image.new("RGB", (PICTURE_VIEWS * STRIP_SIZE, STRIP_SIZE))
    for place in range(PICTURE_VIEWS):
        left = place * (STRIP_VIEWS // PICTURE_VIEWS) * STRIP_SIZE
        views.paste(strip.crop((left, 0, left + STRIP_SIZE, STRIP_SIZE)), (place * STRIP_SIZE, 0))
    return views


if __name__ == "__main__":
    try:
        parse(Ablate, sys.argv[1:], "ablate.py").run(command=sys.argv)
    except InputError as error:
        sys.exit(f"ablate: {error}")
