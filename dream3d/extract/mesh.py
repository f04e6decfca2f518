"""The extraction stage as a whole."""

import torch

from dream3d.config import ExtractConfig
from dream3d.extract.cleanup import add_normals, decimate, remove_floaters, smooth
from dream3d.extract.isosurface import Density, extract_isosurface, sample_density, surface_level
from dream3d.mesh import Mesh


def extract_mesh(density: Density, config: ExtractConfig, device: torch.device | str = "cpu") -> Mesh:
    """Turn a density field into a closed, clean mesh with normals.

    Args:
        density: Points in the world [N, 3] to density [N], in 1 / scene units; without side effects.
        config: Resolution, smoothing and budget.
        device: Where the field lives.

    Returns:
        Vertices, faces and normals in scene units. Watertight once vertices at the same position are welded.

    Raises:
        RunError: The field is empty or not finite.
    """
    volume = sample_density(density, config.resolution, device)
    surface = extract_isosurface(volume, surface_level(volume), config.smoothing_voxels)
    surface = remove_floaters(surface, config.min_volume_share)
    surface = smooth(surface, config.smoothing_iterations)
    return add_normals(decimate(surface, config.target_faces), config.crease_angle_deg)
