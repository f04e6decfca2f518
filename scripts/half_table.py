"""Means over the prompts of `dream3d eval`, those that training shows apart from those that it does not."""

from collections.abc import Sequence

import numpy as np
from ablation_table import NAMES, prompt_means

from dream3d.evaluate.columns import COLUMNS, show_mean
from dream3d.evaluate.rows import Row
from dream3d.props import is_held_out, parse_caption


def half_of(prompt: str | None) -> str:
    """Whether training shows the combination; nothing for what is not in the grammar."""
    spec = parse_caption(prompt or "")
    return "" if spec is None else "held out" if is_held_out(spec) else "seen"


def half_table(rows: Sequence[Row]) -> str:
    """Markdown: a line per kind of row and half; failures count as 0 where more is better."""
    columns = [c for c in COLUMNS if c.name in NAMES and any(c.name in row.metrics for row in rows)]
    head = ["kind", "prompts", "rows", "failed", *(column.title for column in columns)]
    lines = [head, ["---", "---", *["---:"] * (len(head) - 2)]]
    for kind in dict.fromkeys(row.kind for row in rows):
        for half in ("seen", "held out"):
            group = [row for row in rows if row.kind == kind and half_of(row.prompt) == half]
            if not group:
                continue
            failed = sum(row.error is not None for row in group)
            means = [list(prompt_means(group, column).values()) for column in columns]
            cells = [
                show_mean(float(np.mean(values)) if values else None, column.digits)
                for values, column in zip(means, columns, strict=True)
            ]
            lines.append([kind, half, str(len(group)), str(failed), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
