"""Ambient occlusion: the share of the sky that the points of a surface see past the rest of it.

Rays of all points in one direction are parallel: what they meet first is a picture of the mesh from there,
which the rasteriser paints. The directions are the same for all points and never random: there is no noise.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from trimesh.remesh import subdivide

from dream3d.mesh import FloatArray, Mesh
from dream3d.ops.rasterize import rasterize

NUM_DIRECTIONS = 128  # over the whole sphere; half of them lie above a point
PICTURE_SIZE = 384  # pixels along the diameter of the mesh
MAX_EDGE = 0.05  # scene units between the points of large triangles whose occlusion is known
MAX_SUBDIVIDED_FACES = 100_000
LIFT_PIXELS = 1.5  # how far points are lifted off the surface, which hides what the pixels cannot tell apart


@torch.no_grad()
def vertex_occlusion(
    mesh: Mesh, num_directions: int = NUM_DIRECTIONS, picture_size: int = PICTURE_SIZE
) -> FloatArray:
    """Cosine-weighted share of the hemisphere above each vertex from which nothing of the mesh is met.

    Args:
        mesh: With normals; dense, as the result is known at its vertices only.
        num_directions: Spread evenly over the sphere.
        picture_size: Side of the picture of the mesh from each direction; finer gaps than a pixel are lost.

    Returns:
        [V] in [0, 1]; 1 sees everything (glTF's occlusion texture has the same sense).

    Source: Pharr and Green, "Ambient Occlusion", GPU Gems, 2004; a Fibonacci lattice of directions.
    """
    assert mesh.normals is not None
    vertices, normals = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.normals)
    center = 0.5 * (vertices.amin(dim=0) + vertices.amax(dim=0))
    vertices = vertices - center
    vertices = vertices / (vertices.norm(dim=1).max() * (1.0 + 2.0 / picture_size))  # a pixel of margin
    lifted = vertices + normals * (LIFT_PIXELS * 2.0 / picture_size)
    faces = torch.from_numpy(mesh.faces)
    seen, all_weights = torch.zeros(len(vertices)), torch.zeros(len(vertices))
    for direction in sphere_directions(num_directions):
        weight = (normals @ direction).clamp_min(0.0)
        above = weight.nonzero()[:, 0]
        is_free = _sees(vertices, lifted[above], faces, direction, picture_size)
        seen[above] += weight[above] * is_free
        all_weights += weight
    return (seen / all_weights.clamp_min(1e-8)).clamp(0.0, 1.0).numpy()


def sphere_directions(count: int) -> Tensor:
    """Unit vectors [count, 3], evenly spread: a spiral whose turns are golden sections."""
    index = torch.arange(count, dtype=torch.float64)
    y = 1.0 - (2.0 * index + 1.0) / count
    ring = (1.0 - y * y).sqrt()
    angle = index * (math.pi * (3.0 - math.sqrt(5.0)))
    return torch.stack([ring * angle.cos(), y, ring * angle.sin()], dim=1).float()


def subdivided(mesh: Mesh) -> Mesh:
    """The same surface, each triangle in four and again, until its edges are short or its triangles too many.

    Args:
        mesh: In scene units, with normals.
    """
    vertices, faces, normals = mesh.vertices, mesh.faces, mesh.normals
    while 4 * len(faces) <= MAX_SUBDIVIDED_FACES:
        corners = vertices[faces]
        if np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max() <= MAX_EDGE:
            break
        finer: Any = subdivide(vertices, faces, vertex_attributes={"normals": normals})
        vertices, faces, normals = finer[0], finer[1], finer[2]["normals"]
    assert normals is not None
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.maximum(lengths, 1e-8)
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32), normals.astype(np.float32))


def _sees(vertices: Tensor, points: Tensor, faces: Tensor, direction: Tensor, size: int) -> Tensor:
    """Points [N, 3] from which a ray in a direction [3] meets no triangle, [N] bool; all in the unit ball."""
    side = torch.eye(3)[int(direction.abs().argmin())]
    right = torch.linalg.cross(side, direction)
    right = right / right.norm()
    frame = torch.stack([right, torch.linalg.cross(direction, right), -direction])  # [3, 3], far is +
    clip = torch.cat([vertices @ frame.T, torch.ones(len(vertices), 1)], dim=1)
    triangle = rasterize(clip[None], faces, size, size).triangle_id[0].reshape(-1)
    place = points @ frame.T
    column = ((place[:, 0] + 1) * (size / 2)).long().clamp(0, size - 1)
    row = ((1 - place[:, 1]) * (size / 2)).long().clamp(0, size - 1)
    front = triangle[row * size + column].long()
    # The triangle's plane exactly above the point, not above the pixel's center.
    a, b, c = (vertices[faces[front.clamp_min(0)].long()[:, corner]] for corner in range(3))
    normal = torch.linalg.cross(b - a, c - a)
    steepness = normal @ direction
    flat = steepness.abs() <= 1e-3 * normal.norm(dim=1)
    height = ((a - points) * normal).sum(dim=1) / torch.where(flat, 1.0, steepness)
    height = torch.where(flat, (a - points) @ direction, height)
    return (front < 0) | (height <= 0.0)
