import subprocess
import sys

import numpy as np
import pytest
import torch
from analytic_fields import ball, box, solid, torus, union
from one_thread import ONE_THREAD
from scipy import ndimage

import dream3d.extract.unwrap as unwrap_module
from dream3d.config import ExtractConfig
from dream3d.extract.mesh import extract_mesh
from dream3d.extract.topology import face_components, weld
from dream3d.extract.unwrap import unwrap
from dream3d.ops.rasterize import rasterize

SHAPES = {
    "ball": solid(ball((0, 0, 0), 0.6)),
    "torus": solid(torus(0.6, 0.2)),
    "blocks": solid(
        union(box((0.6, 0.1, 0.4)), box((0.1, 0.7, 0.1), (0.3, 0, 0)), ball((-0.3, 0.4, 0), 0.3))
    ),
}


def unwrapped(name, texture_size=256, target_faces=600):
    surface = extract_mesh(SHAPES[name], ExtractConfig(target_faces=target_faces, resolution=56))
    return surface, unwrap(surface, texture_size, 4)


def atlas_triangles(mesh, size, flip_order):
    """Id of the triangle on top in every texel, when later (or earlier) triangles lie on top."""
    corners = torch.from_numpy(mesh.uvs[mesh.faces].reshape(-1, 2))
    depth = torch.linspace(-0.9, 0.9, len(mesh.faces)).repeat_interleave(3) * (-1 if flip_order else 1)
    clip = torch.stack([2 * corners[:, 0] - 1, 1 - 2 * corners[:, 1], depth, torch.ones_like(depth)], dim=1)
    faces = torch.arange(len(corners), dtype=torch.int32).view(-1, 3)
    return rasterize(clip[None], faces, size, size).triangle_id[0].numpy()


@pytest.mark.parametrize("name", SHAPES)
def test_every_texel_belongs_to_one_triangle_at_most(name):
    _, mesh = unwrapped(name)
    assert mesh.uvs is not None
    assert mesh.uvs.min() >= 0
    assert mesh.uvs.max() <= 1
    top, bottom = atlas_triangles(mesh, 1024, False), atlas_triangles(mesh, 1024, True)
    assert (top >= 0).mean() > 0.25
    np.testing.assert_array_equal(top, bottom)


@pytest.mark.parametrize(("texture_size", "padding"), [(64, 1), (128, 2), (512, 4)])
def test_charts_keep_their_distance(texture_size, padding):
    _, mesh = unwrapped("blocks", texture_size)
    _, islands = weld(mesh.uvs, mesh.faces)
    triangle = atlas_triangles(mesh, texture_size, False)
    chart = np.where(triangle >= 0, face_components(islands)[triangle], -1)
    assert chart.max() > 0  # there are several charts
    for index in np.unique(chart[chart >= 0]):
        distance = ndimage.distance_transform_edt(chart != index)
        assert distance[(chart >= 0) & (chart != index)].min() > 2 * padding


def test_the_surface_itself_does_not_change():
    surface, mesh = unwrapped("torus")
    before = np.concatenate([surface.vertices[surface.faces], surface.normals[surface.faces]], axis=2)
    after = np.concatenate([mesh.vertices[mesh.faces], mesh.normals[mesh.faces]], axis=2)

    def in_order(triangles):
        # The first corner of a triangle is free, its winding is not: start at the smallest.
        first = np.lexsort(triangles.transpose(2, 0, 1)[2::-1], axis=-1)[:, 0]
        rolled = np.stack([np.roll(t, -k, axis=0) for t, k in zip(triangles, first, strict=True)])
        return rolled[np.lexsort(rolled.reshape(len(rolled), -1).T)]

    np.testing.assert_array_equal(in_order(before), in_order(after))


def test_same_input_same_atlas():
    _, first = unwrapped("blocks")
    _, second = unwrapped("blocks")
    np.testing.assert_array_equal(first.uvs, second.uvs)
    np.testing.assert_array_equal(first.faces, second.faces)


def test_large_meshes_are_charted_in_blocks(monkeypatch):
    monkeypatch.setattr(unwrap_module, "MAX_BLOCK_FACES", 150)
    surface, mesh = unwrapped("blocks")
    assert len(mesh.faces) == len(surface.faces)
    np.testing.assert_array_equal(atlas_triangles(mesh, 512, False), atlas_triangles(mesh, 512, True))


def test_texels_are_shared_out_evenly():
    """Texels per area differ little between triangles: no part of the object is blurred more than another."""
    _, mesh = unwrapped("blocks", 512)
    ab, ac = (mesh.uvs[mesh.faces[:, k]] - mesh.uvs[mesh.faces[:, 0]] for k in (1, 2))
    uv_area = 0.5 * np.abs(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    area = 0.5 * np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    large = area > 0.2 * area.mean()
    ratio = uv_area[large] / area[large]
    low, high = np.quantile(ratio, [0.05, 0.95])
    assert high / low < 3


DROP_ATLASES = """
import numpy as np
from dream3d.extract.unwrap import _new_atlas

triangle = np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.uint32)
for _ in range(3000):
    with _new_atlas() as atlas:
        atlas.add_mesh(*triangle)
    del atlas
"""


def test_dropping_an_atlas_never_hangs():
    """Without the wait it does after some hundreds: xatlas loses the signal that ends its threads."""
    programs = [subprocess.Popen([sys.executable, "-c", DROP_ATLASES], env=ONE_THREAD) for _ in range(3)]
    try:
        assert [program.wait(timeout=60) for program in programs] == [0, 0, 0]
    finally:
        for program in programs:
            program.kill()
