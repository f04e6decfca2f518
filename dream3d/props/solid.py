"""A closed triangle mesh that can be moved, turned, scaled, mirrored and repeated."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int32]


@dataclass(frozen=True)
class Solid:
    """A closed triangle mesh, wound counter-clockwise seen from outside. Methods return moved copies."""

    vertices: Array  # [V, 3]
    normals: Array  # [V, 3], outward, any length
    faces: Indices  # [T, 3]

    def at(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Solid":
        """Move by (x, y, z)."""
        return Solid(self.vertices + np.array((x, y, z)), self.normals, self.faces)

    def scaled(self, x: float, y: float, z: float) -> "Solid":
        """Scale along the axes; a negative product mirrors and keeps the winding outward."""
        factors = np.array((x, y, z))
        faces = self.faces if x * y * z > 0 else self.faces[:, ::-1]
        return Solid(self.vertices * factors, self.normals / factors, faces)

    def mirrored(self) -> "Solid":
        """The mirror image across x = 0."""
        return self.scaled(-1.0, 1.0, 1.0)

    def pitched(self, degrees: float) -> "Solid":
        """Turn about +X: positive tips the top towards the front (+Y to +Z)."""
        return self._turned(1, 2, degrees)

    def yawed(self, degrees: float) -> "Solid":
        """Turn about +Y: positive takes the front to the right (+Z to +X)."""
        return self._turned(2, 0, degrees)

    def rolled(self, degrees: float) -> "Solid":
        """Turn about +Z: positive takes the right side up (+X to +Y)."""
        return self._turned(0, 1, degrees)

    def _turned(self, i: int, j: int, degrees: float) -> "Solid":
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        matrix = np.eye(3)
        matrix[[i, i, j, j], [i, j, i, j]] = cosine, sine, -sine, cosine
        return Solid(self.vertices @ matrix, self.normals @ matrix, self.faces)


def pair(solid: Solid) -> list[Solid]:
    """The solid and its mirror image across x = 0: wheels, ears, arms."""
    return [solid, solid.mirrored()]


def ring(solid: Solid, count: int, start_deg: float = 0.0) -> list[Solid]:
    """`count` copies turned evenly about the vertical axis."""
    return [solid.yawed(start_deg + 360.0 * k / count) for k in range(count)]
