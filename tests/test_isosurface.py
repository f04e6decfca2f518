import math

import numpy as np
import pytest
import torch
from analytic_fields import ball, box, difference, solid, torus, union
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import k1

from dream3d.errors import RunError
from dream3d.extract.isosurface import extract_isosurface, sample_density, surface_level
from dream3d.extract.topology import euler_characteristic, face_components, is_watertight, signed_volumes


def surface_of(density, resolution=64, smoothing=0.0):
    volume = sample_density(density, resolution)
    return extract_isosurface(volume, surface_level(volume), smoothing)


def test_sampling_maps_nodes_to_the_world_in_any_chunking():
    def density(points):
        return 2.0 + points @ points.new_tensor([1.0, 0.1, 0.01])

    whole, chunked = (sample_density(density, 9, chunk_size=chunk) for chunk in (1 << 20, 90))
    axis = np.linspace(-1, 1, 9)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    np.testing.assert_allclose(whole, 2.0 + x + 0.1 * y + 0.01 * z, rtol=1e-5)
    np.testing.assert_allclose(whole, chunked, rtol=1e-6)  # a matrix product may round differently by size


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_a_broken_field_is_a_failed_run(bad):
    def density(points):
        return torch.where(points[:, 0] > 0.9, bad, 1.0)

    with pytest.raises(RunError, match="diverged"):
        sample_density(density, 16)


@pytest.mark.parametrize("smoothing", [0.0, 0.7])
def test_sphere_has_the_radius_volume_and_genus_of_a_sphere(smoothing):
    mesh = surface_of(solid(ball((0, 0, 0), 0.6)), smoothing=smoothing)
    voxel = 2 / 63
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert np.abs(radii - 0.6).max() < 0.75 * voxel
    assert abs(radii.mean() - 0.6) < 0.25 * voxel
    assert is_watertight(mesh.faces)
    assert euler_characteristic(mesh.faces) == 2
    # Positive: wound counter-clockwise seen from outside.
    volume = signed_volumes(mesh.vertices, mesh.faces).sum()
    assert volume == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.05)


def test_torus_keeps_its_hole():
    mesh = surface_of(solid(torus(0.6, 0.2)))
    assert is_watertight(mesh.faces)
    assert euler_characteristic(mesh.faces) == 0
    volume = signed_volumes(mesh.vertices, mesh.faces).sum()
    assert volume == pytest.approx(2 * math.pi**2 * 0.6 * 0.2**2, rel=0.12)


def test_axes_are_neither_swapped_nor_mirrored():
    mesh = surface_of(solid(box((0.2, 0.3, 0.4), (0.1, -0.2, 0.3))))
    np.testing.assert_allclose(mesh.vertices.min(axis=0), [-0.1, -0.5, -0.1], atol=0.02)
    np.testing.assert_allclose(mesh.vertices.max(axis=0), [0.3, 0.1, 0.7], atol=0.02)


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(20, 1e5), falloff=st.floats(8, 30))
def test_level_is_the_silhouette_that_cameras_see(scale, falloff):
    """A density A exp(-k r) has line integrals 2 A b K1(k b) at distance b from the center: half of the light
    passes where that is ln 2, and there the level set should end."""

    def transmitted(b):
        return 2 * scale * b * k1(falloff * b) - math.log(2)

    if transmitted(0.12) < 0 or transmitted(0.85) > 0:
        return  # nothing opaque that the grid resolves, or it leaves the box
    visible_radius = brentq(transmitted, 0.12, 0.85)
    volume = sample_density(lambda p: scale * torch.exp(-falloff * p.norm(dim=-1)), 64)
    level = surface_level(volume)
    assert math.log(scale / level) / falloff == pytest.approx(visible_radius, abs=1.5 * 2 / 63)


@pytest.mark.parametrize("smoothing", [0.0, 0.7])
@pytest.mark.parametrize("density", [6.0, 60.0, 600.0, 6e4])
@pytest.mark.parametrize("sharpness", [30.0, 100.0])
def test_mesh_ends_where_cameras_see_the_field_end(density, sharpness, smoothing):
    """For a ball of any density and softness, against numerical line integrals."""

    def lost(b):
        chord = np.linspace(0, 1.5, 4000)
        values = density / (1 + np.exp(np.minimum(sharpness * (np.hypot(b, chord) - 0.5), 700)))
        return 2 * np.trapezoid(values, chord) - math.log(2)

    mesh = surface_of(solid(ball((0, 0, 0), 0.5), density, sharpness), smoothing=smoothing)
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert radii.mean() == pytest.approx(brentq(lost, 0.2, 0.95), abs=0.75 * 2 / 63)


@pytest.mark.parametrize("density", [0.0, 1e-6, 0.3])
def test_fields_that_are_too_thin_to_see_are_empty(density):
    volume = np.full((24, 24, 24), density, np.float32)
    with pytest.raises(RunError, match="nothing to extract"):
        surface_level(volume)


def test_one_opaque_speck_is_not_an_object():
    volume = np.zeros((128, 128, 128), np.float32)
    volume[64, 64, 64] = 1e4
    with pytest.raises(RunError, match="nothing to extract"):
        extract_isosurface(volume, 1e5)
    with pytest.raises(RunError, match="nothing to extract"):
        surface_level(volume * np.float32(1e-5))


def test_matter_at_the_border_is_closed_there():
    mesh = surface_of(solid(ball((0.8, 0.0, 0.0), 0.5)))
    assert is_watertight(mesh.faces)
    assert euler_characteristic(mesh.faces) == 2
    assert mesh.vertices[:, 0].max() <= 1.0 + 2 / 63
    full = extract_isosurface(np.full((16, 16, 16), 10.0, np.float32), 5.0)
    assert is_watertight(full.faces)


def test_cavities_are_filled():
    hollow = difference(ball((0, 0, 0), 0.7), ball((0, 0, 0), 0.4))
    pearl = union(hollow, ball((0, 0, 0), 0.15))
    mesh = surface_of(solid(pearl))
    assert face_components(mesh.faces).max() == 0
    volume = signed_volumes(mesh.vertices, mesh.faces).sum()
    assert volume == pytest.approx(4 / 3 * math.pi * 0.7**3, rel=0.05)


def test_a_thin_shell_survives():
    shell = difference(ball((0, 0, 0), 0.7), ball((0, 0, 0), 0.62))
    opened = difference(shell, box((0.3, 0.3, 0.5), (0, 0, 0.7)))  # a bowl: the inside can be seen
    mesh = surface_of(solid(opened, density=60.0), 64, smoothing=0.7)
    assert is_watertight(mesh.faces)
    assert face_components(mesh.faces).max() == 0
    assert euler_characteristic(mesh.faces) == 2
