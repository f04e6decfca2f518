import math

import numpy as np
import pytest
import torch
import trimesh
from analytic_fields import ball, box, solid, torus, union

from dream3d.config import ExtractConfig
from dream3d.errors import RunError
from dream3d.extract.cleanup import decimate, remove_floaters, smooth
from dream3d.extract.mesh import clean_surfaces, extract_mesh, extract_surfaces
from dream3d.extract.normals import add_normals
from dream3d.extract.topology import (
    euler_characteristic,
    face_components,
    is_watertight,
    signed_volumes,
    weld,
)
from dream3d.mesh import Mesh
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32))


def volume_of(mesh: Mesh) -> float:
    return float(signed_volumes(mesh.vertices, mesh.faces).sum())


def test_floaters_and_inner_shells_go_and_real_pieces_stay():
    large = trimesh.creation.icosphere(2, 0.5)
    second = trimesh.creation.icosphere(1, 0.2).apply_translation([0.9, 0, 0])  # 6% of the volume
    speck = trimesh.creation.icosphere(1, 0.05).apply_translation([-0.9, 0, 0])  # 0.1%
    inner = trimesh.creation.icosphere(1, 0.3)
    inner.invert()
    kept = remove_floaters(mesh_of(trimesh.util.concatenate([speck, inner, second, large])), 0.01)
    assert volume_of(kept) == pytest.approx(large.volume + second.volume, rel=1e-5)
    assert face_components(kept.faces).max() == 1
    assert len(kept.vertices) == len(large.vertices) + len(second.vertices)


def test_an_inside_out_surface_encloses_nothing():
    shape = trimesh.creation.icosphere(1)
    shape.invert()
    with pytest.raises(RunError, match="encloses"):
        remove_floaters(mesh_of(shape), 0.01)


def test_nothing_encloses_nothing():
    with pytest.raises(RunError, match="no piece of the surface encloses a volume"):
        remove_floaters(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)), 0.01)


def test_smoothing_removes_noise_and_keeps_the_volume():
    sphere = trimesh.creation.icosphere(4, 0.5)
    noise = np.random.default_rng(0).normal(0, 0.005, (len(sphere.vertices), 1))
    rough = mesh_of(trimesh.Trimesh(sphere.vertices * (1 + noise / 0.5), sphere.faces, process=False))
    smoothed = smooth(rough, 10)
    error_before, error_after = (
        np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.5).mean() for mesh in (rough, smoothed)
    )
    assert error_after < 0.4 * error_before
    assert volume_of(smoothed) == pytest.approx(sphere.volume, rel=0.005)
    assert smooth(rough, 0) is rough


@pytest.mark.parametrize("target", [4, 20, 101, 1000, 4000])
@pytest.mark.parametrize("name", ["sphere", "torus", "two"])
def test_decimation_keeps_to_the_budget_and_the_topology(name, target):
    shape = {
        "sphere": trimesh.creation.icosphere(5),
        "torus": trimesh.creation.torus(1.0, 0.3, 96, 48),
        "two": trimesh.util.concatenate(
            [trimesh.creation.icosphere(4), trimesh.creation.icosphere(4).apply_translation([3, 0, 0])]
        ),
    }[name]
    mesh = mesh_of(shape)
    reduced = decimate(mesh, target)
    smallest = {"sphere": 4, "torus": 14, "two": 8}[
        name
    ]  # closed surfaces of this genus need that many faces
    assert len(reduced.faces) <= max(target, 3 * smallest)
    assert is_watertight(reduced.faces)
    assert euler_characteristic(reduced.faces) == shape.euler_number
    assert len(np.unique(reduced.faces)) == len(reduced.vertices)
    if target >= 1000:
        assert volume_of(reduced) == pytest.approx(shape.volume, rel=0.03)


@pytest.mark.parametrize("target", [4, 6, 10])
def test_what_no_budget_closes_stays_as_it_is(target):
    ring = trimesh.creation.torus(0.6, 0.25, major_sections=3, minor_sections=3)
    mesh = Mesh(np.asarray(ring.vertices, np.float32), np.asarray(ring.faces, np.int32))
    reduced = decimate(mesh, target)
    assert 0 < len(reduced.faces) <= len(mesh.faces)


def test_meshes_within_the_budget_are_left_alone():
    mesh = mesh_of(trimesh.creation.box())
    assert decimate(mesh, 12) is mesh


def test_smooth_normals_of_a_sphere_point_outwards():
    mesh = mesh_of(trimesh.creation.icosphere(4))
    result = add_normals(mesh, 180.0)
    assert result.normals is not None
    assert len(result.vertices) == len(mesh.vertices)
    np.testing.assert_allclose(np.linalg.norm(result.normals, axis=1), 1.0, atol=1e-6)
    assert (result.normals * result.vertices).sum(axis=1).min() > math.cos(math.radians(1.0))


def test_creases_split_a_box_and_only_there():
    box_mesh = mesh_of(trimesh.creation.box())
    sharp = add_normals(box_mesh, 60.0)
    assert sharp.normals is not None
    assert len(sharp.vertices) == 24  # three normals at each of eight corners
    assert set(np.abs(sharp.normals).max(axis=1)) == {1.0}
    np.testing.assert_array_equal(sharp.vertices[sharp.faces], box_mesh.vertices[box_mesh.faces])
    soft = add_normals(box_mesh, 100.0)
    assert len(soft.vertices) == 8


def test_normals_are_weighted_by_area():
    """A long and a short face at a right angle share an edge: the normal leans towards the long one."""
    vertices = np.array([[0, 0, 0], [0, 0, 1], [4, 0, 0], [0, 1, 0]], np.float32)
    mesh = add_normals(Mesh(vertices, np.array([[0, 1, 2], [0, 3, 1]], np.int32)), 180.0)
    assert mesh.normals is not None
    at_origin = mesh.normals[np.flatnonzero((mesh.vertices == 0).all(axis=1))[0]]
    np.testing.assert_allclose(at_origin, np.array([1, 4, 0]) / math.sqrt(17), atol=1e-3)


def test_the_whole_stage_on_an_object_with_floaters():
    table = union(box((0.6, 0.06, 0.4), (0, 0.3, 0)), box((0.1, 0.5, 0.1), (0, -0.2, 0)))
    field = solid(union(table, ball((0.8, 0.8, 0.0), 0.05), ball((-0.8, -0.6, 0.5), 0.06)), density=30.0)
    mesh = extract_mesh(field, ExtractConfig(target_faces=600, resolution=72))
    assert mesh.normals is not None
    assert len(mesh.faces) <= 600
    _, welded = weld(mesh.vertices, mesh.faces)
    assert is_watertight(welded)
    assert face_components(welded).max() == 0
    assert euler_characteristic(welded) == 2
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-5)
    again = extract_mesh(field, ExtractConfig(target_faces=600, resolution=72))
    np.testing.assert_array_equal(mesh.vertices, again.vertices)


def test_the_dense_surface_is_handed_over_beside_the_mesh():
    """Closed, smooth, of the same shape, and what the mesh was reduced from."""
    field, config = solid(torus(0.6, 0.2), density=10.0), ExtractConfig(target_faces=500, resolution=64)
    surfaces = extract_surfaces(field, config)
    mesh = extract_mesh(field, config)
    for name in ("vertices", "faces", "normals"):
        np.testing.assert_array_equal(getattr(surfaces.mesh, name), getattr(mesh, name))
    dense = surfaces.dense
    assert len(dense.faces) > 10 * len(mesh.faces)
    assert is_watertight(dense.faces)  # its vertices are shared: no creases
    assert euler_characteristic(dense.faces) == 0
    away_from_ring = dense.vertices.astype(np.float64)
    away_from_ring[:, [0, 2]] *= 1 - 0.6 / np.linalg.norm(dense.vertices[:, [0, 2]], axis=1, keepdims=True)
    away_from_ring /= np.linalg.norm(away_from_ring, axis=1, keepdims=True)
    cosines = np.sum(away_from_ring * dense.normals, axis=1)
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean() < 2


def test_a_torus_stays_a_torus_through_the_whole_stage():
    field = solid(torus(0.6, 0.2), density=10.0)
    mesh = extract_mesh(field, ExtractConfig(target_faces=500, resolution=64))
    _, welded = weld(mesh.vertices, mesh.faces)
    assert euler_characteristic(welded) == 0
    assert volume_of(mesh) == pytest.approx(2 * math.pi**2 * 0.6 * 0.2**2, rel=0.12)


def test_a_sponge_is_closed_within_the_budget():
    """Hundreds of handles do not fit a thousand faces: the pores close, the ball stays."""

    def sponge(points):
        x, y, z = (points * 22).unbind(dim=1)
        gyroid = x.sin() * y.cos() + y.sin() * z.cos() + z.sin() * x.cos()
        return 60 * torch.sigmoid(torch.minimum(3 * gyroid, 60 * (0.7 - points.norm(dim=1))))

    mesh = extract_mesh(sponge, ExtractConfig(target_faces=1000, resolution=64))
    _, welded = weld(mesh.vertices, mesh.faces)
    assert len(mesh.faces) <= 1000
    assert is_watertight(welded)
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(0.7, abs=0.1)


def test_a_refined_surface_loses_tunnels_that_the_budget_cannot_hold():
    def drilled(points):
        from_axis = (torch.remainder(points[:, 1:] + 0.1, 0.2) - 0.1).norm(dim=1)
        return torch.maximum(ball((0, 0, 0), 0.6)(points), 0.05 - from_axis)

    lattice, config = tet_lattice(32), ExtractConfig(target_faces=600)
    surface = TetSurface(lattice, drilled(lattice.vertices))
    before = surface.detached_mesh()
    assert euler_characteristic(before.faces) == 2 - 2 * 21
    smoothed = smooth(before, config.smoothing_iterations)
    assert not is_watertight(decimate(smoothed, config.target_faces).faces)
    cleaned = clean_surfaces(surface, config)
    _, welded = weld(cleaned.mesh.vertices, cleaned.mesh.faces)
    assert is_watertight(welded)
    assert len(welded) <= 600
    assert euler_characteristic(welded) == 2
    radius = np.linalg.norm(cleaned.mesh.vertices, axis=1)
    assert radius.max() == pytest.approx(0.6, abs=0.02)
    assert radius.min() == pytest.approx(0.6, abs=0.06)  # a dimple where each tunnel ended
    np.testing.assert_array_equal(surface.detached_mesh().vertices, before.vertices)
