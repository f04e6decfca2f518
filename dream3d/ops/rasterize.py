"""Which triangle each pixel sees, what its vertices carry there, and how that changes across the screen.

`rasterize` runs the compiled kernel (`cuda/include/dream3d/rasterize.h`); `rasterize_reference` says the same
thing in plain torch. Both follow OpenGL: clip space is the cube -w <= x, y, z <= w, pixel centres lie at
+0.5, nothing is culled by winding; but row 0 is the TOP row, so derivatives across the screen have y down.

Gradients (all first order) go from `interpolate` to attributes and barycentrics, and from there to the
positions: how the picture of a surface moves with its vertices, inside of the silhouettes. What appears and
disappears at an edge has no gradient here.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops._barycentrics import barycentrics_reference_tensors, screen_derivatives_op
from dream3d.ops._checks import check_tensor
from dream3d.ops._interpolate import interpolate_op, interpolate_reference_tensors
from dream3d.ops._library import Backend, resolve_backend
from dream3d.ops._nvdiffrast import RasterBackend, interpolate_by_nvdiffrast, rasterize_by_nvdiffrast
from dream3d.ops._rasterize import rasterize_op
from dream3d.ops._rasterize_reference import rasterize_reference_tensors

MAX_IMAGE_SIZE = 32768


@dataclass(frozen=True)
class Fragments:
    """The visible surface at every pixel centre."""

    triangle_id: Tensor  # [B, H, W] int32, -1 where no triangle is visible
    barycentrics: (
        Tensor  # [B, H, W, 2], perspective-correct weights of the triangle's vertices 0 and 1; 0 where empty
    )
    depth: Tensor  # [B, H, W], z/w in [-1, 1], larger is farther; +1 where empty

    @property
    def mask(self) -> Tensor:
        """Pixels that see a triangle, [B, H, W] bool."""
        return self.triangle_id >= 0


def rasterize(
    positions_clip: Tensor, faces: Tensor, height: int, width: int, backend: RasterBackend = "auto"
) -> Fragments:
    """Find the nearest triangle at every pixel centre.

    Args:
        positions_clip: [B, V, 4] float32, vertex positions in OpenGL clip space, one set per view.
        faces: [T, 3] int32, vertex indices shared by all views; any winding.
        height: rows of the image, 0 to 32768.
        width: columns of the image, 0 to 32768.
        backend: "auto" takes the compiled kernel of the tensors' device, else the reference. "nvdiffrast" is
            never taken by itself; what is said below of snapping, ties and bits is not said of it.

    Returns:
        Fragments of shape [B, H, W]. Triangles are clipped to the near and far plane, so a vertex behind the
        camera is fine. A pixel centre on an edge shared by two triangles belongs to exactly one of them
        (vertices are snapped to 1/256 pixel, then coverage is exact). Of two triangles at equal float32 depth
        the one with the lower id wins. Triangles with a NaN or infinite coordinate, and those without area,
        are invisible. The result has the same bits for any number of threads.

        The barycentrics are differentiable to x, y and w of the positions, with the same bits for any number
        of CPU threads. It is the exact derivative at the fixed pixel centre, also for clipped triangles; that
        of z is 0. Snapping lets a centre be covered from up to 1/256 pixel outside; its weights are clamped
        to the triangle and the derivative is that of the clamped weights. A triangle seen exactly edge-on
        gives none, and what one pixel gives saturates at 1e30. Depth has no gradient: interpolate z and w of
        the positions and divide where a differentiable depth is needed.

    Raises:
        InputError: a wrong shape, device, size or vertex index.
        TypeError: a wrong dtype.

    Source: homogeneous rasterisation (Olano and Greer 1997) for depth and barycentrics; fixed-point edge
    functions (Pineda 1988) with the top-left rule for coverage.
    """
    _check_rasterize(positions_clip, faces, height, width)
    if backend == "nvdiffrast":
        return Fragments(*rasterize_by_nvdiffrast(positions_clip, faces, height, width))
    if resolve_backend(backend, positions_clip.device) == "reference":
        return rasterize_reference(positions_clip, faces, height, width)
    barycentrics, depth, triangle_id = rasterize_op(
        positions_clip.contiguous(), faces.contiguous(), height, width
    )
    return Fragments(triangle_id, barycentrics, depth)


def rasterize_reference(positions_clip: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """`rasterize` in plain torch, for any device, float32 or float64. It visits every pixel with every
    triangle.

    Coverage is that of the kernel bit for bit, except along edges that cross a clip plane (there it uses the
    exact edge, the kernel one snapped to 1/256 pixel after clipping). The barycentrics are differentiable.

    Raises:
        InputError: a wrong shape, device, size or vertex index.
        TypeError: a wrong dtype.
    """
    _check_rasterize(positions_clip, faces, height, width, dtypes=(torch.float32, torch.float64))
    return Fragments(*rasterize_reference_tensors(positions_clip, faces, height, width))


def screen_derivatives(
    positions_clip: Tensor, faces: Tensor, fragments: Fragments, backend: Backend = "auto"
) -> Tensor:
    """How the barycentrics change from one pixel to the next: what the footprint of a texture look-up is made
    of.

    Args:
        positions_clip: [B, V, 4] float32, or float64 for the reference; the ones given to `rasterize`.
        faces: [T, 3] int32, the ones given to `rasterize`.
        fragments: of `rasterize`; only the triangle ids are read.
        backend: "auto" takes the compiled kernel for float32, else the reference.

    Returns:
        [B, H, W, 2, 2] with [..., i, j] the derivative of weight i (u, v) by x (j = 0, right) or y (j = 1,
        DOWN), per pixel, at the pixel centre in the plane of the visible triangle; 0 where there is none, or
        where it is seen exactly edge-on. Perspective makes it vary within a triangle. Differentiable to x, y
        and w of the positions.

    Raises:
        InputError: shapes or devices that do not belong together.
        TypeError: a wrong dtype.

    Source: the quotient rule on homogeneous barycentrics (Olano and Greer 1997).
    """
    _check_screen_derivatives(positions_clip, faces, fragments)
    if _resolve(backend, "positions_clip", positions_clip) == "reference":
        return barycentrics_reference_tensors(positions_clip, faces, fragments.triangle_id)[1]
    return screen_derivatives_op(
        positions_clip.contiguous(), faces.contiguous(), fragments.triangle_id.contiguous()
    )


def interpolate(
    attributes: Tensor, faces: Tensor, fragments: Fragments, backend: RasterBackend = "auto"
) -> Tensor:
    """Perspective-correct vertex attributes at every pixel: u a_0 + v a_1 + (1 - u - v) a_2.

    Args:
        attributes: [V, C] shared by all views, or [B, V, C]; float32, or float64 for the reference.
        faces: [T, 3] int32, the ones given to `rasterize`.
        fragments: of `rasterize`.
        backend: "auto" takes the compiled kernel for float32, else the reference; or "nvdiffrast" by name.

    Returns:
        [B, H, W, C], zero where no triangle is visible. Differentiable to `attributes` and to the
        barycentrics, and through them to the positions; the gradient has the same bits for any number of CPU
        threads, on CUDA the order of its sums varies.

    Raises:
        InputError: shapes or devices that do not belong together.
        TypeError: a wrong dtype.
    """
    _check_interpolate(attributes, faces, fragments)
    if backend == "nvdiffrast":
        sets = attributes if attributes.dim() == 3 else attributes[None]
        return interpolate_by_nvdiffrast(sets, faces, fragments.triangle_id, fragments.barycentrics)
    return _interpolate(attributes, faces, fragments.triangle_id, fragments.barycentrics, backend)


def interpolate_derivatives(
    attributes: Tensor, faces: Tensor, fragments: Fragments, derivatives: Tensor, backend: Backend = "auto"
) -> Tensor:
    """How interpolated attributes change from one pixel to the next.

    Args:
        attributes: as for `interpolate`.
        faces: as for `interpolate`.
        fragments: of `rasterize`; only the triangle ids are read.
        derivatives: [B, H, W, 2, 2] of `screen_derivatives`.
        backend: "auto" takes the compiled kernel for float32, else the reference.

    Returns:
        [B, H, W, C, 2]: derivative of each channel by x (right) and y (DOWN), per pixel; zero where no
        triangle is visible. Differentiable to `attributes` and `derivatives`, as `interpolate` is.

    Raises:
        InputError: shapes or devices that do not belong together.
        TypeError: a wrong dtype.
    """
    _check_interpolate(attributes, faces, fragments)
    shape = (*fragments.triangle_id.shape, 2, 2)
    if derivatives.shape != shape or derivatives.device != attributes.device:
        raise InputError(
            f"derivatives must be {list(shape)} on {attributes.device}, as screen_derivatives gives them, "
            f"not {list(derivatives.shape)} on {derivatives.device}"
        )
    return _interpolate(attributes, faces, fragments.triangle_id, derivatives, backend)


def interpolate_reference(attributes: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """`interpolate` in plain torch, for any device and floating dtype.

    Raises:
        InputError: shapes or devices that do not belong together.
        TypeError: a wrong dtype.
    """
    return interpolate(attributes, faces, fragments, backend="reference")


def _interpolate(
    attributes: Tensor, faces: Tensor, triangle_id: Tensor, weights: Tensor, backend: Backend
) -> Tensor:
    sets = attributes if attributes.dim() == 3 else attributes[None]
    if _resolve(backend, "attributes", attributes) == "reference":
        return interpolate_reference_tensors(sets, faces, triangle_id, weights)
    return interpolate_op(
        sets.contiguous(), faces.contiguous(), triangle_id.contiguous(), weights.contiguous().float()
    )


def _resolve(backend: Backend, name: str, tensor: Tensor) -> Literal["cuda", "cpu", "reference"]:
    """The back-end for a float32 or float64 argument; the kernels know float32 only."""
    resolved = resolve_backend(backend, tensor.device)
    if resolved == "reference" or (backend == "auto" and tensor.dtype != torch.float32):
        return "reference"
    if tensor.dtype != torch.float32:
        raise TypeError(f"{name} must be torch.float32 for the kernel, not {tensor.dtype}")
    return resolved


def _check_interpolate(
    attributes: Tensor, faces: Tensor, fragments: Fragments, name: str = "attributes"
) -> None:
    num_views = fragments.triangle_id.shape[0]
    if attributes.dim() not in (2, 3) or (attributes.dim() == 3 and attributes.shape[0] != num_views):
        raise InputError(f"{name} must be [V, C] or [{num_views}, V, C], not {list(attributes.shape)}")
    if faces.dim() != 2 or faces.shape[-1] != 3:
        raise InputError(f"faces must be [T, 3], not {list(faces.shape)}")
    if faces.dtype != torch.int32:
        raise TypeError(f"faces must be torch.int32, not {faces.dtype}; convert with .int()")
    if not attributes.dtype.is_floating_point:
        raise TypeError(f"{name} must be floating point, not {attributes.dtype}; convert with .float()")
    devices = {attributes.device, faces.device, fragments.triangle_id.device}
    if len(devices) > 1:
        raise InputError(
            f"{name}, faces and fragments are on {sorted(map(str, devices))}; move them together"
        )
    check_fragments(fragments)


def check_fragments(fragments: Fragments) -> None:
    """Refuse fragments whose parts do not belong together. Raises InputError."""
    ids = fragments.triangle_id
    check_tensor("fragments.triangle_id", ids, (None, None, None), (torch.int32,))
    floats = (torch.float32, torch.float64)
    check_tensor("fragments.barycentrics", fragments.barycentrics, (*ids.shape, 2), floats, ids.device)
    check_tensor("fragments.depth", fragments.depth, tuple(ids.shape), floats, ids.device)


def _check_screen_derivatives(positions: Tensor, faces: Tensor, fragments: Fragments) -> None:
    num_views = fragments.triangle_id.shape[0]
    if positions.dim() != 3 or positions.shape[0] != num_views or positions.shape[-1] != 4:
        raise InputError(f"positions_clip must be [{num_views}, V, 4], not {list(positions.shape)}")
    _check_interpolate(positions, faces, fragments, name="positions_clip")


def _check_rasterize(
    positions: Tensor,
    faces: Tensor,
    height: int,
    width: int,
    dtypes: tuple[torch.dtype, ...] = (torch.float32,),
) -> None:
    if positions.dtype not in dtypes:
        raise TypeError(f"positions_clip must be {' or '.join(map(str, dtypes))}, not {positions.dtype}")
    if faces.dtype != torch.int32:
        raise TypeError(f"faces must be torch.int32, not {faces.dtype}; convert with .int()")
    if positions.dim() != 3 or positions.shape[-1] != 4:
        raise InputError(f"positions_clip must be [B, V, 4], not {list(positions.shape)}")
    if faces.dim() != 2 or faces.shape[-1] != 3:
        raise InputError(f"faces must be [T, 3], not {list(faces.shape)}")
    if faces.device != positions.device:
        raise InputError(
            f"faces are on {faces.device}, positions_clip on {positions.device}; move one of them"
        )
    if not (0 <= height <= MAX_IMAGE_SIZE and 0 <= width <= MAX_IMAGE_SIZE):
        raise InputError(f"height and width must be 0 to {MAX_IMAGE_SIZE}, not {height} x {width}")
    if faces.numel() > 0:
        low, high = (int(bound) for bound in torch.aminmax(faces))
        if low < 0 or high >= positions.shape[1]:
            raise InputError(
                f"faces name vertices {low} to {high}, but there are {positions.shape[1]} (0-based)"
            )
