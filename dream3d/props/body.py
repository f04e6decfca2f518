"""Bodies of one prop under construction."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dream3d.props.finish import Paint

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    """A colored triangle mesh under construction."""

    vertices: Array  # [V, 3]
    normals: Array  # [V, 3], unit
    faces: NDArray[np.int32]  # [T, 3]
    paint_of_face: NDArray[np.int32]  # [T] into `paints`
    paint_of_vertex: NDArray[np.int32]  # [V]
    paints: tuple[Paint, ...]

    @property
    def low(self) -> Array:
        """Smallest coordinates, [3]."""
        return self.vertices.min(axis=0)

    @property
    def high(self) -> Array:
        """Largest coordinates, [3]."""
        return self.vertices.max(axis=0)

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Body":
        """A copy moved by (x, y, z)."""
        return replace(self, vertices=self.vertices + np.array((x, y, z)))

    def scaled(self, factor: float) -> "Body":
        """A copy scaled about the origin."""
        return replace(self, vertices=self.vertices * factor)

    def fitted(self, radius: float) -> "Body":
        """A copy with its bounding box centered and its farthest vertex at a radius."""
        vertices = self.vertices - (self.low + self.high) / 2
        vertices *= radius / np.sqrt(np.einsum("vc,vc->v", vertices, vertices).max())
        return replace(self, vertices=vertices)


def joined(first: Body, second: Body) -> Body:
    """Both bodies as one."""
    count, paints = len(first.vertices), len(first.paints)
    return Body(
        np.concatenate([first.vertices, second.vertices]),
        np.concatenate([first.normals, second.normals]),
        np.concatenate([first.faces, second.faces + np.int32(count)]),
        np.concatenate([first.paint_of_face, second.paint_of_face + np.int32(paints)]),
        np.concatenate([first.paint_of_vertex, second.paint_of_vertex + np.int32(paints)]),
        first.paints + second.paints,
    )
