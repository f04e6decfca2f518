"""A surface that can be optimised: signed distances on a deformable lattice of tetrahedra.

Shen et al. 2021, "Deep Marching Tetrahedra" (arXiv 2111.04276), section 3.1; started from a coarse density as
in Magic3D (Lin et al. 2023, arXiv 2211.10440).
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn

from dream3d.errors import InputError, RunError
from dream3d.mesh import Mesh
from dream3d.ops._checks import check_tensor
from dream3d.ops._library import Backend
from dream3d.ops.marching_tetrahedra import edge_crossings, surface_topology
from dream3d.ops.rows import add_rows
from dream3d.scene.tet_lattice import TetLattice

Density = Callable[[Tensor], Tensor]  # points in the world [N, 3] -> density [N], in 1 / scene units

# No tetrahedron inside the lattice is thinner than half a cell, so none turns over while its vertices stay
# within a quarter of a cell of where they were: the surface never passes through itself.
MAX_DEFORMATION = 0.24  # cells
MIN_DIFFERENCE = (
    0.01  # cells; see edge_crossings: a surface moves at most about 100 times as fast as a distance
)
MAX_LOG_RATIO = 3.0  # densities count within a factor of e^3 around the threshold


class TetSurface(nn.Module):
    """Signed distances (negative inside) and deformations on the vertices of a lattice.

    Attributes:
        sdf: [V] parameter, in scene units. On the walls of the box negative values count as zero: the surface
            is always closed.
        deformation: [V, 3] parameter without unit; moves a vertex by up to 0.24 cells (see `displacement`).
            Vertices on the walls stay.
    """

    _vertices: Tensor
    _tets: Tensor
    _edges: Tensor
    _is_boundary: Tensor

    def __init__(self, lattice: TetLattice, sdf: Tensor) -> None:
        """Start without deformation.

        Args:
            lattice: The lattice, not copied. It moves to other devices with the surface, but is not saved.
            sdf: [V] float32 initial distances, copied.

        Raises:
            InputError: The distances do not fit the lattice.
        """
        super().__init__()
        check_tensor("sdf", sdf, (lattice.vertices.shape[0],), device=lattice.vertices.device)
        self._spacing = lattice.spacing
        for name in ("vertices", "tets", "edges", "is_boundary"):
            self.register_buffer(f"_{name}", getattr(lattice, name), persistent=False)
        self.sdf = nn.Parameter(sdf.detach().clone())
        self.deformation = nn.Parameter(torch.zeros_like(lattice.vertices))

    @classmethod
    def from_density(
        cls,
        density: Density,
        threshold: float,
        lattice: TetLattice,
        chunk_size: int = 1 << 18,
        smoothing_rounds: int = 0,
    ) -> "TetSurface":
        """The level set of a density field, with distances that grow about one unit per unit.

        The logarithm of the density is nearly linear across the surface of a trained field, so that is what
        the distances follow, scaled by its slope at the surface. Cavities that cannot be reached from the
        walls are filled: no camera would ever see them.

        Args:
            density: Points in the world [N, 3] to density [N]; without side effects.
            threshold: Density at the surface, > 0; `dream3d.extract.isosurface.density_threshold` finds one.
            lattice: The lattice, on the device of the field.
            chunk_size: Points per call, which bounds the memory.
            smoothing_rounds: How often each distance is averaged with the mean of its neighbours, as by a
                Gaussian of 0.4 cells; less where nothing would be left.

        Raises:
            InputError: The threshold is not a positive number.
            RunError: A density is NaN, infinite or negative, or no vertex is above the threshold.
        """
        if not (threshold > 0 and math.isfinite(threshold)):
            raise InputError(f"the threshold of the density must be a positive number, got {threshold}")
        with torch.no_grad():
            values = torch.cat(
                [density(points).float().reshape(-1) for points in lattice.vertices.split(chunk_size)]
            )
            if not bool((values.isfinite() & (values >= 0)).all()):
                raise RunError(
                    "the density field holds values that are not finite or are negative: the run diverged"
                )
            sdf = math.log(threshold) - values.clamp_min(threshold * math.exp(-MAX_LOG_RATIO)).log()
            sdf = torch.where(lattice.is_boundary, sdf.clamp_min(0.0), sdf)
            if not bool((sdf < 0).any()):
                raise RunError("nothing to refine: no surface was found at the chosen density threshold")
            # The same limit on both sides, else a sharp field would put the surface off the middle of edges.
            limit = min(float((-sdf[sdf < 0]).median()), MAX_LOG_RATIO)
            sdf = _fill_cavities(sdf.clamp(-limit, limit), lattice)
            sdf = _smoothed(sdf, lattice, smoothing_rounds)
            return cls(lattice, sdf * _distance_per_unit(sdf, lattice))

    @torch.no_grad()
    def smoothed(self, rounds: int) -> "TetSurface":
        """A copy with smoother distances, as in `from_density`: thin tunnels close, thin walls may open."""
        copy = TetSurface(self.lattice, _smoothed(self.closed_sdf(), self.lattice, rounds))
        copy.deformation.copy_(self.deformation)
        return copy

    @property
    def lattice(self) -> TetLattice:
        """Where the vertices are without deformation."""
        return TetLattice(self._vertices, self._tets, self._edges, self._is_boundary, self._spacing)

    def closed_sdf(self) -> Tensor:
        """The distances [V] that the surface is made of: not negative on the walls."""
        return torch.where(self._is_boundary, self.sdf.clamp_min(0.0), self.sdf)

    def displacement(self, index: Tensor) -> Tensor:
        """How far vertices [N] are moved, [N, 3]: along their deformation, 0.24 tanh(length) cells."""
        raw = self.deformation[index]
        # Inside the root: the derivative of the length at zero.
        length = (raw.square().sum(-1, keepdim=True) + 1e-12).sqrt()
        cells = raw * (MAX_DEFORMATION * torch.tanh(length) / length)
        return torch.where(self._is_boundary[index, None], 0.0, cells * cells.new_tensor(self._spacing))

    def topology(self, backend: Backend = "auto") -> tuple[Tensor, Tensor]:
        """Edges of the lattice that cross the surface [N, 2] int32 and faces of the surface [T, 3] int32."""
        return surface_topology(self.closed_sdf(), self._tets, backend)

    def positions(self, edges: Tensor) -> Tensor:
        """Where the surface crosses edges [N, 2] of the lattice, [N, 3]; differentiable to all parameters."""
        # Few vertices are near the surface: only those are deformed.
        used, ends = torch.unique(edges.long(), return_inverse=True)
        vertices = self._vertices[used] + self.displacement(used)
        return edge_crossings(vertices, self.closed_sdf()[used], ends, MIN_DIFFERENCE * min(self._spacing))

    def mesh(self, backend: Backend = "auto") -> tuple[Tensor, Tensor]:
        """Vertices [N, 3], differentiable, and faces [T, 3] int32, counter-clockwise seen from outside.

        The mesh is closed and manifold and does not pass through itself; vertices coincide where a distance
        is exactly zero. It is empty where no distance is negative.

        Raises:
            InputError: A distance is NaN or infinite.
        """
        edges, faces = self.topology(backend)
        return self.positions(edges), faces

    @torch.no_grad()
    def detached_mesh(self) -> Mesh:
        """The same as arrays of their own, vertices and faces only."""
        vertices, faces = self.mesh()
        return Mesh(vertices.cpu().numpy(), faces.cpu().numpy())


def _fill_cavities(sdf: Tensor, lattice: TetLattice) -> Tensor:
    """Distances [V] with what is outside but cannot be reached from the walls made as inside as any."""
    outside, edges = (sdf >= 0).cpu().numpy(), lattice.edges.cpu().numpy()
    joined = edges[outside[edges[:, 0]] & outside[edges[:, 1]]]
    graph = coo_matrix((np.ones(len(joined), bool), joined.T), shape=(len(outside), len(outside)))
    pieces = connected_components(graph, directed=False)[1]  # [V]
    reached = np.zeros(len(outside), bool)
    reached[pieces[lattice.is_boundary.cpu().numpy()]] = True
    cavity = torch.from_numpy(outside & ~reached[pieces]).to(sdf.device)
    return torch.where(cavity, sdf.min(), sdf)


def _smoothed(sdf: Tensor, lattice: TetLattice, rounds: int) -> Tensor:
    """Distances [V], each averaged with the mean of its neighbours, so often."""
    for _ in range(rounds):
        smoothed = 0.5 * (sdf + _neighbour_means(sdf, lattice.edges))
        sdf = smoothed if bool((smoothed < 0).any()) else sdf
    return sdf


def _neighbour_means(values: Tensor, edges: Tensor) -> Tensor:
    """Mean over the neighbours of each vertex [V]."""
    first, second = edges.long().unbind(1)
    total = add_rows(values[second], first, len(values)) + add_rows(values[first], second, len(values))
    return total / torch.bincount(edges.reshape(-1), minlength=len(values)).clamp_min(1)


def _distance_per_unit(values: Tensor, lattice: TetLattice) -> float:
    """Length over which the values change by one, across the surface where they are zero."""
    a, b = surface_topology(values, lattice.tets)[0].long().unbind(1)
    slopes = (values[a] - values[b]).abs() / (lattice.vertices[a] - lattice.vertices[b]).norm(dim=1)
    # An edge sees the slope times the cosine of its angle to the normal, and the larger that is the likelier
    # it crosses: among edges of all directions that do, its median is the square root of one half.
    return math.sqrt(0.5) / float(slopes.median())
