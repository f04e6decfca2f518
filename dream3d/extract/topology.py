"""Plain questions about a triangle soup: is it closed, how many pieces, what volume."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

FaceArray = NDArray[np.integer]  # [T, 3]


def weld(vertices: NDArray[np.floating], faces: FaceArray) -> tuple[NDArray[np.floating], NDArray[np.int32]]:
    """Merge vertices at exactly the same position, which undoes the splits made for UV seams and creases.

    Args:
        vertices: [V, 3].
        faces: [T, 3].

    Returns:
        Welded vertices [W, 3] and faces [T, 3].
    """
    # Adding zero turns -0.0 into 0.0: they compare equal but would sort as different rows.
    unique, inverse = np.unique(vertices + 0.0, axis=0, return_inverse=True)
    return unique, inverse.reshape(-1)[faces].astype(np.int32)


def is_watertight(faces: FaceArray) -> bool:
    """True where every edge is walked exactly once in each direction: closed, manifold, consistently wound.

    Args:
        faces: [T, 3], already welded.
    """
    if len(faces) == 0:
        return False
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    num_vertices = int(faces.max()) + 1
    forward = np.sort(edges[:, 0] * num_vertices + edges[:, 1])
    backward = np.sort(edges[:, 1] * num_vertices + edges[:, 0])
    return bool((forward[1:] != forward[:-1]).all() and (forward == backward).all())


def face_components(faces: FaceArray) -> NDArray[np.int32]:
    """Number of the connected piece of each face, [T]; faces that share a vertex are connected.

    Args:
        faces: [T, 3], already welded.
    """
    num_vertices = int(faces.max()) + 1
    rows = np.concatenate([faces[:, 0], faces[:, 1]])
    columns = np.concatenate([faces[:, 1], faces[:, 2]])
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(num_vertices, num_vertices))
    _, labels = connected_components(graph, directed=False)
    # Vertices that no face uses have labels of their own: number the pieces that have faces.
    _, numbers = np.unique(labels[faces[:, 0]], return_inverse=True)
    return numbers.reshape(-1).astype(np.int32)


def euler_characteristic(faces: FaceArray) -> int:
    """Vertices minus edges plus faces: 2 per closed piece minus 2 per handle.

    Args:
        faces: [T, 3], already welded.
    """
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    num_edges = len(np.unique(edges.astype(np.int64) @ np.array([int(faces.max()) + 1, 1])))
    return len(np.unique(faces)) - num_edges + len(faces)


def signed_volumes(vertices: NDArray[np.floating], faces: FaceArray) -> NDArray[np.float64]:
    """Volume of the tetrahedron from the origin to each face, [T]; their sum is the volume of a closed mesh.

    Args:
        vertices: [V, 3].
        faces: [T, 3], counter-clockwise seen from outside.
    """
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    return np.einsum("ti,ti->t", a, np.cross(b, c)) / 6.0


def face_areas(vertices: NDArray[np.floating], faces: FaceArray) -> NDArray[np.float64]:
    """Area of each face, [T], for vertices [V, 3] and faces [T, 3]."""
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
