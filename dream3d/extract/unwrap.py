"""UV atlas: cuts the surface into charts and packs them into the unit square."""

import numpy as np
import xatlas

from dream3d.errors import RunError
from dream3d.mesh import Mesh


def unwrap(mesh: Mesh, texture_size: int, padding_texels: int) -> Mesh:
    """Give a mesh UVs without overlaps, with space between the charts.

    The time grows faster than the number of faces: decimate first (10,000 faces take about a second). The
    result depends on the input alone, not on chance.

    Args:
        mesh: With normals.
        texture_size: Side of the texture that will be baked, in texels.
        padding_texels: Free texels between charts.

    Returns:
        The mesh with vertices split along the seams, normals carried over, and UVs in [0, 1], glTF
        convention.

    Raises:
        RunError: The surface could not be packed into one atlas.
    """
    atlas = xatlas.Atlas()
    atlas.add_mesh(mesh.vertices, mesh.faces.astype(np.uint32), mesh.normals)
    charts = xatlas.ChartOptions()
    charts.max_iterations = 2  # rounder charts and fewer of them than one round gives
    packing = xatlas.PackOptions()
    packing.resolution = texture_size
    packing.padding = padding_texels
    packing.bilinear = True
    packing.rotate_charts = True
    atlas.generate(charts, packing)
    if atlas.atlas_count != 1:
        raise RunError(f"the surface needs {atlas.atlas_count} textures: ask for fewer --target-faces")
    source, faces, uvs = atlas[0]
    normals = None if mesh.normals is None else mesh.normals[source]
    return Mesh(
        np.ascontiguousarray(mesh.vertices[source]),
        faces.astype(np.int32),
        normals=normals,
        uvs=np.clip(uvs, 0.0, 1.0).astype(np.float32),
    )
