"""A hook of mkdocs (mkdocs.yml): the pages that are made of something, and links into the repository.

The command line's reference is what the parser says, the recipes are the files in `configs/`, the model card
is that of the prior's folder: nothing of it is written twice. A page says where by a comment such as
`<!-- made: commands -->`.
"""

import contextlib
import io
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from posixpath import relpath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# Files of the repository that are pages too.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CONVENTIONS.md": "conventions.md",
    "SECURITY.md": "security.md",
    "assets/ablations/guidance.md": "ablation-guidance.md",
}
PICTURES = "pictures"  # the site's folder of pictures that are not in docs/
WIDTH = "82"  # of the help, in characters: what a page shows without scrolling
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_MADE = re.compile(r"<!-- made: (\w+) -->")


def on_files(files: "Files", config: Any) -> "Files":
    """Add the pages and pictures that are elsewhere in the repository."""
    from mkdocs.structure.files import File

    for path, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text("utf-8")))
    for path in sorted((ROOT / "assets").glob("*/*.jpg")):
        files.append(File.generated(config, f"{PICTURES}/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill in what is made, and let links into the repository lead to pages of the site, or nowhere."""
    made = _MADE.sub(lambda match: MADE[match[1]](), markdown)
    return localized(made, page.file.src_uri)


def localized(markdown: str, page: str) -> str:
    """Links of a page for the site: pages and pictures of the repository are there under other names.

    Args:
        markdown: Of the page.
        page: Its path in the site's sources.
    """
    origins = {name: path for path, name in PAGES.items()}
    folder = (ROOT / origins[page]).parent if page in origins else (DOCS / page).parent

    def change(match: re.Match[str]) -> str:
        mark, text, target, anchor = match[1], match[2], match[3], match[4] or ""
        path = Path(os.path.normpath(folder / target))
        if ":" in target or path.is_relative_to(DOCS):
            place = "" if ":" in target or page not in origins else relpath(path.relative_to(DOCS).as_posix())
            return f"{mark}[{text}]({place or target}{anchor})"
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
        site = PAGES.get(name) or (f"{PICTURES}/{path.name}" if path.suffix == ".jpg" else "")
        return f"{mark}[{text}]({relpath(site, str(Path(page).parent))}{anchor})" if site else text

    return _LINK.sub(change, markdown)


def help_of(*words: str) -> str:
    """What the command line answers to `--help`, without colors and frames of a terminal."""
    from dream3d.cli import main

    said = io.StringIO()
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR")}
    os.environ.update(COLUMNS=WIDTH, NO_COLOR="1")
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            main([*words, "--help"])
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    return re.sub(r"\x1b\[[0-9;]*m", "", said.getvalue()).strip()


def commands() -> str:
    """The reference of the command line: every command's help."""
    from dream3d.cli import COMMANDS

    parts = [f"```text\n{help_of()}\n```\n"]
    for name in COMMANDS:
        parts.append(f"## {name} {{ #{name} }}\n\n```text\n{help_of(name)}\n```\n")
    return "\n".join(parts)


def recipes() -> str:
    """Every overlay in `configs/`: what its comment says, and its settings."""
    parts: list[str] = []
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        lines = path.read_text("utf-8").splitlines()
        count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
        said = " ".join(line.lstrip("# ") for line in lines[:count])
        body = "\n".join(lines[count:])
        parts.append(f"### {path.stem}\n\n{said}\n\n```yaml\n{body}\n```\n")
    return "\n".join(parts)


def card() -> str:
    """The built-in prior's card as tables."""
    data = json.loads((ROOT / "assets/priors/props/dream3d.json").read_text("utf-8"))
    facts, vocabulary = data["facts"], data["vocabulary"]
    rows = [
        ("parameters of the denoiser", f"{facts['parameters']:,}"),
        ("pictures", f"{' or '.join(map(str, data['image_sizes']))} pixels, premultiplied RGBA"),
        ("images seen in training", f"{facts['images_seen']:,}"),
        ("hours of training", f"{facts['training_hours']}, {facts['trained_on']}"),
        ("families", str(len(facts["families"]))),
        ("licence", facts["licence"]),
        ("weak", facts["weak"]),
    ]
    parts = [_table(("what", ""), rows), _scores(facts["scores"])]
    for name in ("nouns", "colors", "materials", "patterns", "sizes", "relations", "parts"):
        parts.append(f"**{name.capitalize()}** ({len(vocabulary[name])}): {', '.join(vocabulary[name])}.\n")
    return "\n".join(parts)


def _scores(scores: dict[str, Any]) -> str:
    """What was measured in 2D, beside what the judge says of real renders."""
    columns = [(half, who) for half in ("seen", "held_out") for who in ("prior", "truth")]
    names = list(scores["seen"]["prior"]["attributes"])
    rows = [
        (name, *(f"{scores[half][who]['attributes'].get(name, float('nan')):.0%}" for half, who in columns))
        for name in names
    ]
    exact = ("everything said", *(f"{scores[half][who]['exact_match']:.0%}" for half, who in columns))
    head = ("right, by the judge", "seen", "renders", "held out", "renders")
    return f"Measured on {scores['prompts']}, samples in 2D:\n\n{_table(head, [*rows, exact])}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [" | ".join(cells) for cells in (head, ("---" for _ in head), *rows)]
    return "".join(f"| {line} |\n" for line in lines)


MADE: dict[str, Callable[[], str]] = {"commands": commands, "recipes": recipes, "card": card}
