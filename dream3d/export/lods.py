"""Levels of detail: coarser meshes over the atlas and the texture of the finest one."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from dream3d.extract.connectivity import IntVector, Rows, next_corner, twins
from dream3d.extract.tangents import add_tangents
from dream3d.extract.topology import face_components
from dream3d.extract.uv_collapse import UvSurface, decimate_with_uvs
from dream3d.mesh import Mesh

# A level with more than this share of the faces of the one before is not worth its place.
MAX_FACE_SHARE = 0.75
DRIFT_SHARE = 0.45  # of the gap between charts; both of two neighbors may move into it
MAX_DRIFT = 4.0 / 512.0  # in UV units, however wide the gap


def make_lods(mesh: Mesh, num_levels: int) -> list[Mesh]:
    """The mesh and coarser versions of it, each with about half of the faces of the one before.

    Their positions, UVs and normals are some of the mesh's own: one texture serves them all. They are closed
    where the mesh is.

    Args:
        mesh: With normals and UVs, vertices split along seams and creases.
        num_levels: How many are wanted, the mesh itself included.

    Returns:
        At least the mesh. Fewer than wanted where the surface cannot be closed with fewer faces.
    """
    levels = [mesh]
    if num_levels == 1:
        return levels
    collapse = _Collapse.start(mesh)
    for level in range(1, num_levels):
        coarser = collapse.to(max(len(mesh.faces) >> level, 4))
        if len(coarser.faces) > MAX_FACE_SHARE * len(levels[-1].faces):
            break
        levels.append(coarser)
    return levels


def reduce_faces(mesh: Mesh, max_faces: int) -> Mesh:
    """A coarser version of a mesh with UVs and normals over the same texture; see `make_lods`.

    Args:
        mesh: As there.
        max_faces: Triangles at most, or some more where the surface cannot be closed with as few.
    """
    return _Collapse.start(mesh).to(max_faces) if max_faces < len(mesh.faces) else mesh


@dataclass(frozen=True)
class _Collapse:
    """A mesh whose faces become fewer and fewer."""

    mesh: Mesh
    surface: UvSurface
    position_of: IntVector  # [V], of the vertices of the mesh
    wedge_of: IntVector  # [V]

    @classmethod
    def start(cls, mesh: Mesh) -> "_Collapse":
        """Nothing has gone yet."""
        assert mesh.uvs is not None
        # Things that touch stay apart: each becomes a node of its own.
        thing = np.zeros((len(mesh.vertices), 0)) if mesh.thing is None else mesh.thing[:, None]
        places = np.hstack([mesh.vertices, thing]).astype(np.float64)
        positions, position_of = _unique_rows(places)
        split, wedge_of = _unique_rows(np.hstack([places, mesh.uvs.astype(np.float64)]))
        wedges = wedge_of[mesh.faces]
        surface = UvSurface.start(
            positions[:, :3],
            split[:, -2:],
            position_of[mesh.faces],
            wedges,
            DRIFT_SHARE * chart_gap(split[:, -2:], wedges, MAX_DRIFT / DRIFT_SHARE),
        )
        return cls(mesh, surface, position_of, wedge_of)

    def to(self, max_faces: int) -> Mesh:
        """The mesh with that many faces."""
        decimate_with_uvs(self.surface, max_faces)
        return _with_attributes(self.mesh, self.surface, self.position_of, self.wedge_of)


def _unique_rows(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], IntVector]:
    """Different rows, and which of them each row is. Adding zero makes -0.0 and 0.0 one."""
    unique, inverse = np.unique(rows + 0.0, axis=0, return_inverse=True)
    return unique, inverse.reshape(-1)


def _with_attributes(mesh: Mesh, surface: UvSurface, position_of: IntVector, wedge_of: IntVector) -> Mesh:
    """The surface with normals of the original mesh: of those at a position, the best one for each face."""
    assert mesh.normals is not None
    assert mesh.uvs is not None
    corners = surface.positions[surface.faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    at_position = Rows.group(position_of, len(surface.positions))
    owner, vertex = at_position.expand(surface.faces.reshape(-1))
    agreement = (mesh.normals[vertex] * face_normals[owner // 3]).sum(axis=1)
    order = np.lexsort([-vertex, agreement, owner])  # the last one of each corner is the best
    is_last = np.append(owner[order][1:] != owner[order][:-1], True)
    normal_source = vertex[order[is_last]]  # [3 T]
    uv_source = np.zeros(len(surface.uvs), np.int64)
    uv_source[wedge_of] = np.arange(len(wedge_of))
    keys = np.stack([normal_source, uv_source[surface.wedges.reshape(-1)]], axis=1)
    sources, inverse = np.unique(keys, axis=0, return_inverse=True)
    coarser = mesh.of_vertices(sources[:, 0], inverse.reshape(-1, 3).astype(np.int32))
    coarser = replace(coarser, uvs=mesh.uvs[sources[:, 1]], tangents=None)
    # The normal of one vertex and the UV of another: neither's tangent fits.
    return coarser if mesh.tangents is None else add_tangents(coarser)


def chart_gap(uvs: NDArray[np.floating], wedges: IntVector, limit: float = 1.0) -> float:
    """Smallest distance between the outlines of two UV charts, or `limit` where none is smaller.

    Args:
        uvs: [U, 2].
        wedges: Faces of the charts, [T, 3].
        limit: Above 0. With a small one many charts take little time: only neighbors are looked at.
    """
    charts = np.zeros(len(uvs), np.int64)
    charts[wedges] = face_components(wedges)[:, None]
    ends = wedges.reshape(-1)
    border = np.flatnonzero(twins(ends, len(uvs)) < 0)
    a, b = ends[border], ends[next_corner(border)]
    # Points along every border edge, closer than what is to be told apart.
    counts = np.maximum(np.ceil(np.linalg.norm(uvs[a] - uvs[b], axis=1) * 1024).astype(np.int64), 1)
    owner = np.repeat(np.arange(len(border)), counts)
    share = (np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[owner]
    points = uvs[a[owner]] + share[:, None] * (uvs[b[owner]] - uvs[a[owner]])
    if not len(points):
        return limit
    labels = charts[a[owner]]
    order = np.argsort(labels, kind="stable")
    outlines = np.split(points[order], np.flatnonzero(np.diff(labels[order])) + 1)
    low, high = (np.array([end(outline, axis=0) for outline in outlines]) for end in (np.min, np.max))
    gap = limit
    for chart, outline in enumerate(outlines[:-1]):
        apart = np.maximum(low[chart + 1 :] - high[chart], low[chart] - high[chart + 1 :]).max(axis=1)
        neighbors = [outlines[chart + 1 + index] for index in np.flatnonzero(apart < gap)]
        if neighbors:
            nearest, _ = KDTree(np.concatenate(neighbors)).query(outline, distance_upper_bound=gap)
            gap = min(gap, float(nearest.min()))
    return gap
