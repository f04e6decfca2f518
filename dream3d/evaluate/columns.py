"""The columns of the table: what each number means and which way is better."""

from dataclasses import dataclass
from typing import Any, Literal

# Part of what decides a row: raise it when a number changes its meaning, so that old rows are measured again.
METRICS_VERSION = 6


@dataclass(frozen=True)
class Column:
    """One number of every row."""

    name: str  # its key in `Row.metrics`
    title: str  # short, for people
    digits: int  # after the point
    better: Literal["high", "low", ""]
    about: str  # one line


COLUMNS = (
    Column("r_precision", "R-prec", 2, "high", "prompt found among 100 random ones; share of 12 views"),
    Column("r_precision_worst", "R-prec worst", 0, "high", "the same in every one of the views"),
    Column(
        "hard_r_precision", "hard R-prec", 2, "high", "prompt found among all one-attribute changes of it"
    ),
    Column("hard_r_precision_worst", "hard worst", 0, "high", "that in every one of the views"),
    Column("hard_r_precision_together", "hard together", 0, "high", "the same, asked once for all views"),
    Column("exact_match", "exact", 0, "high", "everything that the prompt says is right (learned judge)"),
    Column("family_right", "family", 2, "high", "share of objects recognised as what the prompt names"),
    Column("color_right", "colors", 2, "high", "share of right ones among the colors that are said"),
    Column("material_right", "materials", 2, "high", "the same of materials"),
    Column("pattern_right", "patterns", 2, "high", "the same of patterns"),
    Column("second_color_right", "2nd colors", 2, "high", "the same of a pattern's other color"),
    Column("presence_right", "parts", 2, "high", "the same of parts that must be there or missing"),
    Column("relation_right", "relation", 0, "high", "two objects stand as the prompt says"),
    Column("unsaid_right", "unsaid", 2, "high", "share of natural looks where the prompt says nothing"),
    Column(
        "janus",
        "janus",
        0,
        "low",
        "azimuths do not follow the camera: two fronts, or none; blank where those of the truth do not",
    ),
    Column("front_behind", "front behind", 2, "low", "probability of a front in the views from behind"),
    Column(
        "azimuth_error_deg", "azimuth err", 0, "low", "mean error of the azimuth seen in 12 views, degrees"
    ),
    Column("silhouette_iou", "IoU", 3, "high", "silhouette IoU with the best of 64 instances"),
    Column("color_error", "color err", 3, "low", "mean sRGB difference to it where both are seen"),
    Column("chamfer", "chamfer", 4, "low", "Chamfer-L1 of visible surfaces, nearest instance"),
    Column("chamfer_relative", "rel chamfer", 2, "low", "0: like another instance; 1: like a wrong family"),
    Column("saturation", "saturation", 3, "", "mean of max - min over sRGB channels"),
    Column("saturation_excess", "excess sat", 3, "", "the same minus that of the best instance; 0 is right"),
    Column("floaters", "floaters", 0, "low", "pieces beyond one for each thing named, welded"),
    Column("floater_area", "floater area", 4, "low", "their share of the area"),
    Column("watertight", "closed", 0, "high", "every edge walked once in each direction"),
    Column("boundary_edges", "open edges", 0, "low", "edges of exactly one face"),
    Column("faces", "faces", 0, "", "triangles"),
    Column("texture_size", "texture", 0, "", "longer side of the base color texture, texels"),
    Column("validator_findings", "findings", 0, "low", "Khronos validator, any severity; blank without it"),
    Column("seconds", "seconds", 1, "low", "of the generation, without loading the prior"),
    Column("peak_memory_mb", "peak MB", 0, "low", "of the process meanwhile; earlier rows leave some behind"),
    Column("prior_evaluations", "prior evals", 0, "low", "images denoised, both guidance branches counted"),
)


def show(value: Any, digits: int) -> str:
    """A number for people; blank where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.{digits}f}"


def show_mean(value: Any, digits: int) -> str:
    """A mean for people: those of counts and of yes (1) and no (0) need digits that single ones do not."""
    return show(value, max(digits, 2) if digits < 2 else digits)
