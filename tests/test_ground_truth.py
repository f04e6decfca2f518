"""Assets against the family that a prompt names: the right look is nearer than a wrong one."""

import numpy as np

from dream3d.metrics.ground_truth import compare_to_family
from dream3d.props import make_prop, parse_caption


def test_a_family_member_fits_and_the_right_look_fits_best() -> None:
    plain = parse_caption("a blue mug")
    assert plain is not None
    mesh = make_prop(plain, np.random.default_rng(7)).mesh
    texts = ("a blue mug", "a blue mug with yellow stripes", "a blue mug without a handle")
    found = []
    for text in texts:
        spec = parse_caption(text)
        assert spec is not None
        found.append(compare_to_family(mesh, None, spec, np.random.default_rng(0)))
    right, striped, bare = found
    assert right.silhouette_iou > 0.93
    assert right.color_error < 0.05
    assert right.color_error + 0.1 < striped.color_error
    assert bare.silhouette_iou < right.silhouette_iou - 0.05
