"""The triangle mesh and material that travel between stages. Plain NumPy arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
ByteArray = NDArray[np.uint8]


FRAME_RADIUS = 0.9  # of the farthest vertex of a prop in the scene, and of any mesh that is compared with one
MIN_EXTENT, MAX_EXTENT = 1e-9, 1e15  # of a file's bounding box: squares of it must stay finite


@dataclass(frozen=True)
class Mesh:
    """An indexed triangle mesh. Winding is counter-clockwise seen from outside."""

    vertices: FloatArray  # [V, 3], scene units or metres, +Y up, front +Z
    faces: IntArray  # [T, 3]
    normals: FloatArray | None = None  # [V, 3], unit length
    uvs: FloatArray | None = None  # [V, 2], glTF convention: (0, 0) is the top left texel corner
    colors: FloatArray | None = None  # [V, 3], linear base color in [0, 1]; over UVs a factor on the texture
    tangents: FloatArray | None = None  # [V, 4], unit tangent of the UVs and the sign of the bitangent (glTF)
    thing: IntArray | None = None  # [V], which of several things it belongs to; no two of them share a vertex

    def of_faces(self, faces: IntArray) -> "Mesh":
        """The mesh of some of its faces [T', 3], with the vertices that they use only."""
        used, inverse = np.unique(faces, return_inverse=True)
        return self.of_vertices(used, inverse.reshape(-1, 3).astype(np.int32))

    def of_vertices(self, source: NDArray[np.integer], faces: IntArray) -> "Mesh":
        """The mesh of vertices [V'] of this one, repeated as may be, and faces [T', 3] between those."""

        def taken(values: Any) -> Any:
            return None if values is None else np.ascontiguousarray(values[source])

        optional = (self.normals, self.uvs, self.colors, self.tangents, self.thing)
        return Mesh(taken(self.vertices), faces, *map(taken, optional))


@dataclass(frozen=True)
class Material:
    """A metallic-roughness material (glTF 2.0, section 3.9)."""

    base_color_srgb: ByteArray  # [H, W, 3], row 0 on top, sRGB encoded
    metallic_factor: float = 0.0  # of the whole surface; an `orm` picture holds it per texel instead
    roughness_factor: float = 0.8  # the same
    orm: ByteArray | None = None  # [H, W, 3], linear: occlusion (255 is none), roughness, metallic
    normal_map: ByteArray | None = None  # [H, W, 3], linear, tangent space, +Y up; the mesh then has tangents

    @property
    def is_plain(self) -> bool:
        """Whether it is one color without any picture, as modelling programs give to what nobody painted."""
        return self.base_color_srgb.shape[:2] == (1, 1) and self.orm is None and self.normal_map is None


@dataclass(frozen=True)
class TexturedMesh:
    """A mesh with UVs and normals, its material, and the name it carries inside a file."""

    mesh: Mesh
    material: Material
    name: str = "asset"
    metadata: dict[str, object] = field(default_factory=dict)
    things: tuple[str, ...] = ()  # names, where the mesh says of several things which vertices are whose


@dataclass(frozen=True)
class Frame:
    """Where a mesh is outside of the scene: a point there is `center + unit * point` of the scene."""

    center: NDArray[np.float64]  # [3], the middle of the mesh's bounding box
    unit: float  # length of a scene unit

    @staticmethod
    def around(mesh: Mesh, radius: float = 1.0) -> "Frame":
        """The frame in which the mesh is centred on the origin, its farthest vertex `radius` away."""
        vertices = mesh.vertices.astype(np.float64)
        center = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
        extent = max(float(np.linalg.norm(vertices - center, axis=1).max()), 1e-12)
        return Frame(center, extent / radius)

    def enter(self, mesh: Mesh) -> Mesh:
        """The mesh in scene units."""
        vertices = (mesh.vertices.astype(np.float64) - self.center) / self.unit
        return replace(mesh, vertices=vertices.astype(np.float32))

    def leave(self, mesh: Mesh) -> Mesh:
        """The mesh back where it was."""
        vertices = self.center + self.unit * mesh.vertices.astype(np.float64)
        return replace(mesh, vertices=vertices.astype(np.float32))


def join_meshes(meshes: Sequence[Mesh]) -> Mesh:
    """Meshes as one, in their order, each a thing of its own; of what they have, what all of them have."""
    counts = [len(mesh.vertices) for mesh in meshes]
    starts = np.cumsum([0, *counts[:-1]], dtype=np.int32)

    def joined(name: str) -> Any:
        values = [getattr(mesh, name) for mesh in meshes]
        return None if any(value is None for value in values) else np.concatenate(values)

    return Mesh(
        joined("vertices"),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
        *map(joined, ("normals", "uvs", "colors", "tangents")),
        thing=np.repeat(np.arange(len(meshes), dtype=np.int32), counts),
    )


def fit_sphere(mesh: Mesh, radius: float = 1.0) -> Mesh:
    """The mesh, its bounding box centred on the origin and its farthest vertex `radius` away."""
    return Frame.around(mesh, radius).enter(mesh)
