"""A bumpy ball whose surface and normals are formulas, and surface points of meshes."""

import numpy as np
import trimesh

from dream3d.mesh import Mesh

RADIUS, BUMP, WAVES = 0.8, 0.012, 14.0


def level(points: np.ndarray) -> np.ndarray:
    """Zero on the surface, positive outside: radius minus what the bumps make of it, at [N, 3]."""
    radius = np.linalg.norm(points, axis=-1)
    unit = points / radius[..., None]
    return radius - RADIUS - BUMP * np.sin(WAVES * unit).prod(axis=-1)


def bumpy_normals(points: np.ndarray) -> np.ndarray:
    """Unit normals at points [N, 3] of the surface: the gradient of `level` in closed form."""
    radius = np.linalg.norm(points, axis=-1, keepdims=True)
    unit = points / radius
    sines, cosines = np.sin(WAVES * unit), np.cos(WAVES * unit)
    others = np.stack(
        [sines[:, 1] * sines[:, 2], sines[:, 0] * sines[:, 2], sines[:, 0] * sines[:, 1]], axis=1
    )
    by_unit = BUMP * WAVES * cosines * others
    tangential = (by_unit - unit * np.sum(by_unit * unit, axis=1, keepdims=True)) / radius
    gradient = unit - tangential
    return gradient / np.linalg.norm(gradient, axis=1, keepdims=True)


def bumpy_ball(subdivisions: int) -> Mesh:
    """Vertices on the surface with its own normals."""
    ball = trimesh.creation.icosphere(subdivisions=subdivisions)
    unit = ball.vertices / np.linalg.norm(ball.vertices, axis=1, keepdims=True)
    vertices = unit * (RADIUS + BUMP * np.sin(WAVES * unit).prod(axis=1, keepdims=True))
    return Mesh(
        vertices.astype(np.float32), ball.faces.astype(np.int32), bumpy_normals(vertices).astype(np.float32)
    )


def smooth_ball(subdivisions: int, radius: float = RADIUS) -> Mesh:
    """A sphere with its own normals."""
    ball = trimesh.creation.icosphere(subdivisions=subdivisions)
    unit = ball.vertices / np.linalg.norm(ball.vertices, axis=1, keepdims=True)
    return Mesh((unit * radius).astype(np.float32), ball.faces.astype(np.int32), unit.astype(np.float32))


def surface_points(mesh: Mesh, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Evenly distributed points: vertices of their triangles [N, 3] and weights [N, 3]."""
    rng = np.random.default_rng(seed)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    face = rng.choice(len(area), count, p=area / area.sum())
    return mesh.faces[face], rng.dirichlet([1, 1, 1], count)


def rotated(mesh: Mesh, turn: np.ndarray) -> Mesh:
    """The mesh, turned by a matrix [3, 3]; without tangents."""
    return Mesh(
        (mesh.vertices @ turn.T).astype(np.float32),
        mesh.faces,
        None if mesh.normals is None else (mesh.normals @ turn.T).astype(np.float32),
        mesh.uvs,
    )
