import math

import numpy as np
import pytest
import torch
import trimesh
from analytic_fields import srgb_to_linear

from dream3d.cameras import orbit
from dream3d.mesh import Mesh
from dream3d.render.surface import SurfacePoints, render_surface, sample_bilinear, unlit


def sphere(radius: float = 0.5, subdivisions: int = 5) -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions, radius)
    vertices = shape.vertices.astype(np.float32)
    return Mesh(vertices, shape.faces.astype(np.int32), normals=(vertices / radius).astype(np.float32))


def facing_quad(colors=None, uvs=None) -> Mesh:
    vertices = np.array([[-1, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]], np.float32)
    return Mesh(vertices, np.array([[0, 2, 1], [0, 3, 2]], np.int32), None, uvs, colors)


def test_sphere_covers_the_disc_that_geometry_says():
    """The silhouette of a ball of radius r at distance d is a cone of half angle asin(r / d)."""
    cameras = orbit([0.0, 77.0], 20.0, 3.0, 30.0)
    render = render_surface(sphere(), cameras, 128, 128, supersample=4)
    radius_pixels = math.tan(math.asin(0.5 / 3.0)) / math.tan(math.radians(15.0)) * 64
    area = render.opacity.sum(dim=(1, 2))
    np.testing.assert_allclose(area, math.pi * radius_pixels**2, rtol=0.003)


def test_depth_and_normals_of_a_sphere():
    cameras = orbit([40.0], 10.0, 3.0, 30.0)
    render = render_surface(sphere(), cameras, 65, 65, supersample=1)
    rays = cameras.rays(65, 65)
    seen = render.opacity[0] == 1
    points = rays.origins[0] + render.depth[0][..., None] * rays.directions[0]
    assert (points[seen].norm(dim=-1) - 0.5).abs().max() < 2e-3
    assert (render.normals[0][seen] - points[seen] / 0.5).abs().max() < 0.02
    center = render.depth[0, 32, 32]
    assert center == pytest.approx(2.5, abs=1e-3)
    assert (render.normals[0][~seen] == 0).all()
    assert (render.depth[0][~seen] == 0).all()


def test_image_is_upright_and_not_mirrored():
    """From the front, +X is right and +Y is up; from azimuth 90 the camera on +X sees -Z on its right."""
    corner_colors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], np.float32)
    front = render_surface(facing_quad(corner_colors), orbit([0.0], 0.0, 4.0, 50.0), 64, 64).color_srgb[0]
    middle, off = 32, 12
    assert front[middle - off, middle - off].argmax() == 0  # top left: red
    assert front[middle - off, middle + off].argmax() == 1  # top right: green
    assert front[middle + off, middle + off].argmax() == 2  # bottom right: blue
    ball = trimesh.creation.icosphere(2, 0.2).apply_translation([0, 0.3, -0.6])
    mesh = Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int32))
    side = render_surface(mesh, orbit([90.0], 0.0, 4.0, 40.0), 64, 64).opacity[0]
    rows, columns = np.nonzero(side.numpy())
    assert rows.max() < 32
    assert columns.min() > 32


def test_colors_are_premultiplied_and_averaged_in_srgb():
    """A half-covered pixel of a white object has half of its color, in sRGB encoding."""
    render = render_surface(
        sphere(), orbit([0.0], 0.0, 3.0, 30.0), 32, 32, lambda p: torch.ones_like(p.normals)
    )
    np.testing.assert_allclose(
        render.color_srgb, render.opacity[..., None].expand(-1, -1, -1, 3).numpy(), atol=1e-6
    )
    partial = (render.opacity > 0) & (render.opacity < 1)
    assert partial.any()


def test_shading_function_sees_each_points_own_view():
    def shade(points: SurfacePoints):
        assert points.base_color.shape == points.normals.shape == points.positions.shape
        return (points.view == 1).float()[:, None].expand(-1, 3)

    render = render_surface(sphere(), orbit([0.0, 90.0], 0.0, 3.0, 30.0), 32, 32, shade)
    assert render.color_srgb[0].max() == 0
    assert render.color_srgb[1].max() == pytest.approx(1)


def test_every_point_lies_on_its_triangle():
    mesh = sphere()

    def shade(points: SurfacePoints):
        corners = torch.as_tensor(mesh.vertices)[torch.as_tensor(mesh.faces).long()[points.triangle]]
        parts = [
            torch.linalg.cross(corners[:, k - 1] - points.positions, corners[:, k] - points.positions)
            for k in range(3)
        ]
        whole = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        # The three triangles with the point as a corner fill the whole exactly when it lies inside.
        areas = sum(part.norm(dim=1) for part in parts)
        torch.testing.assert_close(areas, whole.norm(dim=1), rtol=1e-3, atol=1e-6)
        return points.base_color

    assert render_surface(mesh, orbit([0.0], 0.0, 3.0, 30.0), 32, 32, shade).opacity.max() == 1


def test_faceted_where_the_mesh_has_no_normals():
    box = trimesh.creation.box()
    mesh = Mesh(box.vertices.astype(np.float32), box.faces.astype(np.int32))
    render = render_surface(mesh, orbit([30.0], 20.0, 4.0, 30.0), 48, 48, supersample=1)
    normals = render.normals[render.opacity == 1]
    assert len(torch.unique(normals.round(decimals=4), dim=0)) == 3
    np.testing.assert_allclose(normals.abs().max(dim=1).values, 1.0, atol=1e-5)
    toward_camera = (normals @ orbit([30.0], 20.0, 4.0, 30.0).positions()[0]).min()
    assert toward_camera > 0


def test_texture_lookup_is_exact_at_texel_centers_clamped_within_the_picture_and_repeated_outside():
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (4, 8, 3), dtype=np.uint8)
    rows, columns = np.meshgrid(range(4), range(8), indexing="ij")
    uvs = torch.tensor(np.stack([(columns + 0.5) / 8, (rows + 0.5) / 4], axis=-1).reshape(-1, 2)).float()
    expected = srgb_to_linear(texture.reshape(-1, 3) / 255)
    np.testing.assert_allclose(sample_bilinear(texture, uvs), expected, atol=1e-6)
    corners = sample_bilinear(texture, torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    np.testing.assert_allclose(corners, expected[[0, -1]], atol=1e-6)
    for shift in ([-3.0, 2.0], [7.0, -1.0]):
        np.testing.assert_allclose(sample_bilinear(texture, uvs + torch.tensor(shift)), expected, atol=1e-5)
    seam = sample_bilinear(texture, torch.tensor([[-2.0, 0.5 / 4], [3.0, 1 + 0.5 / 4]]))
    np.testing.assert_allclose(seam, expected[[0, 7]].mean(axis=0)[None].repeat(2, axis=0), atol=1e-6)
    between = sample_bilinear(texture, torch.tensor([[1.0 / 8, 0.5 / 4]]))
    np.testing.assert_allclose(between[0], expected[[0, 1]].mean(axis=0), atol=1e-6)


def test_textured_quad_shows_its_texture_the_right_way_up():
    texture = np.zeros((2, 2, 3), np.uint8)
    texture[0, 0], texture[0, 1], texture[1, 0], texture[1, 1] = 10, 90, 170, 250
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    image = render_surface(
        facing_quad(uvs=uvs), orbit([0.0], 0.0, 4.0, 40.0), 64, 64, unlit, texture, supersample=1
    ).color_srgb[0, ..., 0]
    measured = [image[18, 18], image[18, 45], image[45, 18], image[45, 45]]
    np.testing.assert_allclose(np.array(measured) * 255, [10, 90, 170, 250], atol=12)


def test_supersampling_approaches_the_exact_coverage():
    cameras = orbit([15.0], 5.0, 3.0, 30.0)
    exact = render_surface(sphere(), cameras, 32, 32, supersample=16).opacity
    errors = [
        float((render_surface(sphere(), cameras, 32, 32, supersample=n).opacity - exact).abs().mean())
        for n in (1, 2, 4)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.005


def test_camera_inside_or_behind_draws_nothing_wrong():
    render = render_surface(sphere(0.5, 2), orbit([0.0], 0.0, 0.2, 40.0), 16, 16)
    assert torch.isfinite(render.color_srgb).all()
    away = Mesh(sphere().vertices + np.float32([0, 0, 50]), sphere().faces)
    assert render_surface(away, orbit([0.0], 0.0, 3.0, 40.0), 16, 16).opacity.max() == 0


@pytest.mark.gpu
def test_same_picture_on_the_gpu():
    cameras = orbit([10.0, 100.0], 20.0, 3.0, 30.0)
    on_cpu = render_surface(sphere(), cameras, 64, 64)
    on_gpu = render_surface(sphere(), cameras.to("cuda"), 64, 64)
    assert (on_cpu.opacity - on_gpu.opacity.cpu()).abs().mean() < 1e-4
    assert (on_cpu.color_srgb - on_gpu.color_srgb.cpu()).abs().mean() < 1e-4
