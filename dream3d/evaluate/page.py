"""The table as one web page: style and script inside, pictures beside it, nothing from anywhere else."""

from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import yaml

from dream3d.evaluate.columns import COLUMNS, Column, show, show_mean

MAX_ROWS = 5000  # more than a browser scrolls well

_TEMPLATE = Path(__file__).with_name("page.html")


def encode_page(
    results: dict[str, Any],
    title: str = "dream3d eval",
    picture_size: tuple[int, int] = (512, 64),
    all_rows: str = "results.json",
) -> str:
    """The page of a results object, as `report.make_report` builds it.

    Args:
        results: Rows, their summary, settings, versions and notes.
        title: Of the page.
        picture_size: (width, height) of the pictures as they are shown, in pixels.
        all_rows: The file beside it that has the rows which are too many for a page.
    """
    rows = results["rows"]
    used = [column for column in COLUMNS if any(column.name in row["metrics"] for row in rows)]
    kinds = list(results["summary"])
    legend = "".join(f"<dt>{escape(c.title)}</dt><dd>{escape(c.about)}</dd>" for c in used)
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(title),
        picture_width=picture_size[0],
        picture_height=picture_size[1],
        intro=_intro(results, all_rows),
        filters=f"<p>Show: {''.join(map(_filter, kinds))}</p>" if len(kinds) > 1 else "",
        head="".join(_head(title, about) for title, about in _heads(used)),
        rows="\n".join(_row(row, used) for row in rows[:MAX_ROWS]),
        means="\n".join(_means(kind, results["summary"][kind], used) for kind in kinds),
        legend=f"<dl>{legend}</dl>",
        settings=escape(yaml.safe_dump(results["settings"], sort_keys=False)),
    )


def _intro(results: dict[str, Any], all_rows: str) -> str:
    counts = [f"{part['rows']} {kind}" for kind, part in results["summary"].items()]
    num_failed = sum(part["failed"] for part in results["summary"].values())
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines = [f"Rows: {', '.join(counts)}; {num_failed} failed.", *results["notes"], versions]
    if len(results["rows"]) > MAX_ROWS:
        lines.append(f"Only the first {MAX_ROWS} rows are shown; {all_rows} has them all.")
    return "\n".join(f"<p>{escape(line)}</p>" for line in lines)


def _filter(kind: str) -> str:
    return f'<label><input type="checkbox" data-kind="{escape(kind)}" checked> {escape(kind)}</label>'


def _heads(used: list[Column]) -> list[tuple[str, str]]:
    """(title, explanation) of every column of the page."""
    return [
        ("picture", ""),
        ("prompt", ""),
        ("seed", ""),
        ("kind", ""),
        *((column.title, column.about) for column in used),
    ]


def _head(title: str, about: str) -> str:
    if title == "picture":
        return "<th>picture</th>"
    return f'<th><button type="button" title="{escape(about)}">{escape(title)}</button></th>'


def _row(row: dict[str, Any], used: list[Column]) -> str:
    what = row["prompt"] or row["file"] or "?"
    picture = row["picture"]
    image = '<span class="none">nothing to show</span>'
    if picture:
        source = escape(quote(picture))
        image = f'<a href="{source}"><img src="{source}" alt="{escape(what)}" loading="lazy"></a>'
    label = escape(what)
    if row["file"]:
        label = f'{label}<br><span class="small">{escape(row["file"])}</span>'
    if row["error"]:
        label += f'<br><span class="error">failed: {escape(row["error"])}</span>'
    label += "".join(f'<br><span class="small">{escape(str(warning))}</span>' for warning in row["warnings"])
    cells = [
        f"<td>{image}</td>",
        f'<td data-value="{escape(what)}">{label}</td>',
        _cell(row["seed"], "" if row["seed"] is None else str(row["seed"])),
        _cell(row["kind"], escape(row["kind"])),
        *(_cell(row["metrics"].get(c.name), show(row["metrics"].get(c.name), c.digits)) for c in used),
    ]
    style = "" if row["kind"] == "asset" else ' class="calibration"'
    return f'<tr data-kind="{escape(row["kind"])}"{style}>{"".join(cells)}</tr>'


def _cell(value: Any, shown: str) -> str:
    """A cell that sorts by `value`; blank ones sort last."""
    if value is None:
        return f"<td>{shown}</td>"
    key = int(value) if isinstance(value, bool) else value
    return f'<td data-value="{escape(str(key))}">{shown}</td>'


def _means(kind: str, part: dict[str, Any], used: list[Column]) -> str:
    means = "".join(f"<td>{show_mean(part['mean'].get(c.name), c.digits)}</td>" for c in used)
    title = f"mean of {part['rows'] - part['failed']}: {escape(kind)}"
    return f"<tr><td></td><td>{title}</td><td></td><td></td>{means}</tr>"
