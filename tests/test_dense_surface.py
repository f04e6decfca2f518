import numpy as np
import pytest
import trimesh
from bumpy import bumpy_ball, rotated, smooth_ball, surface_points
from trimesh.ray.ray_pyembree import RayMeshIntersector

from dream3d.detail.dense_surface import meet, sort_surface
from dream3d.mesh import Mesh


def by_embree(mesh: Mesh, points: np.ndarray, directions: np.ndarray, reach: float) -> np.ndarray:
    """Signed distance of the nearest meeting with an outer side, NaN where there is none."""
    rays = RayMeshIntersector(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False))
    nearest = np.full(len(points), np.nan)
    starts = points - reach * directions
    places, line, face = rays.intersects_location(starts, directions, multiple_hits=True)
    corners = mesh.vertices[mesh.faces[face]].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    distance = np.sum((places - points[line]) * directions[line], axis=1)
    for index in np.flatnonzero(
        (np.sum(normals * directions[line], axis=1) > 0) & (np.abs(distance) <= reach)
    ):
        if not abs(distance[index]) >= abs(nearest[line[index]]):
            nearest[line[index]] = distance[index]
    return nearest


@pytest.mark.parametrize("reach", [0.02, 0.3])
def test_agrees_with_embree(reach):
    """Lines in any direction from around the surface: every meeting, its distance and its place."""
    mesh = bumpy_ball(4)
    rng = np.random.default_rng(0)
    corners, weights = surface_points(mesh, 3000, 1)
    points = np.einsum("nc,nci->ni", weights, mesh.vertices[corners]) * rng.uniform(0.9, 1.1, (3000, 1))
    directions = rng.normal(size=(3000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points, directions = points.astype(np.float32), directions.astype(np.float32)
    met = meet(sort_surface(mesh), points, directions, reach)
    expected = by_embree(mesh, points.astype(np.float64), directions.astype(np.float64), reach)
    agrees = (met.face >= 0) == ~np.isnan(expected)
    assert agrees.mean() > 0.998  # lines that graze an edge or end at the surface may differ
    assert 100 < (met.face >= 0).sum() < 2900
    both = (met.face >= 0) & ~np.isnan(expected)
    close = np.abs(met.distance[both] - expected[both]) < 1e-4
    assert close.mean() > 0.998
    places = np.einsum("nc,nci->ni", met.weights, mesh.vertices[mesh.faces[met.face]])
    along = points + met.distance[:, None] * directions
    np.testing.assert_allclose(places[both], along[both], atol=1e-4)
    np.testing.assert_allclose(met.weights[both].sum(axis=1), 1, atol=1e-5)
    assert met.weights.min() >= -1e-6


def test_every_texel_between_two_balls_finds_the_other_one():
    """No line slips through between triangles, and each meets at the gap between the radii."""
    inner, outer = smooth_ball(3), smooth_ball(5, radius=0.83)
    corners, weights = surface_points(inner, 20_000, 2)
    points = np.einsum("nc,nci->ni", weights, inner.vertices[corners]).astype(np.float32)
    radius = np.linalg.norm(points, axis=1, keepdims=True)
    met = meet(sort_surface(outer), points, points / radius, 0.06)
    assert (met.face >= 0).all()
    sagitta = 0.83 * (1 - np.cos(np.radians(2.5)))  # the farthest that the dense ball's faces lie inside it
    assert (radius[:, 0] + met.distance <= 0.83 + 1e-5).all()
    assert (radius[:, 0] + met.distance >= 0.83 - sagitta).all()


def test_the_back_of_a_thin_wall_is_not_taken_for_its_front():
    """The other side of the wall is nearer, but faces away."""
    vertices = np.array([[x, y, z] for z in (0.02, 0.0) for x, y in ((-1, -1), (1, -1), (0, 1))], np.float32)
    wall = Mesh(vertices, np.array([[0, 1, 2], [3, 5, 4]], np.int32))
    points = np.array([[0, 0, 0.005], [0, 0, 0.03], [0, 0, 0.2], [0.99, 0.99, 0.0]], np.float32)
    towards = np.tile(np.float32([0, 0, 1]), (4, 1))
    met = meet(sort_surface(wall), points, towards, 0.06)
    np.testing.assert_array_equal(met.face, [0, 0, -1, -1])
    np.testing.assert_allclose(met.distance, [0.015, -0.01, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(meet(sort_surface(wall), points[:1], -towards[:1], 0.06).face, [1])


def test_large_and_small_triangles_share_a_grid():
    """A floor of two triangles under a ball of thousands; and faces without area, which nothing can meet."""
    ball = smooth_ball(4)
    floor = np.array([[-9, -1, -9], [9, -1, -9], [9, -1, 9], [-9, -1, 9]], np.float32)
    start = len(ball.vertices)
    faces = np.array([[0, 2, 1], [0, 3, 2], [1, 1, 2], [0, 0, 0]], np.int32) + start
    mesh = Mesh(np.concatenate([ball.vertices, floor]), np.concatenate([ball.faces, faces]))
    surface = sort_surface(mesh)
    assert len(surface.entries) < 64 * len(mesh.faces) + 4096
    points = np.array([[7.7, -0.98, -8.1], [0, 0.79, 0]], np.float32)
    met = meet(surface, points, np.tile(np.float32([0, 1, 0]), (2, 1)), 0.05)
    np.testing.assert_allclose(met.distance, [-0.02, 0.01], atol=1e-3)
    assert met.face[0] >= len(ball.faces)


def test_turning_everything_changes_nothing():
    mesh = bumpy_ball(3)
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    corners, weights = surface_points(mesh, 500, 4)
    points = (np.einsum("nc,nci->ni", weights, mesh.vertices[corners]) * 1.01).astype(np.float32)
    directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    turn *= np.sign(np.linalg.det(turn))
    one = meet(sort_surface(mesh), points, directions, 0.1)
    moved = (points @ turn.T).astype(np.float32), (directions @ turn.T).astype(np.float32)
    two = meet(sort_surface(rotated(mesh, turn)), *moved, 0.1)
    np.testing.assert_allclose(one.distance, two.distance, atol=1e-5)
