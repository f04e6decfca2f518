"""Collision shapes: a few convex hulls with few faces that together enclose a mesh."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from dream3d.config import Collision
from dream3d.extract.cleanup import decimate
from dream3d.extract.topology import is_watertight, weld
from dream3d.extras import import_extra
from dream3d.mesh import Mesh

MAX_HULLS = 8
MAX_HULL_VERTICES = 24  # 44 faces; physics engines like fewer than 64
CONCAVITY = 0.1  # of CoACD, in its units: what may be missing before a part is cut
INPUT_FACES = 500  # the search for cuts takes time that grows with the faces

Points = NDArray[np.floating]  # [N, 3]


def check_collision(collision: Collision) -> None:
    """Make sure that collision shapes can be made, before any work.

    Raises:
        InputError: They were asked for and the optional library is not installed.
    """
    if collision != "none":
        _coacd()


def collision_hulls(mesh: Mesh) -> list[Mesh]:
    """Convex parts of a mesh: CoACD (Wei et al., 2022) cuts it, each part becomes a hull of few faces.

    Args:
        mesh: In any unit.

    Returns:
        Closed convex meshes of vertices and faces only, largest first; at most 8 with at most 44 faces each.
        A vertex of the mesh lies inside of their union or close to it (a few percent of the object's size).
        None of a mesh that is flat: no convex solid has its shape.

    Raises:
        InputError: The optional library is not installed.
    """
    points, faces = weld(mesh.vertices.astype(np.float64), mesh.faces)
    if not _has_extent(points):
        return []
    parts = _cut(points, faces) if is_watertight(faces) else [points]
    # The search works on a coarse copy: every vertex of the real surface belongs to the part nearest to it.
    nearest = np.argmin([_outside(part, points) for part in parts], axis=0)
    grown = [np.concatenate([part, points[nearest == index]]) for index, part in enumerate(parts)]
    hulls = [_few_faces(part) for part in grown]
    return sorted(hulls, key=lambda hull: -ConvexHull(hull.vertices).volume)


def _coacd() -> Any:
    return import_extra("coacd", "collision", "--collision")


def _cut(points: Points, faces: NDArray[np.integer]) -> list[Points]:
    """Corners of nearly convex parts of a closed surface."""
    coacd = _coacd()
    coarse = decimate(Mesh(points.astype(np.float32), faces.astype(np.int32)), INPUT_FACES)
    coacd.set_log_level("error")
    parts = coacd.run_coacd(
        coacd.Mesh(coarse.vertices.astype(np.float64), coarse.faces),
        threshold=CONCAVITY,
        max_convex_hull=MAX_HULLS,
        preprocess_mode="off",  # closed already
        resolution=1000,
        mcts_iterations=40,
        mcts_nodes=15,
        mcts_max_depth=2,
        seed=0,
    )
    return [np.asarray(corners) for corners, _ in parts if _has_extent(np.asarray(corners))] or [points]


def _has_extent(points: Points) -> bool:
    """True for points that are not all in one plane."""
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return len(points) >= 4 and spread[-1] > 1e-6 * np.ptp(points)


def _outside(corners: Points, points: Points) -> Points:
    """Distance of points to the hull of some corners, measured along its planes; 0 inside: [N]."""
    planes = ConvexHull(corners).equations
    return np.maximum((points @ planes[:, :3].T + planes[:, 3]).max(axis=1), 0.0)


def _few_faces(points: Points) -> Mesh:
    """A hull of at most 24 vertices with the volume of the exact one: what it cuts off, it adds elsewhere."""
    exact = ConvexHull(points)
    candidates = points[exact.vertices]
    chosen = _extreme(candidates)
    while len(chosen) < min(MAX_HULL_VERTICES, len(candidates)):
        missed = _outside(candidates[chosen], candidates)
        if missed.max() <= 1e-3 * np.ptp(candidates):
            break
        chosen.append(int(missed.argmax()))
    hull = ConvexHull(candidates[chosen])
    corners = candidates[chosen][hull.vertices]
    middle = corners.mean(axis=0)
    corners = middle + (corners - middle) * (exact.volume / hull.volume) ** (1 / 3)
    return _outward(corners)


def _extreme(points: Points) -> list[int]:
    """Indices of four points that span a volume: greedily the farthest from those before."""
    first = int(points[:, 1].argmin())
    distance = np.linalg.norm(points - points[first], axis=1)
    second = int(distance.argmax())
    along = (points[second] - points[first]) / distance[second]
    across = np.linalg.norm(np.cross(points - points[first], along), axis=1)
    third = int(across.argmax())
    normal = np.cross(along, points[third] - points[first])
    fourth = int(np.abs((points - points[first]) @ normal).argmax())
    return [first, second, third, fourth]


def _outward(corners: Points) -> Mesh:
    """Hull of corners that are all on it, faces counter-clockwise seen from outside."""
    hull = ConvexHull(corners)
    faces = hull.simplices.astype(np.int32)
    a, b, c = (corners[faces[:, slot]] for slot in range(3))
    is_inward = (np.cross(b - a, c - a) * hull.equations[:, :3]).sum(axis=1) < 0
    faces[is_inward] = faces[is_inward][:, ::-1]
    return Mesh(corners.astype(np.float32), faces)
