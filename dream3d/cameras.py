"""Pinhole cameras around the unit scene and the rays through their pixels.

World: right-handed, +Y up, the object's front faces +Z. Camera: OpenGL style, looking along its own -Z
with +Y up. Azimuth 0 looks at the object's front (camera on +Z), growing towards +X; elevation up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.math import degrees_to_radians, normalize, perspective

# A camera that sees all of the unit scene: the middle of the law that the prior was trained on.
FRAME_DISTANCE, FRAME_FOV_Y_DEG = 3.05, 40.0


@dataclass(frozen=True)
class Rays:
    """Origins and unit directions of the rays through pixel centres."""

    origins: Tensor  # [B, H, W, 3]
    directions: Tensor  # [B, H, W, 3]


@dataclass(frozen=True)
class Cameras:
    """A batch of pinhole cameras, each on a sphere around the point that it looks at."""

    azimuth_deg: Tensor  # [B]
    elevation_deg: Tensor  # [B]
    distance: Tensor  # [B], from the target, in scene units
    fov_y_deg: Tensor  # [B], vertical field of view
    target: Tensor  # [B, 3], the point looked at; the origin in views of the whole object

    def __len__(self) -> int:
        return self.azimuth_deg.shape[0]

    def __getitem__(self, index: slice | Tensor) -> "Cameras":
        return self._each(lambda tensor: tensor[index])

    def to(self, device: torch.device | str) -> "Cameras":
        """Move all tensors to `device`."""
        return self._each(lambda tensor: tensor.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Cameras":
        return Cameras(
            change(self.azimuth_deg),
            change(self.elevation_deg),
            change(self.distance),
            change(self.fov_y_deg),
            change(self.target),
        )

    def backward(self) -> Tensor:
        """Unit vectors from the targets to the cameras, [B, 3]."""
        azimuth = degrees_to_radians(self.azimuth_deg)
        elevation = degrees_to_radians(self.elevation_deg)
        return torch.stack(
            [
                torch.cos(elevation) * torch.sin(azimuth),
                torch.sin(elevation),
                torch.cos(elevation) * torch.cos(azimuth),
            ],
            dim=-1,
        )

    def positions(self) -> Tensor:
        """Camera centres in the world, [B, 3]."""
        return self.target + self.backward() * self.distance[:, None]

    def c2w(self) -> Tensor:
        """Camera-to-world matrices, [B, 4, 4].

        Right is taken from the azimuth alone, so the pose is defined at the poles too.
        """
        azimuth = degrees_to_radians(self.azimuth_deg)
        positions = self.positions()
        backward = self.backward()
        right = torch.stack([torch.cos(azimuth), torch.zeros_like(azimuth), -torch.sin(azimuth)], dim=-1)
        up = torch.linalg.cross(backward, right, dim=-1)
        matrices = torch.zeros(len(self), 4, 4, device=positions.device)
        matrices[:, :3, 0] = right
        matrices[:, :3, 1] = up
        matrices[:, :3, 2] = backward
        matrices[:, :3, 3] = positions
        matrices[:, 3, 3] = 1.0
        return matrices

    def world_to_clip(self, aspect: float = 1.0, near: float = 0.1, far: float = 100.0) -> Tensor:
        """Matrices from world to OpenGL clip space, [B, 4, 4]; `clip = matrix @ [x, y, z, 1]`."""
        projection = perspective(degrees_to_radians(self.fov_y_deg), aspect, near, far)
        return projection @ torch.linalg.inv(self.c2w())

    def to_clip(self, points: Tensor, aspect: float = 1.0) -> Tensor:
        """Points of the world [V, 3] in the clip space of every camera, [B, V, 4]; see `world_to_clip`."""
        homogeneous = torch.cat([points, torch.ones_like(points[:, :1])], dim=1)
        return torch.einsum("bij,vj->bvi", self.world_to_clip(aspect), homogeneous).contiguous()

    def rays(self, height: int, width: int) -> Rays:
        """Rays through the centres of the pixels of a `height` x `width` image, row 0 on top."""
        device = self.azimuth_deg.device
        tan_half = torch.tan(degrees_to_radians(self.fov_y_deg) * 0.5)  # [B]
        ys = 1.0 - (torch.arange(height, device=device) + 0.5) * (2.0 / height)
        xs = ((torch.arange(width, device=device) + 0.5) * (2.0 / width) - 1.0) * (width / height)
        grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")  # [H, W]
        plane = torch.stack([grid_x, grid_y, -torch.ones_like(grid_x)], dim=-1)  # [H, W, 3]
        scale = torch.stack([tan_half, tan_half, torch.ones_like(tan_half)], dim=-1)  # [B, 3]
        c2w = self.c2w()
        directions = torch.einsum("bij,bhwj->bhwi", c2w[:, :3, :3], plane[None] * scale[:, None, None])
        origins = c2w[:, None, None, :3, 3].expand_as(directions)
        return Rays(origins.contiguous(), normalize(directions))


def orbit(
    azimuth_deg: list[float] | Tensor,
    elevation_deg: float,
    distance: float,
    fov_y_deg: float,
) -> Cameras:
    """Cameras on one circle around the vertical axis, for turntables and test views."""
    azimuth = torch.as_tensor(azimuth_deg, dtype=torch.float32)
    return Cameras(
        azimuth,
        torch.full_like(azimuth, elevation_deg),
        torch.full_like(azimuth, distance),
        torch.full_like(azimuth, fov_y_deg),
        azimuth.new_zeros(len(azimuth), 3),
    )


def join_cameras(batches: Sequence[Cameras]) -> Cameras:
    """Several batches as one."""
    return Cameras(
        torch.cat([cameras.azimuth_deg for cameras in batches]),
        torch.cat([cameras.elevation_deg for cameras in batches]),
        torch.cat([cameras.distance for cameras in batches]),
        torch.cat([cameras.fov_y_deg for cameras in batches]),
        torch.cat([cameras.target for cameras in batches]),
    )
