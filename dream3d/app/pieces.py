"""Pieces of the page as HTML. Everything that comes from people or from files is escaped here."""

import base64
import time
from html import escape
from typing import Any

from dream3d.app.jobs import Job
from dream3d.prior.vocabulary import Vocabulary
from dream3d.progress import format_seconds

STAGES = {
    "prior": "Prompt",
    "coarse": "Shape",
    "refine": "Refine",
    "extract": "Mesh",
    "bake": "Texture",
    "export": "Files",
}

WELCOME = (
    '<div class="d3-card"><div class="d3-frame"><span>Your asset appears here</span></div>'
    '<div class="d3-text"><h3>Nothing is running</h3><p>Say what to make, and press Generate. You can watch '
    "it take shape, stop it at any time, and download the result as a game-ready file.</p></div></div>"
)


def notice(text: str) -> str:
    """One line about something that could not be done; nothing for no text."""
    return f'<p class="d3-notice" role="alert">{escape(text)}</p>' if text else ""


def card(job: Job, place: int, num_behind: int) -> str:
    """Where a run stands.

    Args:
        job: The run.
        place: How many runs go before it, if it waits.
        num_behind: Further runs of the same visitor.
    """
    title = f"<h3>{escape(job.order.prompt)}</h3>"
    match job.state:
        case "waiting":
            body = f"<p>{_wait(place)}</p>"
        case "running":
            body = _progress(job)
        case "done":
            body = f"<p>Done in {format_seconds(job.finished - job.started)}</p>"
        case "failed":
            body = notice(job.message)
        case "stopped":
            body = "<p>Stopped, nothing was kept</p>"
    more = f"<p>{num_behind} more of your runs wait behind it.</p>" if num_behind and job.is_open else ""
    return (
        f'<div class="d3-card" data-state="{job.state}">{_frame(job)}'
        f'<div class="d3-text">{title}{body}{more}</div></div>'
    )


def hint(unknown: dict[str, list[str]], prior_name: str) -> str:
    """The words that the prior does not know, each with those that it might have been."""
    if not unknown:
        return ""
    lines = []
    for word, nearest in unknown.items():
        near = f"; nearest known: {', '.join(f'<b>{escape(one)}</b>' for one in nearest)}" if nearest else ""
        lines.append(f"<li><i>{escape(word)}</i> is left out{near}</li>")
    return (
        f'<div class="d3-hint">Words that {escape(prior_name)} does not know:<ul>{"".join(lines)}</ul></div>'
    )


def vocabulary(words: Vocabulary | None) -> str:
    """What a prior knows; None for one that reads every word."""
    if words is None:
        return "<p>This prior reads every word, and knows more or less about it.</p>"
    groups = {
        "Things": words.nouns,
        "Colors": words.colors,
        "Materials": words.materials,
        "Patterns": words.patterns,
        "Sizes": words.sizes,
        "Two things": words.relations,
        "Parts": words.parts,
    }
    rows = [f"<dt>{name}</dt><dd>{escape(', '.join(one))}</dd>" for name, one in groups.items() if one]
    return f'<dl class="d3-words">{"".join(rows)}</dl>'


def facts(report: dict[str, Any]) -> str:
    """What is said about an asset, from its FILE.json."""
    items = [
        f"{report['faces']:,} faces",
        f"{report['texture_size'][0]} px texture",
        "watertight" if report["watertight"] else "with open edges",
        f"seed {report['seed']}",
        f"made in {format_seconds(report['metrics']['seconds'])}",
    ]
    lines = "".join(f"<li>{escape(line)}</li>" for line in report["warnings"])
    return (
        f'<div class="d3-facts"><h3>{escape(report["prompt"])}</h3><p>{" · ".join(items)}</p>'
        f"{f'<ul>{lines}</ul>' if lines else ''}</div>"
    )


def _wait(place: int) -> str:
    if place == 0:
        return "Starting."
    return "Next in the queue." if place == 1 else f"In the queue: {place} runs go first."


def _progress(job: Job) -> str:
    """Stages, a bar, steps, and the time that is left of this stage."""
    event = job.event
    if event is None:
        return "<p>Starting.</p>"
    stages = [name for name in STAGES if name != "refine" or job.order.config.refine.num_steps]
    now = stages.index(event.stage) if event.stage in stages else 0
    kinds = ["past" if index < now else "now" if index == now else "next" for index in range(len(stages))]
    steps = "".join(
        f'<li class="{kind}">{STAGES[stage]}</li>' for stage, kind in zip(stages, kinds, strict=True)
    )
    total = max(event.num_steps, 1)
    percent = round(100.0 * min(event.step / total, 1.0))
    elapsed = time.monotonic() - job.began
    left = f"about {format_seconds(elapsed * (total - event.step) / event.step)} left" if event.step else ""
    counted = f"step {event.step} of {event.num_steps}" if event.num_steps > 2 else ""
    return (
        f'<ol class="d3-stages">{steps}</ol><div class="d3-bar" role="progressbar" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent}"><div style="width:{percent}%"></div></div>'
        f'<p class="d3-line"><span>{STAGES.get(event.stage, "")} {counted}</span>'
        f"<span>{left if counted else ''}</span></p>"
    )


def _frame(job: Job) -> str:
    """The newest picture of the scene, or its place."""
    if not job.is_open:
        return ""
    if not job.picture:
        return '<div class="d3-frame"><span>No picture yet</span></div>'
    data = base64.b64encode(job.picture).decode()
    return (
        f'<div class="d3-frame"><img src="data:image/jpeg;base64,{data}" alt="The scene as it is now"></div>'
    )
