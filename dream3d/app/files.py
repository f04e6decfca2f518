"""The files of a run: what it leaves when it is done, and what is made of that afterwards."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from dream3d.app.jobs import Job, Made
from dream3d.app.limits import ExportOrder
from dream3d.asset import Asset
from dream3d.events import Event
from dream3d.export.animation import encode_gif
from dream3d.export.files import write_files
from dream3d.export.lighter import lighter
from dream3d.export.load_model import load_textured_mesh
from dream3d.export.material import encode_png
from dream3d.export.names import slug
from dream3d.mesh import ByteArray, TexturedMesh
from dream3d.pipeline import Pipeline
from dream3d.preview import SECONDS_PER_TURN, render_looks

TURNTABLE_VIEWS, TURNTABLE_SIZE = 20, 256
PARTS = 4  # of the turntable, so that a run can be stopped between them
MAX_EXPORTS = 4  # kept for each asset: the newest ones, so that a download that has begun can end


def make(job: Job, pipeline: Pipeline) -> Made:
    """Generate the asset of a job and write its files into the folder of the job.

    Raises:
        StoppedError: The job was stopped.
        InputError, RunError: See `Pipeline.generate` and `Asset.save`.
    """
    order = job.order
    asset = pipeline.generate(order.prompt, order.config, job.report)
    job.report(Event("export", 0, 1 + PARTS))
    export = replace(asset.export, lods=1, collision="none", compression="none", format="glb")
    job.folder.mkdir(parents=True)
    glb, facts, _ = replace(asset, export=export).save(job.folder / f"{slug(order.prompt)}.glb")
    turntable, picture = job.folder / "turntable.gif", job.folder / "picture.png"
    frames = _turntable(job, asset.textured_mesh)
    write_files({turntable: encode_gif(frames, SECONDS_PER_TURN), picture: encode_png(frames[1])})
    return Made(glb, picture, turntable, json.loads(facts.read_text(encoding="utf-8")))


def _turntable(job: Job, asset: TexturedMesh) -> ByteArray:
    """Pictures [B, S, S, 3] from all around."""
    frames = np.empty((TURNTABLE_VIEWS, TURNTABLE_SIZE, TURNTABLE_SIZE, 3), np.uint8)
    for part in range(PARTS):
        job.report(Event("export", 1 + part, 1 + PARTS))
        azimuth = 360.0 * part / TURNTABLE_VIEWS
        looks = render_looks(
            asset, ("shaded",), TURNTABLE_VIEWS // PARTS, TURNTABLE_SIZE, azimuth_deg=azimuth
        )
        frames[part::PARTS] = looks[0]
    job.report(Event("export", 1 + PARTS, 1 + PARTS))
    return frames


def export(made: Made, order: ExportOrder, number: int) -> Path:
    """Make a file of a finished asset, as light as asked for.

    Args:
        made: The asset.
        order: What is wanted.
        number: Of the export; grows from one to the next.

    Returns:
        The file. A format of several files comes as one .zip.

    Raises:
        InputError: The asset is not there any more, or the format cannot say what is wanted.
        RunError: The disk is full or failed.
    """
    textured = lighter(load_textured_mesh(made.glb), order.max_faces, order.texture_size)
    asset = Asset(textured, order.export, made.report["metrics"], tuple(made.report["warnings"]))
    folder = made.glb.parent / f"export-{number}"
    folder.mkdir()
    target, *beside = asset.save(folder / f"{made.glb.stem}.{order.format}")
    for old in sorted(folder.parent.glob("export-*"), key=_number)[:-MAX_EXPORTS]:
        shutil.rmtree(old, ignore_errors=True)
    if order.format in ("glb", "usdz"):
        return target
    packed = folder / f"{made.glb.stem}_{order.format}.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (target, *beside):
            archive.write(path, path.name)
    return packed


def _number(folder: Path) -> int:
    """Of the export in a folder."""
    return int(folder.name.split("-")[1])
