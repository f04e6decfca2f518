"""Failures of text-to-3D made on purpose, to see whether judges notice: each spoils a sound mesh.

Wrong looks need no code of their own: they are one-attribute changes of the spec.
"""

from dataclasses import replace

import numpy as np
import trimesh

from dream3d.mesh import Mesh


def two_faced(mesh: Mesh) -> Mesh:
    """The front half (z > 0) and its mirror image behind: a Janus head.

    Faces across the plane are cut there. Colors and normals follow; the mesh has no seam to weld.
    """
    front = _front_half(mesh)
    mirror = np.array((1.0, 1.0, -1.0), np.float32)
    num = len(front.vertices)
    return Mesh(
        np.concatenate([front.vertices, front.vertices * mirror]),
        np.concatenate([front.faces, front.faces[:, ::-1] + np.int32(num)]),
        normals=None if front.normals is None else np.concatenate([front.normals, front.normals * mirror]),
        colors=None if front.colors is None else np.concatenate([front.colors, front.colors]),
    )


def with_floaters(mesh: Mesh, rng: np.random.Generator, count: int = 3) -> Mesh:
    """The mesh with small balls around it that touch nothing."""
    colors, parts = mesh.colors, [mesh]
    assert colors is not None
    assert mesh.normals is not None
    for _ in range(count):
        ball = trimesh.creation.icosphere(subdivisions=1, radius=float(rng.uniform(0.03, 0.08)))
        direction = rng.normal(size=3)
        vertices = np.asarray(ball.vertices) + 1.05 * direction / np.linalg.norm(direction)
        paint = np.broadcast_to(colors[int(rng.integers(len(colors)))], vertices.shape).astype(np.float32)
        normals = np.asarray(ball.vertex_normals, np.float32)
        parts.append(
            Mesh(vertices.astype(np.float32), np.asarray(ball.faces, np.int32), normals, colors=paint)
        )
    return _joined(parts)


def with_hole(mesh: Mesh, rng: np.random.Generator, share: float = 0.04) -> Mesh:
    """The mesh without the faces nearest to a random one, at least one and `share` of all."""
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    distance = np.linalg.norm(centers - centers[int(rng.integers(len(centers)))], axis=1)
    gone = np.argsort(distance)[: max(1, round(share * len(centers)))]
    return replace(mesh, faces=np.delete(mesh.faces, gone, axis=0))


def _front_half(mesh: Mesh) -> Mesh:
    """What lies at z >= 0, with faces across the plane cut."""
    table = [a for a in (mesh.vertices, mesh.normals, mesh.colors) if a is not None]
    corners = np.concatenate(table, axis=1).astype(np.float64)[mesh.faces]  # [T, 3, C]
    kept = [_cut(corner) for corner in corners]
    triangles = np.concatenate([piece for piece in kept if len(piece)])  # [T', 3, C]
    edges = triangles[:, 1:, :3] - triangles[:, :1, :3]
    # A corner that lies in the plane comes out of the cut twice.
    triangles = triangles[np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) > 1e-12]
    flat = triangles.reshape(-1, triangles.shape[2]).astype(np.float32)
    faces = np.arange(len(flat), dtype=np.int32).reshape(-1, 3)
    arrays = iter(np.split(flat[:, 3:], max(len(table) - 1, 1), axis=1))
    normals = None if mesh.normals is None else next(arrays)
    colors = None if mesh.colors is None else next(arrays)
    return Mesh(flat[:, :3], faces, normals=normals, colors=colors)


def _cut(corners: np.ndarray) -> np.ndarray:
    """The part of a triangle [3, C] with z >= 0 as triangles [n, 3, C] (Sutherland & Hodgman 1974)."""
    polygon = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if start[2] >= 0:
            polygon.append(start)
        if (start[2] >= 0) != (end[2] >= 0):
            polygon.append(start + (end - start) * (start[2] / (start[2] - end[2])))
    return np.array([[polygon[0], *polygon[k : k + 2]] for k in range(1, len(polygon) - 1)]).reshape(
        -1, 3, corners.shape[1]
    )


def _joined(parts: list[Mesh]) -> Mesh:
    """Meshes with normals and colors as one."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    arrays = [
        np.concatenate([getattr(part, name) for part in parts]) for name in ("vertices", "normals", "colors")
    ]
    faces = np.concatenate([part.faces + np.int32(start) for part, start in zip(parts, starts, strict=True)])
    return Mesh(arrays[0], faces, normals=arrays[1], colors=arrays[2])
