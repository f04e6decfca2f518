"""The silhouettes of a rasterised picture, blended or left as they are, with their gradient to the vertices.

`rasterize` samples one point per pixel: a picture does not change when an edge moves by less than a pixel,
and its derivative misses all that happens at edges. `antialias` puts that back. Where neighbouring pixels see
different surfaces it finds the edge that passes between their centres, and how that moves with its vertices.

Sources: Laine et al. 2020, Modular Primitives for High-Performance Differentiable Rendering (arXiv
2011.03277), for the blending; Pidhorskyi et al. 2024, Rasterized Edge Gradients (arXiv 2405.02508), for the
gradient of a picture that is not touched and for surfaces that pass through each other.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops._antialias import antialias_edges_op, antialias_op
from dream3d.ops._antialias_reference import antialias_reference_tensors
from dream3d.ops._library import resolve_backend
from dream3d.ops._nvdiffrast import RasterBackend, antialias_by_nvdiffrast
from dream3d.ops.rasterize import Fragments, check_fragments

AntialiasMode = Literal["blend", "exact"]


@dataclass(frozen=True)
class EdgeTopology:
    """Which faces meet at which edge; good as long as the faces stay the same, wherever the vertices move."""

    # [T, 3] int32: for the edge e of face t, from corner e to e + 1, the half-edge 3 t' + e' of the face on
    # its other side; -1 where there is none
    neighbors: Tensor


def build_edge_topology(faces: Tensor, num_vertices: int, same_vertex: Tensor | None = None) -> EdgeTopology:
    """Find the two faces of every edge.

    Args:
        faces: [T, 3] int32; the winding does not matter.
        num_vertices: V.
        same_vertex: [V] int32, a representative of each vertex: those with the same one count as one vertex,
            so that a seam of the UVs, where vertices are doubled, is no silhouette. See `same_positions`.

    Returns:
        The topology, on the device of `faces`, the same in every run. An edge of one face, or of more than
        two (non-manifold), has no neighbour: it is a silhouette wherever it is seen. Nor has any edge of a
        face that names a vertex twice.

    Raises:
        InputError: a wrong shape or device, or a vertex that does not exist.
        TypeError: a wrong dtype.
    """
    _check_faces(faces)
    _check_indices("faces", faces, num_vertices)
    corners = faces.long()
    if same_vertex is not None:
        if same_vertex.shape != (num_vertices,):
            raise InputError(f"same_vertex must be [{num_vertices}], not {list(same_vertex.shape)}")
        if same_vertex.dtype not in (torch.int32, torch.int64):
            raise TypeError(f"same_vertex must be torch.int32, not {same_vertex.dtype}")
        if same_vertex.device != faces.device:
            raise InputError(
                f"same_vertex is on {same_vertex.device}, faces on {faces.device}; move one of them"
            )
        _check_indices("same_vertex", same_vertex, num_vertices)
        corners = same_vertex.long()[corners]
    ends = corners.roll(-1, dims=1)
    key = torch.minimum(corners, ends) * num_vertices + torch.maximum(corners, ends)  # [T, 3]
    is_broken = (corners == ends).any(1, keepdim=True)
    key = torch.where(is_broken, -1, key).flatten()
    _, group, count = torch.unique(key, return_inverse=True, return_counts=True)
    order = torch.argsort(group, stable=True)
    is_pair = (count[group] == 2) & (key >= 0)
    paired = order[is_pair[order]].view(-1, 2)  # the two half-edges of an edge are next to each other
    neighbors = torch.full_like(key, -1, dtype=torch.int32)
    neighbors[paired[:, 0]] = paired[:, 1].int()
    neighbors[paired[:, 1]] = paired[:, 0].int()
    return EdgeTopology(neighbors.view(-1, 3))


def same_positions(vertices: Tensor) -> Tensor:
    """The lowest index of a vertex at exactly the same place, for each of vertices [V, 3]: [V] int32."""
    if vertices.dim() != 2:
        raise InputError(f"vertices must be [V, 3], not {list(vertices.shape)}")
    if vertices.shape[0] == 0:
        return torch.zeros(0, dtype=torch.int32, device=vertices.device)
    places, place = torch.unique(vertices.detach() + 0.0, dim=0, return_inverse=True)  # -0 is 0
    index = torch.arange(len(vertices), device=vertices.device)
    lowest = torch.full((len(places),), len(vertices), device=vertices.device)
    return lowest.scatter_reduce(0, place, index, "amin")[place].int()


def antialias(
    image: Tensor,
    fragments: Fragments,
    positions_clip: Tensor,
    faces: Tensor,
    edges: EdgeTopology | None = None,
    mode: AntialiasMode = "blend",
    backend: RasterBackend = "auto",
) -> Tensor:
    """Give a rasterised picture its derivative at silhouettes.

    Args:
        image: [B, H, W, C] float32 (or float64 for the reference), made from `fragments`; any channels.
        fragments: of `rasterize`.
        positions_clip: [B, V, 4], the ones given to `rasterize`.
        faces: [T, 3] int32, the ones given to `rasterize`.
        edges: of `build_edge_topology(faces, V)`; built anew in every call where it is not given.
        mode: "blend" mixes the colours of the two pixels that an edge passes between, linearly in its
            position: the exact coverage for a straight edge along rows or columns. Several edges in one pixel
            add up, so a mixture can leave the range of its colours a little. "exact" leaves the picture as it
            is.
        backend: "auto" takes the compiled kernel of the tensors' device for float32, else the reference.
            "nvdiffrast", only by name, knows "blend" alone, and finds edges from vertex indices.

    Returns:
        [B, H, W, C]. Differentiable to `image` (for "exact" by the identity) and to `positions_clip` (x, y
        and w of both ends of an edge; z too where surfaces pass through each other), not to `fragments`. The
        gradient has the same bits for any number of CPU threads, on CUDA the order of its sums varies.

    There is no blending and no gradient at edges with a vertex at w <= 0, at outlines of parts that no pixel
    centre sees, where the near or the far plane cuts, and where surfaces meet that are nearly parallel.

    Raises:
        InputError: shapes or devices that do not belong together, or an unknown mode.
        TypeError: a wrong dtype.
    """
    _check_antialias(image, fragments, positions_clip, faces, mode)
    if backend == "nvdiffrast":
        return _by_nvdiffrast(image, fragments, positions_clip, faces, mode)
    resolved = resolve_backend(backend, image.device)
    if backend == "auto" and image.dtype != torch.float32:
        resolved = "reference"
    if resolved != "reference" and image.dtype != torch.float32:
        raise TypeError(f"image must be torch.float32 for the kernel, not {image.dtype}")
    if mode == "exact" and not (positions_clip.requires_grad and torch.is_grad_enabled()):
        return image
    neighbors = (edges or build_edge_topology(faces, positions_clip.shape[1])).neighbors
    if neighbors.shape != faces.shape or (neighbors.device, neighbors.dtype) != (faces.device, faces.dtype):
        raise InputError("edges are those of other faces; use build_edge_topology on these")
    if resolved == "reference":
        return antialias_reference_tensors(
            image, positions_clip, faces, neighbors, fragments.triangle_id, fragments.depth, mode == "exact"
        )
    faces, triangle_id = faces.contiguous(), fragments.triangle_id.contiguous()
    positions = positions_clip.contiguous()
    edge, crossing = antialias_edges_op(
        positions.detach(), faces, neighbors.contiguous(), triangle_id, fragments.depth.contiguous().float()
    )
    return antialias_op(image.contiguous(), positions, faces, triangle_id, edge, crossing, mode == "exact")


def _by_nvdiffrast(
    image: Tensor, fragments: Fragments, positions: Tensor, faces: Tensor, mode: AntialiasMode
) -> Tensor:
    if mode != "blend":
        raise InputError(f"backend 'nvdiffrast' has no mode {mode!r}; use blend or another back-end")
    ids, weights, depth = fragments.triangle_id, fragments.barycentrics, fragments.depth
    return antialias_by_nvdiffrast(image, ids, weights, depth, positions, faces)


def _check_faces(faces: Tensor) -> None:
    if faces.dim() != 2 or faces.shape[-1] != 3:
        raise InputError(f"faces must be [T, 3], not {list(faces.shape)}")
    if faces.dtype != torch.int32:
        raise TypeError(f"faces must be torch.int32, not {faces.dtype}; convert with .int()")


def _check_indices(name: str, indices: Tensor, num_vertices: int) -> None:
    if indices.numel() > 0:
        low, high = (int(bound) for bound in torch.aminmax(indices))
        if low < 0 or high >= num_vertices:
            raise InputError(f"{name} name vertices {low} to {high}, but there are {num_vertices} (0-based)")


def _check_antialias(
    image: Tensor, fragments: Fragments, positions: Tensor, faces: Tensor, mode: AntialiasMode
) -> None:
    if mode not in ("blend", "exact"):
        raise InputError(f"mode must be blend or exact, not {mode!r}")
    _check_faces(faces)
    check_fragments(fragments)
    shape = fragments.triangle_id.shape
    if image.dim() != 4 or image.shape[:3] != shape:
        raise InputError(f"image must be [{', '.join(map(str, shape))}, C], not {list(image.shape)}")
    if positions.dim() != 3 or positions.shape[0] != shape[0] or positions.shape[-1] != 4:
        raise InputError(f"positions_clip must be [{shape[0]}, V, 4], not {list(positions.shape)}")
    if not image.dtype.is_floating_point:
        raise TypeError(f"image must be floating point, not {image.dtype}; convert with .float()")
    if positions.dtype != image.dtype:
        raise TypeError(f"positions_clip are {positions.dtype}, image is {image.dtype}; convert one of them")
    devices = {image.device, positions.device, faces.device, fragments.triangle_id.device}
    if len(devices) > 1:
        raise InputError(
            f"image, positions, faces and fragments are on {sorted(map(str, devices))}; move them together"
        )
