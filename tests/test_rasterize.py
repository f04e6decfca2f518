"""Coverage is compared with independent visibility everywhere but in a band of 1/64 pixel around edges."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
import trimesh
from raster_scenes import (
    coverage_count,
    edge_distance_px,
    perspective,
    pixel_centers_ndc,
    to_clip,
    winding_sign,
)
from scipy.spatial import Delaunay

from dream3d.errors import InputError
from dream3d.ops.rasterize import (
    Fragments,
    interpolate,
    interpolate_reference,
    rasterize,
    rasterize_reference,
)

Draw = Callable[[torch.Tensor, torch.Tensor, int, int], Fragments]

BAND_PX = 1 / 64
PROJECTION = perspective(fov_y_rad=0.8, near=0.5, far=8.0)


def kernel_on(device: str) -> Draw:
    """The compiled kernel of "cpu" or "cuda", never a fallback."""
    backend = kernel_name(torch.device(device))
    return lambda positions, faces, height, width: rasterize(
        positions.to(device), faces.to(device), height, width, backend=backend
    )


def kernel_name(device: torch.device) -> Literal["cpu", "cuda"]:
    return "cuda" if device.type == "cuda" else "cpu"


@pytest.fixture
def kernel(device: torch.device) -> Draw:
    return kernel_on(device.type)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu), "reference"])
def draw(request: pytest.FixtureRequest) -> Draw:
    return rasterize_reference if request.param == "reference" else kernel_on(request.param)


def random_soup(seed: int, num_triangles: int, size: float, crossing: bool) -> tuple[np.ndarray, np.ndarray]:
    """Camera-space triangles in view, or around and behind the camera: [3T, 3] and faces [T, 3]."""
    rng = np.random.default_rng(seed)
    low, high = ([-2, -2, -7], [2, 2, 1.5]) if crossing else ([-0.8, -0.8, -6], [0.8, 0.8, -3])
    centers = rng.uniform(low, high, (num_triangles, 1, 3))
    corners = centers + rng.normal(0, size, (num_triangles, 3, 3))
    return corners.reshape(-1, 3), np.arange(3 * num_triangles, dtype=np.int32).reshape(-1, 3)


def as_tensors(clip: np.ndarray, faces: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(clip, dtype=torch.float32)[None], torch.tensor(faces, dtype=torch.int32)


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

    def test_embree(self, kernel: Draw) -> None:
        mesh = trimesh.creation.torus(0.6, 0.25, major_sections=48, minor_sections=24)
        mesh.apply_transform(trimesh.transformations.rotation_matrix(0.7, [1, 0.3, 0.2], [0, 0, 0]))
        mesh.apply_translation([0, 0, -2.5])
        clip = to_clip(np.asarray(mesh.vertices), PROJECTION)
        size = 96
        ndc = pixel_centers_ndc(size, size).reshape(-1, 2)
        focal = PROJECTION[0, 0]
        directions = np.concatenate([ndc / focal, -np.ones((len(ndc), 1))], axis=1)
        expected = mesh.ray.intersects_first(np.zeros_like(directions), directions).reshape(size, size)
        faces = np.asarray(mesh.faces, dtype=np.int32)
        ids = kernel(*as_tensors(clip, faces), size, size).triangle_id[0].cpu().numpy()
        assert_same_outside_band(ids, expected, clip, faces)
        assert (ids >= 0).mean() > 0.1

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
    def test_same_bits_without_clipping(self, kernel: Draw, seed: int, size: float) -> None:
        points, faces = random_soup(seed, 200, size, crossing=False)
        clip = to_clip(points, PROJECTION)
        inside = (np.abs(clip[:, :3]) <= clip[:, 3:]).all(1) & (clip[:, 3] > 0)
        faces = faces[inside[faces].all(1)]
        positions, faces_tensor = as_tensors(clip, faces)
        result, expected = (
            kernel(positions, faces_tensor, 40, 40),
            rasterize_reference(positions, faces_tensor, 40, 40),
        )
        assert torch.equal(result.triangle_id.cpu(), expected.triangle_id)
        torch.testing.assert_close(result.depth.cpu(), expected.depth, atol=1e-6, rtol=0)
        torch.testing.assert_close(result.barycentrics.cpu(), expected.barycentrics, atol=1e-6, rtol=0)

    @pytest.mark.parametrize("seed", range(3))
    def test_same_outside_band_with_clipping(self, kernel: Draw, seed: int) -> None:
        points, faces = random_soup(seed, 80, 1.0, crossing=True)
        clip = to_clip(points, PROJECTION)
        positions, faces_tensor = as_tensors(clip, faces)
        result, expected = (
            kernel(positions, faces_tensor, 48, 48),
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


class TestOrder:
    def test_nearer_wins_then_lower_id(self, draw: Draw) -> None:
        triangle = torch.tensor([[-1.0, -1, 0, 1], [3, -1, 0, 1], [-1, 3, 0, 1]])
        nearer = triangle + torch.tensor([0.0, 0, -0.25, 0])
        positions = torch.cat([triangle, nearer])[None]
        far, near = [0, 1, 2], [3, 4, 5]
        for faces, winner in (([far, near], 1), ([near, far], 0), ([far, far], 0), ([far, near, near], 1)):
            result = draw(positions, torch.tensor(faces, dtype=torch.int32), 5, 7)
            assert (result.triangle_id == winner).all()

    def test_coverage_ignores_order_of_corners_and_faces(self, kernel: Draw) -> None:
        points, faces = random_soup(5, 120, 0.4, crossing=True)
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
        ids = kernel(positions, faces_tensor, 40, 40).triangle_id
        for turned in (faces_tensor[:, [1, 2, 0]], faces_tensor[:, [0, 2, 1]]):
            assert torch.equal(kernel(positions, turned, 40, 40).triangle_id, ids)
        backwards = kernel(positions, faces_tensor.flip(0), 40, 40).triangle_id
        assert torch.equal(torch.where(backwards >= 0, len(faces) - 1 - backwards, -1), ids)

    def test_same_bits_for_any_number_of_threads(self) -> None:
        points, faces = random_soup(6, 3000, 0.3, crossing=True)
        clip = torch.stack([torch.tensor(to_clip(points * s, PROJECTION)).float() for s in (1.0, 0.8, 1.3)])
        faces_tensor = torch.tensor(faces)
        before = torch.get_num_threads()
        try:
            results = []
            for n_threads in (1, 2, 3, 5):
                torch.set_num_threads(n_threads)
                results.append(rasterize(clip, faces_tensor, 150, 170, backend="cpu"))
        finally:
            torch.set_num_threads(before)
        for other in results[1:]:
            assert torch.equal(other.triangle_id, results[0].triangle_id)
            assert torch.equal(other.depth, results[0].depth)
            assert torch.equal(other.barycentrics, results[0].barycentrics)

    def test_a_batch_equals_its_views(self, kernel: Draw) -> None:
        points, faces = random_soup(7, 50, 0.5, crossing=True)
        views = torch.stack(
            [
                torch.tensor(to_clip(points + np.array(shift), PROJECTION)).float()
                for shift in ((0, 0, 0), (0, 0.3, 0), (0, 0, -1))
            ]
        )
        faces_tensor = torch.tensor(faces)
        batch = kernel(views, faces_tensor, 30, 50)
        for index in range(3):
            alone = kernel(views[index : index + 1], faces_tensor, 30, 50)
            assert torch.equal(batch.triangle_id[index], alone.triangle_id[0])
            assert torch.equal(batch.depth[index], alone.depth[0])
            assert torch.equal(batch.barycentrics[index], alone.barycentrics[0])

    @pytest.mark.gpu
    @pytest.mark.parametrize("crossing", [False, True])
    def test_cuda_has_the_bits_of_the_cpu(self, crossing: bool) -> None:
        points, faces = random_soup(8, 5000, 0.3, crossing)
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
        cpu = rasterize(positions, faces_tensor, 333, 257, backend="cpu")
        cuda = rasterize(positions.cuda(), faces_tensor.cuda(), 333, 257, backend="cuda")
        assert torch.equal(cpu.triangle_id, cuda.triangle_id.cpu())
        assert torch.equal(cpu.depth, cuda.depth.cpu())
        assert torch.equal(cpu.barycentrics, cuda.barycentrics.cpu())


class TestEdgeCases:
    def test_empty_inputs(self, draw: Draw) -> None:
        positions = torch.rand(2, 5, 4)
        none = torch.zeros((0, 3), dtype=torch.int32)
        result = draw(positions, none, 3, 4)
        assert (result.triangle_id == -1).all()
        assert (result.depth == 1).all()
        assert (result.barycentrics == 0).all()
        some = torch.tensor([[0, 1, 2]], dtype=torch.int32)
        for num_views, height, width in ((0, 3, 4), (2, 0, 4), (2, 3, 0)):
            result = draw(positions[:num_views], some, height, width)
            assert result.triangle_id.shape == (num_views, height, width)
            assert result.barycentrics.shape == (num_views, height, width, 2)
        assert (draw(torch.zeros(1, 0, 4), none, 2, 2).triangle_id == -1).all()

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
    def test_a_bad_vertex_hides_only_its_triangles(self, draw: Draw, bad: float) -> None:
        positions = torch.tensor(
            [
                [-1.0, -1, 0, 1],
                [3, -1, 0, 1],
                [-1, 3, 0, 1],
                [-1, -1, -0.5, 1],
                [3, -1, -0.5, 1],
                [-1, 3, -0.5, 1],
            ]
        )[None]
        faces = torch.tensor([[0, 1, 2], [3, 4, 5]], dtype=torch.int32)
        assert (draw(positions, faces, 6, 6).triangle_id == 1).all()
        for component in range(4):
            broken = positions.clone()
            broken[0, 4, component] = bad
            assert (draw(broken, faces, 6, 6).triangle_id == 0).all()

    def test_degenerate_triangles_are_invisible(self, draw: Draw) -> None:
        positions = torch.tensor([[-0.5, -0.5, 0, 1], [0.5, 0.5, 0, 1], [0, 0, 0, 1], [0.0, 0.0, 0.0, 0.0]])[
            None
        ]
        faces = torch.tensor([[0, 0, 1], [1, 1, 1], [0, 1, 2], [3, 3, 3], [0, 1, 3]], dtype=torch.int32)
        assert (draw(positions, faces, 8, 8).triangle_id == -1).all()

    def test_non_contiguous_inputs(self, kernel: Draw) -> None:
        points, faces = random_soup(9, 30, 0.5, crossing=False)
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
        strided = positions.transpose(1, 2).contiguous().transpose(1, 2)
        faces_strided = faces_tensor.T.contiguous().T
        assert not strided.is_contiguous()
        result = kernel(strided, faces_strided, 20, 20)
        assert torch.equal(result.triangle_id, kernel(positions, faces_tensor, 20, 20).triangle_id)

    def test_outputs_stay_in_range(self, kernel: Draw) -> None:
        points, faces = random_soup(10, 2000, 0.5, crossing=True)
        result = kernel(*as_tensors(to_clip(points, PROJECTION), faces), 64, 64)
        weights = result.barycentrics
        assert (weights >= 0).all()
        assert (weights.sum(-1) <= 1 + 1e-6).all()
        assert (result.depth.abs() <= 1).all()
        assert (result.depth[~result.mask] == 1).all()


class TestRefusals:
    positions = torch.rand(1, 4, 4)
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32)

    @pytest.mark.parametrize(
        ("positions", "faces", "size", "message"),
        [
            (torch.rand(4, 4), faces, (4, 4), r"\[B, V, 4\]"),
            (torch.rand(1, 4, 3), faces, (4, 4), r"\[B, V, 4\]"),
            (positions, torch.zeros((3,), dtype=torch.int32), (4, 4), r"\[T, 3\]"),
            (positions, torch.tensor([[0, 1, 4]], dtype=torch.int32), (4, 4), "0 to 4, but there are 4"),
            (positions, torch.tensor([[0, 1, -1]], dtype=torch.int32), (4, 4), "-1 to 1"),
            (positions, faces, (-1, 4), "height and width"),
            (positions, faces, (4, 40000), "32768"),
            (positions, faces.to("meta"), (4, 4), "meta"),
        ],
    )
    @pytest.mark.parametrize("function", [rasterize, rasterize_reference])
    def test_input_errors(self, function, positions, faces, size, message) -> None:
        with pytest.raises(InputError, match=message):
            function(positions, faces, *size)

    @pytest.mark.parametrize("function", [rasterize, rasterize_reference])
    def test_dtypes(self, function) -> None:
        with pytest.raises(TypeError, match=r"faces must be torch.int32.*\.int\(\)"):
            function(self.positions, self.faces.long(), 4, 4)
        with pytest.raises(TypeError, match=r"positions_clip must be torch.float32"):
            function(self.positions.half(), self.faces, 4, 4)
        with pytest.raises(TypeError, match="float32"):
            rasterize(self.positions.double(), self.faces, 4, 4)

    def test_backend_must_fit_the_device(self) -> None:
        with pytest.raises(InputError, match="needs tensors on cuda"):
            rasterize(self.positions, self.faces, 4, 4, backend="cuda")
        with pytest.raises(InputError, match="auto, cuda, cpu or reference"):
            rasterize(self.positions, self.faces, 4, 4, backend="metal")  # pyright: ignore[reportArgumentType]

    def test_interpolate_shapes(self) -> None:
        fragments = rasterize(self.positions, self.faces, 4, 4)
        with pytest.raises(InputError, match=r"\[V, C\] or \[1, V, C\]"):
            interpolate(torch.rand(2, 4, 3), self.faces, fragments)
        with pytest.raises(TypeError, match=r"\.float\(\)"):
            interpolate(torch.ones(4, 3, dtype=torch.int64), self.faces, fragments)
        with pytest.raises(TypeError, match=r"float32 for the kernel"):
            interpolate(torch.rand(4, 3).double(), self.faces, fragments, backend="cpu")
        with pytest.raises(InputError, match="meta"):
            interpolate(torch.rand(4, 3, device="meta"), self.faces, fragments)


class TestInterpolate:
    def test_clip_positions_come_back_to_the_pixel(self, kernel: Draw, device: torch.device) -> None:
        """The interpolated clip-space position must project to the pixel's centre, at the pixel's depth."""
        points, faces = random_soup(11, 100, 0.8, crossing=True)
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
        result = kernel(positions, faces_tensor, 40, 40)
        at = interpolate(positions.double().to(device), faces_tensor.to(device), result)[0].cpu()
        mask = result.mask[0].cpu()
        ndc = torch.tensor(pixel_centers_ndc(40, 40))
        # centres in the snapping band are clamped into the triangle: at most 1/256 pixel away
        torch.testing.assert_close((at[..., :2] / at[..., 3:])[mask], ndc[mask], atol=2e-4, rtol=0)
        error = (at[..., 2] / at[..., 3] - result.depth[0].cpu())[mask].abs()
        assert error.median() < 1e-6

    @pytest.mark.parametrize("per_view", [False, True])
    def test_kernel_equals_reference(self, device: torch.device, kernel: Draw, per_view: bool) -> None:
        attributes, faces, fragments = two_views(kernel, device, per_view)
        image = interpolate(attributes, faces, fragments, backend=kernel_name(device))
        expected = interpolate_reference(attributes.double(), faces, fragments)
        assert image.shape == (2, 24, 24, 5)
        torch.testing.assert_close(image.double(), expected, atol=1e-6, rtol=0)
        assert (image[~fragments.mask] == 0).all()
        assert (image[fragments.mask] != 0).any(-1).all()

    @pytest.mark.parametrize("per_view", [False, True])
    def test_gradient_equals_reference(self, device: torch.device, kernel: Draw, per_view: bool) -> None:
        attributes, faces, fragments = two_views(kernel, device, per_view)
        upstream = torch.randn(2, 24, 24, 5, device=device)
        leaf = attributes.clone().requires_grad_()
        interpolate(leaf, faces, fragments, backend=kernel_name(device)).backward(upstream)
        exact = attributes.double().requires_grad_()
        interpolate_reference(exact, faces, fragments).backward(upstream.double())
        assert leaf.grad is not None
        assert exact.grad is not None
        torch.testing.assert_close(leaf.grad.double(), exact.grad, atol=2e-5, rtol=1e-5)
        assert exact.grad.abs().sum() > 1

    def test_gradient_has_the_same_bits_for_any_number_of_threads(self) -> None:
        attributes, faces, fragments = two_views(kernel_on("cpu"), torch.device("cpu"), per_view=False)
        upstream = torch.randn(2, 24, 24, 5)
        before = torch.get_num_threads()
        gradients = []
        try:
            for n_threads in (1, 2, 3, 7):
                torch.set_num_threads(n_threads)
                leaf = attributes.clone().requires_grad_()
                interpolate(leaf, faces, fragments, backend="cpu").backward(upstream)
                gradients.append(leaf.grad)
        finally:
            torch.set_num_threads(before)
        assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)

    def test_gradcheck_of_the_reference(self, device: torch.device, kernel: Draw) -> None:
        points, faces = random_soup(13, 6, 0.8, crossing=False)
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
        result = kernel(positions, faces_tensor, 8, 8)
        attributes = torch.rand(1, len(points), 2, dtype=torch.float64, device=device, requires_grad=True)
        assert result.mask.any()
        assert torch.autograd.gradcheck(lambda a: interpolate(a, faces_tensor.to(device), result), attributes)

    def test_nothing_visible(self, device: torch.device, kernel: Draw) -> None:
        fragments = kernel(torch.rand(1, 3, 4), torch.zeros((0, 3), dtype=torch.int32), 3, 2)
        attributes = torch.rand(3, 4, device=device, requires_grad=True)
        image = interpolate(attributes, torch.zeros((0, 3), dtype=torch.int32, device=device), fragments)
        image.sum().backward()
        assert torch.equal(image, torch.zeros_like(image))
        assert torch.equal(attributes.grad, torch.zeros_like(attributes))

    def test_opcheck(self, device: torch.device, kernel: Draw) -> None:
        attributes, faces, fragments = two_views(kernel, device, per_view=True)
        arguments = (attributes.requires_grad_(), faces, fragments.triangle_id, fragments.barycentrics)
        torch.library.opcheck(torch.ops.dream3d.interpolate.default, arguments)


def two_views(
    draw: Draw, device: torch.device, per_view: bool
) -> tuple[torch.Tensor, torch.Tensor, Fragments]:
    """Attributes [V, 5] or [2, V, 5], faces that share vertices, and two mirrored views of 24 x 24 pixels."""
    points, _ = random_soup(12, 10, 0.5, crossing=True)
    faces = torch.tensor(np.random.default_rng(0).integers(0, len(points), (40, 3)), dtype=torch.int32)
    positions = torch.tensor(to_clip(points, PROJECTION), dtype=torch.float32)
    fragments = draw(torch.stack([positions, positions * torch.tensor([-1.0, 1, 1, 1])]), faces, 24, 24)
    assert fragments.mask.any()
    shape = (2, len(points), 5) if per_view else (len(points), 5)
    attributes = torch.rand(shape, generator=torch.Generator().manual_seed(0)) + 0.1
    return attributes.to(device), faces.to(device), fragments


def test_opcheck(device: torch.device) -> None:
    points, faces = random_soup(14, 10, 0.5, crossing=True)
    positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
    arguments = (positions.to(device), faces_tensor.to(device), 9, 11)
    torch.library.opcheck(torch.ops.dream3d.rasterize.default, arguments)
