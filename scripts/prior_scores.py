"""What the learned judge, and one that needs no learning, say about four views of a prompt."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from prior_data import render_views
from prior_samples import ELEVATION_DEG, SIZE, UNLIT, Asked
from torch import Tensor

from dream3d.cameras import FRAME_DISTANCE, FRAME_FOV_Y_DEG, orbit
from dream3d.metrics.judge import Answer, Judge, is_exact
from dream3d.metrics.learned import circular_error, retrieval
from dream3d.metrics.questions import props_of, turn_of
from dream3d.props import FAMILIES, Spec, held_out_pairs, is_held_out, make_prop, told_looks
from dream3d.props.family import FULL_TURN

Source = Literal["prior", "truth"]
Half = Literal["seen", "held out"]

NUM_INSTANCES, NUM_AZIMUTHS = 3, 36  # renders that a sample's azimuth is found by
INSTANCES_SEED = 12345


@dataclass(frozen=True)
class Said:
    """One thing that the prompt says, and what the judge sees instead."""

    name: str  # "color", "part color", "family" ...
    half: Half  # of the combination itself, where training leaves such out; else of the prompt
    family: str
    expected: str
    found: str
    is_right: bool


@dataclass(frozen=True)
class Score:
    """All that is measured of one prompt's four pictures."""

    prompt: str
    source: Source
    judge: str  # checksum: which judge said it
    half: Half
    said: list[Said]
    unsaid_right: float  # share of what the prompt leaves unsaid that looks natural
    is_exact: list[bool]  # one for the group, or one for each of four single views
    retrieval: dict[str, float]  # see dream3d.metrics.learned.retrieval
    azimuth_error_deg: list[float]  # by the judge, one per view; none for things that have no front
    nearest_error_deg: list[float]  # by the nearest render, likewise; the truth has none


def score(judge: Judge, name: str, asked: Asked, images: Tensor, source: Source, is_group: bool) -> Score:
    """Measure four pictures.

    Args:
        judge: The learned judge.
        name: What to call it in the result.
        asked: The prompt and where the pictures are seen from.
        images: [4, 64, 64, 4], premultiplied sRGB.
        source: Samples, or renders of the ground truth.
        is_group: They show one thing; otherwise each is judged alone.
    """
    things = [images] if is_group else list(images.split(1))
    told = told_looks(asked.prompt)
    matches = [judge.attribute_match(thing, asked.spec, told) for thing in things]
    found = [retrieval(judge, thing, asked.prompt, asked.spec) for thing in things]
    is_asymmetric = turn_of(asked.spec) == FULL_TURN
    return Score(
        asked.prompt,
        source,
        name,
        half_of(asked.spec),
        [said(answer, asked.spec) for match in matches for answer in match if answer.is_said],
        float(np.mean([a.is_right for match in matches for a in match if not a.is_said])),
        [is_exact(match) for match in matches],
        {key: float(np.mean([numbers[key] for numbers in found])) for key in found[0]},
        azimuth_errors(judge, images, asked.azimuth_deg) if is_asymmetric else [],
        nearest_errors(images, asked) if is_asymmetric and source == "prior" else [],
    )


def said(answer: Answer, spec: Spec) -> Said:
    """An answer with the half it counts to.

    A color, material or pattern of a main part, or a relation, counts as held out when training leaves out
    that very pair; anything else counts with its prompt.
    """
    is_main = answer.part is None or answer.part == FAMILIES[answer.family].parts[0].name
    half = half_of(spec)
    if answer.kind == "relation":
        half = "held out" if "relation" in held_out_pairs(spec) else "seen"
    elif is_main and answer.kind in ("color", "material", "pattern"):
        (prop,) = (each for each in props_of(spec) if each.family == answer.family)
        half = "held out" if answer.kind in held_out_pairs(prop) else "seen"
    name = answer.kind if is_main or answer.kind == "presence" else f"part {answer.kind}"
    return Said(name, half, answer.family, answer.expected[0], answer.found, answer.is_right)


def half_of(spec: Spec) -> Half:
    """Whether any combination in the spec was kept out of training."""
    return "held out" if is_held_out(spec) else "seen"


def azimuth_errors(judge: Judge, images: Tensor, azimuth_deg: Sequence[float]) -> list[float]:
    """Circular distance of the judge's most probable azimuths from the true ones, degrees."""
    log_probs = judge.azimuth_log_probs(images)
    found = log_probs.argmax(1) * (360.0 / log_probs.shape[1])
    return circular_error(found, torch.tensor(azimuth_deg)).tolist()


def nearest_errors(images: Tensor, asked: Asked) -> list[float]:
    """Circular azimuth error of the ground-truth render that is nearest to each picture, degrees.

    Nearest by squared error over RGBA, among several instances from all around. Chance is 90 degrees.
    """
    grid = [360.0 * k / NUM_AZIMUTHS for k in range(NUM_AZIMUTHS)]
    cameras = orbit(grid, ELEVATION_DEG, FRAME_DISTANCE, FRAME_FOV_Y_DEG)
    rng = np.random.default_rng(INSTANCES_SEED)
    props = [make_prop(asked.spec, rng) for _ in range(NUM_INSTANCES)]
    truth = torch.stack([render_views(prop, cameras, UNLIT * NUM_AZIMUTHS, SIZE) for prop in props])
    return nearest_azimuth_errors(images, truth, asked.azimuth_deg)


def nearest_azimuth_errors(images: Tensor, truth: Tensor, azimuth_deg: Sequence[float]) -> list[float]:
    """The same for given renders.

    Args:
        images: [B, H, W, 4].
        truth: [M, K, H, W, 4], M instances from K azimuths evenly around, the first one at 0 degrees.
        azimuth_deg: B azimuths asked for.
    """
    distance = ((truth[:, :, None] - images) ** 2).mean((3, 4, 5)).amin(0)  # [K, B]
    found = distance.argmin(0) * (360.0 / truth.shape[1])
    return circular_error(found, torch.tensor(azimuth_deg)).tolist()


class ScoreBook:
    """Scores that are done, one JSON object a line; several processes may append to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scores: dict[tuple[str, Source, str], Score] = {}
        for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
            try:
                data = json.loads(line)
                entry = Score(**data | {"said": [Said(**each) for each in data["said"]]})
            except (ValueError, TypeError, KeyError):
                continue  # cut off when the process was stopped
            self.scores[entry.prompt, entry.source, entry.judge] = entry

    def append(self, entry: Score) -> None:
        """Keep a score."""
        # In one piece, so that lines of several processes do not mix; one that was cut off stays alone.
        with self.path.open("ab", buffering=0) as stream:
            stream.write(f"\n{json.dumps(asdict(entry))}".encode())
        self.scores[entry.prompt, entry.source, entry.judge] = entry
