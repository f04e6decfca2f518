"""The documentation is true: its code runs, its commands parse, its answers are those of the program."""

import contextlib
import importlib.util
import inspect
import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from bare_glb import ball
from one_thread import ONE_THREAD
from source_trees import FILES, ROOT

import dream3d
from dream3d.cli import COMMANDS, _read, main
from dream3d.overlays import load_config, overlay_folder

sys.path.insert(0, str(ROOT / "scripts"))

import docs_pages

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What "draft" stands for while pages are run: the code is the same, with less to do.
DRAFT = {
    "coarse": {"num_steps": 10, "half_size_until": 1.0, "max_restarts": 0},
    "refine": {"num_steps": 2, "lattice_resolution": 16},
    "extract": {"resolution": 32, "target_faces": 200},
    "bake": {"texture_size": 64, "samples": 1, "substance": False},
}
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    found = [Block(*match.groups()) for match in BLOCK.finditer(page.read_text("utf-8"))]
    return [block for block in found if block.language in languages]


def pages_with(*languages: str) -> list[str]:
    return [str(page.relative_to(DOCS)) for page in PAGES if blocks(page, *languages)]


def code_of(page: Path) -> list[str]:
    """Its python; scripts that it includes are run for themselves."""
    return [block.text for block in blocks(page, "python") if "--8<--" not in block.text]


@pytest.fixture
def quick(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder where `draft` is quick, with the files that pages take for granted."""
    recipes = shutil.copytree(overlay_folder(), work.parent / "configs")
    (recipes / "draft.yaml").write_text(yaml.safe_dump(DRAFT))
    monkeypatch.setattr("dream3d.overlays.overlay_folder", lambda: recipes)
    (work / "grey-box.obj").write_text(TRIANGLE)
    (work / "mushroom.glb").write_bytes(ball({"prompt": "a red mushroom"}))
    (work / "props.yaml").write_text("coarse: {num_stepz: 9}\n")
    return work


def run(*words: str) -> tuple[int, str]:
    """Exit code and everything that a command says."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(words)
    return code, said.getvalue()


def run_apart(*words: str) -> tuple[int, str]:
    """The same in a process of its own, where libraries are told to be quiet before they are imported."""
    done = subprocess.run([sys.executable, "-m", "dream3d.cli", *words], env=ONE_THREAD, capture_output=True)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.slow
@pytest.mark.parametrize("page", [str(page.relative_to(DOCS)) for page in PAGES if code_of(page)])
@pytest.mark.usefixtures("quick")
def test_the_python_of_a_page_runs_from_top_to_bottom(page: str) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    for text in code_of(DOCS / page):
        exec(compile(text, page, "exec"), names)


@pytest.mark.slow
@pytest.mark.parametrize("script", [path.name for path in EXAMPLES])
def test_examples_run_and_leave_files(quick: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (quick / "empty").mkdir()
    monkeypatch.chdir(quick / "empty")
    runpy.run_path(str(DOCS / "examples" / script), run_name="__main__")
    assert {path.suffix for path in Path.cwd().rglob("*")} >= {".glb", ".json", ".png"}


def example_of(name: str) -> str:
    """The code in the docstring of a public name."""
    said = inspect.getdoc(getattr(dream3d, name)) or ""
    before = re.split(r"^(?:Args|Returns|Raises|Attributes):$", said, flags=re.MULTILINE)[0]
    return textwrap.dedent("\n".join(line for line in before.splitlines() if line.startswith("    ")))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["Asset", "Pipeline", "Run", "generate", "load_config", "load_model", "refine"]
)
def test_the_example_of_a_docstring_runs(quick: Path, name: str) -> None:
    (quick / "studio.yaml").write_text("export: {lods: 2}\n")
    code = example_of(name)
    assert "dream3d." in code
    exec(compile(code, name, "exec"), {"dream3d": dream3d})


def test_every_example_is_on_the_page() -> None:
    named = re.findall(r'--8<-- "examples/(\S+)"', (DOCS / "examples.md").read_text())
    assert named == [path.name for path in EXAMPLES]
    assert [name[:2] for name in named] == [f"{number:02}" for number in range(1, len(named) + 1)]


def commands_of(text: str) -> Iterator[list[str]]:
    """The words of each command of a script, without comments, variables and `exec`."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] == "exec"):
            del words[0]
        if words:
            yield words


def check_command(words: list[str]) -> None:
    """Run a command where that is cheap, else parse it."""
    match words:
        case ["dream3d", name, *rest] if "--resume" in rest:
            at = rest.index("--resume")
            _read([name, *rest[:at], *rest[at + 2 :]])
        case ["dream3d", "generate" | "refine" as name, *rest]:
            assert run(name, *rest, "--dry-run")[0] == 0
        case ["dream3d", "inspect" | "doctor" as name, *rest]:
            assert run(name, *rest)[0] == 0
        case ["dream3d", name, *rest]:
            _read([name, *rest])
        case ["make", target, *options]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert all("=" in option for option in options)
        case ["pip", "install", what]:
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            assert what.startswith("dist/dream3d-") or what in {f"dream3d[{extra}]" for extra in extras}
        case _:
            pytest.fail(f"nobody checks {shlex.join(words)}")


@pytest.mark.parametrize("page", [*pages_with("bash", "sh"), "../README.md"])
def test_the_commands_of_a_page_are_those_of_the_program(quick: Path, page: str) -> None:
    (quick / "props.yaml").unlink()
    for block in blocks(DOCS / page, "bash", "sh"):
        for words in commands_of(block.text):
            check_command(words)


@pytest.mark.parametrize("page", pages_with("console"))
@pytest.mark.usefixtures("quick")
def test_the_answers_of_a_page_are_those_of_the_program(page: str) -> None:
    for block in blocks(DOCS / page, "console"):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            line, expected = part.split("\n", 1)
            program, *words = shlex.split(line)
            assert program == "dream3d"
            answer = run_apart if "--quiet" in words else run  # those load a prior
            assert answer(*words) == (2, expected), line


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_the_settings_of_a_page_are_settings(page: str, tmp_path: Path) -> None:
    for block in blocks(DOCS / page, "yaml"):
        (tmp_path / "settings.yaml").write_text(block.text)
        assert load_config(tmp_path / "settings.yaml") != load_config()


def test_no_block_is_of_a_kind_that_nothing_checks() -> None:
    kinds = {match[1] for page in PAGES for match in BLOCK.finditer(page.read_text("utf-8"))}
    # Lists of batches are read by test_batch_items.py; `text` is what nobody types.
    assert kinds <= {"python", "bash", "sh", "console", "yaml", "csv", "json", "text"}


def test_messages_that_are_explained_are_those_of_the_program() -> None:
    sources = " ".join(re.sub(r'"\s*f?"', "", path.read_text()) for path in FILES)
    table = (DOCS / "troubleshooting.md").read_text().split("## A run failed")[1].split("##")[0]
    fragments = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(fragments) >= 8
    assert [text for text in fragments if text not in sources] == []


def test_every_public_name_is_in_the_reference() -> None:
    named = re.findall(r"^::: dream3d\.(?:\w+\.)?(\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(set(dream3d.__all__) - {"__version__"})


def test_the_reference_of_the_command_line_is_made_from_the_parser() -> None:
    page = docs_pages.commands()
    assert re.findall(r"^## (\w+) \{", page, re.MULTILINE) == list(COMMANDS)
    for option in ("--target-faces", "--coarse.guidance.scale", "--engine", "--listen", "--from-prompt"):
        assert option in page
    assert "\x1b" not in page
    assert "│" not in page


def test_links_into_the_repository_lead_to_pages_or_nowhere() -> None:
    text = "[a](../CONVENTIONS.md) [b](../dream3d/cli.py) ![c](../assets/gallery/edits.jpg) [d](cli.md#x) [e](http://f)"
    assert docs_pages.localized(text, "guidance.md") == (
        "[a](conventions.md) b ![c](pictures/edits.jpg) [d](cli.md#x) [e](http://f)"
    )
    assert docs_pages.localized("[a](../../CONVENTIONS.md#b)", "tutorials/edit.md") == (
        "[a](../conventions.md#b)"
    )
    assert docs_pages.localized("[a](docs/guidance.md)", "changelog.md") == "[a](guidance.md)"


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed")
def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    quietly = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=quietly, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        html = page.read_text("utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe|source)[^>]*(?:src|href)=[\"']?([^\"' >]+)", html)
        assert [place for place in loaded if re.match(r"(https?:)?//", place)] == [], page.name
        assert "<!-- made" not in html
