"""Which triangle each pixel sees, against ray casting, the twin, and partitions of the plane.

Answers may differ only in a band of 1/64 pixel around edges.
"""

import numpy as np
import pytest
import torch
import trimesh
from raster_scenes import (
    PROJECTION,
    as_tensors,
    coverage_count,
    edge_distance_px,
    pixel_centers_ndc,
    random_soup,
    to_clip,
    winding_sign,
)
from rasterizers import Draw
from scipy.spatial import Delaunay

from dream3d.ops.rasterize import rasterize_reference

BAND_PX = 1 / 64


def assert_same_outside_band(
    ids: np.ndarray, expected: np.ndarray, clip: np.ndarray, faces: np.ndarray
) -> None:
    """Pixels may disagree only where one of the two answers is a triangle with an edge within the band."""
    size = ids.shape[0]
    rows, columns = np.nonzero(ids != expected)
    ndc = pixel_centers_ndc(size, size)[rows, columns]
    close = np.zeros(len(rows), bool)
    for answer in (ids[rows, columns], expected[rows, columns]):
        distance = edge_distance_px(clip[faces[np.maximum(answer, 0)]], ndc, size)
        close |= (answer >= 0) & (distance < BAND_PX)
    assert close.all(), f"{(~close).sum()} pixels differ away from any edge"
    assert len(rows) < 0.02 * ids.size


def first_hits(clip: np.ndarray, faces: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and depths where the segments from near to far plane meet the triangles (Moller-Trumbore)."""
    inverse = np.linalg.inv(PROJECTION)
    ndc = pixel_centers_ndc(size, size).reshape(-1, 2)
    ends = []
    for z in (-1.0, 1.0):
        point = np.concatenate([ndc, np.full((len(ndc), 1), z), np.ones((len(ndc), 1))], 1) @ inverse.T
        ends.append(point[:, :3] / point[:, 3:])
    start, direction = ends[0], ends[1] - ends[0]
    corners = (clip @ inverse.T)[:, :3][faces]
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = np.cross(direction[:, None], edge2[None])  # [P, T, 3]
    inverse_det = 1 / (p * edge1).sum(-1)
    s = start[:, None] - corners[None, :, 0]
    q = np.cross(s, edge1[None])
    u, v = (s * p).sum(-1) * inverse_det, (direction[:, None] * q).sum(-1) * inverse_det
    t = (q * edge2).sum(-1) * inverse_det
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t >= 0) & (t <= 1)
    t = np.where(hit, t, np.inf)
    ids = np.where(hit.any(1), t.argmin(1), -1)
    nearest = start + direction * np.where(ids >= 0, t.min(1), 0)[:, None]
    z, w = nearest @ PROJECTION[2, :3] + PROJECTION[2, 3], -nearest[:, 2]
    return ids.reshape(size, size), np.where(ids >= 0, z / w, 1.0).reshape(size, size)


class TestAgainstIndependentVisibility:
    @pytest.mark.parametrize("crossing", [False, True])
    @pytest.mark.parametrize("seed", [0, 1])
    def test_ray_casting(self, draw: Draw, seed: int, crossing: bool) -> None:
        points, faces = random_soup(seed, 60, 0.6, crossing)
        clip = to_clip(points, PROJECTION)
        expected, depth = first_hits(clip, faces, 48)
        result = draw(*as_tensors(clip, faces), 48, 48)
        ids = result.triangle_id[0].cpu().numpy()
        assert_same_outside_band(ids, expected, clip, faces)
        assert (ids >= 0).mean() > 0.3
        same = ids == expected
        # float32 rounding of clip-space z is 6e-8 relative to z up to 8
        np.testing.assert_allclose(result.depth[0].cpu().numpy()[same], depth[same], atol=2e-6)

    def test_near_plane_leaves_the_clipped_polygon(self, draw: Draw) -> None:
        triangle = np.array([[-0.4, -0.5, -2.0], [0.9, 0.1, -3.0], [0.1, 0.6, 0.7]])  # the last one is behind
        near, size = 0.5, 64
        polygon = []
        for a, b in zip(triangle, np.roll(triangle, -1, axis=0), strict=True):
            if a[2] <= -near:
                polygon.append(a)
            if (a[2] <= -near) != (b[2] <= -near):
                t = (-near - a[2]) / (b[2] - a[2])
                polygon.append(a + t * (b - a))
        corners = np.array(polygon)
        assert len(corners) == 4
        flat = corners[:, :2] / -corners[:, 2:] * PROJECTION[0, 0]
        ndc = pixel_centers_ndc(size, size)
        following = np.roll(flat, -1, axis=0)
        edge = following - flat
        offset = ndc[..., None, :] - flat
        side = edge[:, 0] * offset[..., 1] - edge[:, 1] * offset[..., 0]  # [H, W, 4]
        expected = (side > 0).all(-1) | (side < 0).all(-1)
        band = (np.abs(side) / np.linalg.norm(edge, axis=1)).min(-1) * size / 2 < BAND_PX
        clip = to_clip(triangle, PROJECTION)
        mask = draw(*as_tensors(clip, np.array([[0, 1, 2]])), size, size).mask[0].cpu().numpy()
        assert (mask == expected)[~band].all()
        assert expected.sum() > 200


class TestEveryPixelExactlyOnce:
    def test_closed_convex_mesh(self, draw: Draw) -> None:
        mesh = trimesh.creation.icosphere(1, 0.9)
        corners = to_clip(
            np.asarray(mesh.vertices) * np.array([1, 0.7, 0.8]) + np.array([0.1, 0.05, -3]), PROJECTION
        )[mesh.faces]
        sign = winding_sign(corners)
        front = coverage_count(draw, corners[sign > 0], 40, 40)
        back = coverage_count(draw, corners[sign < 0], 40, 40)
        assert set(np.unique(front)) == {0, 1}
        np.testing.assert_array_equal(front, back)

    @pytest.mark.parametrize("on_centers", [False, True])
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_random_triangulation(self, draw: Draw, seed: int, on_centers: bool) -> None:
        rng = np.random.default_rng(seed)
        size = 24
        points = rng.uniform(-1.1, 1.1, (40, 2))
        if on_centers:  # vertices exactly on pixel centres, edges through many of them
            points = ((np.round((points + 1) / 2 * size - 0.5) + 0.5) / size * 2 - 1).astype(np.float64)
        points = np.unique(
            np.concatenate([points, [[-1.2, -1.2], [-1.2, 1.2], [1.2, -1.2], [1.2, 1.2]]]), axis=0
        )
        w = rng.uniform(0.5, 2.0, len(points))
        clip = np.concatenate([points, np.zeros((len(points), 1)), np.ones((len(points), 1))], 1) * w[:, None]
        count = coverage_count(draw, clip[Delaunay(points).simplices], size, size)
        np.testing.assert_array_equal(count, 1)

    def test_ground_plane_through_the_camera_plane(self, draw: Draw) -> None:
        """A tilted grid that reaches behind the camera: clipping must leave neither cracks nor overlaps."""
        rng = np.random.default_rng(3)
        size = 40
        x, z = np.meshgrid(np.linspace(-30, 30, 9), np.linspace(-28, 10, 9))
        grid = np.stack([x.ravel(), z.ravel()], 1) + rng.normal(0, 0.4, (x.size, 2))
        height = -0.8 + 0.1 * grid[:, 0]
        points = np.stack([grid[:, 0], height, grid[:, 1]], axis=1)
        corners = to_clip(points, PROJECTION)[Delaunay(grid).simplices]
        count = coverage_count(draw, corners, size, size)
        rays = np.concatenate(
            [pixel_centers_ndc(size, size) / PROJECTION[0, 0], -np.ones((size, size, 1))], -1
        )
        distance = -0.8 / (rays[..., 1] - 0.1 * rays[..., 0])  # along the ray to y = -0.8 + 0.1 x
        visible = (distance > 0.51) & (distance < 7.99)
        hidden = (distance < 0.49) | (distance > 8.01)
        np.testing.assert_array_equal(count[visible], 1)
        np.testing.assert_array_equal(count[hidden], 0)
        assert visible.sum() > 300

    def test_guard_band(self, draw: Draw) -> None:
        """A triangulation of huge triangles around the image, far outside of what fixed point can hold."""
        angles = np.sort(np.random.default_rng(4).uniform(0, 2 * np.pi, 11))
        rim = np.stack([np.cos(angles), np.sin(angles)], 1) * np.geomspace(1e3, 1e12, 11)[:, None]
        points = np.concatenate([[[0.013, -0.021]], rim])
        clip = np.concatenate([points, np.zeros((12, 1)), np.ones((12, 1))], axis=1)
        fan = np.array([[0, 1 + i, 1 + (i + 1) % 11] for i in range(11)])
        np.testing.assert_array_equal(coverage_count(draw, clip[fan], 24, 24), 1)


class TestAgainstReference:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("size", [0.02, 0.5])
    def test_same_bits_without_clipping(self, draw_with_kernel: Draw, seed: int, size: float) -> None:
        points, faces = random_soup(seed, 200, size, crossing=False)
        clip = to_clip(points, PROJECTION)
        inside = (np.abs(clip[:, :3]) <= clip[:, 3:]).all(1) & (clip[:, 3] > 0)
        faces = faces[inside[faces].all(1)]
        positions, faces_tensor = as_tensors(clip, faces)
        result, expected = (
            draw_with_kernel(positions, faces_tensor, 40, 40),
            rasterize_reference(positions, faces_tensor, 40, 40),
        )
        assert torch.equal(result.triangle_id.cpu(), expected.triangle_id)
        torch.testing.assert_close(result.depth.cpu(), expected.depth, atol=1e-6, rtol=0)
        torch.testing.assert_close(result.barycentrics.cpu(), expected.barycentrics, atol=1e-6, rtol=0)

    @pytest.mark.parametrize("seed", range(3))
    def test_same_outside_band_with_clipping(self, draw_with_kernel: Draw, seed: int) -> None:
        points, faces = random_soup(seed, 80, 1.0, crossing=True)
        clip = to_clip(points, PROJECTION)
        positions, faces_tensor = as_tensors(clip, faces)
        result, expected = (
            draw_with_kernel(positions, faces_tensor, 48, 48),
            rasterize_reference(positions, faces_tensor, 48, 48),
        )
        ids, expected_ids = result.triangle_id[0].cpu(), expected.triangle_id[0]
        assert_same_outside_band(ids.numpy(), expected_ids.numpy(), clip, faces)
        same = ids == expected_ids
        torch.testing.assert_close(result.depth[0].cpu()[same], expected.depth[0][same], atol=1e-6, rtol=0)
        torch.testing.assert_close(
            result.barycentrics[0].cpu()[same], expected.barycentrics[0][same], atol=1e-5, rtol=0
        )

    def test_reference_keeps_float64(self) -> None:
        points, faces = random_soup(0, 10, 0.5, crossing=False)
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
        result = rasterize_reference(positions.double(), faces_tensor, 16, 16)
        assert result.depth.dtype == result.barycentrics.dtype == torch.float64
