"""From one asset to its numbers and its picture.

A judge is a plain function (asset, prompt, views) -> numbers. A learned one loads its weights when it is
made; to add it, name it in `make_judges` and describe its numbers in `columns.COLUMNS`.
"""

import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from dream3d.errors import InputError
from dream3d.evaluate.rows import Numbers
from dream3d.evaluate.validator import validator_findings
from dream3d.export.load import Contents, load_glb
from dream3d.export.load_model import MAX_FACES, join_parts
from dream3d.inputs import check_prompt
from dream3d.mesh import ByteArray, TexturedMesh
from dream3d.metrics.ground_truth import FamilyJudge
from dream3d.metrics.judge import Judge as PictureJudge
from dream3d.metrics.learned import LearnedJudge
from dream3d.metrics.surface import surface_facts
from dream3d.metrics.views import Views, in_frame, look
from dream3d.preview import render_turntable, sheet
from dream3d.things.relations import split_things

STRIP_VIEWS, STRIP_SIZE = 8, 128
JPEG_QUALITY = 82

Judge = Callable[[TexturedMesh, str | None, Views], Numbers]


def make_judges() -> list[Judge]:
    """Every judge of an asset, ready to use.

    Raises:
        InputError: The learned judge is missing or damaged.
    """
    return [FamilyJudge(), LearnedJudge(PictureJudge.from_pretrained())]


@dataclass(frozen=True)
class Measured:
    """What was found out about one asset."""

    metrics: Numbers
    picture: bytes  # JPEG, a strip of eight views
    provenance: dict[str, Any]


def measure_asset(asset: TexturedMesh, prompt: str | None, judges: Sequence[Judge]) -> Measured:
    """Judge an asset that need not be a file.

    Raises:
        InputError: It has no extent.
    """
    framed = in_frame(asset)
    views = look(framed)
    metrics: Numbers = {}
    for judge in judges:
        metrics |= judge(framed, prompt, views)
    metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return Measured(metrics, _strip(framed), asset.metadata)


def measure_pictures(images: Tensor, prompt: str, judges: Sequence[Judge]) -> Measured:
    """Judge pictures without an asset by those judges that need none.

    Args:
        images: [12, 64, 64, 4] from `judge_cameras`, premultiplied sRGB.
        prompt: What they should show.
        judges: From `make_judges`.
    """
    metrics: Numbers = {}
    for judge in judges:
        if isinstance(judge, LearnedJudge):
            metrics |= judge.judge_pictures(images, prompt)
    over_white = images[..., :3] + 1.0 - images[..., 3:]
    shown = [round(k * len(images) / STRIP_VIEWS) for k in range(STRIP_VIEWS)]
    pictures = (over_white[shown].clamp(0, 1) * 255).round().byte().repeat_interleave(2, 1)
    return Measured(metrics, _jpeg(pictures.repeat_interleave(2, 2).numpy()), {})


def measure_file(path: Path, prompt: str | None, judges: Sequence[Judge]) -> Measured:
    """Judge a .glb, and say what is in it and what it cost where that is known.

    Args:
        path: The file, from anyone.
        prompt: What it should show; the file's own prompt when None.
        judges: From `make_judges`.

    Raises:
        InputError: The file cannot be read, or has no extent or too many triangles.
    """
    contents = load_glb(path, MAX_FACES)
    asset = join_parts(contents.parts)
    asset = replace(asset, mesh=asset.mesh.of_faces(asset.mesh.faces))  # nothing unused decides the frame
    prompt = prompt or _own_prompt(contents)
    measured = measure_asset(asset, prompt, judges)
    num_things = len(split_things(prompt or "", bool).texts)
    surface = asdict(surface_facts(asset.mesh, num_things))
    metrics = measured.metrics | surface | _file_facts(path, contents)
    return replace(measured, metrics=metrics, provenance=contents.provenance | {"prompt": prompt})


def run_report(glb: Path) -> dict[str, Any]:
    """FILE.json beside a FILE.glb that `generate` left; nothing when it tells of another file."""
    try:
        report = json.loads(glb.with_suffix(".json").read_bytes())
        is_its_own = report["sha256"] == hashlib.sha256(glb.read_bytes()).hexdigest()
        return report if is_its_own and isinstance(report["metrics"], dict) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _own_prompt(contents: Contents) -> str | None:
    """The prompt that a file says it was made from, if it can be one."""
    try:
        return check_prompt(str(contents.provenance.get("prompt", "")))
    except InputError:
        return None


def _file_facts(path: Path, contents: Contents) -> Numbers:
    """Facts that only a file has; what is not known is left out."""
    costs = run_report(path).get("metrics", {})
    facts = {name: costs.get(name) for name in ("seconds", "peak_memory_mb", "prior_evaluations")}
    facts["texture_size"] = max(
        (max(picture.pixels.shape[:2]) for picture in contents.pictures), default=None
    )
    facts["validator_findings"] = validator_findings(path)
    return {
        name: value for name, value in facts.items() if isinstance(value, int | float) and abs(value) < 1e300
    }


def _strip(asset: TexturedMesh) -> bytes:
    """A JPEG of eight views side by side."""
    return _jpeg(render_turntable(asset, STRIP_VIEWS, STRIP_SIZE))


def _jpeg(pictures: ByteArray) -> bytes:
    """Eight pictures [8, H, W, 3] side by side."""
    stream = io.BytesIO()
    Image.fromarray(sheet(pictures, STRIP_VIEWS)).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
