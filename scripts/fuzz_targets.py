"""What is fed to whom: for every kind of input the whole examples, how they are damaged, and what reads them.

A reader may refuse an input with `InputError` or `RunError`, or take it. Anything else is a finding.
"""

import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import fuzz_batch
import fuzz_priors
import fuzz_runs
import fuzz_strategies as damage
from hypothesis import strategies as st

from dream3d.config import Config
from dream3d.errors import InputError, RunError

TESTS = Path(__file__).resolve().parent.parent / "tests"
PROMPT = "a red mushroom with a blue cap"
LISTS = (
    b"a red mushroom\na blue house  # with a comment\n# nothing\n\na tall house with a red roof\n",
    b"one.glb  a red mushroom\ntwo.glb: a blue house\n",
)
OVERLAY = b"""seed: 7
negative_prompt: a house
coarse:
  num_steps: 12
  radiance_field: {num_levels: 4}
  guidance: {method: sds, scale: 3.0, views: joint}
export: &export
  height_m: 1e-1
  lods: 2
"""
FORMS = (
    b'{"prompt": "a red mushroom", "negative_prompt": "", "random_seed": false, "seed": 7, "method": "sds", '
    b'"scale": 6.0, "steps": 160, "refine_steps": 0, "faces": 5000, "texture_size": 512, "normal_map": true, '
    b'"occlusion": true}',
    b'{"format": "glb", "faces": 5000, "texture_size": 512, "lods": 1, "collision": "none", "height": 1.0, '
    b'"origin": "bottom", "compression": "none"}',
)
OBJ = b"""# a roof
mtllib ../outside/secret.txt
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0
vn 0 0 1
f 1/1/1 2/2/1 3/2/1 4/1/1
f -4//1 -3//1 -1//1
"""


@dataclass(frozen=True)
class Target:
    """A reader of files, or of words, from anyone."""

    name: str
    examples: tuple[bytes, ...]  # that are taken
    inputs: st.SearchStrategy[bytes]
    read: Callable[[bytes, Path], None]  # the input and an empty folder, left as it was


def make_target(name: str, home: Path) -> Target:
    """One of those that `fuzz.py` names.

    Args:
        name: Its name.
        home: A folder for what it needs; everything in it stays as it is.
    """
    match name:
        case "prompt":
            examples = tuple(
                text.encode() for text in (PROMPT, f"{PROMPT}\0--seed\x007", "a house\0--lods=3")
            )
            return Target(name, examples, damage.words(_options()), _prompt_reader())
        case "overlay":
            inputs = damage.damaged_lines(OVERLAY) | damage.overlays(_settings())
            recipes = [path.read_bytes() for path in sorted((TESTS.parent / "configs").glob("*.yaml"))]
            return Target(name, (OVERLAY, *recipes), inputs, _read_overlay)
        case "list":
            return Target(name, LISTS, _any_of(damage.damaged_lines, LISTS), _read_list)
        case "batch":
            files = fuzz_batch.examples()
            examples = tuple(f"{path}\n".encode() + content for path, content in files.items())
            return Target(name, examples, fuzz_batch.inputs(files), partial(fuzz_batch.read, files))
        case "glb":
            examples = _glb_files()
            return Target(name, examples, _any_of(damage.damaged_glb, examples), _read_glb)
        case "form":
            return Target(name, FORMS, _any_of(damage.damaged_json, FORMS), _read_form)
        case "obj":
            return Target(name, (OBJ,), damage.damaged_lines(OBJ) | damage.damaged_bytes(OBJ), _read_obj)
        case "prior" | "pipeline" | "addition":
            files = fuzz_priors.write_folders(name, home)
            return Target(
                name,
                tuple(f"{path}\n".encode() + content for path, content in files.items()),
                fuzz_priors.damaged_files(files),
                partial(fuzz_priors.read_prior, home / name, tuple(files)),
            )
        case "checkpoint":
            runs = fuzz_runs.Runs(home)
            return Target(name, runs.examples(), runs.inputs(), runs.read)
        case _:
            raise ValueError(name)


def _any_of(
    strategy: Callable[[bytes], st.SearchStrategy[bytes]], examples: Sequence[bytes]
) -> st.SearchStrategy[bytes]:
    return st.one_of([strategy(example) for example in examples])


@contextlib.contextmanager
def _file(folder: Path, name: str, content: bytes) -> Iterator[Path]:
    """A file that is there for a while."""
    path = folder / name
    path.write_bytes(content)
    try:
        yield path
    finally:
        path.unlink()


def _command(*words: str) -> None:
    """Run a command line, whose exit codes and lines are those that CONTRIBUTING.md promises."""
    from dream3d.cli import main
    from dream3d.inputs import printable

    said, wrong = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
        try:
            code = main(words)
        except SystemExit as stop:  # --help
            code = stop.code
    answer, message = (stream.buffer.getvalue().decode("utf-8", "replace") for stream in (said, wrong))
    seen = message + (answer if words[0] == "inspect" else "")  # others repeat the words that they were given
    assert printable(seen) == seen, seen
    if code in (1, 2):
        assert message.startswith("dream3d: error: "), message
        assert message.find("\n") == len(message) - 1, message
        assert not answer, answer
        raise (RunError if code == 1 else InputError)(message)
    assert code in (0, None), f"exit code {code}"


def _settings() -> list[str]:
    """Names of all settings, sections among them."""
    from dream3d.overlays import field_names

    names = field_names()
    return sorted({*names, *(name.rsplit(".", 1)[0] for name in names)})


def _options() -> list[str]:
    """Options with and without a value, of all kinds."""
    found = ["--" + name.replace("_", "-") for name in _settings()]
    return [
        *found,
        "--seed=-1",
        "--seed=1e3",
        "--lods=9",
        "--height=nan",
        "--coarse.guidance.scale=inf",
        "--",
    ]


def _prompt_reader() -> Callable[[bytes, Path], None]:
    """Command line, file name, and the words of the prior that ships with the package."""
    from dream3d.inputs import check_prompt, default_output
    from dream3d.prior import Prior

    prior = Prior.from_pretrained("props")

    def read(content: bytes, folder: Path) -> None:
        words = content.decode("utf-8", "surrogateescape").split("\0")  # as the system gives them
        words = [word for word in words if not word.startswith(("-o", "--output"))] or [""]
        with contextlib.suppress(InputError):
            prompt = check_prompt(words[0])
            assert default_output(prompt).name == str(default_output(prompt))
            prior.unknown_words(prompt)
            prior.embed(prompt, words[-1])
        _command("generate", *words, "--dry-run", "-o", str(folder / "a.glb"))

    return read


def _read_overlay(content: bytes, folder: Path) -> None:
    with _file(folder, "a.yaml", content) as path:
        _command("generate", PROMPT, "--config", str(path), "--dry-run", "-o", str(folder / "a.glb"))


def _read_list(content: bytes, folder: Path) -> None:
    from dream3d.evaluate.prompts import read_prompt_map, read_prompts
    from dream3d.inputs import check_prompt

    with _file(folder, "a.txt", content) as path:
        if content.startswith(b"one.glb"):
            read_prompt_map(path)
        for line in read_prompts([path]).lines:
            assert line.error or check_prompt(line.text) == line.text, line


def _read_form(content: bytes, _folder: Path) -> None:
    """What a browser may send to the demo."""
    from dream3d.app.limits import Limits, read_export, read_order

    try:
        form = json.loads(content)
    except (ValueError, RecursionError):  # the server's own, before anything of ours
        raise InputError("not JSON") from None
    if isinstance(form, dict):
        refusals: list[InputError] = []
        for read in (partial(read_order, settings=Config()), read_export):
            try:
                read(form, limits=Limits())
            except InputError as error:
                refusals.append(error)
        if len(refusals) == 2:
            raise refusals[0]


def _glb_files() -> tuple[bytes, ...]:
    """Plain, packed, with all maps, levels and shapes."""
    sys.path.insert(0, str(TESTS))
    from dataclasses import replace

    import numpy as np
    from analytic_fields import make_figure  # pyright: ignore[reportMissingImports]

    from dream3d.export.glb import encode_glb
    from dream3d.export.layout import game_layout
    from dream3d.extract.tangents import add_tangents

    figure = make_figure(target_faces=60, texture_size=64)
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    maps = replace(figure.material, orm=picture, normal_map=picture)
    rich = replace(figure, mesh=add_tangents(figure.mesh), material=maps, metadata={"prompt": PROMPT})
    layout = game_layout(rich, 2, "unreal")
    return (encode_glb(figure), encode_glb(figure, "meshopt"), encode_glb(layout))


def _read_glb(content: bytes, folder: Path) -> None:
    from dream3d.export.load_model import load_model
    from dream3d.extract.uv_quality import uv_fault

    with _file(folder, "a.glb", content) as path:
        _command("inspect", str(path))
        uv_fault(load_model(path).mesh)


def _read_obj(content: bytes, folder: Path) -> None:
    from dream3d.export.load_model import load_model
    from dream3d.extract.uv_quality import uv_fault

    with _file(folder, "a.obj", content) as path:
        uv_fault(load_model(path).mesh)
