"""The plain-torch twin of the rasterisation kernel (see rasterize.py). Every pixel is tried with every
triangle.

Nothing is clipped: the edges of a triangle are functions of the pixel that hold for any w (Olano and Greer
1997), and the parts beyond the near and far plane are dropped pixel by pixel. Units are 1/256 pixel, x right,
y down.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dream3d.ops._barycentrics import barycentrics_reference_tensors

SUBPIXELS = 256  # fixed-point steps per pixel, as in the kernel
GUARD_BAND = 64.0  # |x/w|, |y/w| up to which the kernel snaps a vertex without clipping
CHUNK_ELEMENTS = 1 << 21  # pixels x triangles evaluated at once


@dataclass(frozen=True)
class _Triangles:
    """Linear functions of a pixel centre (x, y, 1), all float64, and what bounds them."""

    lines: Tensor  # [T, 3, 3], inner side is positive; line i is opposite corner i
    depth: Tensor  # [T, 3], z/w; not finite for a triangle seen edge-on
    depth_low: Tensor  # [T]
    depth_high: Tensor  # [T]
    whole: Tensor  # [T] bool, all corners inside the clip volume
    drawable: Tensor  # [T] bool


def rasterize_reference_tensors(
    positions: Tensor, faces: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Triangle ids [B, H, W] int32, barycentrics [B, H, W, 2] and depth [B, H, W] of positions [B, V, 4].

    The barycentrics are differentiable to the positions.
    """
    shape = (positions.shape[0], height, width)
    triangle_id = positions.new_full(shape, -1, dtype=torch.int32)
    depth = positions.new_ones(shape)
    if triangle_id.numel() > 0 and faces.numel() > 0:
        centers = _pixel_centers(height, width, positions.device)
        for view, corners in enumerate(positions.detach().double()[:, faces.long()]):
            ids, nearest = _nearest(_set_up(corners, height, width), centers)
            triangle_id[view] = ids.view(height, width)
            depth[view] = torch.where(ids >= 0, nearest, 1.0).view(height, width)
    barycentrics, _ = barycentrics_reference_tensors(positions, faces, triangle_id)
    return triangle_id, barycentrics, depth


def _nearest(triangles: _Triangles, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Visible triangle (-1 for none) and float32 depth at pixel centres [P, 3]: two tensors [P]."""
    best_depth = torch.full((len(centers),), torch.inf, device=centers.device)  # ties are decided in float32
    best_id = torch.full((len(centers),), -1, device=centers.device)
    step = max(1, CHUNK_ELEMENTS // len(centers))
    for start in range(0, len(triangles.lines), step):
        part = slice(start, start + step)
        lines = triangles.lines[part]
        values = torch.einsum("pk,tek->pte", centers, lines)
        # with y down, a left edge has the inside at larger x and a top edge at larger y: they own their
        # centres
        top_left = (lines[..., 0] > 0) | ((lines[..., 0] == 0) & (lines[..., 1] > 0))
        covered = ((values > 0) | ((values == 0) & top_left)).all(-1) & triangles.drawable[part]
        depth = torch.einsum("pk,tk->pt", centers, triangles.depth[part])
        low, high = triangles.depth_low[part], triangles.depth_high[part]
        depth = torch.where(depth.isfinite(), depth, low)
        # only a triangle that crosses a clip plane is cut: the corners of others were snapped and extrapolate
        covered &= triangles.whole[part] | (depth.abs() <= 1)
        key = torch.where(covered, torch.minimum(torch.maximum(depth, low), high), torch.inf).float()
        index = key.argmin(dim=1)  # the first minimum: the lowest id
        nearest = key.gather(1, index[:, None])[:, 0]
        better = nearest < best_depth
        best_depth = torch.where(better, nearest, best_depth)
        best_id = torch.where(better, index + start, best_id)
    return best_id, best_depth


def _set_up(corners: Tensor, height: int, width: int) -> _Triangles:
    """The functions of triangles with clip-space corners [T, 3, 4]."""
    finite = corners.isfinite().flatten(1).all(1)
    corners = torch.where(finite[:, None, None], corners, 0.0)
    x, y, z, w = corners.unbind(-1)  # [T, 3]
    screen = torch.stack([(x + w) * (width * SUBPIXELS / 2), (w - y) * (height * SUBPIXELS / 2), w], -1)
    exact = _edge_functions(screen)
    determinant = (exact[:, 0] * screen[:, 0]).sum(-1)  # [T]

    inside = (w > 0) & (z.abs() <= w) & (x.abs() <= GUARD_BAND * w) & (y.abs() <= GUARD_BAND * w)  # [T, 3]
    safe_w = torch.where(inside, w, 1.0)
    pixels = torch.stack(
        [(x / safe_w * 0.5 + 0.5) * width * SUBPIXELS, (0.5 - y / safe_w * 0.5) * height * SUBPIXELS, safe_w],
        -1,
    ).round()
    pixels[..., 2] = 1.0
    snapped = _edge_functions(pixels)  # integers, exact in float64
    area = snapped[..., 2].sum(-1)

    whole = inside.all(-1)
    sign = torch.where(whole, area.sign(), determinant.sign())
    # The choice depends on the edge's own ends only, so two triangles that share it agree.
    both_inside = inside[:, [1, 2, 0]] & inside[:, [2, 0, 1]]
    lines = torch.where(both_inside[..., None], snapped, exact) * sign[:, None, None]
    ndc_depth = z / safe_w
    return _Triangles(
        lines=lines,
        depth=torch.einsum("te,tek->tk", z, exact) / determinant[:, None],
        depth_low=torch.where(whole, ndc_depth.amin(-1), -1.0),
        depth_high=torch.where(whole, ndc_depth.amax(-1), 1.0),
        whole=whole,
        drawable=finite & (sign != 0),
    )


def _edge_functions(points: Tensor) -> Tensor:
    """Lines through the corners after and before each corner, of homogeneous points [T, 3, 3]: [T, 3, 3]."""
    return torch.linalg.cross(points[:, [1, 2, 0]], points[:, [2, 0, 1]])


def _pixel_centers(height: int, width: int, device: torch.device) -> Tensor:
    """Homogeneous pixel centres in 1/256 pixel, [H * W, 3] float64."""
    y = (torch.arange(height, device=device, dtype=torch.float64) + 0.5) * SUBPIXELS
    x = (torch.arange(width, device=device, dtype=torch.float64) + 0.5) * SUBPIXELS
    return torch.stack(
        [x.repeat(height), y.repeat_interleave(width), torch.ones_like(y).repeat_interleave(width)], -1
    )
