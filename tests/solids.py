"""What must hold of every solid."""

import numpy as np

from dream3d.props.shapes import Solid


def volume(solid: Solid) -> float:
    """Signed volume by the divergence theorem."""
    corners = solid.vertices[solid.faces]
    return float(np.einsum("tc,tc->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)


def assert_closed_and_outward(solid: Solid) -> None:
    """Watertight once welded, positive volume, vertex normals on the outer side of their triangles."""
    _, welded = np.unique(np.round(solid.vertices, 7) + 0.0, axis=0, return_inverse=True)
    faces = welded.ravel()[solid.faces]
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    edges = np.sort(starts * len(solid.vertices) + ends)
    assert (np.diff(edges) > 0).all()  # no directed edge twice
    assert np.array_equal(edges, np.sort(ends * len(solid.vertices) + starts))  # each has its opposite
    assert volume(solid) > 0
    corners = solid.vertices[solid.faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("tc,tkc->tk", face_normals, solid.normals[solid.faces]) > 0).all()
