"""Points spread evenly over a surface."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dream3d.errors import InputError
from dream3d.extract.topology import face_areas
from dream3d.mesh import Mesh


@dataclass(frozen=True)
class SurfaceSamples:
    """Places on the faces of a mesh."""

    face: NDArray[np.int64]  # [N]
    weights: NDArray[np.float64]  # [N, 3] of the face's corners, sum 1

    def at(self, mesh: Mesh, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values [V, C] of the mesh's vertices, interpolated: [N, C]."""
        return np.einsum("nk,nkc->nc", self.weights, values[mesh.faces[self.face]].astype(np.float64))


def sample_surface(mesh: Mesh, count: int, rng: np.random.Generator) -> SurfaceSamples:
    """Draw points uniformly by area.

    Raises:
        InputError: The mesh has no area.
    """
    areas = face_areas(mesh.vertices, mesh.faces)
    if not areas.sum() > 0:
        raise InputError("the mesh has no area")
    face = rng.choice(len(areas), count, p=areas / areas.sum())
    pair = rng.random((count, 2))
    pair = np.where(pair.sum(axis=1, keepdims=True) > 1, 1 - pair, pair)  # the far half of the square, folded
    return SurfaceSamples(face, np.concatenate([pair, 1 - pair.sum(axis=1, keepdims=True)], axis=1))
