"""FlexiCubes, for comparison with the surface that the refinement moves (`scripts/compare_surfaces.py`).

Shen et al. 2023, "Flexible Isosurface Extraction for Gradient-Based Mesh Optimization" (arXiv 2308.05371):
dual marching cubes whose vertices can move inside their cubes by weights that are learned with the distances.
"""

from itertools import product

import torch
from torch import Tensor, nn

MAX_DEFORMATION = 0.45  # cells: corners stay apart
GREATEST_WEIGHT = 0.99  # of tanh; a weight near 0 or 2 would put vertices on corners

CORNERS = tuple(product((0, 1), repeat=3))  # (x, y, z), the number of a corner read as binary
EDGES = tuple((a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b) in (1, 2, 4))
NO_PATCH = -1


class FlexiCubes(nn.Module):
    """Signed distances on a grid of cubes, negative inside, and the paper's weights.

    Attributes:
        sdf: [V] at the corners, in scene units.
        deformation: [V, 3], of the corners.
        alpha: [C, 8] moves the crossings on the edges of a cube, for that cube alone.
        beta: [C, 12] weighs the crossings that a vertex is the mean of.
        gamma: [C] chooses the diagonals of the quadrilaterals.
    """

    corners: Tensor  # [V, 3]
    cubes: Tensor  # [C, 8] corners
    edges: Tensor  # [E, 2] corners, each edge of the grid once
    patches: Tensor  # [256, 12]

    def __init__(self, resolution: int, side: float) -> None:
        """A box around the origin, in cubes, all outside."""
        super().__init__()
        axis = torch.linspace(-side / 2, side / 2, resolution + 1)
        grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3)
        index = torch.arange(len(grid)).view(*[resolution + 1] * 3)
        cubes = torch.stack(
            [index[x : x + resolution, y : y + resolution, z : z + resolution] for x, y, z in CORNERS], -1
        )
        self.spacing = side / resolution
        self.register_buffer("corners", grid)
        self.register_buffer("cubes", cubes.reshape(-1, 8))
        ends = [(index.narrow(axis, 0, resolution), index.narrow(axis, 1, resolution)) for axis in range(3)]
        edges = [torch.stack([one.reshape(-1), other.reshape(-1)], 1) for one, other in ends]
        self.register_buffer("edges", torch.cat(edges))
        self.register_buffer("patches", torch.tensor([_patches(config) for config in range(256)]))
        self.sdf = nn.Parameter(torch.ones(len(grid)))
        self.deformation = nn.Parameter(torch.zeros_like(grid))
        self.alpha = nn.Parameter(torch.zeros(len(self.cubes), 8))
        self.beta = nn.Parameter(torch.zeros(len(self.cubes), 12))
        self.gamma = nn.Parameter(torch.zeros(len(self.cubes)))

    def mesh(self) -> tuple[Tensor, Tensor, Tensor]:
        """Vertices [N, 3], faces [T, 3] int32, and the spread of the crossings about their vertices.

        Every quadrilateral is four triangles around a middle that leans to the better diagonal (section 4.3).
        """
        is_inside = self.sdf < 0
        count = is_inside[self.cubes].sum(1)
        used = ((count > 0) & (count < 8)).nonzero()[:, 0]
        crossings, weights, edge_patch = self._crossings(used)
        per_cube = edge_patch.amax(1) + 1
        vertex_of = (per_cube.cumsum(0) - per_cube)[:, None] + edge_patch  # [K, 12], where an edge is crossed
        is_crossed = edge_patch != NO_PATCH
        at = vertex_of[is_crossed], crossings[is_crossed]
        vertices = _group_means(*at, weights[is_crossed], int(per_cube.sum()))
        quads, cube_of = self._quads(used, vertex_of, is_crossed)
        corners = vertices[quads]  # [Q, 4, 3]
        gamma = torch.sigmoid(self.gamma[cube_of])  # [Q, 4]
        one, other = gamma[:, 0] * gamma[:, 2], gamma[:, 1] * gamma[:, 3]
        lean = (one / (one + other))[:, None]
        middle = lean * corners[:, [0, 2]].mean(1) + (1.0 - lean) * corners[:, [1, 3]].mean(1)
        center = len(vertices) + torch.arange(len(quads), device=quads.device)
        faces = [torch.stack([quads[:, k], quads[:, (k + 1) % 4], center], 1) for k in range(4)]
        return torch.cat([vertices, middle]), torch.cat(faces).int(), _spread(*at, vertices)

    def _crossings(self, used: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For K cubes: where their edges are crossed [K, 12, 3], their weights and patches [K, 12]."""
        corners = self.cubes[used]  # [K, 8]
        sdf = self.sdf[corners]
        weight = 1.0 + GREATEST_WEIGHT * torch.tanh(self.alpha[used])
        moved = self.deformation[corners].tanh() * (MAX_DEFORMATION * self.spacing) + self.corners[corners]
        a, b = torch.tensor(EDGES, device=used.device).unbind(1)
        sa, sb = (sdf * weight)[:, a], (sdf * weight)[:, b]
        config = ((sdf < 0).long() << torch.arange(8, device=used.device)).sum(1)
        edge_patch = self.patches[config]
        is_crossed = edge_patch != NO_PATCH
        share = torch.where(is_crossed, sa / torch.where(is_crossed, sa - sb, 1.0), 0.5)[..., None]
        crossings = moved[:, a] + share * (moved[:, b] - moved[:, a])
        return crossings, 1.0 + GREATEST_WEIGHT * torch.tanh(self.beta[used]), edge_patch

    def _quads(self, used: Tensor, vertex_of: Tensor, is_crossed: Tensor) -> tuple[Tensor, Tensor]:
        """The four vertices around each crossed edge of the grid [Q, 4], outwards, and their cubes [Q, 4]."""
        corners = self.cubes[used]
        quads, cubes = [], []
        for axis in range(3):
            # The four edges of a cube along the axis; the cube lies on another side of each.
            own = [k for k, (a, b) in enumerate(EDGES) if (a ^ b) == (4, 2, 1)[axis]]
            low = corners[:, [EDGES[k][0] for k in own]]  # [K, 4] vertex where the edge begins
            chosen = is_crossed[:, own]
            key, vertex = low[chosen], vertex_of[:, own][chosen]
            cube = used[:, None].expand(-1, 4)[chosen]
            # Side of the edge on which the cube lies, counter-clockwise about the axis.
            u, v = (axis + 1) % 3, (axis + 2) % 3
            side = torch.tensor([_turn(CORNERS[EDGES[k][0]][u], CORNERS[EDGES[k][0]][v]) for k in own])
            order = (key * 4 + side.expand(len(used), 4)[chosen]).argsort()
            key, vertex, cube = key[order].view(-1, 4), vertex[order].view(-1, 4), cube[order].view(-1, 4)
            is_rising = self.sdf[key[:, 0]] < 0  # inside below: the surface faces along the axis
            quads.append(torch.where(is_rising[:, None], vertex, vertex.flip(1)))
            cubes.append(torch.where(is_rising[:, None], cube, cube.flip(1)))
        return torch.cat(quads), torch.cat(cubes)


def _group_means(group: Tensor, rows: Tensor, weights: Tensor, count: int) -> Tensor:
    """Weighted means [count, C] of the rows [N, C] of each group [N]."""
    sums = rows.new_zeros(count, rows.shape[1]).index_add(0, group, weights[:, None] * rows)
    return sums / rows.new_zeros(count, 1).index_add(0, group, weights[:, None])


def _spread(vertex_of: Tensor, crossings: Tensor, vertices: Tensor) -> Tensor:
    """Mean absolute deviation of the distances of crossings [N, 3] from their vertices (equation 8)."""
    distance = (crossings - vertices[vertex_of]).norm(dim=1, keepdim=True)
    mean = _group_means(vertex_of, distance, torch.ones_like(distance[:, 0]), len(vertices))
    return (distance - mean[vertex_of]).abs().mean()


def _turn(u: int, v: int) -> int:
    """Where a cube lies around the edge at its corner (u, v), counter-clockwise from the first quarter."""
    return {(0, 0): 0, (1, 0): 1, (1, 1): 2, (0, 1): 3}[u, v]


def _patches(config: int) -> list[int]:
    """For each edge of a cube with these corners inside: its patch of the surface, or NO_PATCH.

    Edges are linked across the cube's faces; where all four of a face are crossed, around its inside corners.
    """
    crossed = [k for k, (a, b) in enumerate(EDGES) if (config >> a & 1) != (config >> b & 1)]
    parent = {k: k for k in crossed}

    def root(k: int) -> int:
        return k if parent[k] == k else root(parent[k])

    for axis, side in product(range(3), (0, 1)):
        on_face = [k for k in crossed if all(CORNERS[c][axis] == side for c in EDGES[k])]
        for one, other in product(on_face, on_face):
            shared = set(EDGES[one]) & set(EDGES[other])
            if len(on_face) == 2 or any(config >> corner & 1 for corner in shared):
                parent[root(one)] = root(other)
    names = {name: number for number, name in enumerate(sorted({root(k) for k in crossed}))}
    return [names[root(k)] if k in parent else NO_PATCH for k in range(12)]
