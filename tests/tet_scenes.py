"""Lattices with distances on them, and the surfaces that marching tetrahedra draws through them."""

import functools

import torch
from analytic_fields import Distance
from backends import kernel_name
from torch import Tensor

from dream3d.ops.marching_tetrahedra import marching_tetrahedra, marching_tetrahedra_reference
from dream3d.scene.tet_lattice import TetLattice, tet_lattice

SINGLE_TET = torch.tensor([[0, 1, 2, 3]], dtype=torch.int32)
UNIT_TET = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


@functools.cache
def lattice_of(resolution: int) -> TetLattice:
    """A lattice over [-1, 1]^3, made once."""
    return tet_lattice(resolution)


def march_on(device: torch.device, vertices: Tensor, sdf: Tensor, tets: Tensor) -> tuple[Tensor, Tensor]:
    """The surface by the compiled kernel of a device, on the CPU."""
    surface, faces = marching_tetrahedra(
        vertices.to(device), sdf.to(device), tets.to(device), backend=kernel_name(device)
    )
    return surface.cpu(), faces.cpu()


def surface_of(distance: Distance, resolution: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The surface of a shape: positions are double from the twin's step, so that they can be measured."""
    lattice = lattice_of(resolution)
    _, faces = march_on(device, lattice.vertices, distance(lattice.vertices), lattice.tets)
    points = lattice.vertices.double()
    vertices, expected = marching_tetrahedra_reference(points, distance(points), lattice.tets)
    assert torch.equal(faces, expected)
    return vertices, faces


def random_signs(lattice: TetLattice, seed: int, share_inside: float = 0.5) -> Tensor:
    """Distances of random sign and size [V], outside on the walls."""
    generator = torch.Generator().manual_seed(seed)
    sdf = torch.rand(len(lattice.vertices), generator=generator) + 0.01
    inside = torch.rand(len(sdf), generator=generator) < share_inside
    return torch.where(inside & ~lattice.is_boundary, -sdf, sdf)


def face_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Normals [T, 3] whose length is twice the area of the face."""
    a, b, c = vertices[faces.long()].unbind(1)
    return torch.linalg.cross(b - a, c - a)


def area_and_volume(vertices: Tensor, faces: Tensor) -> tuple[float, float]:
    """Of a closed surface, the volume positive where it is wound counter-clockwise seen from outside."""
    normals = face_normals(vertices, faces)
    volume = (vertices[faces[:, 0].long()] * normals).sum() / 6
    return float(normals.norm(dim=1).sum() / 2), float(volume)
