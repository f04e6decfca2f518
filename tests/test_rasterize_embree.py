"""Visible triangles and depths against Embree's ray casting, with a reason for every pixel that differs.

The rasteriser moves vertices to the nearest 1/256 pixel, by up to half of that in x and in y. So Embree sees
each scene twice: as it is, where pixels may differ within the move of an edge, and with its vertices moved in
the same way, where nothing is left but float32's rounding of an edge and two triangles behind each other that
the move exchanges.
"""

import numpy as np
import pytest
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from raster_scenes import (
    PROJECTION,
    Array,
    as_tensors,
    closed_mesh,
    edge_distance_px,
    homogeneous,
    pixel_centers_ndc,
    random_soup,
    to_clip,
)
from rasterizers import Draw

ROUNDING_PX = 1e-4  # what float32 makes of an edge
MOVE_PX = 2**0.5 / 512 + ROUNDING_PX  # the farthest that snapping moves an edge
TIE = 2e-6  # z/w of two surfaces that float32 takes for equal
FOCAL = PROJECTION[0, 0]


def soup(seed: int, num_triangles: int, size: float) -> tuple[Array, np.ndarray]:
    """Random triangles through each other, whole between the near and the far plane."""
    points, faces = random_soup(seed, num_triangles, size, crossing=False)
    between = (points[:, 2] < -0.51) & (points[:, 2] > -7.99)
    return points, faces[between[faces].all(1)]


def snapped(clip: Array, size: int) -> Array:
    """Camera-space points [V, 3] of clip-space ones, moved in the image to the nearest 1/256 pixel."""
    depth = clip[:, 3:]
    pixels = (clip[:, :2] / depth * 0.5 + 0.5) * size
    ndc = np.rint(pixels * 256) / 256 / size * 2 - 1
    return np.concatenate([ndc * depth / FOCAL, -depth], axis=1)


def cast(points: Array, faces: np.ndarray, size: int) -> tuple[np.ndarray, Array]:
    """Embree's nearest triangle along the ray through each pixel centre, -1 for none, and its distance."""
    scene = EmbreeScene(robust=True)
    TriangleMesh(scene, points.astype(np.float32), faces)
    ndc = pixel_centers_ndc(size, size).reshape(-1, 2)
    directions = np.concatenate([ndc / FOCAL, -np.ones((len(ndc), 1))], axis=1).astype(np.float32)
    origins = np.zeros_like(directions)
    ids = scene.run(origins, directions).reshape(size, size)
    return ids, scene.run(origins, directions, query="DISTANCE").reshape(size, size)


def weights_at(corners_clip: Array, ndc: Array) -> Array:
    """Weights [N, 3] of the vertices of triangles [N, 3, 4] at points [N, 2], all positive inside."""
    matrix = corners_clip[..., [0, 1, 3]].transpose(0, 2, 1)
    return np.linalg.solve(matrix, np.concatenate([ndc, np.ones((len(ndc), 1))], axis=1)[..., None])[..., 0]


def unexplained(
    ids: np.ndarray, expected: np.ndarray, clip: Array, seen: Array, faces: np.ndarray, band_px: float
) -> int:
    """How many pixels differ without a reason; `seen` are the positions that Embree saw, `clip` ours.

    The reasons: an edge of one of the answers passes within the band. Or both triangles are there and ours is
    not farther, as depth is that of the triangle before it is moved.
    """
    size = len(ids)
    rows, columns = np.nonzero(ids != expected)
    ndc = pixel_centers_ndc(size, size)[rows, columns]
    answers = [ids[rows, columns], expected[rows, columns]]
    by_edge = np.zeros(len(rows), bool)
    by_depth = (answers[0] >= 0) & (answers[1] >= 0)
    depths = []
    for answer in answers:
        corners = faces[np.maximum(answer, 0)]
        by_edge |= (answer >= 0) & (edge_distance_px(seen[corners], ndc, size) < band_px)
        by_depth &= (weights_at(seen[corners], ndc) > 0).all(axis=1)
        depths.append((weights_at(clip[corners], ndc) * clip[corners][..., 2]).sum(axis=1))
    by_depth &= depths[0] < depths[1] + TIE
    return int((~by_edge & ~by_depth).sum())


SCENES = {
    "large triangles": lambda: soup(0, 60, 0.6),
    "small triangles": lambda: soup(1, 2000, 0.1),
    "triangles of a pixel": lambda: soup(2, 20_000, 0.02),
    "torus": lambda: closed_mesh("torus"),
    "boxes": lambda: closed_mesh("boxes"),
    "bumps": lambda: closed_mesh("bumps"),
}


@pytest.mark.parametrize("name", list(SCENES))
def test_every_difference_has_a_reason(draw_with_kernel: Draw, name: str) -> None:
    points, faces = SCENES[name]()
    size = 256
    clip = to_clip(points, PROJECTION)
    fragments = draw_with_kernel(*as_tensors(clip, faces), size, size)
    ids = fragments.triangle_id[0].cpu().numpy()
    assert (ids >= 0).mean() > 0.1

    as_it_is, distance = cast(points, faces, size)
    assert unexplained(ids, as_it_is, clip, clip, faces, MOVE_PX) == 0

    moved = snapped(clip, size)
    expected, _ = cast(moved, faces, size)
    assert unexplained(ids, expected, clip, homogeneous(moved) @ PROJECTION.T, faces, ROUNDING_PX) == 0
    assert (ids != expected).sum() < 5

    same = (ids == as_it_is) & (ids >= 0)
    z = -distance[same]
    depth = (PROJECTION[2, 2] * z + PROJECTION[2, 3]) / -z
    np.testing.assert_allclose(fragments.depth[0].cpu().numpy()[same], depth, atol=TIE)
