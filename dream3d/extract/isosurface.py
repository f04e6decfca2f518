"""From a density field to a closed triangle mesh: sample, choose the level, run marching cubes.

Volumes are [X, Y, Z] arrays of density at the nodes of a regular grid over the scene box [-1, 1]^3.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import marching_cubes
from torch import Tensor

from dream3d.errors import RunError
from dream3d.mesh import Mesh

Volume = NDArray[np.float32]  # [X, Y, Z]
Density = Callable[[Tensor], Tensor]  # points in the world [N, 3] -> density [N], in 1 / scene units

MIN_LOG_RATIO, MAX_LOG_RATIO = 0.25, 3.0  # the density counts within a factor of e^3 around the level
MIN_VISIBLE_FRACTION = 2e-5  # of all axis rays; fewer opaque rays than this are specks, not an object


@torch.no_grad()
def sample_density(
    density: Density, resolution: int, device: torch.device | str = "cpu", chunk_size: int = 1 << 18
) -> Volume:
    """Evaluate the field at the nodes of a grid over [-1, 1]^3.

    Args:
        density: Points in the world [N, 3] to density [N].
        resolution: Nodes along each axis.
        device: Where the points are created.
        chunk_size: Points per call, which bounds the memory.

    Returns:
        [X, Y, Z] float32 on the CPU.

    Raises:
        RunError: A density is NaN, infinite or negative.
    """
    axis = torch.linspace(-1.0, 1.0, resolution, device=device)
    plane = torch.cartesian_prod(axis, axis)  # [Y * Z, 2]
    slabs = max(1, chunk_size // plane.shape[0])
    volume = np.empty((resolution, resolution, resolution), np.float32)
    for start in range(0, resolution, slabs):
        xs = axis[start : start + slabs]
        points = torch.cat(
            [xs.repeat_interleave(plane.shape[0])[:, None], plane.repeat(xs.shape[0], 1)], dim=1
        )
        values = density(points).reshape(xs.shape[0], resolution, resolution)
        volume[start : start + slabs] = values.float().cpu().numpy()
    if not np.isfinite(volume).all() or volume.min() < 0:
        raise RunError("the density field holds values that are not finite or are negative: the run diverged")
    return volume


def surface_level(volume: Volume) -> float:
    """Density whose level set looks like what cameras see.

    A camera sees opacity 1 - exp(-integral of density), not density. Along each of the three axes the opacity
    picture of the volume is taken and cut at one half; the level is the one whose level set has the same
    three silhouettes (largest total intersection over union). It follows the field when all densities are
    scaled and needs no tuning. A sharp field gives a plateau of equally good levels, of which the logarithmic
    middle is taken.

    Args:
        volume: [X, Y, Z] densities.

    Returns:
        The level, > 0.

    Raises:
        RunError: Nothing in the volume is opaque.
    """
    voxel = 2.0 / (volume.shape[0] - 1)
    seen = [volume.sum(axis, dtype=np.float64) * voxel > math.log(2.0) for axis in range(3)]  # opacity > 1/2
    if sum(int(mask.sum()) for mask in seen) < max(3, MIN_VISIBLE_FRACTION * 3 * volume[0].size):
        raise RunError("nothing to extract: the field is empty (no opaque region was found)")
    peaks = [
        volume.max(axis) for axis in range(3)
    ]  # a level set covers a ray where the peak is above the level
    # A ray through the whole box is opaque at ln 2 / 2; the densest matter needs a fraction of a voxel.
    levels = np.geomspace(math.log(2.0) / 4.0, float(volume.max()) * 0.999, 96)
    scores = np.array([_silhouette_agreement(seen, peaks, level) for level in levels])
    plateau = levels[scores >= scores.max() - 0.002]
    return float(math.sqrt(plateau[0] * plateau[-1]))


def density_threshold(
    density: Density, resolution: int = 64, device: torch.device | str = "cpu", chunk_size: int = 1 << 18
) -> float:
    """`surface_level` of a field: the density at which to start a refined surface.

    Args:
        density: Points in the world [N, 3] to density [N].
        resolution: Samples along each axis.
        device: Where the points are created.
        chunk_size: Points per call, which bounds the memory.

    Returns:
        The level, > 0.

    Raises:
        RunError: The field is empty, or a density is NaN, infinite or negative.
    """
    return surface_level(sample_density(density, resolution, device, chunk_size))


def _silhouette_agreement(seen: list[NDArray[np.bool_]], peaks: list[Volume], level: float) -> float:
    """Intersection over union of the three opacity silhouettes with those of a level set."""
    covered = [peak > level for peak in peaks]
    both = sum(int((a & b).sum()) for a, b in zip(seen, covered, strict=True))
    either = sum(int((a | b).sum()) for a, b in zip(seen, covered, strict=True))
    return both / max(either, 1)


def extract_isosurface(volume: Volume, level: float, smoothing_voxels: float = 0.0) -> Mesh:
    """Closed surface of {density > level}, in scene units, wound counter-clockwise seen from outside.

    Cavities that no camera outside can see are filled, and matter that reaches the border of the box is
    closed there. Marching cubes runs on log(density / level), clipped: the exponential profile of a trained
    density becomes nearly linear across the surface, which removes most stair-steps. The clip is as far
    outside as the field typically rises inside, so smoothing does not move the surface, whatever the
    contrast.

    Args:
        volume: [X, Y, Z] densities.
        level: Density at the surface, > 0.
        smoothing_voxels: Standard deviation of a Gaussian over the clipped logarithm; 0 leaves it alone.

    Returns:
        The mesh: vertices and faces only.

    Raises:
        RunError: No surface crosses the volume.
    """
    log_ratio = np.log(np.maximum(volume, level * math.exp(-MAX_LOG_RATIO)) / level)
    if log_ratio.max() <= 0:
        raise RunError("nothing to extract: no surface was found at the chosen density level")
    limit = float(np.clip(np.median(log_ratio[log_ratio > 0]), MIN_LOG_RATIO, MAX_LOG_RATIO))
    field = np.pad(np.clip(log_ratio, -limit, limit).astype(np.float32), 2, constant_values=-limit)
    solid = field > 0
    field[np.asarray(ndimage.binary_fill_holes(solid)) & ~solid] = limit
    if smoothing_voxels > 0:
        field = ndimage.gaussian_filter(field, smoothing_voxels, mode="nearest", truncate=3.0)
        if field.max() <= 0:
            raise RunError("nothing to extract: all that the field holds is thinner than the smoothing")
    # Nodes exactly on the surface would make triangles of zero area.
    field[np.abs(field) < 1e-3] = -1e-3
    # Density ascends inwards; scikit-image then winds the faces counter-clockwise seen from outside.
    vertices, faces, _, _ = marching_cubes(field, level=0.0, gradient_direction="ascent")
    scale = 2.0 / (volume.shape[0] - 1)
    return Mesh(((vertices - 2.0) * scale - 1.0).astype(np.float32), faces.astype(np.int32))
