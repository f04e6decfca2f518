"""Blended silhouettes as Laine et al. 2020 describe them (Modular Primitives for High-Performance
Differentiable Rendering), in plain torch: what our `antialias` is measured against.

Of two neighbouring pixels that see different triangles only the nearer triangle is looked at: one of its own
edges is a silhouette or nothing is found. Ours follows the surface on from there, and knows where surfaces
pass through each other. Written from the paper, not compared with its authors' code.
"""

import torch
from torch import Tensor

from dream3d.ops._antialias_reference import (
    NO_EDGE,
    _corner,
    _crossing,
    _different_pairs,
    _is_of_axis,
    _Mesh,
    _outline_crossing,
    _Pairs,
    _select,
    _straddles,
)
from dream3d.ops.antialias import EdgeTopology
from dream3d.ops.rasterize import Fragments


def antialias_published(
    image: Tensor, fragments: Fragments, clip: Tensor, faces: Tensor, edges: EdgeTopology
) -> Tensor:
    """The picture [B, H, W, C] with blended silhouettes, differentiable to picture and positions."""
    height, width = fragments.triangle_id.shape[1:]
    half_size = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    mesh = _Mesh(clip.detach().double(), faces.long(), edges.neighbors.long(), half_size)
    live = _Mesh(clip, mesh.faces, mesh.neighbors, half_size)
    flat = image.flatten(0, 2)
    output = flat
    for axis in (0, 1):
        pairs = _different_pairs(fragments.triangle_id.long(), fragments.depth.double(), axis)
        edge = _own_silhouette(mesh, pairs)
        found = (edge != NO_EDGE).nonzero()[:, 0]
        pairs = _select(pairs, found)
        s = _outline_crossing(live, pairs, edge[found]).to(image.dtype)[:, None]
        first, second = pairs.pixels.unbind(1)
        step = flat[first] - flat[second]
        output = output.index_add(0, first, -(0.5 - s).relu() * step)
        output = output.index_add(0, second, (s - 0.5).relu() * step)
    return output.view(image.shape)


def _own_silhouette(mesh: _Mesh, pairs: _Pairs) -> Tensor:
    """The silhouette edge of the nearer triangle that passes between the centres, a half-edge [P]."""
    first, second = pairs.ids.unbind(1)
    forward = (second < 0) | ((first >= 0) & (pairs.depths[:, 0] <= pairs.depths[:, 1]))
    front = torch.where(forward, first, second)
    corners, usable = mesh.corners(pairs, front)
    found = torch.full_like(front, NO_EDGE)
    for e in (0, 1, 2):
        a, b, apex = (_corner(corners, torch.full_like(front, e + i)) for i in range(3))
        crossing = _crossing(a, b)
        between = usable & (corners[..., 2] > 0).all(1) & _straddles(a, b) & (crossing >= 0) & (crossing <= 1)
        twin = mesh.neighbors[front, e]
        beyond, _ = mesh.corners(pairs, torch.where(twin >= 0, twin // 3, -1))
        line = torch.linalg.cross(a, b)
        opposite = _corner(beyond, twin.clamp_min(0) % 3 + 2)
        folds_back = (line * apex).sum(-1).sign() * (line * opposite).sum(-1).sign() > 0
        half_edge = 3 * front + e
        silhouette = between & ((twin < 0) | folds_back) & _is_of_axis(mesh, pairs, half_edge)
        found = torch.where((found == NO_EDGE) & silhouette, half_edge, found)
    return found
