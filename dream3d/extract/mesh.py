"""The extraction stage as a whole."""

from dataclasses import dataclass

import torch

from dream3d.config import ExtractConfig
from dream3d.errors import RunError
from dream3d.extract.cleanup import decimate, remove_floaters, smooth
from dream3d.extract.isosurface import (
    Density,
    Volume,
    extract_isosurface,
    sample_density,
    surface_level,
)
from dream3d.extract.normals import add_normals
from dream3d.extract.topology import euler_characteristic, is_watertight
from dream3d.mesh import Mesh
from dream3d.scene.tet_surface import TetSurface

# Of the attempts after the first, for intricate fields, and surfaces with tunnels finer than a triangle.
MORE_SMOOTHING_VOXELS = (1.5, 3.0, 5.0)
MORE_SMOOTHING_ROUNDS = (2, 6, 18)  # each 1.7 times as wide as the one before
FACES_PER_HANDLE = 8  # a mesh with fewer has no faces left for its shape


@dataclass(frozen=True)
class Surfaces:
    """The same surface twice, in scene units."""

    mesh: Mesh  # within the budget of faces, with normals that break at creases
    dense: Mesh  # before its triangles were reduced, with smooth normals


def extract_mesh(density: Density, config: ExtractConfig, device: torch.device | str = "cpu") -> Mesh:
    """The mesh of `extract_surfaces` alone."""
    return extract_surfaces(density, config, device).mesh


def extract_surfaces(density: Density, config: ExtractConfig, device: torch.device | str = "cpu") -> Surfaces:
    """Turn a density field into a closed, clean mesh with normals.

    Args:
        density: Points in the world [N, 3] to density [N], in 1 / scene units; without side effects.
        config: Resolution, smoothing and budget.
        device: Where the field lives.

    Returns:
        The mesh, and the one with all details that it was reduced from. Once vertices at the same position
        are welded both are watertight, but for fields that are sponges at every scale.

    Raises:
        RunError: The field is empty or not finite.
    """
    volume = sample_density(density, config.resolution, device)
    level = surface_level(volume)
    surface = _surface(volume, level, config.smoothing_voxels, config)
    for smoothing in MORE_SMOOTHING_VOXELS:
        # A sponge with hundreds of handles cannot be closed within the budget: close its pores instead.
        if euler_characteristic(surface.faces) > -config.target_faces / FACES_PER_HANDLE:
            reduced = decimate(surface, config.target_faces)
            if is_watertight(reduced.faces):
                return _with_normals(reduced, surface, config)
        try:
            surface = _surface(volume, level, max(smoothing, config.smoothing_voxels), config)
        except RunError:  # all of it is thinner than the smoothing: an open mesh is better than none
            break
    return _with_normals(decimate(surface, config.target_faces), surface, config)


def _with_normals(reduced: Mesh, surface: Mesh, config: ExtractConfig) -> Surfaces:
    """Both meshes with normals; many small triangles need no creases."""
    return Surfaces(add_normals(reduced, config.crease_angle_deg), add_normals(surface, 180.0))


def clean_surfaces(surface: TetSurface, config: ExtractConfig) -> Surfaces:
    """Turn a refined surface into a closed, clean mesh with normals, within the budget.

    Args:
        surface: In scene units; left as it is.
        config: Smoothing and budget.

    Returns:
        As `extract_surfaces`.

    Raises:
        RunError: No piece encloses any volume.
    """
    reduced, dense = _cleaned(surface, config)
    for rounds in MORE_SMOOTHING_ROUNDS:
        if is_watertight(reduced.faces):
            break
        try:
            smoother = _cleaned(surface.smoothed(rounds), config)
        except RunError:  # all of it is thinner than the smoothing: an open mesh is better than none
            break
        if is_watertight(smoother[0].faces):
            reduced, dense = smoother
    return _with_normals(reduced, dense, config)


def _cleaned(surface: TetSurface, config: ExtractConfig) -> tuple[Mesh, Mesh]:
    """The surface without floaters, within the budget, and before its triangles were reduced."""
    pieces = remove_floaters(surface.detached_mesh(), config.min_volume_share)
    dense = smooth(pieces, config.smoothing_iterations)
    return decimate(dense, config.target_faces), dense


def _surface(volume: Volume, level: float, smoothing_voxels: float, config: ExtractConfig) -> Mesh:
    """The level set without floaters and stair-steps, at the resolution of the volume."""
    surface = extract_isosurface(volume, level, smoothing_voxels)
    return smooth(remove_floaters(surface, config.min_volume_share), config.smoothing_iterations)
