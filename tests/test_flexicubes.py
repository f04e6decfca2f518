"""The FlexiCubes that our surface is compared with: closed, oriented, and differentiable."""

import sys
from pathlib import Path

import pytest
import torch

from dream3d.extract.topology import euler_characteristic, is_watertight, signed_volumes

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from flexicubes import FlexiCubes

SHAPES = {
    "ball": (lambda p: p.norm(dim=1) - 0.6, 2, 4 / 3 * torch.pi * 0.6**3),
    "box": (lambda p: p.abs().amax(dim=1) - 0.55, 2, 1.1**3),
    "torus": (
        lambda p: ((p[:, :2].norm(dim=1) - 0.6) ** 2 + p[:, 2] ** 2).sqrt() - 0.2,
        0,
        2 * torch.pi**2 * 0.6 * 0.2**2,
    ),
}


def cubes_of(distance, resolution=24, dtype=torch.float32):
    cubes = FlexiCubes(resolution, 2.0).to(dtype)
    with torch.no_grad():
        cubes.sdf.copy_(distance(cubes.corners))
    return cubes


@pytest.mark.parametrize("name", SHAPES)
def test_the_surface_is_closed_and_faces_outwards(name):
    distance, euler, volume = SHAPES[name]
    vertices, faces, _ = (part.detach().numpy() for part in cubes_of(distance).mesh())
    assert is_watertight(faces)
    assert euler_characteristic(faces) == euler
    assert signed_volumes(vertices, faces).sum() == pytest.approx(volume, rel=0.08)


def test_a_flat_side_is_exact_where_the_weights_say_nothing():
    vertices, _, spread = cubes_of(SHAPES["box"][0]).mesh()
    assert (vertices.abs().amax(dim=1) - 0.55).abs().max() < 0.05  # a corner of the box lies inside a cube
    flat = vertices[(vertices[:, :2].abs() < 0.4).all(dim=1)]
    torch.testing.assert_close(flat[:, 2].abs(), torch.full((len(flat),), 0.55))
    assert spread < 1e-6


def test_gradients_are_those_of_finite_differences():
    cubes = cubes_of(lambda p: p.norm(dim=1) - 0.61, resolution=4, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in list(cubes.parameters())[1:]:
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    number, step = len(cubes.mesh()[0]), 1e-6
    pull = torch.randn(number, 3, generator=generator, dtype=torch.float64)

    def value():
        vertices, _, spread = cubes.mesh()
        return (vertices * pull).sum() + spread

    value().backward()
    for parameter in cubes.parameters():
        index = int(parameter.grad.abs().argmax())
        flat = parameter.data.view(-1)
        flat[index] += step
        above = value().item()
        flat[index] -= 2 * step
        below = value().item()
        flat[index] += step
        assert parameter.grad.view(-1)[index].item() == pytest.approx((above - below) / (2 * step), rel=1e-5)
