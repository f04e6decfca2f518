import numpy as np
import pytest
import torch
from analytic_fields import BLUE, FIGURE, FIGURE_ALBEDO, GREEN, RED, ball, make_figure, solid
from scipy import ndimage

from dream3d.bake import bake_base_color, fill_background, rasterize_atlas
from dream3d.config import BakeConfig
from dream3d.errors import RunError
from dream3d.math import linear_to_srgb
from dream3d.mesh import Mesh
from dream3d.render.surface import sample_bilinear


def quad(size: float = 1.0) -> Mesh:
    """A square in the plane z = 0, facing +Z, over `size` of the atlas from its top left corner."""
    vertices = np.array([[-0.5, 0.5, 0], [0.5, 0.5, 0], [0.5, -0.5, 0], [-0.5, -0.5, 0]], np.float32)
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * np.float32(size)
    normals = np.tile(np.array([[0, 0, 1]], np.float32), (4, 1))
    return Mesh(vertices, np.array([[0, 2, 1], [0, 3, 2]], np.int32), normals, uvs)


def test_texel_centers_map_to_the_right_points():
    positions, normals, covered = rasterize_atlas(quad(), 64)
    assert covered.all()
    grid = positions.view(64, 64, 3).numpy()
    centers = (np.arange(64) + 0.5) / 64 - 0.5
    np.testing.assert_allclose(grid[..., 0], np.tile(centers, (64, 1)), atol=1e-6)  # u grows with x
    np.testing.assert_allclose(grid[..., 1], -np.tile(centers[:, None], (1, 64)), atol=1e-6)  # row 0 on top
    np.testing.assert_allclose(normals.numpy(), np.tile([0, 0, 1], (64 * 64, 1)), atol=1e-6)


def test_a_smooth_gradient_is_painted_to_within_a_rounding():
    config = BakeConfig(texture_size=64, samples=1)

    def albedo(points):
        return torch.stack(
            [points[:, 0] + 0.5, points[:, 1] + 0.5, torch.full_like(points[:, 0], 0.25)], dim=1
        )

    texture = bake_base_color(quad(), lambda p: torch.ones_like(p[:, 0]), albedo, config)
    expected = (np.arange(64) + 0.5) / 64
    np.testing.assert_allclose(texture[5, :, 0] / 255, expected, atol=0.5001 / 255)
    np.testing.assert_allclose(texture[:, 9, 1] / 255, expected[::-1], atol=0.5001 / 255)
    assert (texture[..., 2] == 64).all()


def test_color_is_composited_along_the_normal_as_a_camera_sees_it():
    """Two layers: a translucent red one over an opaque blue one, with known optical depths."""
    config = BakeConfig(texture_size=64, samples=31, depth=0.3)  # z from 0.1 down to -0.2 in steps of 0.01

    def density(points):
        z = points[:, 2]
        red_layer = (z > 0.0205) & (z < 0.0805)  # six samples
        return torch.where(red_layer, 10.0, torch.where(z < -0.05, 1e4, 0.0))

    def albedo(points):
        red = (points[:, 2] > 0).float()
        return torch.stack([red, torch.zeros_like(red), 1 - red], dim=1)

    texture = bake_base_color(quad(), density, albedo, config) / 255
    share = 1 - np.exp(-10.0 * 6 * 0.01)
    np.testing.assert_allclose(texture[..., 0], share, atol=1 / 255)
    np.testing.assert_allclose(texture[..., 2], 1 - share, atol=1 / 255)


def test_an_empty_field_under_a_texel_still_gives_a_color():
    config = BakeConfig(texture_size=64)
    texture = bake_base_color(
        quad(), lambda p: torch.zeros_like(p[:, 0]), lambda p: torch.full_like(p, 0.4), config
    )
    assert (texture == 102).all()


def test_colors_that_are_not_finite_are_a_failed_run():
    with pytest.raises(RunError, match="diverged"):
        bake_base_color(
            quad(),
            lambda p: torch.ones_like(p[:, 0]),
            lambda p: torch.full_like(p, float("nan")),
            BakeConfig(texture_size=64),
        )


def test_background_repeats_the_nearest_color_everywhere():
    rng = np.random.default_rng(0)
    covered = rng.random((48, 48)) < 0.01
    image = np.where(covered[..., None], rng.integers(1, 255, (48, 48, 3)), 0).astype(np.uint8)
    filled = fill_background(image, covered)
    np.testing.assert_array_equal(filled[covered], image[covered])
    seeds = np.argwhere(covered)
    for row, column in rng.integers(0, 48, (200, 2)):
        distances = ((seeds - [row, column]) ** 2).sum(axis=1)
        nearest = seeds[distances == distances.min()]
        assert any((filled[row, column] == image[r, c]).all() for r, c in nearest)


def test_triangles_between_texel_centers_still_own_a_texel():
    mesh = quad(size=0.6 / 64)  # less than a texel, and it covers no texel's center when moved
    assert mesh.uvs is not None
    moved = Mesh(mesh.vertices, mesh.faces, mesh.normals, mesh.uvs + np.float32(20.51 / 64))
    positions, _, covered = rasterize_atlas(moved, 64)
    assert covered.sum() == 1
    assert covered[20, 20]
    assert np.abs(positions.numpy()).max() <= 0.5


def test_texture_on_the_surface_shows_the_field():
    """Random surface points: the bilinear texture look-up against the field's own color."""
    figure = make_figure(target_faces=2000, texture_size=256)
    mesh = figure.mesh
    rng = np.random.default_rng(1)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    face = rng.choice(len(area), 4000, p=area / area.sum())
    weights = rng.dirichlet([1, 1, 1], 4000)
    points = torch.from_numpy(np.einsum("pc,pci->pi", weights, corners[face])).float()
    uvs = torch.from_numpy(np.einsum("pc,pci->pi", weights, mesh.uvs[mesh.faces[face]])).float()
    texture_srgb = sample_bilinear(figure.material.base_color_srgb, uvs)
    error = (linear_to_srgb(texture_srgb) - FIGURE_ALBEDO(points)).abs().mean(dim=1)
    # Only points within a texel of a color border may differ.
    assert error.mean() < 0.02
    assert (error < 0.01).float().mean() > 0.93


def test_only_the_fields_colors_appear_away_from_borders():
    texture = make_figure().material.base_color_srgb.reshape(-1, 3) / 255
    palette = np.array([RED, BLUE, GREEN])
    distance = np.abs(texture[:, None] - palette).max(axis=2).min(axis=1)
    assert (distance < 0.01).mean() > 0.9
    assert (np.abs(texture - np.array(GREEN)).max(axis=1) < 0.01).any()


def test_seams_are_dilated_by_the_padding():
    """Moving any chart's border outwards by four texels meets that chart's own color."""
    figure = make_figure(texture_size=256)
    _, _, covered = rasterize_atlas(figure.mesh, 256)
    distance, (rows, columns) = ndimage.distance_transform_edt(~covered, return_indices=True)
    ring = (distance > 0) & (distance <= 4)
    texture = figure.material.base_color_srgb
    np.testing.assert_array_equal(texture[ring], texture[rows[ring], columns[ring]])


@pytest.mark.gpu
def test_bakes_from_a_field_on_the_gpu():
    config = BakeConfig(texture_size=64)
    field = solid(ball((0, 0, 0), 0.4))
    on_cpu, on_gpu = (
        bake_base_color(quad(), field, FIGURE_ALBEDO, config, device) for device in ("cpu", "cuda")
    )
    assert np.abs(on_cpu.astype(int) - on_gpu.astype(int)).max() <= 1


def test_figure_is_opaque_where_it_was_painted():
    """The test's own field makes sense: the surface lies where the density has become opaque."""
    figure = make_figure()
    inside = figure.mesh.vertices - 0.08 * figure.mesh.normals
    assert FIGURE(torch.from_numpy(inside)).min() > 5.0
