"""Decimation that keeps a UV atlas: half-edge collapses on quadric error (Garland and Heckbert, 1997).

A collapse moves a vertex p onto a neighbor q, so that every vertex that stays is one of the original ones.
Two meshes share the faces: positions, which stay closed and manifold, and wedges, the vertices of the UV
charts (several at one position along a seam). A wedge of p follows to the wedge of q in the same chart where
that neither folds the chart nor moves its outline by more than a bound. Otherwise it keeps its UV: the
texture slides over the faces around it, which is priced like any other error, and the atlas is as before.

Letters: W positions, U wedges, T faces, K candidates, M pairs of a candidate and a corner around its p.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dream3d.extract.connectivity import IntVector, Rows, neighbors, next_corner, num_common, twins

Floats = NDArray[np.float64]

MIN_TURN_COSINE = 0.3  # between the normals of a face before and after
MIN_QUALITY = 0.03  # of a triangle: 1 when equilateral, 0 when flat
SLIDE_WEIGHT = 0.5  # of sliding the texture by some distance, against moving the surface by as much
LENGTH_WEIGHT = 1e-3  # prefers short edges where the surface is flat
CHEAPEST_SHARE = 0.25  # of the candidates of a round that are looked at closely


@dataclass
class UvSurface:
    """A surface in the middle of its decimation."""

    positions: Floats  # [W, 3]
    uvs: Floats  # [U, 2]
    faces: IntVector  # [T, 3] into positions
    wedges: IntVector  # [T, 3] into uvs
    quadrics: Floats  # [W, 4, 4]
    drift: Floats  # [U], how far the outline of the chart has moved there, at most
    max_drift: float  # in UV units

    @staticmethod
    def start(
        positions: Floats, uvs: Floats, faces: IntVector, wedges: IntVector, max_drift: float
    ) -> "UvSurface":
        """A surface before its first collapse."""
        corners = positions[faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        doubled = np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
        normals /= doubled
        planes = np.hstack([normals, -(normals * corners[:, 0]).sum(axis=1, keepdims=True)])
        of_faces = 0.5 * doubled[:, :, None] * planes[:, :, None] * planes[:, None, :]
        quadrics = np.zeros((len(positions), 4, 4))
        for slot in range(3):
            np.add.at(quadrics, faces[:, slot], of_faces)
        return UvSurface(positions, uvs, faces, wedges, quadrics, np.zeros(len(uvs)), max_drift)


def decimate_with_uvs(surface: UvSurface, target_faces: int) -> None:
    """Collapse edges, in place, until at most `target_faces` are left or none can be collapsed any more.

    Args:
        surface: Open edges and non-manifold ones stay as they are.
        target_faces: How many triangles to leave.
    """
    share = CHEAPEST_SHARE
    while len(surface.faces) > target_faces:
        wanted = (len(surface.faces) - target_faces + 1) // 2  # a collapse takes two faces
        if _collapse_round(surface, wanted, share):
            share = CHEAPEST_SHARE
        elif share < 1.0:
            share = 1.0  # none of the cheap ones is possible
        else:
            return


@dataclass(frozen=True)
class _Candidates:
    """Collapses of position p onto q along the edges that start in `corner`."""

    corner: IntVector  # [K]
    p: IntVector  # [K]
    q: IntVector  # [K]
    cost: Floats  # [K]

    def keep(self, chosen: NDArray[np.bool_]) -> "_Candidates":
        return _Candidates(self.corner[chosen], self.p[chosen], self.q[chosen], self.cost[chosen])


def _collapse_round(surface: UvSurface, wanted: int, share: float) -> int:
    """Do the cheapest collapses that do not touch each other; returns how many."""
    ends, num_positions = surface.faces.reshape(-1), len(surface.positions)
    twin = twins(ends, num_positions)
    candidates = _cheapest(surface, ends, twin, share)
    around = neighbors(ends, num_positions)
    # The link condition keeps a closed manifold one: p and q share the two vertices opposite to their edge.
    common = num_common(around, candidates.p, candidates.q, num_positions)
    is_tetrahedron = (around.counts[candidates.p] <= 3) & (around.counts[candidates.q] <= 3)
    candidates = candidates.keep((common == 2) & ~is_tetrahedron)
    stars = Rows.group(ends, num_positions)
    owner, corner = stars.expand(candidates.p)
    stays = (surface.faces[corner // 3] != candidates.q[owner, None]).all(axis=1)
    owner, corner = owner[stays], corner[stays]
    possible, areas = _shapes(surface, candidates, owner, corner)
    target, drift = _follow(surface, candidates, twin, owner, corner)
    lengths = np.linalg.norm(surface.positions[candidates.p] - surface.positions[candidates.q], axis=1)
    slid = np.bincount(owner, areas * (target < 0), minlength=len(lengths)) * lengths**2
    cost = np.where(possible, candidates.cost + SLIDE_WEIGHT * slid, np.inf)
    chosen = _independent(cost, candidates, around, num_positions, wanted, share)
    _apply(surface, candidates, chosen, owner, corner, target, drift)
    return int(chosen.sum())


def _cheapest(surface: UvSurface, ends: IntVector, twin: IntVector, share: float) -> _Candidates:
    """The edges that move the surface least, in both directions."""
    is_locked = np.zeros(len(surface.positions), bool)
    open_corners = np.flatnonzero(twin < 0)
    is_locked[ends[open_corners]] = is_locked[ends[next_corner(open_corners)]] = True
    corner = np.flatnonzero((twin >= 0) & ~is_locked[ends])
    p, q = ends[corner], ends[next_corner(corner)]
    points = np.hstack([surface.positions, np.ones((len(surface.positions), 1))])
    joined = surface.quadrics[p] + surface.quadrics[q]
    error = np.einsum("ki,kij,kj->k", points[q], joined, points[q])
    squared = ((surface.positions[p] - surface.positions[q]) ** 2).sum(axis=1)
    # Length to the fourth power: an area times a squared distance, as the error is.
    cost = np.maximum(error, 0.0) + LENGTH_WEIGHT * squared**2
    if share < 1.0:
        count = min(len(cost), max(int(share * len(cost)), 256))
        chosen = np.sort(np.argpartition(cost, count - 1)[:count]) if count else np.arange(0)
        return _Candidates(corner[chosen], p[chosen], q[chosen], cost[chosen])
    return _Candidates(corner, p, q, cost)


def _shapes(
    surface: UvSurface, candidates: _Candidates, owner: IntVector, corner: IntVector
) -> tuple[NDArray[np.bool_], Floats]:
    """Which candidates fold or flatten no face [K], and the areas of the moved faces [M]."""
    before = surface.positions[surface.faces[corner // 3]]  # [M, 3, 3]
    after = before.copy()
    after[np.arange(len(corner)), corner % 3] = surface.positions[candidates.q[owner]]
    old, new = _area_vectors(before), _area_vectors(after)
    old_size, new_size = np.linalg.norm(old, axis=1), np.linalg.norm(new, axis=1)
    folds = (old * new).sum(axis=1) < MIN_TURN_COSINE * old_size * new_size
    quality, old_quality = _quality(after, new_size), _quality(before, old_size)
    is_flat = (quality < MIN_QUALITY) & (quality < old_quality)
    is_bad = folds | is_flat | (new_size <= 0)
    return np.bincount(owner, is_bad, minlength=len(candidates.p)) == 0, new_size


def _area_vectors(corners: Floats) -> Floats:
    """Normals as long as the area of their face: [M, 3, 3] -> [M, 3]."""
    return 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _quality(corners: Floats, areas: Floats) -> Floats:
    """Area over the sum of squared sides, 1 when equilateral: [M]."""
    squared = sum(((corners[:, slot] - corners[:, slot - 1]) ** 2).sum(axis=1) for slot in range(3))
    return 4.0 * np.sqrt(3.0) * areas / np.maximum(squared, 1e-30)


def _follow(
    surface: UvSurface, candidates: _Candidates, twin: IntVector, owner: IntVector, corner: IntVector
) -> tuple[IntVector, Floats]:
    """Wedge that the one in each corner becomes, -1 where it keeps its UV; drift of the outline: [M]."""
    wedges = surface.wedges.reshape(-1)
    outline = _Outline(surface)
    own = wedges[corner]
    target = np.full(len(corner), -1)
    drift = np.zeros(len(corner))
    sides = [
        (wedges[candidates.corner], wedges[next_corner(candidates.corner)]),
        (wedges[next_corner(twin[candidates.corner])], wedges[twin[candidates.corner]]),
    ]
    # Where a seam ends in p, its one wedge would have to go to two.
    is_torn = (sides[0][0] == sides[1][0]) & (sides[0][1] != sides[1][1])
    for start, end in sides:
        moved = outline.drift(start, end)  # [K]
        follows = (own == start[owner]) & ((moved <= surface.max_drift) & ~is_torn)[owner]
        pairs = np.flatnonzero(follows)
        folded = _folds_chart(surface, corner[pairs], end[owner[pairs]])
        has_fold = np.bincount(owner[pairs], folded, minlength=len(candidates.p)) > 0
        pairs = pairs[~has_fold[owner[pairs]]]
        target[pairs] = end[owner[pairs]]
        drift[pairs] = moved[owner[pairs]]
    return target, drift


class _Outline:
    """The borders of the UV charts."""

    def __init__(self, surface: UvSurface) -> None:
        ends = surface.wedges.reshape(-1)
        count = len(surface.uvs)
        border = np.flatnonzero(twins(ends, count) < 0)
        tails, heads = ends[border], ends[next_corner(border)]
        self.following, self.leading = np.full(count, -1), np.full(count, -1)
        self.following[tails], self.leading[heads] = heads, tails
        self.num_borders = np.bincount(tails, minlength=count) + np.bincount(heads, minlength=count)
        self.uvs, self.so_far = surface.uvs, surface.drift

    def drift(self, start: IntVector, end: IntVector) -> Floats:
        """How far the outline will have moved once wedges `start` went to `end`, [K]; infinite: must not."""
        onward = self.following[start] == end
        along = onward | (self.leading[start] == end)
        other = np.where(onward, self.leading[start], self.following[start])
        distance = _distance_to_segment(self.uvs[start], self.uvs[end], self.uvs[other])
        total = distance + np.maximum(self.so_far[start], np.maximum(self.so_far[end], self.so_far[other]))
        is_plain = along & (self.num_borders[start] == 2) & (other != end)
        return np.where(self.num_borders[start] == 0, 0.0, np.where(is_plain, total, np.inf))


def _distance_to_segment(points: Floats, a: Floats, b: Floats) -> Floats:
    """Distance [K] of points [K, 2] to the segments between a and b [K, 2]."""
    along = b - a
    share = ((points - a) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-30)
    return np.linalg.norm(points - a - np.clip(share, 0.0, 1.0)[:, None] * along, axis=1)


def _folds_chart(surface: UvSurface, corner: IntVector, target: IntVector) -> NDArray[np.bool_]:
    """True where a face would turn over in the atlas, or lose its extent, when its corner goes to a wedge."""
    before = surface.uvs[surface.wedges[corner // 3]]  # [M, 3, 2]
    after = before.copy()
    after[np.arange(len(corner)), corner % 3] = surface.uvs[target]
    old, new = _signed_areas(before), _signed_areas(after)
    return old * new <= 1e-3 * old**2


def _signed_areas(corners: Floats) -> Floats:
    """Signed area of flat triangles, [M, 3, 2] -> [M]."""
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return 0.5 * (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])


def _independent(
    cost: Floats, candidates: _Candidates, around: Rows, num_positions: int, wanted: int, share: float
) -> NDArray[np.bool_]:
    """The cheapest candidates whose neighborhoods do not touch, at most `wanted`: a mask [K]."""
    rank = np.empty(len(cost), np.int64)
    rank[np.argsort(cost, kind="stable")] = np.arange(len(cost))
    limit = np.isfinite(cost).sum()
    if share < 1.0:  # the expensive half may become unnecessary
        limit = (limit + 1) // 2
    allowed = np.flatnonzero(rank < limit)
    p, q = candidates.p[allowed], candidates.q[allowed]
    (p_owner, p_near), (q_owner, q_near) = around.expand(p), around.expand(q)
    owner = np.concatenate([p_owner, q_owner, np.arange(len(p)), np.arange(len(p))])
    touched = np.concatenate([p_near, q_near, p, q])
    first = np.full(num_positions, len(cost))
    np.minimum.at(first, touched, rank[allowed][owner])
    is_beaten = np.bincount(owner, first[touched] < rank[allowed][owner], minlength=len(p)) > 0
    winners = allowed[~is_beaten]
    chosen = np.zeros(len(cost), bool)
    chosen[winners[np.argsort(rank[winners])][:wanted]] = True
    return chosen


def _apply(
    surface: UvSurface,
    candidates: _Candidates,
    chosen: NDArray[np.bool_],
    owner: IntVector,
    corner: IntVector,
    target: IntVector,
    drift: Floats,
) -> None:
    """Do the chosen collapses."""
    p, q = candidates.p[chosen], candidates.q[chosen]
    moves = chosen[owner] & (target >= 0)
    wedges = surface.wedges.reshape(-1).copy()
    own = wedges[corner[moves]]
    for wedge in (own, target[moves]):
        np.maximum.at(surface.drift, wedge, drift[moves])
    wedges[corner[moves]] = target[moves]
    goal = np.arange(len(surface.positions))
    goal[p] = q
    surface.quadrics[q] += surface.quadrics[p]
    faces = goal[surface.faces]
    a, b, c = faces.T
    stays = (a != b) & (b != c) & (c != a)
    surface.faces, surface.wedges = faces[stays], wedges.reshape(-1, 3)[stays]
