"""Antialiasing: coverage in closed form, the kernel against its twin, what must not change, and bad input."""

import dataclasses

import numpy as np
import pytest
import torch
import trimesh
from backends import kernel_name
from moving_scenes import make_scene
from raster_scenes import PROJECTION, as_tensors, random_soup, to_clip
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.ops._antialias import antialias_edges_op
from dream3d.ops._antialias_reference import find_separated_pairs
from dream3d.ops.antialias import AntialiasMode, antialias, build_edge_topology, same_positions
from dream3d.ops.rasterize import Fragments, rasterize

MODES: tuple[AntialiasMode, ...] = ("blend", "exact")


def scene(name: str, size: int) -> tuple[Tensor, Tensor, Fragments]:
    """Positions, faces and fragments of some scenes; in "behind" triangles cross the camera plane."""
    if name in ("soup", "behind"):
        points, faces = random_soup(3, 60, 0.9, crossing=name == "behind")
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
    elif name == "crossing":  # two triangles through each other
        points = np.array(
            [[-1.5, -1, -2], [1.5, -1.2, -4], [0, 1.8, -3], [-1.4, -1.1, -4], [1.6, -0.9, -2], [0.1, 1.7, -3]]
        )
        positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), np.arange(6).reshape(2, 3))
    else:
        moving = make_scene(name, 2)
        positions, faces_tensor = moving.clip(torch.zeros(4, dtype=torch.float64)).float(), moving.faces
    return positions, faces_tensor, rasterize(positions, faces_tensor, size, size, backend="cpu")


def moved(fragments: Fragments, device: torch.device) -> Fragments:
    return Fragments(*(getattr(fragments, field.name).to(device) for field in dataclasses.fields(fragments)))


def quad(left: float, right: float, bottom: float, top: float, w: float = 1.0) -> tuple[Tensor, Tensor]:
    """Two triangles between these normalised device coordinates."""
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    positions = torch.tensor([[[x * w, y * w, 0, w] for x, y in corners]])
    return positions, torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class TestCoverage:
    @pytest.mark.parametrize("backend", ["auto", "reference"])
    @pytest.mark.parametrize("upright", [True, False])
    def test_a_moving_half_plane_covers_linearly(self, upright: bool, backend, device: torch.device) -> None:
        """The mask of an edge along rows or columns is its exact coverage, and so is the derivative."""
        size = 6
        for step in range(33):
            edge_px = 2 + step / 16 + 1 / 64
            edge_ndc = edge_px / size * 2 - 1
            positions, faces = quad(-9, edge_ndc, -9, 9) if upright else quad(-9, 9, -edge_ndc, 9, w=2.0)
            positions, faces = positions.to(device).requires_grad_(), faces.to(device)
            fragments = rasterize(positions, faces, size, size)
            mask = fragments.mask[..., None].float()
            blended = antialias(mask, fragments, positions, faces, backend=backend)
            expected = (edge_px - torch.arange(size, dtype=torch.float32)).clamp(0, 1)
            expected = expected.expand(size, size) if upright else expected[:, None].expand(size, size)
            torch.testing.assert_close(blended[0, ..., 0].cpu(), expected, atol=1e-5, rtol=0)
            blended.sum().backward()
            assert positions.grad is not None
            # The edge is moved by both of its ends: `size` pixels, each covered by size / 2 more per unit.
            column = 0 if upright else 1
            moved_ends = positions.grad[0, [1, 2] if upright else [0, 1], column].sum()
            expected_change = size * size / 2 if upright else -size * size / 4
            assert moved_ends.item() == pytest.approx(expected_change, rel=1e-4)

    def test_blending_is_closer_to_the_area_than_sampling(self) -> None:
        positions, faces, fragments = scene("torus", 48)
        fine = rasterize(positions, faces, 48 * 16, 48 * 16).mask.float()
        area = fine.view(48, 16, 48, 16).mean((1, 3))
        sampled = fragments.mask[..., None].float()
        blended = antialias(sampled, fragments, positions, faces)
        error = (blended[0, ..., 0] - area).square().mean().sqrt()
        assert error < 0.25 * (sampled[0, ..., 0] - area).square().mean().sqrt()


class TestWhatStays:
    def test_inside_of_a_closed_surface(self, device: torch.device) -> None:
        """Next to no empty pixel, nothing separates the triangles of a convex mesh: the same bits."""
        mesh = trimesh.creation.icosphere(4)
        clip = to_clip(np.asarray(mesh.vertices) + np.array([0.1, 0.05, -3.2]), PROJECTION)
        positions, faces = as_tensors(clip, mesh.faces)
        fragments = rasterize(positions, faces, 40, 40)
        image = noise(1, 40, 40, 2)
        blended = antialias(
            image.to(device), moved(fragments, device), positions.to(device), faces.to(device)
        ).cpu()
        empty = torch.nn.functional.pad((~fragments.mask[0]).float(), (1, 1, 1, 1))
        near_empty = (empty[:-2, 1:-1] + empty[2:, 1:-1] + empty[1:-1, :-2] + empty[1:-1, 2:]) > 0
        outline = fragments.mask[0] & near_empty
        changed = (blended != image).any(-1)[0]
        assert not (changed & fragments.mask[0] & ~near_empty).any()
        assert (
            changed[outline].float().mean() > 0.4
        )  # the others hand a part of their color to an empty pixel
        assert fragments.mask.sum() > 400

    def test_a_seam_is_a_silhouette_until_it_is_welded(self) -> None:
        positions, _ = quad(-0.9, 0.9, -0.9, 0.9)
        positions = positions[:, [0, 1, 2, 0, 2, 3]]
        faces = torch.tensor([[0, 1, 2], [3, 4, 5]], dtype=torch.int32)
        fragments = rasterize(positions, faces, 9, 9)
        image = fragments.triangle_id[..., None].float()
        inside = (slice(None), slice(1, -1), slice(1, -1))
        for same, is_kept in ((None, False), (same_positions(positions[0, :, :3]), True)):
            edges = build_edge_topology(faces, 6, same)
            blended = antialias(image, fragments, positions, faces, edges)
            assert torch.equal(blended[inside], image[inside]) == is_kept

    @pytest.mark.parametrize("backend", ["auto", "reference"])
    def test_exact_leaves_the_picture_and_its_gradient(self, backend, device: torch.device) -> None:
        positions, faces, fragments = scene("overlap", 24)
        fragments, faces = moved(fragments, device), faces.to(device)
        image = noise(1, 24, 24, 3).to(device).requires_grad_()
        upstream = noise(1, 24, 24, 3, seed=1).to(device)
        leaf = positions.clone().to(device).requires_grad_()
        out = antialias(image, fragments, leaf, faces, mode="exact", backend=backend)
        out.backward(upstream)
        assert torch.equal(out, image)
        torch.testing.assert_close(image.grad, upstream, rtol=0, atol=1e-6)
        assert leaf.grad is not None
        assert leaf.grad.abs().sum() > 1
        # without a gradient to the positions there is nothing to do
        assert antialias(image, fragments, leaf.detach(), faces, mode="exact") is image


class TestAgainstTheTwin:
    @pytest.mark.parametrize("name", ["soup", "behind", "torus", "boxes"])
    def test_edges(self, name: str, device: torch.device) -> None:
        positions, faces, fragments = scene(name, 64)
        neighbors = build_edge_topology(faces, positions.shape[1]).neighbors
        arguments = (positions, faces, neighbors, fragments.triangle_id, fragments.depth)
        edge, crossing = (out.cpu() for out in antialias_edges_op(*(a.to(device) for a in arguments)))
        kinds = set()
        for axis in (0, 1):
            pairs, expected, where = find_separated_pairs(positions.double(), *arguments[1:], axis)
            at = pairs.pixels[:, 0]
            assert torch.equal(edge[..., axis].flatten()[at].long(), expected)
            found = expected != -1
            torch.testing.assert_close(
                crossing[..., axis].flatten()[at][found].double(), where[found], atol=1e-6, rtol=0
            )
            assert (edge[..., axis] != -1).sum() == found.sum()
            kinds |= set(expected.clamp(-2, 0).tolist())
        assert kinds >= ({-2, 0} if name == "boxes" else {0})

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("name", ["soup", "behind", "torus", "boxes"])
    def test_picture_and_gradients(self, name: str, mode: AntialiasMode, device: torch.device) -> None:
        positions, faces, fragments = scene(name, 48)
        image, upstream = noise(1, 48, 48, 3), noise(1, 48, 48, 3, seed=1)
        kernel_image = image.clone().to(device).requires_grad_()
        kernel_positions = positions.clone().to(device).requires_grad_()
        out = antialias(
            kernel_image,
            moved(fragments, device),
            kernel_positions,
            faces.to(device),
            mode=mode,
            backend=kernel_name(device),
        )
        out.backward(upstream.to(device))
        twin_image = image.double().requires_grad_()
        twin_positions = positions.double().requires_grad_()
        expected = antialias(twin_image, fragments, twin_positions, faces, mode=mode)
        expected.backward(upstream.double())
        torch.testing.assert_close(out.cpu().double(), expected, atol=1e-6, rtol=0)
        for leaf, exact in ((kernel_image, twin_image), (kernel_positions, twin_positions)):
            assert leaf.grad is not None
            assert exact.grad is not None
            assert exact.grad.isfinite().all()
            assert exact.grad.abs().sum() > 1
            torch.testing.assert_close(leaf.grad.cpu().double(), exact.grad, atol=1e-4, rtol=1e-4)
        assert twin_positions.grad is not None
        assert (twin_positions.grad[positions[..., 3] <= 0] == 0).all()  # no edge ends behind the camera

    @pytest.mark.parametrize("name", ["overlap", "crossing"])
    def test_gradcheck_of_the_twin(self, name: str) -> None:
        """To colours, a linear map, and to positions while the same edges separate the same pixels."""
        positions, faces, fragments = scene(name, 8)
        edges = build_edge_topology(faces, positions.shape[1])
        image = noise(1, 8, 8, 1).double().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda i, p: antialias(i, fragments, p, faces, edges),
            (image, positions.double().requires_grad_()),
            eps=1e-7,
            atol=1e-5,
        )
        arguments = (positions, faces, edges.neighbors, fragments.triangle_id, fragments.depth)
        kinds = find_separated_pairs(*arguments, axis=0)[1].clamp(-2, 0)
        assert (kinds == 0).sum() > 3
        assert ((kinds == -2).sum() > 3) == (name == "crossing")

    def test_same_bits_for_any_number_of_threads(self) -> None:
        points, faces = random_soup(6, 800, 0.4, crossing=True)
        clip = torch.stack([torch.tensor(to_clip(points * s, PROJECTION)).float() for s in (1.0, 0.8)])
        faces_tensor = torch.tensor(faces)
        fragments = rasterize(clip, faces_tensor, 70, 90)

        def run() -> tuple[Tensor, ...]:
            image, positions = noise(2, 70, 90, 3).requires_grad_(), clip.clone().requires_grad_()
            out = antialias(image, fragments, positions, faces_tensor, backend="cpu")
            out.backward(noise(2, 70, 90, 3, seed=1))
            assert image.grad is not None
            assert positions.grad is not None
            return out.detach(), image.grad, positions.grad

        assert_same_bits_for_any_number_of_threads(run)

    @pytest.mark.gpu
    def test_cuda_has_the_bits_of_the_cpu(self) -> None:
        positions, faces, fragments = scene("boxes", 128)
        neighbors = build_edge_topology(faces, positions.shape[1]).neighbors
        arguments = (positions, faces, neighbors, fragments.triangle_id, fragments.depth)
        for cpu, cuda in zip(
            antialias_edges_op(*arguments), antialias_edges_op(*(a.cuda() for a in arguments)), strict=True
        ):
            assert torch.equal(cpu, cuda.cpu())
