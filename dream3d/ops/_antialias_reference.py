"""The plain-torch twin of the antialiasing kernels (see antialias.py), for any device and floating dtype.

What separates two pixels is found in float64 and without gradient; where it crosses between their centres is
a plain torch expression of the positions on screen, and autograd does the rest. Lengths are pixels from the
centre of a pair's first pixel, u towards the second one, v across.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

MAX_WALK = 128  # triangles followed between two pixel centres; as in the kernel, like the next three
SNAP_TOLERANCE = 1 / 128
MIN_DEPTH_SLOPE = 0.02
MIN_DEPTH_STEP = 1e-6

NO_EDGE, INTERSECTION = -1, -2
_UNKNOWN, _SAME_SURFACE, _COVERS_OTHER, _SILHOUETTE = range(4)


@dataclass(frozen=True)
class _Pairs:
    """Pixels that see different triangles, each with its right (axis 0) or lower neighbour."""

    view: Tensor  # [P] int64
    center: Tensor  # [P, 2] float64, x and y of the first pixel's centre
    axis: int
    ids: Tensor  # [P, 2] int64, triangles of the first and the second pixel, -1 for none
    depths: Tensor  # [P, 2]
    pixels: Tensor  # [P, 2] int64, counted over all views


@dataclass(frozen=True)
class _Mesh:
    positions: Tensor  # [B, V, 4]
    faces: Tensor  # [T, 3] int64
    neighbors: Tensor  # [T, 3] int64
    half_size: Tensor  # [2] float64, half of width and height

    def corners(self, pairs: _Pairs, triangle: Tensor) -> tuple[Tensor, Tensor]:
        """Homogeneous (u, v, w) of the triangles' corners [P, 3, 3], and whether they can be used [P]."""
        index = self.faces[triangle.clamp(0, len(self.faces) - 1)]
        num_vertices = self.positions.shape[1]
        exists = (
            (triangle >= 0) & (triangle < len(self.faces)) & ((index >= 0) & (index < num_vertices)).all(1)
        )
        points = to_pair(
            self.positions[pairs.view[:, None], index.clamp(0, num_vertices - 1)], pairs, self.half_size
        )
        usable = exists & points.isfinite().flatten(1).all(1)
        return torch.where(usable[:, None, None], points, 0.0), usable


def antialias_reference_tensors(
    image: Tensor,
    positions: Tensor,
    faces: Tensor,
    neighbors: Tensor,
    triangle_id: Tensor,
    depth: Tensor,
    exact: bool,
) -> Tensor:
    """Image [B, H, W, C] with its silhouettes blended, or untouched if `exact`."""
    if image.numel() == 0 or faces.numel() == 0:
        return image.clone()
    flat = image.flatten(0, 2)
    output = flat
    for axis in (0, 1):
        pairs, edge, crossing = find_separated_pairs(positions, faces, neighbors, triangle_id, depth, axis)
        found = edge != NO_EDGE
        first, second = pairs.pixels[found].unbind(1)
        s = crossing[found].to(image.dtype)[:, None]
        step = flat[first] - flat[second]
        if exact:  # nothing is added but a derivative
            moved, jump, at = s - s.detach(), step.detach(), s.detach()
            output = output.index_add(0, first, (1 - at) * jump * moved)
            output = output.index_add(0, second, at * jump * moved)
        else:
            output = output.index_add(0, first, -(0.5 - s).relu() * step)
            output = output.index_add(0, second, (s - 0.5).relu() * step)
    return output.view(image.shape)


def find_separated_pairs(
    positions: Tensor, faces: Tensor, neighbors: Tensor, triangle_id: Tensor, depth: Tensor, axis: int
) -> tuple[_Pairs, Tensor, Tensor]:
    """The pairs along an axis, what separates each [P] (half-edge or one of the above), and where [P]."""
    height, width = triangle_id.shape[1:]
    half_size = torch.tensor([width / 2, height / 2], dtype=torch.float64, device=positions.device)
    mesh = _Mesh(positions.detach().double(), faces.long(), neighbors.long(), half_size)
    pairs = _different_pairs(triangle_id.long(), depth.double(), axis)
    edge = _find_edges(mesh, pairs)

    crossing = torch.zeros(edge.shape, dtype=positions.dtype, device=positions.device)
    live = _Mesh(positions, mesh.faces, mesh.neighbors, half_size)
    outlines, meetings = (edge >= 0).nonzero()[:, 0], (edge == INTERSECTION).nonzero()[:, 0]
    crossing = crossing.index_put(
        (outlines,), _outline_crossing(live, _select(pairs, outlines), edge[outlines])
    )
    where, _, _ = _meeting(live, _select(pairs, meetings))
    crossing = crossing.index_put((meetings,), where)
    # A crossing a little outside (vertices are snapped) is moved to the end; its derivative stays.
    return pairs, edge, crossing + (crossing.clamp(0, 1) - crossing).detach()


def to_pair(points: Tensor, pairs: _Pairs, half_size: Tensor) -> Tensor:
    """Clip-space points [P, N, 4] in the coordinates of their pair: homogeneous (u, v, w), [P, N, 3]."""
    x, y, _, w = points.unbind(-1)
    half = half_size.to(points.dtype)
    center = pairs.center.to(points.dtype)
    right = x * half[0] + w * (half[0] - center[:, :1])
    down = w * (half[1] - center[:, 1:]) - y * half[1]
    return torch.stack([right, down, w] if pairs.axis == 0 else [down, right, w], -1)


def _different_pairs(ids: Tensor, depth: Tensor, axis: int) -> _Pairs:
    height, width = ids.shape[1:]
    dim = 2 - axis
    size = ids.shape[dim]
    number = torch.arange(ids.numel(), device=ids.device).view(ids.shape)

    def both(values: Tensor) -> Tensor:
        return torch.stack(
            [values.narrow(dim, 0, max(size - 1, 0)), values.narrow(dim, min(1, size), max(size - 1, 0))], -1
        )

    differ = both(ids)[..., 0] != both(ids)[..., 1]
    pixels = both(number)[differ]
    first = pixels[:, 0]
    center = torch.stack([first % width, first // width % height], -1).double() + 0.5
    return _Pairs(first // (height * width), center, axis, both(ids)[differ], both(depth)[differ], pixels)


def _select(pairs: _Pairs, which: Tensor) -> _Pairs:
    return _Pairs(
        pairs.view[which],
        pairs.center[which],
        pairs.axis,
        pairs.ids[which],
        pairs.depths[which],
        pairs.pixels[which],
    )


def _find_edges(mesh: _Mesh, pairs: _Pairs) -> Tensor:
    """What separates each pair, [P] int64."""
    first, second = pairs.ids.unbind(1)
    forward = (second < 0) | ((first >= 0) & (pairs.depths[:, 0] <= pairs.depths[:, 1]))
    front, back = torch.where(forward, first, second), torch.where(forward, second, first)
    end, edge = _walk(mesh, pairs, front, back, forward)
    goes_on = (end == _COVERS_OTHER) & (back >= 0)
    other_end, other_edge = _walk(mesh, pairs, back, front, ~forward)
    edge = torch.where(goes_on, other_edge, edge)
    is_outline = (end == _SILHOUETTE) | (goes_on & (other_end == _SILHOUETTE))
    edge = torch.where(is_outline & _is_of_axis(mesh, pairs, edge.clamp_min(0)), edge, NO_EDGE)
    meetings = (goes_on & (other_end == _COVERS_OTHER)).nonzero()[:, 0]
    _, along, across = _meeting(mesh, _select(pairs, meetings))
    return edge.index_put((meetings,), _is_meeting(mesh, _select(pairs, meetings), along, across))


def _walk(
    mesh: _Mesh, pairs: _Pairs, triangle: Tensor, other: Tensor, forward: Tensor
) -> tuple[Tensor, Tensor]:
    """How the surface that one pixel sees ends on the way to the other, and at which half-edge: [P] each."""
    end, edge = torch.full_like(triangle, _UNKNOWN), torch.full_like(triangle, NO_EDGE)
    corners, active = mesh.corners(pairs, triangle)
    leaves, has_exit = _first_exit(corners, forward)
    active = active & has_exit
    for _ in range(MAX_WALK):
        if not active.any():
            break
        a, b, apex = (_corner(corners, leaves + i) for i in range(3))
        active = active & (a[:, 2] > 0) & (b[:, 2] > 0) & _straddles(a, b)
        crossing = _crossing(a, b)
        passed = active & torch.where(forward, crossing > 1 + SNAP_TOLERANCE, crossing < -SNAP_TOLERANCE)
        end = torch.where(passed, _COVERS_OTHER, end)
        active = active & ~passed
        half_edge = 3 * triangle.clamp(0, len(mesh.faces) - 1) + leaves
        twin = mesh.neighbors.flatten()[half_edge]
        beyond, usable = mesh.corners(pairs, torch.where(twin >= 0, twin // 3, -1))
        entry = twin.clamp_min(0) % 3
        line = torch.linalg.cross(a, b)
        sides = (line * apex).sum(-1).sign() * (line * _corner(beyond, entry + 2)).sum(-1).sign()
        outline = active & ((twin < 0) | (usable & (sides > 0)))
        end, edge = torch.where(outline, _SILHOUETTE, end), torch.where(outline, half_edge, edge)
        active = active & ~outline & usable
        triangle = torch.where(active, twin // 3, triangle)
        arrived = active & (triangle == other)
        end = torch.where(arrived, _SAME_SURFACE, end)
        active = active & ~arrived
        corners = beyond
        after_entry = _straddles(_corner(corners, entry + 1), _corner(corners, entry + 2))
        leaves = (entry + torch.where(after_entry, 1, 2)) % 3
    return end, edge


def _first_exit(corners: Tensor, forward: Tensor) -> tuple[Tensor, Tensor]:
    """The edge by which the line leaves the triangle [P], and whether there is one [P]."""
    ends = corners.roll(-1, dims=1)
    crossing = _crossing(corners, ends)
    ahead = torch.where(forward[:, None], crossing, 1 - crossing)
    possible = (
        (corners[..., 2] > 0) & (ends[..., 2] > 0) & _straddles(corners, ends) & (ahead >= -SNAP_TOLERANCE)
    )
    return torch.where(possible, ahead, -torch.inf).argmax(1), possible.any(1)


def _corner(corners: Tensor, index: Tensor) -> Tensor:
    return corners[torch.arange(len(corners), device=corners.device), index % 3]


def _straddles(a: Tensor, b: Tensor) -> Tensor:
    return (a[..., 1] >= 0) != (b[..., 1] >= 0)


def _crossing(a: Tensor, b: Tensor) -> Tensor:
    """Where v = 0 on the edges between homogeneous points [..., 3]: their u."""
    start, end = a[..., :2] / a[..., 2:], b[..., :2] / b[..., 2:]
    return start[..., 0] - start[..., 1] * (end[..., 0] - start[..., 0]) / (end[..., 1] - start[..., 1])


def _ends(mesh: _Mesh, edge: Tensor) -> Tensor:
    """The two vertices of half-edges [P]: [P, 2]."""
    face = mesh.faces[edge // 3]
    ends = torch.stack([_corner(face, edge % 3), _corner(face, edge % 3 + 1)], 1)
    return ends.clamp(0, mesh.positions.shape[1] - 1)


def _is_of_axis(mesh: _Mesh, pairs: _Pairs, edge: Tensor) -> Tensor:
    """Steep edges belong to horizontal pairs, flat ones to vertical pairs."""
    x, y, _, w = mesh.positions[pairs.view[:, None], _ends(mesh, edge)].unbind(-1)  # [P, 2]
    dx = (w[:, 0] * x[:, 1] - w[:, 1] * x[:, 0]) * mesh.half_size[0]
    dy = (w[:, 0] * y[:, 1] - w[:, 1] * y[:, 0]) * mesh.half_size[1]
    return (dy.abs() >= dx.abs()) == (pairs.axis == 0)


def _outline_crossing(mesh: _Mesh, pairs: _Pairs, edge: Tensor) -> Tensor:
    points = to_pair(mesh.positions[pairs.view[:, None], _ends(mesh, edge)], pairs, mesh.half_size)
    return _crossing(points[:, 0], points[:, 1])


def _meeting(mesh: _Mesh, pairs: _Pairs) -> tuple[Tensor, Tensor, Tensor]:
    """Where the planes of both triangles are equally deep [P], and their slopes along and across [P, 2]."""
    planes = []
    for side in (0, 1):
        index = mesh.faces[pairs.ids[:, side]].clamp(0, mesh.positions.shape[1] - 1)
        clip = mesh.positions[pairs.view[:, None], index]
        points = to_pair(clip, pairs, mesh.half_size)
        # a triangle that cannot be used gets the plane z = 0, which meets nothing
        good = (points[..., 2] > 0).all(1) & points.isfinite().flatten(1).all(1)
        screen = torch.cat([points[..., :2] / points[..., 2:], torch.ones_like(points[..., :1])], -1)
        good = good & (torch.linalg.det(screen.detach()) != 0)
        screen = torch.where(
            good[:, None, None], screen, torch.eye(3, dtype=screen.dtype, device=screen.device)
        )
        depth = torch.where(good[:, None], clip[..., 2] / points[..., 2], torch.nan)
        planes.append(torch.linalg.solve(screen, depth))
    p, q = planes
    where = (q[:, 2] - p[:, 2]) / (p[:, 0] - q[:, 0])
    return where, torch.stack([p[:, 0], q[:, 0]], 1), torch.stack([p[:, 1], q[:, 1]], 1)


def _is_meeting(mesh: _Mesh, pairs: _Pairs, along: Tensor, across: Tensor) -> Tensor:
    """INTERSECTION for pairs whose triangles pass through each other between the centres, else NO_EDGE."""
    where, _, _ = _meeting(mesh, pairs)
    faces = mesh.faces[pairs.ids]  # [P, 2, 3]
    apart = (faces[:, 0, :, None] != faces[:, 1, None, :]).flatten(1).all(1)
    step, slope = along[:, 0] - along[:, 1], across[:, 0] - across[:, 1]
    slopes = along.abs().sum(1) + across.abs().sum(1)
    real = apart & (step > (MIN_DEPTH_SLOPE * slopes).clamp_min(MIN_DEPTH_STEP)) & (where >= 0) & (where <= 1)
    real = real & (step.abs() >= slope.abs() if pairs.axis == 0 else step.abs() > slope.abs())
    return torch.where(real, INTERSECTION, NO_EDGE)
