"""Levels of detail: fewer faces, the same surface, the same atlas."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import trimesh
from analytic_fields import FIGURE, make_figure, solid, torus

from dream3d.bake import fill_background, rasterize_atlas
from dream3d.cameras import orbit
from dream3d.config import ExtractConfig
from dream3d.export.lods import chart_gap, make_lods
from dream3d.extract.mesh import extract_mesh
from dream3d.extract.tangents import add_tangents
from dream3d.extract.topology import euler_characteristic, is_watertight, signed_volumes, weld
from dream3d.extract.unwrap import unwrap
from dream3d.mesh import Mesh, join_meshes
from dream3d.render.surface import render_surface

SIZE = 256


@cache
def figure() -> list[Mesh]:
    """Five levels from 2400 faces."""
    return make_lods(unwrapped(FIGURE, 2400), 5)


def unwrapped(density, target_faces: int) -> Mesh:
    surface = extract_mesh(density, ExtractConfig(target_faces=target_faces, resolution=48))
    return unwrap(surface, SIZE, 4)


def rows(array: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in np.ascontiguousarray(array)}


def test_each_level_has_half_of_the_faces_and_stays_closed():
    levels = figure()
    counts = [len(level.faces) for level in levels]
    assert len(levels) == 5
    for finer, coarser in pairwise(counts):
        assert 0.45 * finer <= coarser <= 0.5 * finer
    for level in levels:
        _, faces = weld(level.vertices, level.faces)
        assert is_watertight(faces)
        assert euler_characteristic(faces) == 2
        assert len(np.unique(level.faces)) == len(level.vertices)  # none is unused
    volumes = [signed_volumes(level.vertices, level.faces).sum() for level in levels]
    np.testing.assert_allclose(volumes[1:4], volumes[0], rtol=0.08)


def test_handles_stay():
    for level in make_lods(unwrapped(solid(torus(0.6, 0.2)), 1200), 4):
        assert euler_characteristic(weld(level.vertices, level.faces)[1]) == 0


def test_the_first_level_is_the_mesh_itself():
    mesh = make_figure().mesh
    assert make_lods(mesh, 1) == [mesh]
    assert make_lods(mesh, 3)[0] is mesh


def test_vertices_are_those_of_the_finest_level():
    finest, *others = figure()
    for level in others:
        assert rows(level.vertices) <= rows(finest.vertices)
        assert rows(level.uvs) <= rows(finest.uvs)
        assert rows(np.hstack([level.vertices, level.normals])) <= rows(
            np.hstack([finest.vertices, finest.normals])
        )


def count_covering(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """How many triangles of the atlas each point [N, 2] is strictly inside of."""
    assert mesh.uvs is not None
    corners = mesh.uvs[mesh.faces].astype(np.float64)
    counts = np.zeros(len(points), int)
    for a, b, c in corners:
        sides = [
            (q - p)[0] * (points[:, 1] - p[1]) - (q - p)[1] * (points[:, 0] - p[0])
            for p, q in ((a, b), (b, c), (c, a))
        ]
        inside = np.stack(sides) > 1e-9
        counts += inside.all(axis=0) | (np.stack(sides) < -1e-9).all(axis=0)
    return counts


def test_the_atlas_never_overlaps_and_charts_keep_their_distance():
    points = np.random.default_rng(0).uniform(0, 1, (20_000, 2))
    for level in figure():
        assert count_covering(level, points).max() == 1


def sample(level: Mesh, num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Random points on the surface [N, 3] and their UVs [N, 2]."""
    assert level.uvs is not None
    shape = trimesh.Trimesh(level.vertices, level.faces, process=False)
    points, face = trimesh.sample.sample_surface(shape, num_points, seed=0)
    weights = trimesh.triangles.points_to_barycentric(shape.triangles[face], points)
    return points, np.einsum("nc,ncd->nd", weights, level.uvs[level.faces[face]])


def test_the_texture_stays_where_it_was():
    """A texture that stores positions: reading it at a point of a coarser level gives a point close by."""
    finest = figure()[0]
    positions, _, covered = rasterize_atlas(finest, SIZE)
    image = np.zeros((SIZE, SIZE, 3), np.float32)
    image[covered] = positions.numpy()
    image = fill_background(image, covered)
    medians, slid = [], []
    for level in figure():
        points, uvs = sample(level, 4000)
        column, row = np.clip((uvs * SIZE).astype(int), 0, SIZE - 1).T
        errors = np.linalg.norm(image[row, column] - points, axis=1)
        medians.append(np.median(errors))
        slid.append(np.mean(errors > 0.1))
    # In an object of size 2; half a texel is about 0.006 there.
    assert max(medians[:4]) < 0.02, medians
    assert max(slid[:4]) < 0.02, slid


def test_colors_are_those_of_the_finest_level_nearby():
    made = make_figure(target_faces=1600, texture_size=SIZE)
    finest, *others = make_lods(made.mesh, 4)
    texture = made.material.base_color_srgb.astype(np.float64) / 255

    def colors(uvs: np.ndarray) -> np.ndarray:
        column, row = np.clip((uvs * SIZE).astype(int), 0, SIZE - 1).T
        return texture[row, column]

    shape = trimesh.Trimesh(finest.vertices, finest.faces, process=False)
    for level in others:
        points, uvs = sample(level, 1500)
        nearest, _, face = trimesh.proximity.closest_point(shape, points)
        weights = trimesh.triangles.points_to_barycentric(shape.triangles[face], nearest)
        expected = colors(np.einsum("nc,ncd->nd", weights, finest.uvs[finest.faces[face]]))
        error = np.abs(colors(uvs) - expected).mean()
        assert error < 0.04, error  # two unrelated points differ by 0.3


def test_silhouettes_are_near():
    cameras = orbit([0.0, 60.0, 200.0], 15.0, 4.0, 40.0)

    def seen(level: Mesh) -> np.ndarray:
        gray = np.full((4, 4, 3), 128, np.uint8)
        return render_surface(level, cameras, 96, 96, base_color_srgb=gray).opacity.numpy() > 0.5

    masks = [seen(level) for level in figure()]
    for mask, bound in zip(masks[1:], (0.98, 0.97, 0.94, 0.88), strict=True):
        assert (mask & masks[0]).sum() / (mask | masks[0]).sum() > bound


def test_tangents_are_those_of_each_level():
    for level in make_lods(add_tangents(figure()[0]), 5):
        assert level.tangents is not None
        across = (level.tangents[:, :3] * level.normals).sum(axis=1)
        np.testing.assert_allclose(across, 0.0, atol=1e-4)
        assert set(np.unique(level.tangents[:, 3])) <= {-1.0, 1.0}


def test_things_that_touch_stay_apart():
    """A ball of two halves, as a file of two materials has it: each level keeps each half on its side."""
    ball = trimesh.creation.icosphere(subdivisions=4)
    faces, middle = np.asarray(ball.faces), ball.triangles_center[:, 1]
    halves = [
        unwrap(
            Mesh(np.float32(ball.vertices), faces[side].astype(np.int32), np.float32(ball.vertices)), SIZE, 4
        )
        for side in (middle > 0, middle <= 0)
    ]
    whole = join_meshes([half.of_faces(half.faces) for half in halves])
    assert whole.thing is not None
    levels = make_lods(whole, 5)
    assert len(levels) == 5
    for level in levels:
        owner = level.thing[level.faces]
        assert (owner == owner[:, :1]).all()


def test_open_borders_stay_and_the_inside_goes():
    side = 17
    u, v = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side))
    uvs = np.stack([u.ravel(), v.ravel()], axis=1).astype(np.float32)
    vertices = np.stack([u.ravel(), 0 * u.ravel(), v.ravel()], axis=1).astype(np.float32)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + side, corner + 1], axis=1),
            np.stack([corner + 1, corner + side, corner + side + 1], axis=1),
        ]
    ).astype(np.int32)
    plane = Mesh(vertices, faces, np.tile(np.float32([0, 1, 0]), (side * side, 1)), uvs)
    levels = make_lods(plane, 8)
    assert len(levels) < 8  # the border alone needs 62 triangles
    assert len(levels[-1].faces) >= 62
    border = uvs[(uvs == 0).any(axis=1) | (uvs == 1).any(axis=1)]
    for level in levels:
        corners = level.vertices[level.faces]
        areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 1] / 2
        assert (areas > 0).all()
        assert areas.sum() == pytest.approx(1.0)
        assert rows(border) <= rows(level.uvs)
        np.testing.assert_array_equal(level.vertices[:, [0, 2]], level.uvs)


def test_a_mesh_that_cannot_be_coarser_has_one_level():
    vertices = np.array([[0, 1, 0], [-0.5, 0, 0.5], [0.5, 0, 0.5], [0, 0, -0.5]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], np.int32)
    assert len(make_lods(Mesh(vertices, faces, vertices, vertices[:, :2].copy()), 8)) == 1


def test_the_gap_between_charts_is_the_smallest_distance():
    def square(x: float, y: float) -> list[list[float]]:
        return [[x, y], [x + 0.2, y], [x + 0.2, y + 0.2], [x, y + 0.2]]

    uvs = np.array(square(0, 0) + square(0.25, 0) + square(0.1, 0.5))
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    assert chart_gap(uvs, np.concatenate([faces, faces + 4, faces + 8])) == pytest.approx(0.05, abs=1e-3)
    assert chart_gap(uvs, faces) == 1.0
    assert chart_gap(uvs, np.concatenate([faces, faces + 4]), limit=0.04) == 0.04


def test_gaps_of_many_charts_are_those_of_each_with_all_others():
    rng = np.random.default_rng(3)
    corners = rng.uniform(0, 5, (60, 1, 2)) + rng.uniform(0, 0.1, (60, 3, 2))
    uvs, faces = corners.reshape(-1, 2), np.arange(180).reshape(-1, 3)
    along = np.linspace(0, 1, 200)[:, None]
    ends = np.roll(corners, -1, axis=1)
    rims = [
        (a[:, None] + along * (b - a)[:, None]).reshape(-1, 2) for a, b in zip(corners, ends, strict=True)
    ]
    pairs = [(k, m) for k in range(60) for m in range(k)]
    distances = [np.linalg.norm(rims[k][:, None] - rims[m][None], axis=-1).min() for k, m in pairs]
    assert chart_gap(uvs, faces) == pytest.approx(min(distances), abs=1.5e-3)


def test_same_mesh_same_levels():
    again = make_lods(unwrapped(FIGURE, 2400), 5)
    for a, b in zip(figure(), again, strict=True):
        np.testing.assert_array_equal(a.faces, b.faces)
        np.testing.assert_array_equal(a.vertices, b.vertices)
        np.testing.assert_array_equal(a.uvs, b.uvs)
