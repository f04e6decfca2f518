"""Triangles, silhouettes and depths against OpenGL (pyrender through EGL), same mesh and same camera.

Both snap vertices to a grid within the pixel, but not always to the same point of it: pixels may differ where
an edge passes within a step of that grid.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import trimesh
from raster_scenes import as_tensors, closed_mesh, edge_distance_px, pixel_centers_ndc, to_clip
from rasterizers import Draw

from dream3d.cameras import orbit

os.environ.setdefault("PYOPENGL_PLATFORM", "egl")

SIZE = 256
FOV_DEG, NEAR, FAR = 40.0, 0.5, 8.0
BAND_PX = 2 / 256
DISTANCE = 5e-5
CAMERA = orbit([35.0], 25.0, 3.0, FOV_DEG)
Array = np.ndarray


@pytest.fixture(scope="module")
def renderer() -> Iterator[Any]:
    """An OpenGL context for all pictures of this file."""
    pyrender = pytest.importorskip("pyrender")
    try:
        made = pyrender.OffscreenRenderer(SIZE, SIZE)
    except Exception as error:  # the OpenGL stack raises nearly anything where it is incomplete
        pytest.skip(f"no headless OpenGL (libegl1 and libgl1-mesa-dri): {error}")
    yield made
    made.delete()


def drawn_by_opengl(renderer: Any, meshes: list[trimesh.Trimesh]) -> tuple[Array, Array]:
    """Which mesh each pixel sees, -1 for none, and its distance along the view axis, one sample per pixel.

    Faces that look away are culled.
    """
    import pyrender

    scene = pyrender.Scene()
    nodes = [scene.add(pyrender.Mesh.from_trimesh(mesh, smooth=False)) for mesh in meshes]
    colors = {node: [(i + 1) % 256, (i + 1) // 256, 0] for i, node in enumerate(nodes)}
    projection = pyrender.PerspectiveCamera(np.radians(FOV_DEG), znear=NEAR, zfar=FAR)
    scene.add(projection, pose=CAMERA.c2w()[0].numpy())
    color, distance = renderer.render(scene, pyrender.RenderFlags.SEG, colors)
    return color[..., 0].astype(int) + 256 * color[..., 1].astype(int) - 1, distance


def drawn_by_us(draw: Draw, points: Array, faces: Array) -> tuple[Array, Array, Array]:
    """Triangle ids, distances along the view axis (0 where empty) and clip-space positions."""
    matrix = CAMERA.world_to_clip(1.0, NEAR, FAR)[0].double().numpy()
    clip = to_clip(points.astype(np.float32), matrix)
    fragments = draw(*as_tensors(clip, faces), SIZE, SIZE)
    ids, depth = (tensor[0].cpu().numpy() for tensor in (fragments.triangle_id, fragments.depth))
    distance = 2 * FAR * NEAR / (FAR + NEAR - depth.astype(np.float64) * (FAR - NEAR))
    return ids, np.where(ids >= 0, distance, 0), clip


def near_an_edge(answers: list[Array], differs: Array, clip: Array, faces: Array) -> Array:
    """Of each pixel that differs: an edge of the triangle in one of the answers passes within the band."""
    ndc = pixel_centers_ndc(SIZE, SIZE)[differs]
    near = np.zeros(len(ndc), bool)
    for answer in answers:
        seen = answer[differs]
        near |= (seen >= 0) & (edge_distance_px(clip[faces[np.maximum(seen, 0)]], ndc, SIZE) < BAND_PX)
    return near


def assert_same_distance(distance: Array, expected: Array, where: Array) -> None:
    """At 2 to 4 from the camera; OpenGL's is that of the moved vertices, which matters on steep slopes."""
    off = np.abs(distance - expected)[where]
    assert np.median(off) < 1e-6
    assert off.max() < DISTANCE


def test_every_triangle(renderer: Any, draw_with_kernel: Draw) -> None:
    """Each triangle is a mesh of its own for OpenGL; they pass through each other and leave the picture."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(-1, 1, (150, 1, 3)) + rng.normal(0, 0.3, (150, 3, 3))
    both_sides = [[0, 1, 2], [0, 2, 1]]
    apart = [trimesh.Trimesh(triangle, both_sides, process=False) for triangle in corners]
    expected, expected_distance = drawn_by_opengl(renderer, apart)
    points, faces = corners.reshape(-1, 3), np.arange(450).reshape(-1, 3)
    ids, distance, clip = drawn_by_us(draw_with_kernel, points, faces)
    differs = ids != expected
    ties = np.abs(distance - expected_distance)[differs] < DISTANCE
    assert (ties | near_an_edge([ids, expected], differs, clip, faces)).all()
    assert differs.mean() < 2e-4
    assert_same_distance(distance, expected_distance, (ids == expected) & (ids >= 0))
    assert (expected >= 0).mean() > 0.5


@pytest.mark.parametrize("name", ["torus", "boxes", "bumps"])
def test_silhouette_and_depth(renderer: Any, draw_with_kernel: Draw, name: str) -> None:
    points, faces = closed_mesh(name)
    points = points + np.array([0, 0, 2.5])  # to the origin
    expected, expected_distance = drawn_by_opengl(renderer, [trimesh.Trimesh(points, faces, process=False)])
    ids, distance, clip = drawn_by_us(draw_with_kernel, points, faces)
    differs = (ids >= 0) != (expected >= 0)
    assert near_an_edge([ids], differs & (ids >= 0), clip, faces).all()
    assert differs.mean() < 1e-4
    assert (ids >= 0).mean() > 0.15
    assert_same_distance(distance, expected_distance, (ids >= 0) & (expected >= 0))
