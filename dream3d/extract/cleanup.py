"""From a raw iso-surface to a mesh a game can use: no floaters, smooth, few triangles."""

import math

import fast_simplification
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags

from dream3d.errors import RunError
from dream3d.extract.topology import euler_characteristic, face_components, is_watertight, signed_volumes
from dream3d.mesh import Mesh

# Taubin, "A signal processing approach to fair surface design", 1995: shrink by TAUBIN_LAMBDA, then inflate
# by TAUBIN_MU. The pass band 1 / lambda + 1 / mu = 0.1 keeps the volume.
TAUBIN_LAMBDA = 0.5
TAUBIN_MU = -1.0 / (1.0 / TAUBIN_LAMBDA - 0.1)

# Aggressiveness of the decimation, best first: a lower one keeps more of the shape but may stop early.
DECIMATION_AGGRESSIVENESS = (4.0, 7.0, 5.5, 8.5)
# Below this a budget may be too small for any closed surface of the mesh's genus, and is exceeded a little.
SMALL_BUDGET_FACES = 64


def remove_floaters(mesh: Mesh, min_volume_share: float) -> Mesh:
    """Drop the pieces smaller than a share of the largest piece, and inner shells.

    An inner shell (the wall of a cavity) is wound the other way round, so its volume is negative.

    Args:
        mesh: Welded, closed pieces.
        min_volume_share: Share of the largest piece's volume, in [0, 1].

    Returns:
        The pieces that stay; vertices and faces only.

    Raises:
        RunError: No piece encloses any volume.
    """
    pieces = face_components(mesh.faces) if len(mesh.faces) else np.zeros(0, np.int32)
    volumes = np.bincount(pieces, weights=signed_volumes(mesh.vertices, mesh.faces))
    largest = float(volumes.max(initial=0.0))
    if largest <= 0:
        raise RunError("nothing to extract: no piece of the surface encloses a volume")
    keep = (volumes >= min_volume_share * largest) & (volumes > 0)
    return _compact(mesh.vertices, mesh.faces[keep[pieces]])


def smooth(mesh: Mesh, iterations: int) -> Mesh:
    """Taubin smoothing with uniform weights: removes stair-steps, keeps the volume.

    Args:
        mesh: Welded, no unused vertices.
        iterations: Pairs of a shrinking and an inflating step.

    Returns:
        The same faces over moved vertices.
    """
    if iterations == 0:
        return mesh
    num_vertices = len(mesh.vertices)
    rows = mesh.faces[:, [0, 1, 2, 1, 2, 0]].reshape(-1)
    columns = mesh.faces[:, [1, 2, 0, 0, 1, 2]].reshape(-1)
    adjacency = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(num_vertices, num_vertices)).tocsr()
    adjacency.data[:] = 1.0  # an edge of two faces was counted twice
    average = diags(1.0 / np.asarray(adjacency.sum(axis=1)).reshape(-1)) @ adjacency
    vertices = mesh.vertices.astype(np.float64)
    for _ in range(iterations):
        for step in (TAUBIN_LAMBDA, TAUBIN_MU):
            vertices += step * (average @ vertices - vertices)
    return Mesh(vertices.astype(np.float32), mesh.faces)


def decimate(mesh: Mesh, target_faces: int) -> Mesh:
    """Reduce to at most `target_faces` by quadric edge collapse (Garland and Heckbert, 1997).

    Collapsing hard may pinch thin parts. Of several attempts the first that keeps the topology is taken, else
    the first that is closed at all, else (a surface with many handles and a small budget) an open one.

    Args:
        mesh: Welded.
        target_faces: Upper bound of the number of triangles; budgets below 64 may be exceeded, up to 64,
            where fewer faces cannot close the surface.

    Returns:
        The reduced mesh.
    """
    if len(mesh.faces) <= target_faces:
        return mesh
    topology = euler_characteristic(mesh.faces)
    last: Mesh | None = None
    target = target_faces
    while last is None or target <= SMALL_BUDGET_FACES:
        if target >= len(mesh.faces):
            return mesh
        closed: list[Mesh] = []
        for aggressiveness in DECIMATION_AGGRESSIVENESS:
            reduced = _collapse(mesh, target, aggressiveness)
            if not 0 < len(reduced.faces) <= target:
                continue
            last = reduced
            if is_watertight(reduced.faces):
                closed.append(reduced)
                if euler_characteristic(reduced.faces) == topology:
                    return reduced
        if closed:
            return closed[0]
        target = math.ceil(target * 1.25) + 2
    return last


def _collapse(mesh: Mesh, target_faces: int, aggressiveness: float) -> Mesh:
    """One run of the edge collapse, without degenerate or repeated faces."""
    vertices, faces = fast_simplification.simplify(
        mesh.vertices.astype(np.float64), mesh.faces, target_count=target_faces, agg=aggressiveness
    )[:2]
    return _compact(vertices, _proper_faces(faces))


def _proper_faces(faces: NDArray[np.integer]) -> NDArray[np.int32]:
    """Faces with three different corners, each set of corners once. [T, 3] -> [<= T, 3]."""
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return faces[np.sort(first)].astype(np.int32)


def _compact(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> Mesh:
    """Mesh of the vertices that are used, in their old order."""
    whole = Mesh(vertices.astype(np.float32), faces.astype(np.int32))
    return whole.of_faces(whole.faces)
