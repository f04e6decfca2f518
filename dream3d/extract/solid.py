"""Solids: meshes proven to be closed, and the repair of those that are not, with manifold3d (Apache-2.0).

A solid is a closed, oriented 2-manifold once vertices at the same position are one: every edge is walked once
in each direction, the faces around a vertex are a single fan, and the volume is positive.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from dream3d.config import ExtractConfig
from dream3d.errors import RunError
from dream3d.extract.cleanup import decimate
from dream3d.extract.connectivity import next_corner, twins
from dream3d.extract.mesh import Surfaces
from dream3d.extract.normals import add_normals
from dream3d.extract.topology import is_watertight, signed_volumes, weld
from dream3d.extras import import_extra
from dream3d.mesh import FloatArray, IntArray, Mesh

# How far the repair may move a surface, as shares of the object's size; the first that is enough is taken.
TOLERANCES = (0.0, 0.0025, 0.005, 0.01, 0.02)
MIN_VOLUME_SHARE = 0.8  # a repair that loses more of the object than this leaves is none
SEPARATION = 1e-3  # how far sheets that touch in a point are pulled apart, as a share of their edges


def check_solids() -> None:
    """Make sure that solids can be proven, before any work.

    Raises:
        InputError: The optional library is not installed.
    """
    _manifold3d()


def close_surfaces(surfaces: Surfaces, config: ExtractConfig) -> Surfaces:
    """The surfaces with a mesh that is a solid: as it is where it is one already, else repaired.

    The repair lets manifold3d reduce the dense surface, which it keeps closed at every step; where sheets
    still touch in a point or an edge, they are pulled apart by a thousandth of their edges.

    Args:
        surfaces: From the extraction.
        config: Budget of faces and crease angle.

    Raises:
        InputError: The optional library is not installed.
        RunError: No solid within the budget has about the volume of the surface.
    """
    if not find_flaw(surfaces.mesh):
        return surfaces
    dense = _solid_of(*weld(surfaces.dense.vertices, surfaces.dense.faces))
    for tolerance in TOLERANCES:
        if dense is None:
            break
        simple = dense.simplify(tolerance * float(np.ptp(surfaces.dense.vertices)))
        mesh = _within_budget(simple, config.target_faces)
        if not find_flaw(mesh) and _volume(mesh) >= MIN_VOLUME_SHARE * dense.volume():
            return replace(surfaces, mesh=add_normals(mesh, config.crease_angle_deg))
    raise RunError(
        f"no closed surface with {config.target_faces} faces was found: "
        "ask for more --target-faces or another --seed, or leave --watertight out"
    )


def find_flaw(mesh: Mesh) -> str:
    """Why a mesh is not a solid, in a few words; empty if it is one.

    Args:
        mesh: Vertices may be split along seams and creases.

    Raises:
        InputError: The optional library is not installed.
    """
    vertices, faces = weld(mesh.vertices, mesh.faces)
    if not is_watertight(faces):
        unpaired = int((twins(faces.reshape(-1).astype(np.int64), len(vertices)) < 0).sum())
        return f"{unpaired} of its edges do not join two faces"
    if pinches := count_pinches(faces):
        return f"{pinches} of its vertices join surfaces that share no edge there"
    if _volume(mesh) <= 0:
        return "it is inside out"
    solid = _solid_of(vertices, faces)
    return "" if solid is not None else "manifold3d does not take it for a solid"


def count_pinches(faces: NDArray[np.integer]) -> int:
    """Number of fans of faces in excess of one per vertex.

    Args:
        faces: [T, 3], welded and watertight.
    """
    ends = faces.reshape(-1).astype(np.int64)
    corners = np.arange(len(ends))
    # Across the edge that ends in a corner lies the next face around its vertex.
    across = twins(ends, int(faces.max()) + 1)[next_corner(next_corner(corners))]
    graph = coo_matrix((np.ones(len(ends), bool), (corners, across)), shape=(len(ends), len(ends)))
    num_fans, _ = connected_components(graph, directed=False)
    return int(num_fans) - len(np.unique(ends))


def _manifold3d() -> Any:
    return import_extra("manifold3d", "watertight", "--watertight")


def _solid_of(vertices: FloatArray, faces: IntArray) -> Any | None:
    """A welded mesh as manifold3d knows it; None where it does not take it."""
    manifold3d = _manifold3d()
    data = manifold3d.Mesh(vertices.astype(np.float32), faces.astype(np.uint32))
    solid = manifold3d.Manifold(data)
    is_taken = solid.status() == manifold3d.Error.NoError and not solid.is_empty() and solid.volume() > 0
    return solid if is_taken else None


def _within_budget(solid: Any, target_faces: int) -> Mesh:
    """A solid of manifold3d as a mesh of at most so many faces."""
    data = solid.to_mesh()
    vertices, faces = np.asarray(data.vert_properties)[:, :3], np.asarray(data.tri_verts).astype(np.int32)
    return decimate(Mesh(_pulled_apart(vertices, faces), faces), target_faces)


def _pulled_apart(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Vertices [V, 3] of which no two are at one place: each that was shared goes towards its neighbors."""
    _, place, counts = np.unique(vertices + 0.0, axis=0, return_inverse=True, return_counts=True)
    is_shared = counts[place.reshape(-1)] > 1
    heads, tails = faces[:, [1, 2, 0]].reshape(-1), faces.reshape(-1)  # each edge once per direction
    degree = np.bincount(heads, minlength=len(vertices))
    middle = (
        np.stack(
            [np.bincount(heads, vertices[tails, axis], minlength=len(vertices)) for axis in range(3)], axis=1
        )
        / np.maximum(degree, 1)[:, None]
    )
    moved = vertices + SEPARATION * (middle - vertices)
    return np.where(is_shared[:, None], moved, vertices).astype(np.float32)


def _volume(mesh: Mesh) -> float:
    return float(signed_volumes(mesh.vertices, mesh.faces).sum())
