"""Assets whose scores are known beforehand, to read the scores of others by."""

from typing import Literal

import numpy as np
import trimesh

from dream3d.mesh import Mesh, TexturedMesh
from dream3d.metrics.ground_truth import untextured
from dream3d.props import FAMILIES, PropSpec, make_prop, parse_caption, prop_spec

CalibrationKind = Literal["ground truth", "wrong family", "sphere"]

CALIBRATION_SEED = 7  # not that of the instances which assets are compared with
SPHERE_GRAY = 0.5  # linear


def calibration_assets(prompt: str) -> dict[CalibrationKind, TexturedMesh]:
    """What to hold an asset of this prompt against, best first; nothing when it names no family.

    Returns:
        "ground truth": another instance of what the prompt says, the floor of every error. "wrong family":
        an instance of another family in its natural colors, what an asset of the wrong prompt would score.
        "sphere": a gray ball.
    """
    spec = parse_caption(prompt)
    if spec is None:
        return {}
    rng = np.random.default_rng(CALIBRATION_SEED)
    shown = spec if isinstance(spec, PropSpec) else spec.first
    names = list(FAMILIES)
    # Half the catalogue away: another theme, and no family serves twice as a wrong one.
    other = names[(names.index(shown.family) + len(names) // 2) % len(names)]
    return {
        "ground truth": untextured(make_prop(spec, rng).painted_mesh()),
        "wrong family": untextured(make_prop(prop_spec(other), rng).mesh),
        "sphere": untextured(_sphere()),
    }


def _sphere() -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions=3)
    vertices = np.asarray(ball.vertices, np.float32)
    colors = np.full_like(vertices, SPHERE_GRAY)
    return Mesh(vertices, np.asarray(ball.faces, np.int32), normals=vertices, colors=colors)
