"""YAML overlays and the command line, read by one parser.

Order: dataclass defaults, then those of a run that is resumed, then each `--config` overlay, then the command
line. What is read from files is flattened to `--section.field value` tokens which are put before the caller's
own: YAML values are therefore read by the same rules as typed ones ("1e-2" is a number for a float field
although YAML calls it a string), and the last one wins.
"""

import contextlib
import dataclasses
import difflib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

import tyro
import yaml

from dream3d.config import Config
from dream3d.errors import InputError
from dream3d.run_record import RUN, read_run

Command = TypeVar("Command")
MAX_OVERLAY_BYTES = 1 << 20
MAX_DEPTH = 8

# How options of the commands are read.
Switch = tyro.conf.FlagCreatePairsOff[bool]
Overlays = tyro.conf.UseAppendAction[tuple[str, ...]]
Settings = tyro.conf.FlagConversionOff[Config]


def overlay_folder() -> Path:
    """Where the named overlays are: inside an installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "configs"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "configs"


def overlay_names() -> list[str]:
    """Names that `--config` takes besides files."""
    return sorted(path.stem for path in overlay_folder().glob("*.yaml"))


@cache
def field_names(command_type: type = Config) -> tuple[str, ...]:
    """All settings of a command as dotted names, `section.field`, without its other options."""
    settings = [name for name, _ in _fields(Config, "")]
    return tuple(name for name, _ in _fields(command_type, "") if "." in name or name in settings)


def overlay_tokens(name_or_file: str, command_type: type = Config) -> list[str]:
    """Read one overlay and return it as command line tokens.

    Args:
        name_or_file: As given to `--config`. The .json beside an asset is one too.
        command_type: Whose settings it may hold.

    Raises:
        InputError: The file is missing, unreadable or not YAML, or a key is unknown.
    """
    path = Path(name_or_file)
    if not path.suffix and name_or_file in overlay_names():
        path = overlay_folder() / f"{name_or_file}.yaml"
    tree = _read_yaml(path, name_or_file)
    if "prior_sha256" in tree and isinstance(tree.get("settings"), dict):
        tree = _settings_of_asset(tree, command_type)
    return _tokens(tree, path, command_type)


def _settings_of_asset(report: dict[Any, Any], command_type: type) -> dict[Any, Any]:
    """The settings in what lies beside an asset, with those of painting where the command paints."""
    paints = any(name.startswith("paint.") for name in field_names(command_type))
    return report["settings"] | ({"paint": report["paint"]} if paints and "paint" in report else {})


def load_config(*overlays: str | Path) -> Config:
    """Settings by name, or from YAML files with only the differences; later ones win.

        config = dream3d.load_config("draft", "studio.yaml")

    Args:
        overlays: Names of those that come with dream3d, such as "draft", and files, as `--config` takes them;
            the .json beside an asset has its settings.

    Returns:
        The settings; `dataclasses.replace` changes them further.

    Raises:
        InputError: A file is missing, unreadable or not YAML, a key is unknown, or a value impossible.
    """
    words = [f"--config={overlay}" for overlay in overlays]
    return parse(_Overlaid, words, "load_config").settings


@dataclasses.dataclass(frozen=True)
class _Overlaid:
    config: Overlays = ()
    settings: Annotated[Settings, tyro.conf.arg(name="")] = dataclasses.field(default_factory=Config)


def run_tokens(folder: Path) -> list[str]:
    """The settings of a run folder as command line tokens.

    Raises:
        InputError: It is none, or damaged, or of a version with other settings.
    """
    settings = read_run(folder).get("settings")
    if not isinstance(settings, dict):
        raise InputError(f"the run folder {folder} is damaged: {RUN} holds no settings")
    return _tokens(cast(dict[Any, Any], settings), folder / RUN, Config)


def _tokens(tree: dict[Any, Any], path: Path, command_type: type) -> list[str]:
    """A tree of settings that was read from a file as tokens."""
    try:
        named = list(settings_of(tree, field_names(command_type)))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    defaults = dict(_flatten(dataclasses.asdict(Config()), ""))
    for key, value in named:
        if value is None and isinstance(defaults.get(key), str):  # it would become the text "None"
            raise InputError(f"{path}: setting {key!r} is empty; remove it or give it a value")
    # One word with "=": a value that starts with "--" stays a value.
    return [f"--{key.replace('_', '-')}={value}" for key, value in named]


def settings_of(tree: Mapping[Any, Any], known: Sequence[str]) -> Iterator[tuple[str, object]]:
    """(dotted name, value) of all that a tree of settings and sections sets; keys may be dotted as well.

    Raises:
        InputError: A name is not among the known ones, or has a list for a value.
    """
    for key, value in _flatten(tree, ""):
        if key not in known:
            raise InputError(f"unknown setting {key!r:.99}{did_you_mean(key, known)}")
        if isinstance(value, list):
            raise InputError(f"setting {key!r} takes one value, not a list")
        yield key, value


def parse(command_type: type[Command], args: Sequence[str], prog: str) -> Command:
    """Build a command from its tokens; `--config` overlays among them are read first.

    Raises:
        InputError: An option is unknown, lacks its value, or has a value of the wrong type or range.
        SystemExit: The tokens ask for help, which has been printed.
    """
    overlaid: list[str] = []
    if hasattr(command_type, "resume"):
        overlaid += [token for name in _values(args, "--resume") for token in run_tokens(Path(name))]
    overlaid += [token for name in _values(args, "--config") for token in overlay_tokens(name, command_type)]
    words = [*overlaid, *args]
    command, unknown = parsed(command_type, prog=prog, args=words, return_unknown_args=True)
    if unknown:
        raise InputError(f"unknown {_complaint(unknown[0], command_type)}")
    return command


def parsed(kind: Any, **options: Any) -> Any:
    """What the parser makes of words, for a type and its other options.

    Raises:
        InputError: It complains; the message is the sentence in its report.
        SystemExit: The words ask for help, which has been printed.
    """
    captured = io.StringIO()
    try:
        with contextlib.redirect_stderr(captured):
            return tyro.cli(kind, **options)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise InputError(_one_line(captured.getvalue())) from None


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """The end of a message: the nearest known word, or where to look."""
    likeness = {name: difflib.SequenceMatcher(None, name, word[:99]).ratio() for name in known}
    near = [name for name in known if likeness[name] == max(likeness.values()) >= 0.5]  # the first of equals
    if not near:
        tail = word.rsplit(".", 1)[-1]
        near = [name for name in known if name.rsplit(".", 1)[-1] == tail][:1]
    return f"; did you mean {near[0]!r}?" if near else ""


def to_yaml(settings: dict[str, Any]) -> str:
    """Settings and sections of settings as YAML, readable by `--config`."""
    return yaml.safe_dump(settings, sort_keys=False)


def _read_yaml(path: Path, asked: str) -> dict[Any, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_OVERLAY_BYTES + 1)
    except FileNotFoundError:
        named = ", ".join(overlay_names())
        raise InputError(f"--config {asked}: no such file; names that work are: {named}") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise InputError(f"--config {asked}: cannot be read: {error}") from None
    if len(content) > MAX_OVERLAY_BYTES:
        raise InputError(f"--config {asked}: is larger than {MAX_OVERLAY_BYTES >> 20} MiB: not settings")
    try:
        tree = yaml.safe_load(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError(f"--config {asked}: cannot be read: it is not UTF-8 text") from None
    except Exception as error:  # impossible dates, numbers and depths raise nearly anything inside PyYAML
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise InputError(f"--config {asked}: not valid YAML{line}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise InputError(f"--config {asked}: must be a mapping of settings, not a {type(tree).__name__}")
    return tree


def _flatten(tree: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        name = f"{prefix}{key}".replace("-", "_")
        if isinstance(value, dict):
            if not value:
                raise InputError(f"section {name!r} is empty; remove it or give it settings")
            if name.count(".") > MAX_DEPTH:  # a mapping of YAML can hold itself
                raise InputError(f"section {name!r} is nested deeper than any setting")
            yield from _flatten(cast(dict[Any, Any], value), f"{name}.")
        else:
            yield name, value


def _values(args: Sequence[str], option: str) -> list[str]:
    """The values of `OPTION X` and `OPTION=X`, in order; what follows `--` is not an option."""
    options = list(args[: args.index("--")]) if "--" in args else list(args)
    found: list[str] = []
    for index, word in enumerate(options):
        if word == option and index + 1 < len(options):
            found.append(options[index + 1])
        elif word.startswith(f"{option}="):
            found.append(word.removeprefix(f"{option}="))
    return found


def _complaint(token: str, command_type: type) -> str:
    """Name a token nobody takes and the option it resembles."""
    if not token.startswith("-"):
        return f"argument {token!r}; quote a prompt of several words, and see --help"
    option = token.split("=", 1)[0]
    hints = get_type_hints(command_type, include_extras=True)
    positional = [name for name, hint in hints.items() if tyro.conf.Positional in get_args(hint)]
    if option.removeprefix("--") in positional:
        return f"option {option}: the {option.removeprefix('--')} stands by itself, in quotes"
    options: list[str] = []
    for name, aliases in _fields(command_type, ""):
        if name in positional:
            continue
        options += ["--" + name.replace("_", "-"), *(alias for alias in aliases if alias.startswith("--"))]
    return f"option {option}{did_you_mean(option, options)}"


def _fields(owner: type, prefix: str) -> Iterator[tuple[str, list[str]]]:
    """(dotted name, everyday names) of every field of a dataclass and of the dataclasses in it."""
    for name, annotation in get_type_hints(owner, include_extras=True).items():
        core, *extras = get_args(annotation) if get_origin(annotation) is Annotated else [annotation]
        if dataclasses.is_dataclass(core):
            is_unnamed = any(getattr(extra, "name", None) == "" for extra in extras)
            yield from _fields(cast(type, core), prefix if is_unnamed else f"{prefix}{name}.")
        else:
            yield prefix + name, [name for extra in extras for name in getattr(extra, "aliases", None) or ()]


def _one_line(report: str) -> str:
    """Reduce tyro's boxed report to the sentence in it."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", report)
    lines = [line.strip("│ ") for line in text.splitlines() if not line.startswith(("╭", "╰"))]
    lines = [line for line in lines if line]
    if len(lines) > 1 and not lines[1].strip("-"):  # no UTF-8 in this terminal: a title, and a rule below
        lines = lines[2:]
    sentence: list[str] = []
    for line in lines:
        if not line.strip("─-"):
            break
        sentence.append(line)
    message = " ".join(sentence) or "the command line could not be read; see --help"
    # A refusal from a dataclass already names its option: drop the parser's name for the place.
    message = re.sub(r"^Error parsing \S*(?<!-)(?:__tyro|settings)\S*: ", "", message)
    message = re.sub(r"^Error parsing (\S+): ", r"\1: ", message)
    message = message.replace("invalid literal for int() with base 10:", "expected a whole number, got")
    return message.replace("could not convert string to float:", "expected a number, got")
