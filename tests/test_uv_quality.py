"""Which UVs can carry a texture: good ones pass, each kind of bad ones is named."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from dream3d.extract.normals import add_normals
from dream3d.extract.unwrap import unwrap
from dream3d.extract.uv_quality import uv_fault
from dream3d.mesh import Mesh


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    """A torus with an atlas of our own."""
    ring = trimesh.creation.torus(0.6, 0.25, major_sections=32, minor_sections=16)
    bare = Mesh(np.asarray(ring.vertices, np.float32), np.asarray(ring.faces, np.int32))
    return unwrap(add_normals(bare, 180.0), 512, 4)


def test_our_own_atlas_is_good(mesh):
    assert uv_fault(mesh) is None


def test_mirrored_charts_are_good(mesh):
    assert uv_fault(replace(mesh, uvs=mesh.uvs * [-1, 1] + [1, 0])) is None


def test_small_charts_are_good(mesh):
    assert uv_fault(replace(mesh, uvs=mesh.uvs * np.float32(0.2))) is None


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda uvs: uvs * 2, "leave the unit square"),
        (lambda uvs: uvs - 0.01, "leave the unit square"),
        (lambda uvs: np.where(uvs > 0.5, np.nan, uvs), "leave the unit square"),
        (lambda uvs: uvs * 0, "no area"),
        (lambda uvs: np.abs(uvs - 0.5), "overlap"),
    ],
)
def test_bad_uvs_are_named(mesh, spoil, fault):
    assert fault in uv_fault(replace(mesh, uvs=spoil(mesh.uvs).astype(np.float32)))


def test_a_mesh_without_uvs_needs_some(mesh):
    assert "no UVs" in uv_fault(replace(mesh, uvs=None))


def test_two_parts_in_one_place_overlap(mesh):
    twice = replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, mesh.vertices + 2]),
        faces=np.concatenate([mesh.faces, mesh.faces + len(mesh.vertices)]),
        uvs=np.concatenate([mesh.uvs, mesh.uvs]),
    )
    assert "overlap" in uv_fault(twice)


def test_faces_in_one_point_of_the_texture_are_noticed(mesh):
    uvs = mesh.uvs.copy()
    uvs[mesh.faces[: len(mesh.faces) // 20].reshape(-1)] = 0.5
    assert "no place" in uv_fault(replace(mesh, uvs=uvs))
