"""Gradients of a surface, made smooth before they are followed.

A picture's gradient pulls every vertex of a fine mesh on its own, and following it as it is makes the surface
rough at once. Descending in a metric that counts roughness (Nicolet et al. 2021, "Large Steps in Inverse
Rendering of Geometry") moves neighbours together: the same minimum, reached along smooth surfaces.
"""

import torch
from torch import Tensor

from dream3d.ops.rows import add_rows, flat_index, gather_rows
from dream3d.optimize.mesh_regularizers import MeshAdjacency


def smooth_rows(rows: Tensor, adjacency: MeshAdjacency, strength: float, num_rounds: int = 15) -> Tensor:
    """Solve (I + s L) x = rows, where L is a value less the mean of its neighbours: the "large step".

    By Jacobi's iteration, accelerated by Chebyshev's polynomials (Golub and Varga 1961): the spectrum of one
    round is real and within s / (1 + s), as a random walk to neighbours is symmetric but for the degrees.

    Args:
        rows: [V, C].
        adjacency: Of the mesh; a vertex without neighbours keeps its value.
        strength: s; values spread about sqrt(s) edges far. 0 leaves them as they are.
        num_rounds: Each shrinks the error by r / (1 + sqrt(1 - r^2)) with r = s / (1 + s): 0.64 if s is 10.

    Returns:
        [V, C], without gradient.
    """
    with torch.no_grad():
        size, width = rows.shape
        first, second = adjacency.edges.unbind(1)
        degree = torch.bincount(adjacency.edges.view(-1), minlength=size)[:, None]
        radius = strength / (1.0 + strength)
        weight = torch.where(degree > 0, radius, 0.0).to(rows)
        kept = (1.0 - weight) * rows
        share = (weight / degree.clamp_min(1)).expand(size, width).reshape(-1)
        # Numbers of elements instead of rows, found once for all rounds.
        to, come = (flat_index(torch.cat(ends), width) for ends in ((first, second), (second, first)))

        def mixed(values: Tensor) -> Tensor:
            around = torch.zeros_like(share).index_add(0, to, values.reshape(-1).index_select(0, come))
            return kept + (share * around).view(size, width)

        before, spread, factor = rows, mixed(rows), 2.0
        for _ in range(num_rounds - 1):
            factor = 1.0 / (1.0 - 0.25 * radius**2 * factor)
            before, spread = spread, before + factor * (mixed(spread) - before)
        return spread


def distance_gradient(flow: Tensor, normals: Tensor, crossings: Tensor, lattice_edges: Tensor) -> Tensor:
    """The gradient of signed distances that lets their surface follow the gradient of its vertices.

    Where a surface moves outwards by d, the distances around it fall by d (Osher and Sethian 1988; Mehta et
    al. 2022, "A Level Set Theory for Neural Implicit Evolution under Explicit Flows"). The chain rule would
    weigh each crossing by its place on its edge instead, and so roughen what the flow left smooth.

    Args:
        flow: [N, 3] gradient of the vertices.
        normals: [N, 3] of the vertices, outwards.
        crossings: [N, 2] the edge of the lattice that each vertex lies on.
        lattice_edges: [E, 2] all edges of the lattice between V distances.

    Returns:
        [V]: beside the surface the mean over the crossings, next to that the mean over those, else 0.
    """
    with torch.no_grad():
        size = int(lattice_edges.max()) + 1
        speed = -(flow * normals).sum(dim=1)
        beside = crossings.long().reshape(-1)
        count = torch.bincount(beside, minlength=size)
        first = add_rows(speed.repeat_interleave(2), beside, size) / count.clamp_min(1)
        # Else the surface would stop at distances that never heard of it.
        is_beside = count > 0
        one, other = (is_beside.index_select(0, end) for end in lattice_edges.unbind(1))
        ends = lattice_edges[one != other].long()
        ends = torch.where(is_beside[ends[:, :1]], ends, ends.flip(1))  # from beside to next to that
        total = add_rows(gather_rows(first, ends[:, 0]), ends[:, 1], size)
        return first + total / torch.bincount(ends[:, 1], minlength=size).clamp_min(1)


def bounded(flow: Tensor) -> Tensor:
    """Rows [V, C] divided by the root mean square length of those that are not zero, and cut to length 1.

    What a few pixels see of a vertex says where it should go, not how far: without a bound a single step
    could carry a vertex away that is rarely seen again.
    """
    lengths = flow.norm(dim=1, keepdim=True)
    moved = lengths[lengths > 0]
    scale = moved.square().mean().sqrt() if moved.numel() else lengths.new_ones(())
    return flow / torch.maximum(lengths, scale)
