"""Surfaces that become other shapes by descent: what a surface is for."""

import math

import pytest
import torch
from analytic_fields import Distance, ball, box, torus
from tet_scenes import area_and_volume, face_normals, lattice_of
from torch import Tensor

from dream3d.extract.topology import euler_characteristic, is_watertight
from dream3d.scene.tet_surface import TetSurface


def surface_of(distance: Distance, resolution: int) -> TetSurface:
    """A surface that starts as a shape."""
    lattice = lattice_of(resolution)
    return TetSurface(lattice, distance(lattice.vertices))


def points_on(vertices: Tensor, faces: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Uniform random points on a mesh [count, 3], differentiable to the vertices."""
    areas = face_normals(vertices, faces).norm(dim=1).detach()
    face = torch.multinomial(areas, count, replacement=True, generator=generator)
    u, v = torch.rand(2, count, generator=generator)
    root = u.sqrt()
    weights = torch.stack([1 - root, root * (1 - v), root * v], dim=1)  # [count, 3]
    return (weights[..., None] * vertices[faces[face].long()]).sum(1)


def test_a_ball_becomes_a_box_by_the_distance_between_points() -> None:
    """Chamfer distance to points on a box, from a ball that neither contains it nor is inside it."""
    generator = torch.Generator().manual_seed(0)
    shape = box((0.5, 0.4, 0.6))
    start = surface_of(ball((0, 0, 0), 0.7), 12)
    target = points_on(*surface_of(shape, 24).mesh(), 4000, generator).detach()
    optimizer = torch.optim.Adam(
        [{"params": [start.sdf], "lr": 1e-2}, {"params": [start.deformation], "lr": 0.1}]
    )
    losses = []
    for _ in range(80):
        points = points_on(*start.mesh(), 800, generator)
        some = target[torch.randint(0, len(target), (800,), generator=generator)]
        distances = torch.cdist(points, some)
        loss = distances.amin(0).square().mean() + distances.amin(1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    vertices, faces = (part.detach() for part in start.mesh())
    assert losses[-1] < 0.2 * losses[0]
    assert shape(vertices).abs().mean() < 0.1 * 2 / 12  # cells
    assert area_and_volume(vertices.double(), faces)[1] == pytest.approx(8 * 0.5 * 0.4 * 0.6, rel=0.03)
    assert is_watertight(faces.numpy())


def test_a_ball_becomes_a_torus_by_its_distance() -> None:
    """Descent of the integral of the torus' distance over the inside: a hole has to open.

    By the shape derivative each piece of surface is pushed along its normal by the distance there.
    """
    shape = torus(0.6, 0.25)
    surface = surface_of(ball((0, 0, 0), 0.7), 12)
    assert euler_characteristic(surface.mesh()[1].numpy()) == 2
    optimizer = torch.optim.Adam(surface.parameters(), lr=2e-2, betas=(0.5, 0.9))
    for _ in range(120):
        vertices, faces = surface.mesh()
        middles = vertices[faces.long()].mean(1)
        push = shape(middles)[:, None] * face_normals(vertices, faces) / 2
        optimizer.zero_grad()
        (push.detach() * middles).sum().backward()
        optimizer.step()
    vertices, faces = (part.detach() for part in surface.mesh())
    assert is_watertight(faces.numpy())
    assert euler_characteristic(faces.numpy()) == 0
    assert shape(vertices).abs().mean() < 0.1 * 2 / 12
    area, volume = area_and_volume(vertices.double(), faces)
    assert area == pytest.approx(4 * math.pi**2 * 0.6 * 0.25, rel=0.05)
    assert volume == pytest.approx(2 * math.pi**2 * 0.6 * 0.25**2, rel=0.03)
