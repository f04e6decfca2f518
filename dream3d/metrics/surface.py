"""What can be counted on a surface alone: pieces that float, holes, size."""

from dataclasses import dataclass

import numpy as np

from dream3d.extract.topology import face_components, is_watertight, weld
from dream3d.mesh import Mesh


@dataclass(frozen=True)
class SurfaceFacts:
    """Counted after vertices at the same position were welded, which undoes UV seams and creases."""

    faces: int  # as stored
    floaters: int  # pieces beyond those of the things it shows, which are the largest by area
    floater_area: float  # their share of the whole area, 0 to 1
    watertight: bool  # every edge is walked exactly once in each direction
    boundary_edges: int  # edges of exactly one face: the rims of holes


def surface_facts(mesh: Mesh, num_things: int = 1) -> SurfaceFacts:
    """Count pieces and holes of a mesh; faces without area (two corners in one place) are left out.

    Args:
        mesh: Anywhere.
        num_things: How many separate things it shows; so many pieces do not float.
    """
    vertices, faces = weld(mesh.vertices, mesh.faces)
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    if len(faces) == 0:
        return SurfaceFacts(len(mesh.faces), 0, 0.0, False, 0)
    corners = vertices[faces].astype(np.float64)  # [T, 3, 3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.bincount(face_components(faces), weights=np.linalg.norm(normals, axis=1))
    total = float(areas.sum())
    floating = np.sort(areas)[:-num_things]
    return SurfaceFacts(
        faces=len(mesh.faces),
        floaters=len(floating),
        floater_area=float(floating.sum()) / total if total > 0 else 0.0,
        watertight=is_watertight(faces),
        boundary_edges=_count_boundary_edges(faces),
    )


def _count_boundary_edges(faces: np.ndarray) -> int:
    """Edges that belong to one face only; faces [T, 3]."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    _, uses = np.unique(ends.astype(np.int64) @ [int(faces.max()) + 1, 1], return_counts=True)
    return int((uses == 1).sum())
