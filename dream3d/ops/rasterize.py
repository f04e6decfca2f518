"""Which triangle each pixel sees, and what its vertices carry there.

`rasterize` runs the compiled kernel (`cuda/include/dream3d/rasterize.h`); `rasterize_reference` says the same
thing in plain torch. Both follow OpenGL: clip space is the cube -w <= x, y, z <= w, pixel centres lie at
+0.5, nothing is culled by winding; but row 0 is the TOP row. Neither is differentiable; `interpolate` is, to
the attributes.
"""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops._interpolate import interpolate_reference_tensors
from dream3d.ops._library import INT64, POINTER, Backend, Kernel, resolve_backend
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


class _RasterizeParams(ctypes.Structure):
    """Mirror of D3dRasterizeParams."""

    _fields_ = [
        ("positions", POINTER),
        ("faces", POINTER),
        ("triangle_id", POINTER),
        ("barycentrics", POINTER),
        ("depth", POINTER),
        ("z_buffer", POINTER),
        ("num_views", INT64),
        ("num_vertices", INT64),
        ("num_triangles", INT64),
        ("height", INT64),
        ("width", INT64),
    ]


_RASTERIZE = Kernel("d3d_rasterize", _RasterizeParams)


def rasterize(
    positions_clip: Tensor, faces: Tensor, height: int, width: int, backend: Backend = "auto"
) -> Fragments:
    """Find the nearest triangle at every pixel centre.

    Args:
        positions_clip: [B, V, 4] float32, vertex positions in OpenGL clip space, one set per view.
        faces: [T, 3] int32, vertex indices shared by all views; any winding.
        height: rows of the image, 0 to 32768.
        width: columns of the image, 0 to 32768.
        backend: "auto" takes the compiled kernel of the tensors' device, else the reference.

    Returns:
        Fragments of shape [B, H, W]. Triangles are clipped to the near and far plane, so a vertex behind the
        camera is fine. A pixel centre on an edge shared by two triangles belongs to exactly one of them
        (vertices are snapped to 1/256 pixel, then coverage is exact). Of two triangles at equal float32 depth
        the one with the lower id wins. Triangles with a NaN or infinite coordinate, and those without area,
        are invisible. The result has the same bits for any number of threads. No gradient flows through it.

    Raises:
        InputError: a wrong shape, device, size or vertex index.
        TypeError: a wrong dtype.

    Source: homogeneous rasterisation (Olano and Greer 1997) for depth and barycentrics; fixed-point edge
    functions (Pineda 1988) with the top-left rule for coverage.
    """
    _check_rasterize(positions_clip, faces, height, width)
    positions = positions_clip.detach().contiguous()
    faces = faces.contiguous()
    if resolve_backend(backend, positions.device) == "reference":
        return rasterize_reference(positions, faces, height, width)
    return Fragments(*torch.ops.dream3d.rasterize(positions, faces, height, width))


def rasterize_reference(positions_clip: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """`rasterize` in plain torch, for any device, float32 or float64. It visits every pixel with every
    triangle.

    Coverage is that of the kernel bit for bit, except along edges that cross a clip plane (there it uses the
    exact edge, the kernel one snapped to 1/256 pixel after clipping).

    Raises:
        InputError: a wrong shape, device, size or vertex index.
        TypeError: a wrong dtype.
    """
    _check_rasterize(positions_clip, faces, height, width, dtypes=(torch.float32, torch.float64))
    return Fragments(*rasterize_reference_tensors(positions_clip.detach(), faces, height, width))


def interpolate(attributes: Tensor, faces: Tensor, fragments: Fragments, backend: Backend = "auto") -> Tensor:
    """Perspective-correct vertex attributes at every pixel: u a_0 + v a_1 + (1 - u - v) a_2.

    Args:
        attributes: [V, C] shared by all views, or [B, V, C]; float32, or float64 for the reference.
        faces: [T, 3] int32, the ones given to `rasterize`.
        fragments: of `rasterize`.
        backend: "auto" takes the compiled kernel for float32, else the reference.

    Returns:
        [B, H, W, C], zero where no triangle is visible. Differentiable to `attributes`; the gradient has the
        same bits for any number of CPU threads, on CUDA the order of its sums varies.

    Raises:
        InputError: shapes or devices that do not belong together.
        TypeError: a wrong dtype.
    """
    _check_interpolate(attributes, faces, fragments)
    resolved = resolve_backend(backend, attributes.device)
    if backend == "auto" and attributes.dtype != torch.float32:
        resolved = "reference"
    if resolved == "reference":
        return interpolate_reference(attributes, faces, fragments)
    if attributes.dtype != torch.float32:
        raise TypeError(f"attributes must be torch.float32 for the kernel, not {attributes.dtype}")
    sets = attributes if attributes.dim() == 3 else attributes[None]
    return torch.ops.dream3d.interpolate(
        sets.contiguous(),
        faces.contiguous(),
        fragments.triangle_id.contiguous(),
        fragments.barycentrics.contiguous().float(),
    )


def interpolate_reference(attributes: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """`interpolate` in plain torch, for any device and floating dtype.

    Raises:
        InputError: shapes or devices that do not belong together.
        TypeError: a wrong dtype.
    """
    _check_interpolate(attributes, faces, fragments)
    sets = attributes if attributes.dim() == 3 else attributes[None]
    return interpolate_reference_tensors(sets, faces, fragments.triangle_id, fragments.barycentrics)


def _check_interpolate(attributes: Tensor, faces: Tensor, fragments: Fragments) -> None:
    num_views = fragments.triangle_id.shape[0]
    if attributes.dim() not in (2, 3) or (attributes.dim() == 3 and attributes.shape[0] != num_views):
        raise InputError(f"attributes must be [V, C] or [{num_views}, V, C], not {list(attributes.shape)}")
    if faces.dim() != 2 or faces.shape[-1] != 3:
        raise InputError(f"faces must be [T, 3], not {list(faces.shape)}")
    if faces.dtype != torch.int32:
        raise TypeError(f"faces must be torch.int32, not {faces.dtype}; convert with .int()")
    if not attributes.dtype.is_floating_point:
        raise TypeError(f"attributes must be floating point, not {attributes.dtype}; convert with .float()")
    devices = {attributes.device, faces.device, fragments.triangle_id.device}
    if len(devices) > 1:
        raise InputError(
            f"attributes, faces and fragments are on {sorted(map(str, devices))}; move them together"
        )


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


@torch.library.custom_op("dream3d::rasterize", mutates_args=())
def _rasterize_op(positions: Tensor, faces: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    num_views, num_vertices, _ = positions.shape
    triangle_id, barycentrics, depth = _empty_fragments(positions, height, width)
    on_cuda = positions.device.type == "cuda"
    z_buffer = torch.empty_like(triangle_id, dtype=torch.int64) if on_cuda else None
    _RASTERIZE.launch(
        positions.device,
        positions=positions,
        faces=faces,
        triangle_id=triangle_id,
        barycentrics=barycentrics,
        depth=depth,
        z_buffer=z_buffer,
        num_views=num_views,
        num_vertices=num_vertices,
        num_triangles=faces.shape[0],
        height=height,
        width=width,
    )
    return triangle_id, barycentrics, depth


@_rasterize_op.register_fake
def _(positions: Tensor, _faces: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    return _empty_fragments(positions, height, width)


def _empty_fragments(positions: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    shape = (positions.shape[0], height, width)
    triangle_id = positions.new_empty(shape, dtype=torch.int32)
    return triangle_id, positions.new_empty((*shape, 2)), positions.new_empty(shape)
