"""How often the learned judge is right: on fresh instances, and on failures planted on purpose.

    python scripts/eval_judge.py --judge assets/judges/props --props 300 --write

Everything is looked at as `dream3d eval` looks at assets: a mesh in the frame, twelve unlit views. A planted
failure is found when the number that should notice it does; the same number on sound instances gives the rate
of false alarms. `--write` puts the scores into the judge's card.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from judge_data import JUDGE_SEED
from judge_degrade import degrade
from torch import Tensor

from dream3d.extract.topology import face_components, weld
from dream3d.mesh import Mesh
from dream3d.metrics.changes import one_attribute_changes
from dream3d.metrics.ground_truth import untextured
from dream3d.metrics.judge import Judge, is_exact
from dream3d.metrics.judge_folder import CARD, find_judge
from dream3d.metrics.learned import LearnedJudge, judge_cameras, pose_numbers
from dream3d.metrics.planted import two_faced, with_floaters, with_hole
from dream3d.metrics.surface import surface_facts
from dream3d.metrics.views import in_frame, portraits
from dream3d.props import (
    COLORS,
    FAMILIES,
    Finish,
    Prop,
    PropSpec,
    SceneSpec,
    is_held_out,
    make_prop,
    prop_spec,
    sample_prop,
)
from dream3d.props.palette import SRGB

EVAL_SEED = 2  # training takes 0, its own measures 1
MIN_DIFFERENCE = 150  # of colors that are exchanged, summed over the sRGB channels
MIN_MIRROR_CHANGE = 0.02  # mean difference of a picture from behind that makes two faces a failure to see
OF_THE_WHOLE = (  # numbers that are one per asset, not one per question
    *("r_precision", "r_precision_worst", "hard_r_precision", "hard_r_precision_worst"),
    *("hard_r_precision_together", "exact_match", "azimuth_error_deg", "janus"),
)

Numbers = dict[str, float]


def pictures(mesh: Mesh) -> Tensor:
    """What the judge is shown of a mesh, [12, 64, 64, 4]."""
    return portraits(in_frame(untextured(mesh)), judge_cameras())


def sound_instances(judge: Judge, count: int, degraded: bool) -> Numbers:
    """Shares of right answers on fresh instances of random captions, held-out combinations included."""
    rng = np.random.default_rng((JUDGE_SEED + EVAL_SEED, int(degraded)))
    learned, names = LearnedJudge(judge), list(FAMILIES)
    found: dict[str, list[float]] = defaultdict(list)
    for index in range(count):
        prop = sample_prop(rng, names[index % len(names)], allow_held_out=True)
        images = pictures(prop.painted_mesh())
        if degraded:
            images = degrade(images, rng)
        numbers = learned.judge_pictures(images, prop.caption)
        for name, value in numbers.items():
            if name in OF_THE_WHOLE:
                found[name].append(value)
        for answer in judge.attribute_match(images, prop.spec):
            found[f"{answer.kind}, {'said' if answer.is_said else 'natural'}"].append(answer.is_right)
        share = "held out from the prior" if is_held_out(prop.spec) else "seen by the prior"
        size = "two props" if isinstance(prop.spec, SceneSpec) else "one prop"
        for group in (share, size):
            found[f"exact_match, {group}"].append(numbers["exact_match"])
    return {name: float(np.mean(values)) for name, values in sorted(found.items())}


def told_spec(rng: np.random.Generator, family: str) -> PropSpec:
    """A spec that says the colors of two parts, which differ from each other and from what is natural."""
    parts = [part for part in FAMILIES[family].parts if part.name not in FAMILIES[family].extra][:2]
    chosen: dict[str, str | Finish | None] = {}
    for part in parts:
        taken = {part.color, *(str(color) for color in chosen.values())}
        free = [color for color in COLORS if color not in taken and all(_differ(color, c) for c in taken)]
        chosen[part.name] = free[int(rng.integers(len(free)))]
    return prop_spec(family, chosen)


def _differ(one: str, other: str) -> bool:
    return int(np.abs(np.subtract(SRGB[one], SRGB[other])).sum()) >= MIN_DIFFERENCE


def planted_looks(judge: Judge, count: int) -> dict[str, list[bool]]:
    """Whether exact match fails: for sound instances (false alarms), swapped colors, one wrong color, ..."""
    rng = np.random.default_rng((JUDGE_SEED + EVAL_SEED, 10))
    found: dict[str, list[bool]] = defaultdict(list)
    names = list(FAMILIES)
    for index in range(count):
        asked = told_spec(rng, names[index % len(names)])
        for kind, spec in [("sound", asked), *spoiled(asked, rng)]:
            answers = judge.attribute_match(pictures(make_prop(spec, rng).painted_mesh()), asked)
            found[kind].append(not is_exact(answers))
    return found


def spoiled(asked: PropSpec, rng: np.random.Generator) -> Iterator[tuple[str, PropSpec]]:
    """Specs that differ from what was asked in something that was said."""
    main, other = [part for part, look in asked.finishes.items()][:2]
    looks = {**asked.finishes, main: asked.finishes[other], other: asked.finishes[main]}
    yield "swapped colors", replace(asked, finishes=looks)
    part = (main, other)[int(rng.integers(2))]
    own = asked.finishes[part].color or ""
    wrong = [color for color in COLORS if _differ(color, own)]
    look = Finish(wrong[int(rng.integers(len(wrong)))])
    yield "one wrong color", replace(asked, finishes={**asked.finishes, part: look})
    families = [change.spec for change in one_attribute_changes(asked) if change.kind == "family"]
    other_family = families[int(rng.integers(len(families)))]
    assert isinstance(other_family, PropSpec)
    yield "wrong family", other_family


def planted_faces(judge: Judge, per_family: int) -> dict[str, list[tuple[str, Numbers]]]:
    """Family and pose numbers of sound instances and of two-faced ones, of asymmetric families."""
    rng = np.random.default_rng((JUDGE_SEED + EVAL_SEED, 20))
    found: dict[str, list[tuple[str, Numbers]]] = defaultdict(list)
    for family in [name for name in FAMILIES if not FAMILIES[name].symmetric]:
        for _ in range(per_family):
            mesh = make_prop(prop_spec(family), rng).painted_mesh()
            sound, spoilt = pictures(mesh), pictures(two_faced(mesh))
            found["sound"].append((family, pose_numbers(judge.azimuth_log_probs(sound))))
            # What is the same on both sides by nature, like a mug, has no second face to find.
            if (sound[6] - spoilt[6]).abs().mean() > MIN_MIRROR_CHANGE:
                found["two-faced"].append((family, pose_numbers(judge.azimuth_log_probs(spoilt))))
    return found


def planted_surfaces(count: int) -> dict[str, list[bool]]:
    """Whether metrics/surface.py reports floaters and holes, on single closed solids taken from props."""
    rng = np.random.default_rng((JUDGE_SEED + EVAL_SEED, 30))
    found: dict[str, list[bool]] = defaultdict(list)
    for _ in range(count):
        solid = largest_piece(sample_prop(rng))
        for kind, mesh in (
            ("sound", solid),
            ("floaters", with_floaters(solid, rng)),
            ("holes", with_hole(solid, rng)),
        ):
            facts = surface_facts(mesh)
            if kind != "holes":
                found[f"{kind}: floaters"].append(facts.floaters > 0)
            if kind != "floaters":
                found[f"{kind}: holes"].append(facts.boundary_edges > 0)
    return found


def largest_piece(prop: Prop) -> Mesh:
    """The piece of a prop with the most faces."""
    vertices, faces = weld(prop.mesh.vertices, prop.mesh.faces)
    del vertices
    label = face_components(faces)
    kept = label == np.bincount(label).argmax()
    return replace(prop.mesh, faces=prop.mesh.faces[kept])


def best_threshold(sound: Sequence[float], spoilt: Sequence[float]) -> Numbers:
    """The threshold with the largest recall whose rate of false alarms is below 5%."""
    limit = float(np.quantile(sound, 0.96))
    return {"threshold": limit, "recall": float(np.mean(np.array(spoilt) > limit))}


def measure(judge: Judge, count: int) -> dict[str, Any]:
    """All scores."""
    faces = planted_faces(judge, max(2, count // 100))
    errors = {kind: [numbers["azimuth_error_deg"] for _, numbers in rows] for kind, rows in faces.items()}
    wrong = {
        kind: sorted({family for family, numbers in rows if (numbers["janus"] > 0) == (kind == "sound")})
        for kind, rows in faces.items()
    }
    looks, surfaces = planted_looks(judge, count), planted_surfaces(count)
    return {
        "fresh instances": sound_instances(judge, count, degraded=False),
        "fresh instances, degraded": sound_instances(judge, count // 2, degraded=True),
        "flagged by exact match": {kind: float(np.mean(flags)) for kind, flags in looks.items()},
        "flagged as janus": {
            kind: float(np.mean([numbers["janus"] for _, numbers in rows])) for kind, rows in faces.items()
        },
        "wrong janus flags": wrong,
        "janus at 4% false alarms": best_threshold(errors["sound"], errors["two-faced"]),
        "flagged by surface facts": {kind: float(np.mean(flags)) for kind, flags in surfaces.items()},
    }


def rounded(value: Any) -> Any:
    """Numbers with four digits."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--judge", default="props", help="a built-in name or a folder")
    parser.add_argument("--props", type=int, default=300, help="fresh instances per test")
    parser.add_argument("--write", action="store_true", help="put the scores into the judge's card")
    args = parser.parse_args()
    judge, path = Judge.from_pretrained(args.judge), find_judge(args.judge) / CARD
    scores = rounded(measure(judge, args.props))
    print(json.dumps(scores, indent=1))
    if args.write:
        card = json.loads(path.read_text(encoding="utf-8"))
        card["scores"] = {"command": f"python scripts/eval_judge.py --props {args.props}", **scores}
        path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
