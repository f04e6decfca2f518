"""The picture of a surface: its normals and their derivative, and that no bit depends on the threads."""

import numpy as np
import torch
import trimesh
from thread_counts import assert_same_bits_for_any_number_of_threads
from torch import Tensor

from dream3d.cameras import orbit
from dream3d.render.rasterized import render_rasterized, vertex_normals


def icosphere(subdivisions: int) -> tuple[Tensor, Tensor]:
    mesh = trimesh.creation.icosphere(subdivisions, 0.7)
    return torch.from_numpy(np.asarray(mesh.vertices, np.float32)), torch.from_numpy(mesh.faces).int()


def test_vertex_normals_average_faces_by_area():
    vertices, faces = icosphere(1)
    vertices = vertices * torch.tensor([1.0, 0.5, 2.0])
    expected = torch.zeros_like(vertices)
    for corners in faces.long():
        a, b, c = vertices[corners]
        expected[corners] += torch.linalg.cross(b - a, c - a)
    torch.testing.assert_close(
        vertex_normals(vertices, faces), torch.nn.functional.normalize(expected, dim=1)
    )


def test_derivatives_of_vertex_normals_are_those_of_finite_differences():
    vertices, faces = icosphere(0)
    leaves = vertices.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, faces), leaves)


def test_a_lit_picture_and_its_gradient_have_the_same_bits_for_any_number_of_threads():
    # Each vertex gets the gradients of six faces: an order that threads shared.
    vertices, faces = icosphere(6)
    cameras = orbit([20.0, 110.0], 15.0, 3.0, 40.0)

    def run() -> tuple[Tensor, ...]:
        leaf = vertices.clone().requires_grad_()
        render = render_rasterized(leaf, faces, lambda points: points.abs(), cameras, 96, "shaded")
        render.color_srgb.square().sum().backward()
        assert leaf.grad is not None
        return render.color_srgb.detach(), leaf.grad

    assert_same_bits_for_any_number_of_threads(run)
