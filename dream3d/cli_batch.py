"""The command `dream3d batch`: a list of prompts in, a folder of assets out."""

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dream3d.batch.items import BadLine, ItemList, read_items
from dream3d.cli_asset import print_json
from dream3d.config import Config
from dream3d.errors import InputError, RunError
from dream3d.events import Event, OnEvent, ignore
from dream3d.inputs import make_folder, parse_shard
from dream3d.overlays import Overlays, Settings, Switch
from dream3d.progress import ProgressLine, format_seconds

if TYPE_CHECKING:
    from dream3d.batch.drive import Outcome
    from dream3d.batch.jobs import Job
    from dream3d.batch.manifest import Manifest
    from dream3d.batch.messages import Engine


@dataclass(frozen=True)
class Batch:
    """Make an asset of every prompt in a list, whatever happens to the processes.

    Leaves a folder for each in DIR, manifest.jsonl (the course of things) and index.html (pictures and
    numbers). What is done already with the same settings and prior is kept when the command is run again. A
    worker that is killed, hangs or runs out of memory costs only the time of its item, which is tried again.
    Bad lines are named and the rest goes on. Exit codes: 0 all are there, 1 some are not, 2 the list cannot
    be used. docs/batch.md has more, also about SLURM and Ray.
    """

    items: Annotated[
        Path, tyro.conf.Positional, tyro.conf.arg(name="list", metavar="PROMPTS.{txt,csv,jsonl}")
    ]
    """A prompt a line; or a table with a column `prompt` and others such as `seed` or `extract.target_faces`;
    or JSON objects with the same names."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
    """Folder of the assets; made when it is not there."""
    engine: Literal["local", "ray"] = "local"
    """Processes of this machine, or Ray actors: of the cluster in RAY_ADDRESS, or of this machine."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Assets that are made at a time; without this one for each GPU, or for every two CPU cores."""
    retries: Annotated[int, tyro.conf.arg(metavar="N")] = 2
    """How often an item is tried again."""
    timeout: Annotated[float, tyro.conf.arg(metavar="SECONDS")] = 600.0
    """A worker that says nothing for so long hangs, and is replaced."""
    shard: Annotated[str | None, tyro.conf.arg(metavar="I/N")] = None
    """Only every N-th item from the I-th on (0 is the first), and no page: N jobs share the work in one DIR,
    and then the same command without --shard puts the page together."""
    config: Annotated[Overlays, tyro.conf.arg(metavar="NAME|FILE", help_behavior_hint="(repeatable)")] = ()
    """Settings of all items, by name (draft) or a YAML file; options win over these, the list over all."""
    quiet: Switch = False
    """No progress; only errors and the path of the page."""
    json: Switch = False
    """Print one JSON object with a row for each item on stdout and nothing else."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Config)

    def run(self) -> int:
        """Make what is not there yet, write the page, and say how it went."""
        self._check()
        shard = parse_shard(self.shard) if self.shard else None
        items = read_items(self.items, self.settings)
        if shard is not None:
            items = replace(items, entries=shard.of(items.entries))
        folder = make_folder(self.output)
        # Heavy: torch.
        from dream3d.batch.jobs import plan_jobs, refuse_doubles
        from dream3d.batch.manifest import Manifest

        planned = refuse_doubles(plan_jobs(items.entries))
        manifest = Manifest(folder, shard)
        progress = None if self.quiet or self.json else ProgressLine()
        started = time.monotonic()
        outcomes: dict[str, Outcome] = {}
        try:
            self._make(planned, manifest, outcomes, progress or ignore)
        except BaseException as stop:
            stop.add_note(
                f"{_num_there(outcomes)} assets are in {folder}; the same command goes on from there"
            )
            with contextlib.suppress(InputError, RunError, OSError):
                self._report(planned, outcomes, manifest, [*_notes(items), "stopped early"])
            raise
        finally:
            if progress:
                progress.close()
        results = self._report(planned, outcomes, manifest, _notes(items))
        return self._say(results, outcomes, time.monotonic() - started)

    def _check(self) -> None:
        if self.workers is not None and not 1 <= self.workers <= 1000:
            raise InputError(f"--workers must be between 1 and 1000, not {self.workers}")
        if not 0 <= self.retries <= 100:
            raise InputError(f"--retries must be between 0 and 100, not {self.retries}")
        if not self.timeout > 0:
            raise InputError(f"--timeout must be above 0, not {self.timeout}")

    def _make(
        self,
        planned: "Sequence[Job | BadLine]",
        manifest: "Manifest",
        outcomes: "dict[str, Outcome]",
        on_event: OnEvent,
    ) -> None:
        """Settle all jobs; `outcomes` says how, also when this is interrupted."""
        from dream3d.batch.claims import Claims
        from dream3d.batch.drive import Drive

        jobs = [entry for entry in planned if not isinstance(entry, BadLine)]
        for line in planned:
            if isinstance(line, BadLine):
                on_event(Event("batch", 0, len(jobs), f"{line.place}: {line.reason}"))
        with contextlib.closing(Claims(manifest.folder)) as claims:
            drive = Drive(manifest, claims, self.retries, self.timeout, on_event)
            try:
                left = drive.left_of(jobs)
                if left:
                    with contextlib.closing(self._engine(len(left))) as engine:
                        drive.run(left, engine)
            finally:
                outcomes |= drive.outcomes

    def _engine(self, num_jobs: int) -> "Engine":
        if self.engine == "ray":
            from dream3d.batch.ray_farm import RayEngine

            return RayEngine(self.workers, num_jobs, self.settings.device)
        from dream3d.batch.local import LocalEngine

        return LocalEngine(self.workers, num_jobs, self.settings.device)

    def _report(
        self,
        planned: "Sequence[Job | BadLine]",
        outcomes: "dict[str, Outcome]",
        manifest: "Manifest",
        notes: Sequence[str],
    ) -> dict[str, Any]:
        from dream3d.batch.summary import make_results, write_page

        results = make_results(planned, outcomes, manifest, self.settings, notes)
        if self.shard is None:
            write_page(results, self.output)
        return results

    def _say(self, results: dict[str, Any], outcomes: "dict[str, Outcome]", seconds: float) -> int:
        """Say how it went; the exit code."""
        failed = [row for row in results["rows"] if row["error"]]
        if self.json:
            print_json(results)
            return 1 if failed else 0
        for row in failed:
            what = row["file"] if row["prompt"] is None else f"{row['prompt']} / {row['seed']}"
            print(f"dream3d: {what}: {row['error']}", file=sys.stderr)
        if not self.quiet:
            made = sum(outcome.status == "done" for outcome in outcomes.values())
            kept = sum(outcome.status == "kept" for outcome in outcomes.values())
            for note in results["notes"]:
                print(note, file=sys.stderr)
            print(
                f"{made} made in {format_seconds(seconds)}, {kept} there before, {len(failed)} failed",
                file=sys.stderr,
            )
        if self.shard is None:
            print(self.output / "index.html")
        elif not self.quiet:
            print("the same command without --shard puts the page together", file=sys.stderr)
        return 1 if failed else 0


def _notes(items: ItemList) -> list[str]:
    return [f"{items.num_duplicates} duplicates merged"] if items.num_duplicates else []


def _num_there(outcomes: "dict[str, Outcome]") -> int:
    return sum(outcome.status != "failed" for outcome in outcomes.values())
