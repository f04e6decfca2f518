"""The command `dream3d generate`: a prompt goes in, an asset comes out; an interrupted run goes on."""

import shlex
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from dream3d.cli_asset import deliver, print_plan, stopped_between_steps
from dream3d.config import Config, check_guidance, generate_guidance, with_guidance
from dream3d.errors import InputError
from dream3d.events import Event, OnEvent
from dream3d.inputs import check_output, check_prompt, default_output
from dream3d.overlays import Overlays, Settings, Switch
from dream3d.run_record import RUN, read_output, read_run, write_output
from dream3d.stage_config import GuidanceMethod

if TYPE_CHECKING:  # heavy: torch
    from dream3d.asset import Asset


@dataclass(frozen=True)
class Generate:
    """Make a game-ready .glb from a prompt.

    Leaves FILE.glb, FILE.json (how it was made) and FILE.png (a preview).
    """

    prompt: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="PROMPT")] = None
    """What to make, for example "a red mushroom"."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE.glb")] = None
    """Where to write it; without this, a name made from the prompt in the working folder."""
    config: Annotated[Overlays, tyro.conf.arg(metavar="NAME|FILE", help_behavior_hint="(repeatable)")] = ()
    """Settings by name (draft, sdi), a YAML file or an asset's .json; later ones win, options over all."""
    guidance: GuidanceMethod | None = None
    """Method of score distillation in the first stage; see docs/guidance.md."""
    run_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Keep the state of the run in this folder, so that it can be continued; one that is there already is."""
    resume: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Continue the run in this folder; prompt, settings and output file are those that it began with."""
    dry_run: Switch = False
    """Check the options (not the prior, nor its words), print the settings that would be used, and stop."""
    quiet: Switch = False
    """No progress; only errors and the paths of what was made."""
    json: Switch = False
    """Print one JSON object (files, metrics, warnings) on stdout and nothing else."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Config)

    def run(self) -> int:
        """Generate, save, and say what was made."""
        run_dir = self._run_dir()
        recorded = read_run(self.resume) if self.resume else {}
        given = str(recorded.get("prompt", "")) if self.prompt is None else self.prompt
        prompt, settings = check_prompt(given), with_guidance(self.settings, self.guidance)
        if self.guidance and not settings.coarse.num_steps:
            raise InputError(
                "--guidance is for the first stage, which has no steps here: take --refine.guidance.method"
            )
        check_guidance(generate_guidance(settings).values(), settings.prior_options)
        export = settings.export
        output = self.output or (read_output(self.resume) if self.resume else None)
        output = check_output(output or default_output(prompt, export.suffixes[0]), export.suffixes)
        from dream3d.export.checks import check_export

        check_export(export, output)
        if self.dry_run:
            facts: dict[str, object] = {"prompt": prompt, "output": str(output)}
            print_plan(["generate", prompt, "-o", str(output)], facts, asdict(settings), self.json)
            return 0
        # Heavy: torch and diffusers. Only now is there work to do.
        from dream3d.generate import generate

        again = None if run_dir is None else partial(_again, run_dir)
        with stopped_between_steps(again) as stop:

            def make(on_event: OnEvent) -> "Asset":
                is_noted = False

                def on_step(event: Event) -> None:
                    nonlocal is_noted
                    if run_dir is not None and event.stage != "prior" and not is_noted:
                        write_output(run_dir, output)  # now the folder is known to be this run's
                        is_noted = True
                    stop(on_event, event)

                return generate(prompt, settings, on_step, run_dir=run_dir)

            return deliver(make, output, self.quiet, self.json)

    def _run_dir(self) -> Path | None:
        """The folder of the run, by whichever option."""
        if self.resume and self.run_dir and self.resume.resolve() != self.run_dir.resolve():
            raise InputError("--resume and --run-dir name two folders; --resume alone is enough")
        return self.resume or self.run_dir


def _again(run_dir: Path) -> str:
    """What continues a run that was stopped; before its record is written there is nothing to resume."""
    known = (run_dir / RUN).is_file()
    return f"dream3d generate --resume {shlex.quote(str(run_dir))}" if known else "the same command"
