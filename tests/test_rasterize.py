"""Rasterising: ties, order, threads and batches, broken and empty input, and what is refused."""

import numpy as np
import pytest
import torch
from raster_scenes import PROJECTION, as_tensors, random_soup, to_clip
from rasterizers import Draw
from thread_counts import assert_same_bits_for_any_number_of_threads

from dream3d.errors import InputError
from dream3d.ops.rasterize import rasterize, rasterize_reference


class TestOrder:
    def test_nearer_wins_then_lower_id(self, draw: Draw) -> None:
        triangle = torch.tensor([[-1.0, -1, 0, 1], [3, -1, 0, 1], [-1, 3, 0, 1]])
        nearer = triangle + torch.tensor([0.0, 0, -0.25, 0])
        positions = torch.cat([triangle, nearer])[None]
        far, near = [0, 1, 2], [3, 4, 5]
        for faces, winner in (([far, near], 1), ([near, far], 0), ([far, far], 0), ([far, near, near], 1)):
            result = draw(positions, torch.tensor(faces, dtype=torch.int32), 5, 7)
            assert (result.triangle_id == winner).all()

    def test_coverage_ignores_order_of_corners_and_faces(self, draw_with_kernel: Draw) -> None:
        points, faces = random_soup(5, 120, 0.4, crossing=True)
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
        ids = draw_with_kernel(positions, faces_tensor, 40, 40).triangle_id
        for turned in (faces_tensor[:, [1, 2, 0]], faces_tensor[:, [0, 2, 1]]):
            assert torch.equal(draw_with_kernel(positions, turned, 40, 40).triangle_id, ids)
        backwards = draw_with_kernel(positions, faces_tensor.flip(0), 40, 40).triangle_id
        assert torch.equal(torch.where(backwards >= 0, len(faces) - 1 - backwards, -1), ids)

    def test_same_bits_for_any_number_of_threads(self) -> None:
        points, faces = random_soup(6, 3000, 0.3, crossing=True)
        clip = torch.stack([torch.tensor(to_clip(points * s, PROJECTION)).float() for s in (1.0, 0.8, 1.3)])
        faces_tensor = torch.tensor(faces)

        def run() -> tuple[torch.Tensor, ...]:
            result = rasterize(clip, faces_tensor, 150, 170, backend="cpu")
            return result.triangle_id, result.depth, result.barycentrics

        assert_same_bits_for_any_number_of_threads(run)

    def test_a_batch_equals_its_views(self, draw_with_kernel: Draw) -> None:
        points, faces = random_soup(7, 50, 0.5, crossing=True)
        views = torch.stack(
            [
                torch.tensor(to_clip(points + np.array(shift), PROJECTION)).float()
                for shift in ((0, 0, 0), (0, 0.3, 0), (0, 0, -1))
            ]
        )
        faces_tensor = torch.tensor(faces)
        batch = draw_with_kernel(views, faces_tensor, 30, 50)
        for index in range(3):
            alone = draw_with_kernel(views[index : index + 1], faces_tensor, 30, 50)
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

    def test_non_contiguous_inputs(self, draw_with_kernel: Draw) -> None:
        points, faces = random_soup(9, 30, 0.5, crossing=False)
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
        strided = positions.transpose(1, 2).contiguous().transpose(1, 2)
        faces_strided = faces_tensor.T.contiguous().T
        assert not strided.is_contiguous()
        result = draw_with_kernel(strided, faces_strided, 20, 20)
        assert torch.equal(result.triangle_id, draw_with_kernel(positions, faces_tensor, 20, 20).triangle_id)

    def test_outputs_stay_in_range(self, draw_with_kernel: Draw) -> None:
        points, faces = random_soup(10, 2000, 0.5, crossing=True)
        result = draw_with_kernel(*as_tensors(to_clip(points, PROJECTION), faces), 64, 64)
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


def test_opcheck(device: torch.device) -> None:
    points, faces = random_soup(14, 10, 0.5, crossing=True)
    positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
    arguments = (positions.to(device), faces_tensor.to(device), 9, 11)
    torch.library.opcheck(torch.ops.dream3d.rasterize.default, arguments)
