"""Marching tetrahedra: the surface where a distance on the vertices of tetrahedra changes sign.

Doi & Koide 1991, "An Efficient Method of Triangulating Equi-Valued Surfaces by Using Tetrahedral Cells"; Shen
et al. 2021, "Deep Marching Tetrahedra" (arXiv 2111.04276), section 3.1.

Which edges cross the surface and how they are joined depends on signs alone. The compiled kernel answers that
in integers (count, scan, write: the same for any number of threads and on every device); where along its edge
a vertex of the surface lies is a small differentiable step in torch (`edge_crossings`).
"""

# ruff: noqa: ARG001 (fakes must have the signature of their op)

import ctypes

import torch
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops._checks import check_tensor
from dream3d.ops._library import INT64, POINTER, Backend, Kernel, resolve_backend
from dream3d.ops.rows import gather_rows

__all__ = ["edge_crossings", "marching_tetrahedra", "marching_tetrahedra_reference", "surface_topology"]

MIN_DIFFERENCE = 1e-6
TET_GROUP = 32  # D3D_TET_GROUP in cuda/include/dream3d/api.h
BAD_INDEX, NOT_FINITE = -1, -2


def marching_tetrahedra(
    vertices: Tensor,
    sdf: Tensor,
    tets: Tensor,
    min_difference: float = MIN_DIFFERENCE,
    backend: Backend = "auto",
) -> tuple[Tensor, Tensor]:
    """The triangles between vertices inside (sdf < 0) and outside (sdf >= 0; zero counts as outside).

    Every edge of a tetrahedron with one end inside carries one vertex of the surface, which all its triangles
    share: away from the border of the tetrahedra the surface is a closed manifold, whatever the signs. Faces
    are wound counter-clockwise seen from outside. Differentiable to `vertices` and `sdf` by `edge_crossings`;
    the faces do not change while no sign does. On the CPU all results are the same bits for any number of
    threads; on CUDA the gradients are summed with atomics.

    Args:
        vertices: [V, 3] float32.
        sdf: [V] float32, signed distance, negative inside.
        tets: [K, 4] int32 vertex indices, right-handed: (v1 - v0, v2 - v0, v3 - v0) has a positive
            determinant.
        min_difference: See `edge_crossings`.
        backend: "auto" follows the device of the tensors; "reference" is the plain-torch twin.

    Returns:
        Vertices of the surface [N, 3] float32 and faces [M, 3] int32. Vertices are sorted by the edge they
        are on, faces by their tetrahedron. Both are empty where no sign changes.

    Raises:
        InputError: A shape, dtype or device does not fit, an index is not in [0, V), a distance that is used
            is not finite, or the back-end is not available.
    """
    check_tensor("vertices", vertices, (sdf.shape[0] if sdf.dim() else None, 3), (sdf.dtype,), sdf.device)
    edges, faces = surface_topology(sdf, tets, backend)
    return edge_crossings(vertices, sdf, edges, min_difference), faces


def surface_topology(sdf: Tensor, tets: Tensor, backend: Backend = "auto") -> tuple[Tensor, Tensor]:
    """What `marching_tetrahedra` connects, without positions. Not differentiable.

    Returns:
        Edges [N, 2] int32 on which a vertex of the surface lies, the smaller index first, sorted; and faces
        [M, 3] int32 of rows of it.

    Raises:
        InputError: As `marching_tetrahedra`.
    """
    if resolve_backend(backend, sdf.device) == "reference":
        corner_edges = _corner_edges_reference(sdf.detach(), tets)
    else:
        check_tensor("sdf", sdf, (None,))
        check_tensor("tets", tets, (None, 4), (torch.int32,), sdf.device)
        corner_edges = _marching_tetrahedra(sdf.detach().contiguous(), tets.contiguous())
    keys, corners = torch.unique(corner_edges, return_inverse=True)  # sorted
    num_vertices = max(sdf.shape[0], 1)
    edges = torch.stack([keys // num_vertices, keys % num_vertices], dim=1)
    return edges.to(torch.int32), corners.to(torch.int32)


def edge_crossings(
    vertices: Tensor, sdf: Tensor, edges: Tensor, min_difference: float = MIN_DIFFERENCE
) -> Tensor:
    """Points at which the distance, linear along each edge, is zero. Differentiable to both, also twice.

    Edge (a, b) is crossed at v_a + t (v_b - v_a), t = 1/2 + (|s_a| - |s_b|) / (2 max(|s_a| + |s_b|, m)). That
    is the linear zero |s_a| / (|s_a| + |s_b|) unless both distances are nearly zero, where it tends to the
    middle: t stays in [0, 1], and a derivative of t by a distance is at most 1 / m.

    Args:
        vertices: [V, 3].
        sdf: [V].
        edges: [N, 2] vertex indices, of opposite signs.
        min_difference: m > 0, in units of the distance.

    Returns:
        [N, 3].

    Raises:
        InputError: min_difference is not positive.
    """
    if not min_difference > 0:
        raise InputError(f"min_difference must be positive, got {min_difference}")
    a, b = edges.long().unbind(1)  # [N]
    distance_a, distance_b = gather_rows(sdf, a), gather_rows(sdf, b)
    # abs() has no derivative at zero; these have that of the side on which zero lies.
    size_a = torch.where(distance_a < 0, -distance_a, distance_a)
    size_b = torch.where(distance_b < 0, -distance_b, distance_b)
    t = 0.5 + 0.5 * (size_a - size_b) / (size_a + size_b).clamp_min(min_difference)
    return torch.lerp(gather_rows(vertices, a), gather_rows(vertices, b), t[:, None])


def marching_tetrahedra_reference(
    vertices: Tensor, sdf: Tensor, tets: Tensor, min_difference: float = MIN_DIFFERENCE
) -> tuple[Tensor, Tensor]:
    """Plain-torch twin of `marching_tetrahedra`, for any float dtype and device."""
    return marching_tetrahedra(vertices, sdf, tets, min_difference, backend="reference")


# Triangles of the 16 cases, as pairs of vertices; vertex i is inside where bit i of the case is set.
_CASES = (
    "",
    "01 02 03",
    "10 13 12",
    "02 03 13 02 13 12",
    "23 20 21",
    "03 01 21 03 21 23",
    "10 13 23 10 23 20",
    "03 13 23",
    "32 31 30",
    "01 02 32 01 32 31",
    "12 10 30 12 30 32",
    "12 02 32",
    "20 21 31 20 31 30",
    "21 31 01",
    "30 20 10",
    "",
)


def _corner_edges_reference(sdf: Tensor, tets: Tensor) -> Tensor:
    """What the kernel writes: V * smaller + larger vertex of the edge of each corner, [M, 3] int64."""
    check_tensor("sdf", sdf, (None,), (torch.float32, torch.float64))
    check_tensor("tets", tets, (None, 4), (torch.int32, torch.int64), sdf.device)
    num_vertices = sdf.shape[0]
    if bool(((tets < 0) | (tets >= num_vertices)).any()):
        raise _refusal(BAD_INDEX, num_vertices)
    distances = sdf[tets.long()]  # [K, 4]
    if not bool(distances.isfinite().all()):
        raise _refusal(NOT_FINITE, num_vertices)
    case = ((distances < 0).long() * torch.tensor([1, 2, 4, 8], device=sdf.device)).sum(1)  # [K]
    table = torch.full((16, 2, 3, 2), -1, dtype=torch.int64)  # case, triangle, corner, end of the edge
    for row, text in zip(table.view(16, 12), _CASES, strict=True):
        digits = [int(digit) for digit in text if digit != " "]
        row[: len(digits)] = torch.tensor(digits, dtype=torch.int64)
    picked = table.to(sdf.device)[case]  # [K, 2, 3, 2]
    tet, triangle = (picked[:, :, 0, 0] >= 0).nonzero(as_tuple=True)  # [M]
    ends = tets.long()[tet[:, None, None], picked[tet, triangle]]  # [M, 3, 2]
    return ends.amin(-1) * num_vertices + ends.amax(-1)


class _Params(ctypes.Structure):
    """Mirror of D3dMarchingTetrahedraParams."""

    _fields_ = [
        ("sdf", POINTER),
        ("tets", POINTER),
        ("counts", POINTER),
        ("starts", POINTER),
        ("corner_edges", POINTER),
        ("num_vertices", INT64),
        ("num_tets", INT64),
    ]


_COUNT = Kernel("d3d_marching_tetrahedra_count", _Params)
_WRITE = Kernel("d3d_marching_tetrahedra_write", _Params)


@torch.library.custom_op("dream3d::marching_tetrahedra", mutates_args=())
def _marching_tetrahedra(sdf: Tensor, tets: Tensor) -> Tensor:
    num_tets = tets.shape[0]
    counts = tets.new_empty((num_tets + TET_GROUP - 1) // TET_GROUP)
    sizes = {"num_vertices": sdf.shape[0], "num_tets": num_tets}
    _COUNT.launch(sdf.device, sdf=sdf, tets=tets, counts=counts, **sizes)
    ends = counts.cumsum(0)  # int64
    # On CUDA this waits for the counts: the output needs its size.
    total, fewest = torch.stack([ends[-1], counts.amin()]).tolist() if num_tets else (0, 0)
    if fewest < 0:
        raise _refusal(fewest, sdf.shape[0])
    corner_edges = tets.new_empty(total, 3, dtype=torch.int64)
    starts = ends - counts
    _WRITE.launch(
        sdf.device, sdf=sdf, tets=tets, counts=counts, starts=starts, corner_edges=corner_edges, **sizes
    )
    return corner_edges


@_marching_tetrahedra.register_fake
def _(sdf: Tensor, tets: Tensor) -> Tensor:
    return tets.new_empty(torch.library.get_ctx().new_dynamic_size(), 3, dtype=torch.int64)


def _refusal(problem: int, num_vertices: int) -> InputError:
    """What a negative count says; one group may have both problems, and the kernel names the first."""
    if problem == BAD_INDEX:
        return InputError(f"tets names a vertex outside of the {num_vertices} there are")
    return InputError("sdf has values that are NaN or infinite")
