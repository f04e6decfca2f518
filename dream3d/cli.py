"""The command line: a thin shell that reads options, calls one function, and maps errors to exit codes.

Exit codes: 0 done, 1 the run failed, 2 bad input, 130 interrupted. Results go to stdout, progress and errors
to stderr. Nothing here imports torch before the input has been checked.
"""

import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, cast, get_args

import tyro

from dream3d import __version__
from dream3d.cli_asset import print_json
from dream3d.cli_batch import Batch
from dream3d.cli_demo import Demo
from dream3d.cli_eval import Eval
from dream3d.cli_generate import Generate
from dream3d.cli_preview import Preview
from dream3d.cli_refine import Refine
from dream3d.errors import InputError, RunError, StoppedError, is_out_of_memory
from dream3d.inputs import check_file, printable
from dream3d.overlays import Switch, did_you_mean, parse


@dataclass(frozen=True)
class Inspect:
    """Say what is in a .glb: faces, LODs, watertight, collision, textures, bounds, provenance."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE.glb")]
    """The file to look at."""
    json: Switch = False
    """Print one JSON object."""

    def run(self) -> int:
        """Print the facts about the file."""
        check_file(self.file, ".glb")
        from dream3d.export.inspect import inspect

        facts = asdict(inspect(self.file))
        if self.json:
            print_json(facts)
        else:
            _print_table(facts)
        return 0


@dataclass(frozen=True)
class Priors:
    """List the priors that can be used, or what one of them knows."""

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = None
    """A prior: `props`, a diffusers folder, or a hub id."""
    json: Switch = False
    """Print one JSON object."""

    def run(self) -> int:
        """Print the list, or what one prior knows."""
        # Heavy: torch.
        from dream3d.prior.card import read_card
        from dream3d.prior.folder import CARD, builtin_priors, find_prior
        from dream3d.prior.pipelines.card import read_pipeline_card

        if self.name is None:
            facts: dict[str, Any] = {name: str(path) for name, path in builtin_priors().items()}
        else:
            folder = find_prior(self.name)
            is_builtin = (folder / CARD).is_file()
            card = asdict(read_card(folder) if is_builtin else read_pipeline_card(folder, self.name))
            facts = {"path": str(folder), **card.pop("vocabulary", {}), **card.pop("facts"), **card}
        if self.json:
            print_json(facts)
            return 0
        _print_table(facts)
        if self.name is None:
            print("Text-to-image pipelines of diffusers work too: --prior FOLDER, or a downloaded hub id")
        return 0


@dataclass(frozen=True)
class Doctor:
    """Say what would be used on this machine, and why."""

    json: Switch = False
    """Print one JSON object."""

    def run(self) -> int:
        """Print the findings."""
        from dream3d.doctor import diagnose, format_findings

        findings = diagnose()
        print_json([asdict(finding) for finding in findings]) if self.json else print(
            format_findings(findings)
        )
        return 0


# Hugging Face libraries talk and draw bars of their own while they load; set before they are imported.
QUIET_LIBRARIES = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}

Command = Generate | Refine | Inspect | Preview | Priors | Eval | Batch | Demo | Doctor
COMMANDS = {command.__name__.lower(): command for command in get_args(Command)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: Words after the program's name; the process's own when None.

    Returns:
        The exit code.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    for variable, value in QUIET_LIBRARIES.items():
        os.environ.setdefault(variable, value)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files may not be text
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        return _read(args).run()
    except InputError as error:
        return _fail(str(error), 2)
    except RunError as error:
        return _fail(str(error), 1)
    except (KeyboardInterrupt, StoppedError) as stop:
        kept = getattr(stop, "__notes__", ["nothing was written"])  # PEP 678
        return _fail(f"interrupted; {kept[-1]}", 130)
    except BrokenPipeError:
        # The reader of a pipe went away (`| head`). Python would complain again at exit: close for good.
        sys.stderr.close()
        return 1
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _fail(
            "out of memory; try a smaller --texture-size, or --prior-offload True for a large prior", 1
        )
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return _fail(f"no room to write: {error.strerror}; nothing was left behind", 1)
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM: end as after Ctrl-C, so that unfinished files are removed. No error of what was going on."""


def _stop(_signum: int, _frame: FrameType | None) -> None:
    raise _TerminatedError


def _read(args: list[str]) -> Command:
    """The command that the words ask for."""
    name, rest = (args[0], args[1:]) if args else ("--help", [])
    match name:
        case "-h" | "--help":
            _print_help()
            raise SystemExit(0)
        case "--version":
            print(f"dream3d {__version__}")
            raise SystemExit(0)
        case _ if name in COMMANDS:
            return parse(COMMANDS[name], rest, f"dream3d {name}")
        case _:
            raise InputError(
                f"unknown command {name!r}{did_you_mean(name, list(COMMANDS))}; see dream3d --help"
            )


def _print_help() -> None:
    print("usage: dream3d COMMAND [OPTIONS]\n\nText to game-ready 3D assets.\n")
    for name, command in COMMANDS.items():
        summary = (command.__doc__ or "").splitlines()[0]
        print(f"  {name:<10}{summary}")
    print('\nTry: dream3d generate "a red mushroom"\nOptions of a command: dream3d COMMAND --help')


def _fail(message: str, code: int) -> int:
    line = printable(" ".join(message.split()))
    print(f"dream3d: {'error: ' if code != 130 else ''}{line}", file=sys.stderr)
    return code


def _print_table(facts: dict[str, Any]) -> None:
    """A line per fact, and per fact within a fact."""
    lines: dict[str, str] = {}
    for name, value in facts.items():
        if isinstance(value, dict):
            lines |= {f"{name}: {inner}": _shown(fact) for inner, fact in cast(dict[str, Any], value).items()}
        else:
            lines[name] = _shown(value)
    width = max((len(name) for name in lines), default=0)
    for name, shown in lines.items():
        print(printable(f"{name.replace('_', ' '):<{width}}  {shown}"))


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(item) if isinstance(item, dict) else str(item) for item in value)
    if not isinstance(value, dict):
        return str(value)
    facts = cast(dict[str, object], value)
    if any(isinstance(fact, (dict, list)) for fact in facts.values()):
        return "--json prints them"
    return ", ".join(f"{name} {fact}" for name, fact in facts.items())


if __name__ == "__main__":
    sys.exit(main())
