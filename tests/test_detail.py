"""Baked normals, read back the way an engine does."""

import functools

import numpy as np
import pytest
import torch
from bumpy import bumpy_ball, bumpy_normals, level, rotated, smooth_ball, surface_points
from scipy import ndimage

from dream3d.bake import atlas_corners
from dream3d.config import BakeConfig
from dream3d.detail.bake import bake_detail
from dream3d.detail.normal_map import FLAT, encode_normals, interpolate_frames, to_bytes
from dream3d.extract.tangents import add_tangents
from dream3d.extract.unwrap import unwrap
from dream3d.mesh import Mesh

NORMALS = BakeConfig(texture_size=256, normal_map=True)


def angles_deg(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Angles between unit vectors [N, 3]."""
    return np.degrees(2 * np.arcsin(np.clip(np.linalg.norm(one - two, axis=1) / 2, 0, 1)))


def decode(picture: np.ndarray, uvs: np.ndarray) -> np.ndarray:
    """Bilinear look-up with clamped borders, [N, 3] in [-1, 1], as glTF defines it."""
    size = picture.shape[0]
    place = uvs * size - 0.5
    low = np.floor(place).astype(int)
    share = place - low
    total = np.zeros((len(uvs), 3))
    for dx in (0, 1):
        for dy in (0, 1):
            weight = (share[:, 0] if dx else 1 - share[:, 0]) * (share[:, 1] if dy else 1 - share[:, 1])
            column, row = np.clip(low + np.array([dx, dy]), 0, size - 1).T
            total += weight[:, None] * (picture[row, column] / 127.5 - 1)
    return total


def shaded_normals(mesh: Mesh, picture: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What a MikkTSpace shader sees at surface points: the thesis' pixel shader in float64."""

    def vary(values: np.ndarray) -> np.ndarray:
        return np.einsum("nc,nci->ni", weights, values.astype(np.float64)[corners])

    normal, tangent = vary(mesh.normals), vary(mesh.tangents[:, :3])
    bitangent = mesh.tangents[corners[:, 0], 3:] * np.cross(normal, tangent)
    x, y, z = decode(picture, vary(mesh.uvs)).T[..., None]
    world = x * tangent + y * bitangent + z * normal
    return world / np.linalg.norm(world, axis=1, keepdims=True)


@functools.cache
def bumpy_case() -> tuple[Mesh, Mesh, np.ndarray]:
    """A smooth ball of 1,280 faces, a bumpy one of 20,480, and the map."""
    low = add_tangents(unwrap(smooth_ball(3), NORMALS.texture_size, NORMALS.padding_texels))
    dense = bumpy_ball(5)
    picture = bake_detail(low, dense, NORMALS).normal_map
    assert picture is not None
    return low, dense, picture


def true_normals(mesh: Mesh, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Normals of the formula where the interpolated normal from a surface point meets it."""
    points = np.einsum("nc,nci->ni", weights, mesh.vertices.astype(np.float64)[corners])
    along = np.einsum("nc,nci->ni", weights, mesh.normals.astype(np.float64)[corners])
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    low, high = np.full(len(points), -0.06), np.full(len(points), 0.06)
    for _ in range(50):
        middle = (low + high) / 2
        outside = level(points + middle[:, None] * along) > 0
        low, high = np.where(outside, low, middle), np.where(outside, middle, high)
    return bumpy_normals(points + low[:, None] * along)


def test_a_bumpy_ball_shades_like_its_formula():
    low, _, picture = bumpy_case()
    corners, weights = surface_points(low, 20_000, 0)
    truth = true_normals(low, corners, weights)
    error = angles_deg(shaded_normals(low, picture, corners, weights), truth)
    without = angles_deg(shaded_normals(low, np.full_like(picture, FLAT), corners, weights), truth)
    assert np.median(error) < 0.45
    assert np.percentile(error, 95) < 0.8
    assert np.median(without) > 4  # what the map has to add
    assert picture[..., 2].min() > 128  # every normal looks out of the surface


def test_texels_themselves_are_right_to_a_rounding():
    """At texel centers nothing is filtered: only eight bits and the dense mesh's own faces remain."""
    low, _, picture = bumpy_case()
    corners, weights, covered = atlas_corners(low, NORMALS.texture_size)
    truth = true_normals(low, corners.numpy(), weights.double().numpy())
    frame = [part.double().numpy() for part in interpolate_frames(low, corners, weights)]
    local = picture[covered] / 127.5 - 1
    world = sum(local[:, [axis]] * frame[axis] for axis in range(3))
    error = angles_deg(world / np.linalg.norm(world, axis=1, keepdims=True), truth)
    assert np.median(error) < 0.35
    assert np.percentile(error, 99) < 0.8


def uvs_of(mesh: Mesh) -> np.ndarray:
    assert mesh.uvs is not None
    return mesh.uvs


def test_charts_of_both_hands_are_decoded_alike():
    """The atlas holds charts that lie as they are and mirrored ones; turn each into the other."""
    low, dense, _ = bumpy_case()
    mirrored = Mesh(
        low.vertices, low.faces, low.normals, uvs_of(low) * np.float32([-1, 1]) + np.float32([1, 0])
    )
    mirrored = add_tangents(mirrored)
    np.testing.assert_array_equal(mirrored.tangents[mirrored.faces][..., 3], -low.tangents[low.faces][..., 3])
    picture = bake_detail(mirrored, dense, NORMALS).normal_map
    corners, weights = surface_points(mirrored, 10_000, 1)
    error = angles_deg(
        shaded_normals(mirrored, picture, corners, weights), true_normals(mirrored, corners, weights)
    )
    assert np.median(error) < 0.45
    assert np.percentile(error, 95) < 0.8


@pytest.mark.parametrize("mirror", [1, -1])
def test_green_grows_upwards_and_red_to_the_right_of_the_picture(mirror):
    """A square over a tilted one: the map leans where the tilted one does, seen in the picture."""
    vertices = np.array([[-0.5, 0.5, 0], [0.5, 0.5, 0], [0.5, -0.5, 0], [-0.5, -0.5, 0]], np.float32)
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    uvs[:, 0] = 0.5 + mirror * (uvs[:, 0] - 0.5)
    faces = np.array([[0, 2, 1], [0, 3, 2]], np.int32)
    low = add_tangents(Mesh(vertices, faces, np.tile(np.float32([0, 0, 1]), (4, 1)), uvs))
    lean = np.array([0.3, 0.2, (1 - 0.13) ** 0.5], np.float32)
    dense = Mesh(vertices * np.float32([1.1, 1.1, 1]), faces, np.tile(lean, (4, 1)))
    picture = bake_detail(low, dense, BakeConfig(texture_size=64, normal_map=True)).normal_map
    expected = to_bytes(torch.tensor([[0.3 * mirror, 0.2, lean[2]]]))
    np.testing.assert_array_equal(picture, np.broadcast_to(expected[0], (64, 64, 3)))
    assert (picture[..., 1] > 128).all()


def test_a_mesh_baked_from_itself_is_flat():
    low = add_tangents(unwrap(smooth_ball(4), 256, 4))
    picture = bake_detail(low, low, BakeConfig(texture_size=256, normal_map=True)).normal_map
    assert (np.abs(picture.astype(int) - FLAT) <= 1).all()
    assert (picture == FLAT).all(axis=2).mean() > 0.99


def test_what_is_beyond_the_cage_stays_flat():
    low = add_tangents(unwrap(smooth_ball(3), 64, 4))
    config = BakeConfig(texture_size=64, normal_map=True, occlusion=True)
    maps = bake_detail(low, smooth_ball(3, radius=1.2), config)
    assert (maps.normal_map == FLAT).all()
    assert (maps.occlusion == 1).all()


def test_turning_the_mesh_leaves_the_map_as_it_is():
    low, dense, picture = bumpy_case()
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    turned = bake_detail(add_tangents(rotated(low, turn)), rotated(dense, turn), NORMALS).normal_map
    difference = np.abs(turned.astype(int) - picture)
    assert (difference <= 1).mean() > 0.9999  # on an edge, another triangle may be met
    assert (difference == 0).mean() > 0.98


def test_background_repeats_the_charts():
    low, _, picture = bumpy_case()
    covered = atlas_corners(low, NORMALS.texture_size)[2]
    rows, columns = ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True)
    np.testing.assert_array_equal(picture, picture[rows, columns])
    assert not (picture[~covered] == FLAT).all(axis=1).all()


def test_normals_of_a_skewed_frame_come_back():
    """Interpolated frames are neither unit nor perpendicular; encoding is their exact inverse."""
    rng = np.random.default_rng(6)
    up = torch.from_numpy(rng.normal(size=(500, 3)) * 0.05 + [0.1, 0.2, 0.9]).float()
    along = torch.tensor([[0.8, 0.1, 0.05]]).repeat(500, 1)
    sign = torch.from_numpy(rng.choice([-1.0, 1.0], (500, 1))).float()
    frame = (along, sign * torch.linalg.cross(up, along), up)
    normals = torch.from_numpy(rng.normal(size=(500, 3)) * 0.15).float() + up
    normals = normals / normals.norm(dim=1, keepdim=True)
    x, y, z = (torch.from_numpy(encode_normals(normals, frame)) / 127.5 - 1).T[..., None]
    decoded = x * frame[0] + y * frame[1] + z * frame[2]
    decoded = decoded / decoded.norm(dim=1, keepdim=True)
    assert angles_deg(decoded.numpy(), normals.numpy()).max() < 0.6


def test_normals_from_behind_are_bent_up_to_the_surface():
    frame = tuple(torch.eye(3)[index][None].repeat(3, 1) for index in range(3))
    normals = torch.tensor([[0.6, 0.0, -0.8], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]])
    picture = encode_normals(normals, frame)
    assert (picture[:, 2] > 128).all()
    assert picture[0].tolist() == to_bytes(torch.tensor([[0.9987, 0.0, 0.05]]))[0].tolist()
    assert picture[2, 1] == 0


def test_same_input_same_map():
    low, dense, picture = bumpy_case()
    np.testing.assert_array_equal(bake_detail(low, dense, NORMALS).normal_map, picture)


def test_nothing_asked_for_nothing_made():
    low, dense, _ = bumpy_case()
    maps = bake_detail(low, dense, BakeConfig())
    assert maps.normal_map is None
    assert maps.occlusion is None
