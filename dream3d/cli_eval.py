"""The command `dream3d eval`: many prompts or files in, a table, a page and a JSON file out."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from dream3d.config import Config
from dream3d.errors import InputError, RunError
from dream3d.evaluate.prompts import PromptList, read_prompt_map, read_prompts
from dream3d.events import OnEvent, ignore
from dream3d.inputs import Shard, make_folder, parse_shard
from dream3d.overlays import Overlays, Settings, Switch
from dream3d.progress import ProgressLine

if TYPE_CHECKING:
    from dream3d.evaluate.rows import Row


# Meshes and tables that are easily taken for what can be measured: every line of them would be a prompt.
OTHER_FILES = (".gltf", ".obj", ".usdz", ".json", ".csv", ".png", ".jpg")


@dataclass(frozen=True)
class Eval:
    """Measure what prompts give, or .glb files that are there: a table, a page, a JSON file.

    Leaves table.txt, index.html, results.json and pictures in DIR, and assets/ when it generates. What is
    done already (same prompt, seed, settings and prior, or the same file) is kept when the command is run
    again. A bad line or file is a row that says why, and the rest goes on. Exit codes: 0 all rows were
    measured, 1 some runs failed, 2 some of the input could not be used.
    """

    inputs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PROMPTS.txt|FILE.glb...")
    ]
    """Lists of prompts, one a line, # starts a comment; or .glb files."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
    """Folder of the results; made when it is not there."""
    seeds: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """Seeds for each prompt, from --seed upwards."""
    limit: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Only the first N prompts or files."""
    shard: Annotated[str | None, tyro.conf.arg(metavar="I/N")] = None
    """Only every N-th prompt or file from the I-th on (0 is the first), and no report: N processes share the
    work in one DIR, and then the same command without --shard puts the report together."""
    prompts: Annotated[Path | None, tyro.conf.arg(metavar="FILE.txt")] = None
    """What files should show, where they do not say it themselves: lines of `name.glb  prompt`."""
    config: Annotated[Overlays, tyro.conf.arg(metavar="NAME|FILE", help_behavior_hint="(repeatable)")] = ()
    """Overlay of settings, by name (draft, standard) or a YAML file; later ones win, options win over all."""
    quiet: Switch = False
    """No progress and no table; only errors and the paths of what was made."""
    json: Switch = False
    """Print what is in results.json on stdout and nothing else."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Config)

    def run(self) -> int:
        """Make the rows, write the report, and say how it went."""
        for name, value in (("seeds", self.seeds), ("limit", self.limit)):
            if value is not None and value < 1:
                raise InputError(f"--{name} must be at least 1, not {value}")
        if self.settings.seed + self.seeds > 2**32:
            raise InputError(f"--seeds: {self.seeds} seeds from {self.settings.seed} go beyond {2**32 - 1}")
        if not self.inputs:
            raise InputError("nothing to measure: name a list of prompts, or .glb files")
        shard = parse_shard(self.shard) if self.shard else None
        are_files = any(path.suffix.lower() == ".glb" for path in self.inputs)
        for path in () if are_files else self.inputs:
            if path.suffix.lower() in OTHER_FILES:
                raise InputError(f"{path} is neither a list of prompts, a line each, nor a .glb")
        prompts = None if are_files else read_prompts(self.inputs, self.limit)
        prompt_map = read_prompt_map(self.prompts) if self.prompts else {}
        make_folder(self.output)
        progress = None if self.quiet or self.json else ProgressLine()
        try:
            if shard is not None:
                return self._share(shard, prompts, prompt_map, progress or ignore)
            return self._evaluate(prompts, prompt_map, progress or ignore)
        finally:
            if progress:
                progress.close()

    def _evaluate(self, prompts: PromptList | None, prompt_map: dict[str, str], on_event: OnEvent) -> int:
        # Heavy: torch and diffusers. Only now is there work to do.
        from dream3d.evaluate.report import make_report, write_report

        rows: list[Row] = []
        files = list(dict.fromkeys(self.inputs))
        duplicates = len(self.inputs) - len(files) if prompts is None else prompts.num_duplicates
        notes = [f"{duplicates} duplicates merged"] if duplicates else []

        try:
            for row in self._rows(files[: self.limit], prompts, prompt_map, on_event):
                rows.append(row)  # one by one: those before an interruption count
        except BaseException as stop:
            stop.add_note(f"{len(rows)} rows are in {self.output}; the same command goes on from there")
            if rows:
                with contextlib.suppress(RunError, OSError):
                    write_report(make_report(rows, self.settings, [*notes, "stopped early"]), self.output)
            raise
        report = make_report(rows, self.settings, notes)
        paths = write_report(report, self.output)
        if self.json:
            print(json.dumps(report.results, indent=2, default=str))
        elif self.quiet:
            print("\n".join(map(str, paths)))
        else:
            print(report.table)
            print("\n".join(map(str, paths)))
        return self._verdict(rows)

    def _share(
        self, shard: Shard, prompts: PromptList | None, prompt_map: dict[str, str], on_event: OnEvent
    ) -> int:
        """Make the rows of a shard; they stay in the folder."""
        files = shard.of(list(dict.fromkeys(self.inputs))[: self.limit])
        part = None if prompts is None else replace(prompts, lines=shard.of(prompts.lines))
        rows = list(self._rows(files, part, prompt_map, on_event))
        if not (self.quiet or self.json):
            print(f"{len(rows)} rows are in {self.output}; without --shard the report is put together")
        return self._verdict(rows)

    def _rows(
        self, files: list[Path], prompts: PromptList | None, prompt_map: dict[str, str], on_event: OnEvent
    ) -> "Iterator[Row]":
        """The rows of files, or of prompts where there are any, each when it is made."""
        # Heavy: torch and diffusers. Only now is there work to do.
        from dream3d.evaluate.run import Evaluation

        evaluation = Evaluation(self.output, self.settings, on_event)
        if prompts is None:
            return evaluation.files(files, prompt_map)
        return evaluation.prompts(prompts.lines, self.seeds)

    def _verdict(self, rows: "list[Row]") -> int:
        """The exit code, and one line about failures."""
        blames = [row.blame for row in rows if row.error]
        if blames and not self.json:
            print(f"dream3d: {len(blames)} of {len(rows)} rows failed", file=sys.stderr)
        return 1 if "run" in blames else 2 if blames else 0
