"""Assets against the family that a prompt names: the right look is nearer than a wrong one."""

from functools import cache

import numpy as np
import pytest

from dream3d.metrics.ground_truth import Comparison, Instances, compare, make_instances, untextured
from dream3d.metrics.views import in_frame, look
from dream3d.props import Spec, make_prop, parse_caption


def described(text: str) -> Spec:
    """The spec of a caption that is understood."""
    spec = parse_caption(text)
    assert spec is not None
    return spec


@cache
def instances(family: str) -> Instances:
    """The same for all tests: they are slow to look at."""
    return make_instances(described(family))


def compared(asset: str, family: str) -> Comparison:
    """An instance of one caption against those of another."""
    mesh = make_prop(described(asset), np.random.default_rng(7)).painted_mesh()
    return compare(look(in_frame(untextured(mesh))), instances(family))


def test_a_family_member_fits_and_the_right_look_fits_best() -> None:
    right, striped, bare = (
        compared("a blue mug", family)
        for family in ("a blue mug", "a blue mug with yellow stripes", "a blue mug without a handle")
    )
    assert right.silhouette_iou > 0.93
    assert right.color_error < 0.05
    assert right.color_error + 0.1 < striped.color_error
    assert bare.silhouette_iou < right.silhouette_iou - 0.05


def test_a_pattern_is_compared_with_the_pattern() -> None:
    striped = "a blue mug with yellow stripes"
    assert compared(striped, striped).color_error + 0.08 < compared(striped, "a blue mug").color_error


def test_a_painted_mesh_has_the_shape_of_the_prop_and_the_colors_of_its_surface() -> None:
    prop = make_prop(described("a red and white checkered crate"), np.random.default_rng(3))
    painted = prop.painted_mesh()
    assert painted.colors is not None
    assert painted.normals is not None
    assert np.abs(painted.vertices.min(axis=0) - prop.mesh.vertices.min(axis=0)).max() < 1e-6
    whole, divided = (area(mesh.vertices[mesh.faces]) for mesh in (prop.mesh, painted))
    assert divided == pytest.approx(whole, rel=1e-5)
    assert len(np.unique(painted.colors.round(3), axis=0)) >= 3
    plain = make_prop(described("a red crate"), np.random.default_rng(3))
    assert plain.painted_mesh() is plain.mesh


def area(corners: np.ndarray) -> float:
    """Of triangles [T, 3, 3]."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(normals, axis=1).sum() / 2)
