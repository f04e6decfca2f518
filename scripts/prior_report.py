"""From the scores of single prompts to a table: seen and held out apart, each beside the ground truth.

The truth is judged like the samples: what it misses is the judge's own error, and the ceiling.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from prior_scores import Half, Said, Score, Source

from dream3d.export.files import write_files
from dream3d.prior.files import read_json
from dream3d.prior.folder import CARD

HALVES: tuple[Half, ...] = get_args(Half)
SOURCES: tuple[Source, ...] = get_args(Source)
FAR_DEG = 45.0
NUM_WORST, MIN_SAID = 12, 3  # lines of a list of the worst; fewer answers say nothing
RETRIEVAL = {
    "r_precision": "R-precision at 1, 100 random captions",
    "hard_r_precision": "R-precision at 1, all one-attribute changes",
    "hard_r_precision_worst": "the same, in every view",
}
AZIMUTH = {
    "azimuth_error_deg": "azimuth error by the judge, median, degrees",
    "azimuth_over_45": "over 45 degrees",
    "nearest_error_deg": "azimuth error by the nearest render, median, degrees",
    "nearest_over_45": "over 45 degrees",
}
Cell = dict[str, Any]  # name -> number; a number that cannot be had is missing


def summarize(scores: Sequence[Score]) -> dict[Half, dict[Source, Cell]]:
    """All numbers of the table."""
    return {
        half: {source: _cell([s for s in scores if s.source == source], half) for source in SOURCES}
        for half in HALVES
    }


def _cell(scores: Sequence[Score], half: Half) -> Cell:
    """Numbers of one half of one source; attributes are divided by their own pair, the rest by prompt."""
    own = [score for score in scores if score.half == half]
    attributes: dict[str, list[bool]] = defaultdict(list)
    for each in (each for score in scores for each in score.said if each.half == half):
        attributes[each.name].append(each.is_right)
        attributes["all"].append(each.is_right)
    cell: Cell = {
        "prompts": len(own),
        "unsaid_right": _mean([score.unsaid_right for score in own]),
        "exact_match": _mean([right for score in own for right in score.is_exact]),
        "attributes": {name: _mean(values) for name, values in sorted(attributes.items())},
        "num_attributes": {name: len(values) for name, values in sorted(attributes.items())},
    }
    for name in RETRIEVAL:
        cell[name] = _mean([score.retrieval[name] for score in own])
    errors = {
        "azimuth": [error for score in own for error in score.azimuth_error_deg],
        "nearest": [error for score in own for error in score.nearest_error_deg],
    }
    for name, values in errors.items():
        if values:
            cell[f"{name}_error_deg"] = float(np.median(values))
            cell[f"{name}_over_45"] = _mean([value > FAR_DEG for value in values])
    return {name: value for name, value in cell.items() if value is not None}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def worst(answers: Iterable[Said], key: Callable[[Said], str]) -> list[tuple[str, float, int, str]]:
    """Groups of answers with the smallest share of right ones first.

    Returns:
        (key, share of right answers, number of answers, most frequent confusion "expected > found" or "").
    """
    groups: dict[str, list[Said]] = defaultdict(list)
    for each in answers:
        groups[key(each)].append(each)
    rows = []
    for name, group in groups.items():
        wrong = Counter(f"{each.expected} > {each.found}" for each in group if not each.is_right)
        share = float(np.mean([each.is_right for each in group]))
        if len(group) >= MIN_SAID and wrong:
            rows.append((name, share, len(group), wrong.most_common(1)[0][0]))
    return sorted(rows, key=lambda row: (row[1], row[0]))[:NUM_WORST]


def markdown(summary: Mapping[Half, Mapping[Source, Cell]], scores: Sequence[Score]) -> str:
    """The tables for people."""
    columns: list[tuple[Half, Source]] = [(half, source) for half in HALVES for source in SOURCES]
    lines = [
        "| | " + " | ".join(f"{half}: {source}" for half, source in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    cells = [summary[half][source] for half, source in columns]

    def add(title: str, pick: Callable[[Cell], str]) -> None:
        lines.append(f"| {title} | " + " | ".join(map(pick, cells)) + " |")

    add("prompts", lambda cell: str(cell["prompts"]))
    add("exact match of all that is said", lambda cell: _percent(cell.get("exact_match")))
    names = sorted({name for cell in cells for name in cell["attributes"]} - {"all"})
    for name in ["all", *names]:
        add(f"attribute: {name}", lambda cell, name=name: _share_of(cell, name))
    add("natural where nothing is said", lambda cell: _percent(cell.get("unsaid_right")))
    for name, title in RETRIEVAL.items():
        add(title, lambda cell, name=name: _percent(cell.get(name)))
    for name, title in AZIMUTH.items():
        show = _percent if name.endswith("45") else _degrees
        add(title, lambda cell, name=name, show=show: show(cell.get(name)))
    said = [each for score in scores if score.source == "prior" for each in score.said]
    colors = [each for each in said if "color" in each.name]
    lists = {
        "families": worst(said, lambda each: each.family),
        "colors": worst(colors, lambda each: each.expected),
    }
    for title, rows in lists.items():
        lines += ["", f"| worst {title} | right | answers | most frequent mistake |", "|---|---:|---:|---|"]
        lines += [f"| {name} | {_percent(share)} | {n} | {mistake} |" for name, share, n, mistake in rows]
    return "\n".join(lines) + "\n"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}%"


def _degrees(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _share_of(cell: Cell, name: str) -> str:
    count = cell["num_attributes"].get(name)
    return f"{_percent(cell['attributes'][name])} of {count}" if count else ""


def update_card(folder: Path, results: Mapping[str, Any]) -> None:
    """Put measured scores into the card of a prior, under facts.scores.

    Args:
        folder: A prior's folder.
        results: What `eval_prior.py` left in results.json.

    Raises:
        InputError: The card cannot be read or written.
    """
    card = read_json(folder / CARD)
    scores = {name: results[name] for name in ("prompts", "samples", "judge")}
    for half, sources in results["summary"].items():
        scores[half.replace(" ", "_")] = {name: _rounded(cell) for name, cell in sources.items()}
    card["facts"] = card.get("facts", {}) | {"scores": scores}
    write_files({folder / CARD: (json.dumps(card, indent=2) + "\n").encode()})


def _rounded(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Four digits are more than are known."""
    return {
        name: _rounded(value) if isinstance(value, dict) else round(value, 4) for name, value in cell.items()
    }
