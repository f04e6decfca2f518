"""One mesh out of a .glb or .obj from anyone, ready to be painted."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch

from dream3d.errors import InputError
from dream3d.export.load import load_glb
from dream3d.export.load_obj import load_obj
from dream3d.export.names import without_lod
from dream3d.mesh import MAX_EXTENT, MIN_EXTENT, Material, Mesh, TexturedMesh, join_meshes
from dream3d.render.surface import sample_bilinear

MAX_FACES = 1_000_000  # a game asset has a hundredth of that


def load_model(path: str | Path) -> TexturedMesh:
    """Read a model as one mesh.

        model = dream3d.load_model("mushroom.glb")
        print(len(model.mesh.faces), model.metadata.get("prompt"))

    Args:
        path: A .glb, or an .obj, of which the geometry is read and no other file opened.

    Returns:
        The mesh in its own units, where it is in its file. Without a texture its colors are on the vertices,
        or there are none. Vertices that no face names, and faces without three different ones, are gone.

    Raises:
        InputError: It cannot be read, holds no triangles or more than a million, a position is not finite, or
            it has no extent.
    """
    path = Path(path)
    if path.suffix.lower() == ".obj":
        plain = Material(np.full((1, 1, 3), 255, np.uint8))
        model = TexturedMesh(load_obj(path, MAX_FACES), plain, path.stem)
    else:
        model = join_parts(load_glb(path, MAX_FACES).parts)
    mesh = _tidy(model.mesh)
    if not len(mesh.faces):
        raise InputError(f"{path}: it holds no triangles")
    if not np.isfinite(mesh.vertices).all():
        raise InputError(f"{path}: a position is not a finite number")
    extent = float(np.ptp(mesh.vertices.astype(np.float64), axis=0).max())
    if not MIN_EXTENT < extent < MAX_EXTENT:
        raise InputError(f"{path}: the mesh is {extent:.3g} m large; it has to have a sensible size")
    return replace(model, mesh=mesh)


def load_textured_mesh(path: Path) -> TexturedMesh:
    """Read a .glb as one mesh, as it is. Raises InputError as `load_glb`."""
    return join_parts(load_glb(path).parts)


def join_parts(parts: Sequence[TexturedMesh]) -> TexturedMesh:
    """The meshes of a file as one, each a thing; where materials differ, textures are read at vertices."""
    if len(parts) == 1:
        name = without_lod(parts[0].name)
        return parts[0] if name == parts[0].name else replace(parts[0], name=name)
    meshes = [part.mesh for part in parts]
    if any(mesh.colors is not None for mesh in meshes):
        meshes = [m if m.colors is not None else replace(m, colors=np.ones_like(m.vertices)) for m in meshes]
    mesh, material = join_meshes(meshes), parts[0].material
    if mesh.uvs is None or not all(_same_material(material, part.material) for part in parts[1:]):
        colors = np.concatenate([_vertex_colors(part) for part in parts])
        mesh = replace(mesh, uvs=None, tangents=None, colors=colors)
        material = Material(np.full((1, 1, 3), 255, np.uint8))
    metadata = parts[0].metadata
    things = tuple(without_lod(part.name) for part in parts)
    return TexturedMesh(mesh, material, str(metadata.get("prompt", "asset")), metadata, things)


def _same_material(one: Material, other: Material) -> bool:
    """Do two materials look the same? Files name the material of each mesh; pictures are compared."""
    pairs = [(getattr(one, part.name), getattr(other, part.name)) for part in fields(Material)]
    return all(mine is theirs or np.array_equal(mine, theirs) for mine, theirs in pairs)  # also of numbers


def _vertex_colors(part: TexturedMesh) -> np.ndarray:
    """Linear color of each vertex, [V, 3]."""
    mesh = part.mesh
    colors = np.ones_like(mesh.vertices) if mesh.colors is None else mesh.colors
    if mesh.uvs is None:
        return colors
    return colors * sample_bilinear(part.material.base_color_srgb, torch.from_numpy(mesh.uvs)).numpy()


def _tidy(mesh: Mesh) -> Mesh:
    """The mesh without faces that are a line or a point, repeated faces, and unused vertices."""
    a, b, c = mesh.faces.T
    proper = mesh.faces[(a != b) & (b != c) & (c != a)]
    turns = (proper.argmin(axis=1)[:, None] + np.arange(3)) % 3
    # The smallest vertex first: a face and its back stay two, as a leaf has them.
    _, first = np.unique(np.take_along_axis(proper, turns, axis=1), axis=0, return_index=True)
    faces = proper[np.sort(first)]
    return mesh.of_faces(faces)
