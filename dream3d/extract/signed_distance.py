"""Signed distances of a triangle mesh from anyone: open, touching or crossing itself as it may be."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree
from torch import Tensor
from trimesh.triangles import closest_point

from dream3d.errors import InputError
from dream3d.extract.cleanup import decimate
from dream3d.extract.samples import sample_surface
from dream3d.extract.topology import signed_volumes, weld
from dream3d.mesh import Mesh
from dream3d.scene.tet_lattice import TetLattice

Floats = NDArray[np.float64]

NUM_SAMPLES = 200_000  # of the surface; the nearest few name the triangles that may be nearest
NUM_CANDIDATES = 6
EXACT_CELLS = 2.0  # nearer than this many cells distances are exact, and signs are found one by one
FAR_STRIDE = 10  # Farther away one sample in so many stands for the surface: seconds instead of a minute.
MAX_SIGN_FACES = 5000  # the cost of a sign is one solid angle per face
SOLID_ANGLES_AT_ONCE = 1 << 22


def signed_distances(mesh: Mesh, lattice: TetLattice) -> Tensor:
    """Distance of each lattice vertex to a surface, negative inside.

    Inside is where the surface winds around more than half (the generalised winding number, Jacobson et al.
    2013, "Robust Inside-Outside Segmentation"), so small holes do not matter.

    Args:
        mesh: In the lattice's box.
        lattice: Where to measure.

    Returns:
        [V] float32, in scene units.

    Raises:
        InputError: The surface encloses nothing that the lattice could hold.
    """
    points = lattice.vertices.cpu().numpy().astype(np.float64)
    triangles = mesh.vertices[mesh.faces].astype(np.float64)  # [T, 3, 3]
    spread = sample_surface(mesh, NUM_SAMPLES, np.random.default_rng(0))
    # The middle of every triangle too: tiny ones may hold no other sample.
    samples = np.concatenate([triangles.mean(axis=1), spread.at(mesh, mesh.vertices)])
    sample_face = np.concatenate([np.arange(len(triangles)), spread.face])
    reach = EXACT_CELLS * max(lattice.spacing)
    distances, nearest = map(
        np.asarray, KDTree(samples).query(points, k=NUM_CANDIDATES, distance_upper_bound=reach)
    )
    distance = distances[:, 0]
    in_reach = np.isfinite(distances)  # [V, NUM_CANDIDATES]; others are infinite
    is_near = in_reach[:, 0]
    near, candidates = points[is_near], nearest[is_near]
    candidates = np.where(in_reach[is_near], candidates, candidates[:, :1])
    exact = [
        np.linalg.norm(closest_point(triangles[sample_face[candidate]], near) - near, axis=1)
        for candidate in candidates.T
    ]
    distance[is_near] = np.min(exact, axis=0)
    rough, _ = KDTree(samples[::FAR_STRIDE]).query(points[~is_near])
    distance[~is_near] = np.maximum(rough, reach)
    is_inside = _inside(mesh, points, is_near, lattice.edges.cpu().numpy())
    if not is_inside.any():
        raise InputError("the mesh encloses no volume that could be reshaped; keep its shape as it is")
    signed = np.where(is_inside, -distance, distance).astype(np.float32)
    return torch.from_numpy(signed).to(lattice.vertices.device)


def _inside(
    mesh: Mesh, points: Floats, is_near: NDArray[np.bool_], edges: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Which points [V] lie inside. Those far from the surface share the sign of their whole region."""
    simple = Mesh(*weld(mesh.vertices, mesh.faces))
    if len(simple.faces) > MAX_SIGN_FACES:
        simple = decimate(simple, MAX_SIGN_FACES)
    facing = 1.0 if signed_volumes(simple.vertices, simple.faces).sum() >= 0 else -1.0
    far = edges[~is_near[edges].any(axis=1)]
    graph = coo_matrix((np.ones(len(far), bool), far.T), shape=(len(points), len(points)))
    region = connected_components(graph, directed=False)[1]  # each near point is a region of its own
    _, first, member = np.unique(region, return_index=True, return_inverse=True)
    return (facing * winding_numbers(simple, points[first]) > 0.5)[member]


def winding_numbers(mesh: Mesh, points: Floats) -> Floats:
    """How often a surface winds around points [N, 3]: [N], 1 inside a closed one and 0 outside.

    The sum of the solid angles of all triangles (Van Oosterom and Strackee 1983) over that of the sphere.
    """
    corners = torch.from_numpy(mesh.vertices[mesh.faces])  # [T, 3, 3]
    at_once = max(1, SOLID_ANGLES_AT_ONCE // len(corners))
    turns = []
    for chunk in torch.from_numpy(points.astype(np.float32)).split(at_once):
        a, b, c = (corners[:, k] - chunk[:, None] for k in range(3))  # [n, T, 3]
        la, lb, lc = (side.norm(dim=-1) for side in (a, b, c))
        volume = (a * torch.linalg.cross(b, c)).sum(-1)
        below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
        turns.append(torch.atan2(volume, below).sum(1) / (2 * torch.pi))
    return torch.cat(turns).double().numpy()
