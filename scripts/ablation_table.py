"""Tables of variants: means over prompts, and paired differences with their standard error."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dream3d.evaluate.columns import COLUMNS, Column
from dream3d.evaluate.rows import Row

# The numbers that decide, as far as the rows have them.
NAMES = (
    "exact_match",
    "r_precision",
    "hard_r_precision",
    "janus",
    "azimuth_error_deg",
    "silhouette_iou",
    "color_error",
    "chamfer_relative",
    "saturation_excess",
    "floaters",
    "prior_evaluations",
    "seconds",
)
SIGNIFICANT = 2.0  # standard errors


@dataclass(frozen=True)
class Difference:
    """How much a variant is above the reference, on the prompts that both have."""

    mean: float
    standard_error: float  # of that mean over prompts; infinite for a single prompt

    @property
    def is_significant(self) -> bool:
        """Whether it is more than two standard errors away from nothing."""
        return abs(self.mean) > SIGNIFICANT * self.standard_error


def prompt_means(rows: Sequence[Row], column: Column) -> dict[str, float]:
    """Mean of a number over the seeds of each prompt.

    A failed row counts as 0 where a share is measured and more is better; of other numbers it has none.
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        value = row.metrics.get(column.name)
        if row.error is not None and column.better == "high":
            value = 0.0
        if value is not None and row.prompt is not None:
            values.setdefault(row.prompt, []).append(float(value))
    return {prompt: float(np.mean(each)) for prompt, each in values.items()}


def difference(own: Mapping[str, float], reference: Mapping[str, float]) -> Difference | None:
    """Paired over prompts: that some prompts are harder than others does not count as noise."""
    common = [prompt for prompt in own if prompt in reference]
    if not common:
        return None
    values = np.array([own[prompt] - reference[prompt] for prompt in common])
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.inf
    return Difference(float(values.mean()), spread / math.sqrt(len(values)))


def variant_table(
    results: Mapping[str, Sequence[Row]],
    reference: str,
    extra: Mapping[str, Mapping[str, float | None]] = {},
) -> str:
    """Markdown: a line per variant, a column per number.

    Args:
        results: Variant -> rows of its assets.
        reference: The variant that others are compared with.
        extra: Title -> variant -> number, for columns that rows do not have.
    """
    measured = {name for rows in results.values() for row in rows for name in row.metrics}
    by_name = {column.name: column for column in COLUMNS}
    columns = [by_name[name] for name in NAMES if name in measured and name in by_name]
    extra = {
        title: each for title, each in extra.items() if any(value is not None for value in each.values())
    }
    head = ["variant", "assets", "failed", *(f"{c.title} {_arrow(c)}".strip() for c in columns), *extra]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    means = {name: {c.name: prompt_means(rows, c) for c in columns} for name, rows in results.items()}
    for name, rows in results.items():
        failed = sum(row.error is not None for row in rows)
        cells = [_cell(means[name][c.name], means[reference][c.name], c, name == reference) for c in columns]
        title = f"{name} (reference)" if name == reference else name
        numbers = [numbers[name] for numbers in extra.values()]
        more = ["" if number is None else f"{number:.3f}" for number in numbers]
        lines.append([title, str(len(rows)), str(failed), *cells, *more])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(
    own: Mapping[str, float], reference: Mapping[str, float], column: Column, is_reference: bool
) -> str:
    """The mean; of others than the reference also the difference, bold where it is more than noise."""
    if not own:
        return ""
    digits = max(column.digits, 2)
    mean = f"{np.mean(list(own.values())):.{digits}f}"
    found = None if is_reference else difference(own, reference)
    if found is None:
        return mean
    change = f"{found.mean:+.{digits}f} ± {found.standard_error:.{digits}f}"
    return f"{mean} (**{change}**)" if found.is_significant else f"{mean} ({change})"


def _arrow(column: Column) -> str:
    return {"high": "↑", "low": "↓", "": ""}[column.better]
