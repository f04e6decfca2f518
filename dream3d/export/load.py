"""Meshes and pictures of a .glb that may come from anyone.

What is read: triangles with positions and optionally normals, tangents, UVs and vertex colors; textures and
factors; nodes with transforms; EXT_meshopt_compression and KHR_texture_transform. Alpha, skins, morph targets
and animations are passed over: meshes are read opaque and at rest. What else cannot be read is refused by
name, in one line.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dream3d.errors import InputError
from dream3d.export.container import (
    Document,
    corrupt,
    get_list,
    get_numbers,
    get_object,
    read_container,
)
from dream3d.export.load_material import PLAIN, Materials, Picture, Surface, read_pictures
from dream3d.export.load_meshopt import unpack
from dream3d.export.names import is_collision_only, lod_level
from dream3d.mesh import Material, Mesh, TexturedMesh

MAX_NODES = 10_000  # visited; nodes that share children could otherwise multiply without end
MAX_SCENES = 64  # looked into for levels of detail
MAX_DEPTH = 64  # of extras: what copies and prints them calls itself for each level
MAX_FACES = 20_000_000  # over all nodes, for the same reason

WHITE = 0.998  # vertex colors from here on change nothing

IDENTITY = np.eye(4).reshape(-1).tolist()


@dataclass(frozen=True)
class Contents:
    """Everything of a .glb that we read."""

    parts: list[TexturedMesh]  # one per mesh primitive and node that shows it, in metres
    lods: list[TexturedMesh]  # coarser levels of detail, kept in scenes of their own
    collision: list[TexturedMesh]  # shapes that are never seen, known by their names
    pictures: list[Picture]
    provenance: dict[str, Any]  # extras of the first node, else of the scene, else of the asset
    generator: str
    num_bytes: int


def load_glb(path: Path, max_faces: int = MAX_FACES) -> Contents:
    """Read a .glb.

    Args:
        path: The file.
        max_faces: Files that claim more triangles are refused before any is read.

    Raises:
        InputError: It cannot be read, is damaged, holds no triangles, or uses what we do not read.
    """
    document = read_container(path)
    try:
        return _contents(unpack(document), max_faces)
    except InputError as error:
        message = str(error)
        raise InputError(message if str(path) in message else f"{path}: {message}") from None


def _contents(document: Document, max_faces: int) -> Contents:
    required = [str(name) for name in document.items("extensionsRequired")]
    if required:
        raise InputError(f"the file needs {', '.join(required)[:100]}, which is not read; save it without")
    pictures = read_pictures(document)
    materials, budget = Materials(document, pictures), _Budget(max_faces)
    scenes = document.items("scenes")
    main = document.json.get("scene", 0)
    scene = document.item("scenes", main) if scenes else {}
    shown, extras = _scene_parts(document, scene, materials, budget)
    lods: list[TexturedMesh] = []
    for index in range(min(len(scenes), MAX_SCENES)):
        if index != main:
            lods += _scene_parts(document, document.item("scenes", index), materials, budget, True)[0]
    # A file in which everything has such a name has not named it for an engine.
    parts = [part for part in shown if not is_collision_only(part.name)] or shown
    collision = [part for part in shown if is_collision_only(part.name)] if parts is not shown else []
    if not parts:
        raise InputError("the file holds no triangles")
    asset = get_object(document.json, "asset")
    extras = extras or get_object(scene, "extras") or get_object(asset, "extras")
    if _is_deeper(extras, MAX_DEPTH):
        corrupt(f"its extras are nested more than {MAX_DEPTH} deep")
    parts = [replace(part, metadata=extras) for part in parts]
    generator = str(asset.get("generator", ""))
    return Contents(parts, lods, collision, pictures, extras, generator, document.num_bytes)


def _is_deeper(value: object, depth: int) -> bool:
    """Whether JSON is nested more than so deep; a plain value is not at all."""
    level = [value]
    while level and depth >= 0:
        inner = [
            one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)
        ]
        level, depth = [value for values in inner for value in values], depth - 1
    return bool(level)


class _Budget:
    """Triangles that may still be read, over all nodes of a file."""

    def __init__(self, max_faces: int) -> None:
        self.max_faces = max_faces
        self.num_faces = 0

    def take(self, num_faces: int) -> None:
        self.num_faces += num_faces
        if self.num_faces > self.max_faces:
            raise InputError(f"the file holds more than {self.max_faces} triangles; reduce it first")


def _scene_parts(
    document: Document,
    scene: dict[str, Any],
    materials: Materials,
    budget: _Budget,
    only_lods: bool = False,
) -> tuple[list[TexturedMesh], dict[str, Any]]:
    """Every mesh primitive of a scene in the world, and the extras of its first node that has some.

    With `only_lods`, nodes whose names are not those of coarser levels of detail are passed over.
    """
    parts: list[TexturedMesh] = []
    extras: dict[str, Any] = {}
    for node, matrix in _nodes(document, get_list(scene, "nodes")):
        extras = extras or get_object(node, "extras")
        if "mesh" not in node or (only_lods and not lod_level(str(node.get("name")))):
            continue
        mesh = document.item("meshes", node["mesh"])
        for primitive in get_list(mesh, "primitives"):
            if not isinstance(primitive, dict):
                corrupt("a mesh primitive is not an object")
            budget.take(_count_faces(document, primitive))
            name = str(node.get("name") or mesh.get("name") or "asset")
            parts.append(_part(document, primitive, matrix, materials, name))
    return parts, extras


def _nodes(document: Document, roots: list[Any]) -> list[tuple[dict[str, Any], NDArray[np.float64]]]:
    """Every node under the roots with its matrix to the world [4, 4], parents first."""
    found: list[tuple[dict[str, Any], NDArray[np.float64]]] = []
    waiting: list[tuple[object, NDArray[np.float64]]] = [(root, np.eye(4)) for root in reversed(roots)]
    while waiting:
        index, parent = waiting.pop()
        node = document.item("nodes", index)
        matrix = parent @ _local_matrix(node)
        found.append((node, matrix))
        waiting += [(child, matrix) for child in reversed(get_list(node, "children"))]
        if len(found) + len(waiting) > MAX_NODES:
            corrupt(f"its nodes form a loop or are more than {MAX_NODES}")
    return found


def _local_matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    """Transform of a node to its parent, [4, 4]."""
    if "matrix" in node:
        return get_numbers(node, "matrix", IDENTITY).reshape(4, 4).T  # stored by columns
    x, y, z, w = get_numbers(node, "rotation", [0.0, 0.0, 0.0, 1.0])
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * get_numbers(node, "scale", [1.0, 1.0, 1.0])
    matrix[:3, 3] = get_numbers(node, "translation", [0.0, 0.0, 0.0])
    return matrix


def _count_faces(document: Document, primitive: dict[str, Any]) -> int:
    """Triangles a primitive claims to have."""
    attributes = get_object(primitive, "attributes")
    return document.count(primitive.get("indices", attributes.get("POSITION"))) // 3


def _part(
    document: Document,
    primitive: dict[str, Any],
    matrix: NDArray[np.float64],
    materials: Materials,
    name: str,
) -> TexturedMesh:
    """One primitive in the world."""
    if primitive.get("mode", 4) != 4:
        raise InputError("the file holds points, lines or triangle strips; only plain triangles are read")
    attributes = get_object(primitive, "attributes")
    vertices = document.accessor(attributes.get("POSITION"), ("VEC3",))
    if vertices.dtype.kind != "f":
        corrupt("positions are not floats")

    def read(key: str, kinds: tuple[str, ...]) -> NDArray[np.float32] | None:
        if key not in attributes:
            return None
        values = document.accessor(attributes[key], kinds)
        if len(values) != len(vertices):
            corrupt(f"{key} has another length than POSITION")
        return values.astype(np.float32)

    colors = read("COLOR_0", ("VEC3", "VEC4"))
    mesh = Mesh(
        vertices.astype(np.float32),
        _faces(document, primitive, len(vertices)),
        read("NORMAL", ("VEC3",)),
        read("TEXCOORD_0", ("VEC2",)),
        None if colors is None else colors[:, :3],
        read("TANGENT", ("VEC4",)),
    )
    if len(mesh.vertices) > 3 * len(mesh.faces):  # many meshes may share positions, each most of them unused
        mesh = mesh.of_faces(mesh.faces)
    return _worn(_moved(mesh, matrix), materials.of(primitive), name)


def _worn(mesh: Mesh, surface: Surface, name: str) -> TexturedMesh:
    """A mesh with its material, over its UVs; without UVs the colors travel on the vertices."""
    material = surface.material
    if mesh.uvs is None:
        if surface.has_texture:
            corrupt("a mesh has a texture but no TEXCOORD_0")
        colors = np.ones_like(mesh.vertices) if mesh.colors is None else mesh.colors
        bare = Material(PLAIN.material.base_color_srgb, material.metallic_factor, material.roughness_factor)
        return TexturedMesh(replace(mesh, colors=colors * surface.color), bare, name)
    turn, offset = surface.placement[:, :2], surface.placement[:, 2]
    if not np.array_equal(surface.placement, PLAIN.placement):
        mesh = replace(mesh, uvs=(mesh.uvs @ turn.T + offset).astype(np.float32))
    if mesh.colors is not None and mesh.colors.min() > WHITE:
        mesh = replace(mesh, colors=None)
    return TexturedMesh(mesh, material, name)


def _faces(document: Document, primitive: dict[str, Any], num_vertices: int) -> NDArray[np.int32]:
    """Triangles [T, 3] of a primitive."""
    if "indices" in primitive:
        indices = document.accessor(primitive["indices"], ("SCALAR",))
        if indices.dtype.kind != "u":
            corrupt("indices are not whole numbers")
    else:
        indices = np.arange(num_vertices, dtype=np.uint32)
    if len(indices) % 3 or int(indices.max()) >= num_vertices:
        corrupt("a triangle names a vertex that does not exist")
    return indices.reshape(-1, 3).astype(np.int32)


def _moved(mesh: Mesh, matrix: NDArray[np.float64]) -> Mesh:
    """The mesh after an affine transform [4, 4]; unit normals, winding kept outward under mirroring."""
    if np.array_equal(matrix, np.eye(4)):
        return mesh
    linear = matrix[:3, :3]
    vertices = (mesh.vertices @ linear.T + matrix[:3, 3]).astype(np.float32)
    if not np.isfinite(vertices).all():
        corrupt("a transform moves the mesh to infinity")
    mirrored = float(np.linalg.det(linear)) < 0
    faces = mesh.faces[:, ::-1] if mirrored else mesh.faces
    normals = mesh.normals
    if normals is not None:
        # The cofactor matrix is the inverse transpose up to scale, and exists for flat transforms too.
        cofactors = np.cross(linear[[1, 2, 0]], linear[[2, 0, 1]])
        turned = normals @ cofactors.T * (-1.0 if mirrored else 1.0)
        lengths = np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-30)
        normals = (turned / lengths).astype(np.float32)
    tangents = mesh.tangents
    if tangents is not None:
        turned = tangents[:, :3] @ linear.T
        lengths = np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-30)
        signs = tangents[:, 3:] * (-1.0 if mirrored else 1.0)
        tangents = np.hstack([turned / lengths, signs]).astype(np.float32)
    return replace(
        mesh, vertices=vertices, faces=np.ascontiguousarray(faces), normals=normals, tangents=tangents
    )
