"""Scenes and exact geometry for the rasteriser's tests, in float64 NumPy."""

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray

Array = NDArray[np.float64]


def perspective(fov_y_rad: float, near: float, far: float) -> Array:
    """The OpenGL projection matrix for a square image, [4, 4]."""
    focal = 1 / np.tan(fov_y_rad / 2)
    return np.array(
        [
            [focal, 0, 0, 0],
            [0, focal, 0, 0],
            [0, 0, (far + near) / (near - far), 2 * far * near / (near - far)],
            [0, 0, -1, 0],
        ]
    )


PROJECTION = perspective(fov_y_rad=0.8, near=0.5, far=8.0)


def homogeneous(points: Array) -> Array:
    """Points [V, 3] with a 1 behind them, [V, 4]."""
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def to_clip(points_camera: Array, projection: Array) -> Array:
    """Camera-space points [V, 3] to clip space [V, 4], rounded to float32 as the kernel sees them."""
    return (homogeneous(points_camera) @ projection.T).astype(np.float32).astype(np.float64)


def pixel_centers_ndc(height: int, width: int) -> Array:
    """[H, W, 2], x right and y up, row 0 on top."""
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = 1 - (np.arange(height) + 0.5) / height * 2
    return np.stack(np.meshgrid(x, y), axis=-1)


def edge_distance_px(corners_clip: Array, ndc: Array, size: int) -> Array:
    """Distance in pixels from points [N, 2] to the nearest edge of triangles [N, 3, 4], square image."""
    xyw = corners_clip[..., [0, 1, 3]]
    lines = np.cross(xyw[:, [1, 2, 0]], xyw[:, [2, 0, 1]])  # [N, 3, 3]
    values = lines[..., 0] * ndc[:, None, 0] + lines[..., 1] * ndc[:, None, 1] + lines[..., 2]
    slope = np.linalg.norm(lines[..., :2], axis=-1)
    return (np.abs(values) / np.maximum(slope, 1e-300)).min(axis=1) * size / 2


def coverage_count(draw, corners_clip: Array, height: int, width: int) -> NDArray[np.int64]:
    """How many triangles [T, 3, 4] cover each pixel, [H, W]: every triangle is drawn as a view of its own."""
    positions = torch.tensor(corners_clip, dtype=torch.float32)
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32)
    return draw(positions, faces, height, width).mask.sum(0).cpu().numpy()


def winding_sign(corners_clip: Array) -> Array:
    """+1 for triangles [T, 3, 4] seen counter-clockwise, -1 clockwise, 0 edge-on."""
    return np.sign(np.linalg.det(corners_clip[..., [0, 1, 3]]))


def random_soup(seed: int, num_triangles: int, size: float, crossing: bool) -> tuple[np.ndarray, np.ndarray]:
    """Camera-space triangles in view, or around and behind the camera: [3T, 3] and faces [T, 3]."""
    rng = np.random.default_rng(seed)
    low, high = ([-2, -2, -7], [2, 2, 1.5]) if crossing else ([-0.8, -0.8, -6], [0.8, 0.8, -3])
    centers = rng.uniform(low, high, (num_triangles, 1, 3))
    corners = centers + rng.normal(0, size, (num_triangles, 3, 3))
    return corners.reshape(-1, 3), np.arange(3 * num_triangles, dtype=np.int32).reshape(-1, 3)


def closed_mesh(name: str) -> tuple[Array, np.ndarray]:
    """A "torus", "boxes" or "bumps" in front of the camera: camera-space points [V, 3] and faces [T, 3]."""
    if name == "torus":  # hides itself, 40,000 triangles
        mesh = trimesh.creation.torus(0.6, 0.28, major_sections=200, minor_sections=100)
    elif name == "boxes":  # through each other
        boxes = [trimesh.creation.box(extents) for extents in ((1.6, 0.5, 0.5), (0.45, 1.4, 0.6))]
        mesh = boxes[0] + boxes[1]
    else:  # a ball with bumps all over, 20,480 triangles
        mesh = trimesh.creation.icosphere(5, 0.8)
        bumps = np.sin(9 * mesh.vertices).prod(axis=1, keepdims=True)
        mesh.vertices = mesh.vertices * (1 + 0.3 * bumps)
    mesh.apply_transform(trimesh.transformations.rotation_matrix(0.7, [1, 0.4, 0.3]))
    mesh.apply_translation([0.1, 0, -2.5])
    return np.array(mesh.vertices), np.array(mesh.faces, dtype=np.int32)


def as_tensors(clip: np.ndarray, faces: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Clip-space positions [1, V, 4] and faces [T, 3] for a rasteriser."""
    return torch.tensor(clip, dtype=torch.float32)[None], torch.tensor(faces, dtype=torch.int32)
