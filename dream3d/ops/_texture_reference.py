"""The plain-torch twin of the texture kernel (see texture.py). Every pixel looks into every mip level."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Of the faces +X, -X, +Y, -Y, +Z, -Z: the axes along which columns and rows grow, and their signs.
_COLUMN_AXIS = (2, 2, 0, 0, 0, 0)
_COLUMN_SIGN = (-1, 1, 1, 1, 1, -1)
_ROW_AXIS = (1, 1, 2, 2, 1, 1)
_ROW_SIGN = (-1, -1, 1, -1, -1, -1)


@dataclass(frozen=True)
class _Taps:
    """The texels around points of one level, [..., 4] in reading order."""

    index: Tensor  # int64, into [faces * h * w]
    weight: Tensor


def sample_texture_reference_tensors(
    levels: list[Tensor],
    uv: Tensor,
    uv_derivatives: Tensor | None,
    mip_bias: Tensor | None,
    filter_mode: str,
    boundary_mode: str,
) -> Tensor:
    """Levels [A, (6,) h, w, C] at uv [B, H, W, 2 or 3]: [B, H, W, C]. Any floating dtype."""
    valid = torch.ones_like(uv[..., 0], dtype=torch.bool)
    for tensor, dims in ((uv, 1), (uv_derivatives, 2), (mip_bias, 0)):
        if tensor is not None:
            finite = tensor.isfinite()
            valid = valid & (finite.flatten(tensor.dim() - dims).all(-1) if dims else finite)
    if boundary_mode == "cube":
        valid = valid & (uv != 0).any(-1)
        up = uv.new_tensor([0.0, 0.0, 1.0])
        face, position = _cube_position(torch.where(valid[..., None], uv, up))
    else:
        safe = torch.where(valid[..., None], uv, 0.0)
        face = torch.zeros_like(valid, dtype=torch.int64)
        position = safe - safe.detach().floor() if boundary_mode == "wrap" else safe.clamp(0.0, 1.0)
    if filter_mode == "nearest":
        image = _read(levels[0], _nearest(levels[0], face, position.detach())[..., None])[..., 0, :]
    elif filter_mode == "bilinear":
        image = _bilinear(levels[0], face, position, boundary_mode)
    else:
        height, width = levels[0].shape[-3:-1]
        level = uv.new_zeros(valid.shape)
        if uv_derivatives is not None:
            derivatives = torch.where(valid[..., None, None], uv_derivatives, 0.0)
            level = _footprint_level(derivatives * uv.new_tensor([[width], [height]]))
        if mip_bias is not None:
            level = level + torch.where(valid, mip_bias, 0.0)
        image = _trilinear(levels, face, position, level, boundary_mode)
    return torch.where(valid[..., None], image, 0.0)


def _trilinear(
    levels: list[Tensor], face: Tensor, position: Tensor, level: Tensor, boundary_mode: str
) -> Tensor:
    clamped = level.clamp(0, len(levels) - 1)
    first = clamped.detach().floor().clamp(max=max(len(levels) - 2, 0))
    blend = clamped - first
    image = 0.0
    for index, texels in enumerate(levels):
        share = torch.where(first == index, 1 - blend, torch.where(first == index - 1, blend, 0.0))
        image = image + share[..., None] * _bilinear(texels, face, position, boundary_mode)
    assert isinstance(image, Tensor)
    return image


def _footprint_level(matrix: Tensor) -> Tensor:
    """log2 of the larger singular value of matrices [..., 2, 2]; -inf for zero."""
    scale = matrix.detach().abs().amax((-1, -2))
    moves = scale > 0
    # Scaling by a constant: the derivative of the logarithm stays right.
    rows = matrix / torch.where(moves, scale, 1.0)[..., None, None]
    squares = (rows * rows).sum(-1)
    mean = squares.mean(-1)
    difference = 0.5 * (squares[..., 0] - squares[..., 1])
    product = (rows[..., 0, :] * rows[..., 1, :]).sum(-1)
    root = difference**2 + product**2
    root = torch.where(root > 0, torch.where(root > 0, root, 1.0).sqrt(), 0.0)
    level = torch.where(moves, scale, 1.0).log2() + 0.5 * torch.where(moves, mean + root, 1.0).log2()
    return torch.where(moves, level, -torch.inf)


def _nearest(texels: Tensor, face: Tensor, position: Tensor) -> Tensor:
    """Index into the faces' texels of the one at positions [..., 2]."""
    height, width = texels.shape[-3:-1]
    column = (position[..., 0] * width).long().clamp(0, width - 1)
    row = (position[..., 1] * height).long().clamp(0, height - 1)
    return (face * height + row) * width + column


def _bilinear(texels: Tensor, face: Tensor, position: Tensor, boundary_mode: str) -> Tensor:
    """Blend of four texels [A, (6,) h, w, C] at positions [B, H, W, 2]: [B, H, W, C]."""
    taps = _bilinear_taps(texels, face, position, boundary_mode)
    return (taps.weight[..., None] * _read(texels, taps.index)).sum(-2)


def _bilinear_taps(texels: Tensor, face: Tensor, position: Tensor, boundary_mode: str) -> _Taps:
    height, width = texels.shape[-3:-1]
    point = position * position.new_tensor([width, height]) - 0.5
    corner = point.detach().floor()
    x, y = (point - corner).unbind(-1)
    weight = torch.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], -1)
    column = corner[..., :1].long() + torch.tensor([0, 1, 0, 1], device=face.device)
    row = corner[..., 1:].long() + torch.tensor([0, 0, 1, 1], device=face.device)
    if boundary_mode == "wrap":
        column, row = column % width, row % height
    elif boundary_mode == "clamp":
        column, row = column.clamp(0, width - 1), row.clamp(0, height - 1)
    else:
        beyond_column, beyond_row = (column < 0) | (column >= width), (row < 0) | (row >= height)
        missing = beyond_column & beyond_row
        # the mean of the other three stands for the one beyond a corner
        lost = torch.where(missing, weight, 0.0).sum(-1, keepdim=True)
        weight = torch.where(missing, 0.0, weight + lost / 3)
        row = torch.where(missing, row.clamp(0, height - 1), row)
        beyond = beyond_column | beyond_row
        across = _cube_neighbor(width, face[..., None].expand_as(column), column, row)
        inside = (face[..., None] * height + row) * width + column
        return _Taps(torch.where(beyond, across, inside), weight)
    return _Taps(row * width + column, weight)


def _read(texels: Tensor, index: Tensor) -> Tensor:
    """Texels [A, (6,) h, w, C] at indices [B, H, W, K]: [B, H, W, K, C]."""
    flat = texels.flatten(1, -2)
    if texels.shape[0] == 1:
        return flat[0][index]
    return flat[torch.arange(len(index), device=index.device)[:, None, None, None], index]


def _cube_position(direction: Tensor) -> tuple[Tensor, Tensor]:
    """Faces and positions [..., 2] on them that directions [..., 3] meet."""
    x, y, z = direction.detach().abs().unbind(-1)
    major = torch.where((x >= y) & (x >= z), 0, torch.where(y >= z, 1, 2))
    distance = direction.gather(-1, major[..., None])
    face = 2 * major + (distance[..., 0] < 0)
    along = [
        direction.gather(-1, face.new_tensor(axes)[face][..., None]) * face.new_tensor(signs)[face][..., None]
        for axes, signs in ((_COLUMN_AXIS, _COLUMN_SIGN), (_ROW_AXIS, _ROW_SIGN))
    ]
    return face, 0.5 * (torch.cat(along, -1) / distance.abs() + 1)


def _cube_neighbor(size: int, face: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Index of the texels beyond the edges of faces; whatever for a texel that is not beyond one.

    The point half a texel behind the cube's edge is looked up by its direction.
    """
    # on a cube from -1 to 1
    along_column = ((2 * column + 1) / size - 1).clamp(-1, 1)
    along_row = ((2 * row + 1) / size - 1).clamp(-1, 1)
    normal = torch.full_like(along_column, 1 - 1 / size)
    direction = normal.new_zeros((*normal.shape, 3))
    sign = torch.where(face % 2 == 0, 1, -1)
    direction.scatter_(-1, (face // 2)[..., None], (normal * sign)[..., None])
    for axes, signs, value in (
        (_COLUMN_AXIS, _COLUMN_SIGN, along_column),
        (_ROW_AXIS, _ROW_SIGN, along_row),
    ):
        axis = face.new_tensor(axes)[face]
        direction.scatter_(-1, axis[..., None], (value * face.new_tensor(signs)[face])[..., None])
    next_face, position = _cube_position(direction)
    row, column = ((position[..., i] * size).long().clamp(0, size - 1) for i in (1, 0))
    return (next_face * size + row) * size + column
