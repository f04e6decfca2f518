import numpy as np
import pytest
import torch
from bumpy import smooth_ball

from dream3d.bake import atlas_corners
from dream3d.config import BakeConfig
from dream3d.detail.bake import bake_detail
from dream3d.detail.occlusion import sphere_directions, subdivided, vertex_occlusion
from dream3d.extract.unwrap import unwrap
from dream3d.mesh import Mesh


def grid(size: int, origin: list[float], right: list[float], down: list[float]) -> Mesh:
    """A flat sheet of size x size squares; its normal is right x -down."""
    steps = np.linspace(0, 1, size + 1)
    place = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    vertices = np.array(origin) + place[:, :1] * np.array(right) + place[:, 1:] * np.array(down)
    start = (np.arange(size)[:, None] * (size + 1) + np.arange(size)).reshape(-1)
    beside, below = start + 1, start + size + 1
    faces = np.concatenate([np.stack([start, below, beside], 1), np.stack([beside, below, below + 1], 1)])
    normal = np.cross(right, -np.array(down))
    normals = np.tile(normal / np.linalg.norm(normal), (len(vertices), 1))
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32), normals.astype(np.float32))


def joined(*parts: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)]).astype(
            np.int32
        ),
        np.concatenate([part.normals for part in parts]),
    )


def floor_and_box(height: float) -> tuple[Mesh, int]:
    """A floor at y = 0 with a box of half width 0.3 hovering from `height` up; the floor's vertices first."""
    floor = grid(40, [-1, 0, -1], [2, 0, 0], [0, 0, 2])
    low, top, half = height, height + 0.4, 0.3
    corners = np.array(
        [[x, y, z] for x in (-half, half) for y in (low, top) for z in (-half, half)], np.float32
    )
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = np.array([face for a, b, c, d in quads for face in ([a, b, c], [a, c, d])], np.int32)
    normals = corners - corners.mean(axis=0)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return joined(floor, Mesh(corners, faces, normals)), len(floor.vertices)


def sky_seen_past_box(points: np.ndarray, height: float, steps: int = 200) -> np.ndarray:
    """1/pi times the integral of cosine over the free sky, by the midpoint rule over the hemisphere's disk.

    A ray of direction (a, sqrt(1 - a^2 - b^2), b) is tested against the slabs of the box; cosine-weighted
    area of the hemisphere is plain area of the disk of (a, b).
    """
    axis = (np.arange(steps) + 0.5) / steps * 2 - 1
    a, b = (array.reshape(-1) for array in np.meshgrid(axis, axis))
    inside = a * a + b * b < 1
    a, b = a[inside], b[inside]
    directions = np.stack([a, np.sqrt(1 - a * a - b * b), b], axis=1)
    low, high = np.array([-0.3, height, -0.3]), np.array([0.3, height + 0.4, 0.3])
    free = []
    for point in points.astype(np.float64):
        with np.errstate(divide="ignore"):
            one, two = (low - point) / directions, (high - point) / directions
        enter, leave = np.minimum(one, two).max(axis=1), np.maximum(one, two).min(axis=1)
        free.append(1 - ((enter < leave) & (leave > 0)).mean())
    return np.array(free)


@pytest.mark.parametrize("height", [0.1, 0.5])
def test_a_floor_under_a_box_agrees_with_numeric_integration(height):
    mesh, count = floor_and_box(height)
    seen = vertex_occlusion(mesh)[:count]
    chosen = np.arange(0, count, 29)
    error = seen[chosen] - sky_seen_past_box(mesh.vertices[chosen], height)
    assert np.abs(error).mean() < 0.02
    assert np.abs(error).max() < 0.08
    assert abs(error.mean()) < 0.006  # the lift off the surface and the pixels lean to no side
    assert seen.min() < 0.35 if height == 0.1 else seen.min() > 0.4


def test_large_triangles_know_what_lies_in_their_midst():
    mesh, _ = floor_and_box(0.1)
    box = mesh.of_faces(mesh.faces[-12:])
    fine = subdivided(joined(grid(1, [-1, 0, -1], [2, 0, 0], [0, 0, 2]), box))
    corners = fine.vertices[fine.faces]
    assert np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max() <= 0.05
    np.testing.assert_allclose(np.linalg.norm(fine.normals, axis=1), 1.0, rtol=1e-6)
    floor = np.flatnonzero(fine.vertices[:, 1] == 0)[::29]
    error = vertex_occlusion(fine)[floor] - sky_seen_past_box(fine.vertices[floor], 0.1)
    assert np.abs(error).mean() < 0.02
    assert np.abs(error).max() < 0.08


def test_more_directions_come_closer():
    mesh, count = floor_and_box(0.2)
    chosen = np.arange(0, count, 29)
    truth = sky_seen_past_box(mesh.vertices[chosen], 0.2)
    few, many = (
        np.abs(vertex_occlusion(mesh, number, 128)[:count][chosen] - truth).mean() for number in (24, 300)
    )
    assert many < 0.5 * few
    assert many < 0.012


def test_a_convex_body_sees_all_of_the_sky():
    assert vertex_occlusion(smooth_ball(4)).min() > 0.99  # but for pixels along the silhouette


@pytest.mark.parametrize("depth", [0.5, 2.0])
def test_the_floor_of_a_well(depth):
    """In the middle of a round well the free share is r^2 / (r^2 + depth^2), a closed form."""
    angle = np.linspace(0, 2 * np.pi, 257)[:-1]
    ring = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=1) * 0.5
    vertices = np.concatenate([ring, ring + np.array([0, 0.5 * depth, 0]), [[0, 0, 0]]]).astype(np.float32)
    index = np.arange(256)
    following = (index + 1) % 256
    faces = np.concatenate(
        [
            np.stack([index, following, index + 256], 1),
            np.stack([following, following + 256, index + 256], 1),
            np.stack([following, index, np.full(256, 512)], 1),
        ]
    )
    normals = np.concatenate([-ring / 0.5, -ring / 0.5, [[0, 1, 0]]]).astype(np.float32)
    seen = vertex_occlusion(Mesh(vertices, faces.astype(np.int32), normals), 300, 128)[512]
    assert abs(seen - 1 / (1 + depth**2)) < 0.02


def test_directions_are_even():
    directions = sphere_directions(128)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(128))
    torch.testing.assert_close(directions.mean(dim=0), torch.zeros(3), atol=2e-3, rtol=0)
    covariance = directions.T @ directions / 128
    torch.testing.assert_close(covariance, torch.eye(3) / 3, atol=2e-3, rtol=0)
    nearest = (directions @ directions.T - 2 * torch.eye(128)).max(dim=1).values.arccos()
    assert nearest.min() > 0.18  # 128 caps of equal area have a radius of 0.18


def test_it_is_baked_over_the_atlas():
    """The floor before a wall: dark at its foot, light far from it."""
    floor = grid(30, [-0.5, 0, -0.5], [1, 0, 0], [0, 0, 1])
    wall = grid(30, [-0.5, 1, 0.5], [0, 0, -1], [0, -1, 0])
    corner = joined(floor, wall)
    config = BakeConfig(texture_size=128, occlusion=True)
    low = unwrap(corner, 128, 4)
    maps = bake_detail(low, corner, config)
    assert maps.normal_map is None
    assert maps.occlusion is not None
    corners, weights, covered = atlas_corners(low, 128)
    points = torch.einsum("pc,pci->pi", weights, torch.from_numpy(low.vertices)[corners]).numpy()
    on_floor = (points[:, 1] < 1e-6) & (points[:, 0] > -0.47)
    baked = maps.occlusion[covered][on_floor]
    distance = points[on_floor, 0] + 0.5
    near, far = baked[distance < 0.1].mean(), baked[distance > 0.8].mean()
    assert 0.5 < near < 0.65  # a wall that goes on forever takes half
    assert far > 0.9


def test_same_input_same_occlusion():
    mesh, _ = floor_and_box(0.2)
    np.testing.assert_array_equal(vertex_occlusion(mesh, 16), vertex_occlusion(mesh, 16))
