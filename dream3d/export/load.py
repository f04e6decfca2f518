"""Meshes and pictures of a .glb that may come from anyone.

What is read: triangles with positions and optionally normals, UVs and vertex colors; base color textures and
factors; nodes with transforms. What cannot be read is refused by name, in one line.
"""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dream3d.errors import InputError
from dream3d.export.container import (
    Document,
    corrupt,
    get_count,
    get_list,
    get_numbers,
    get_object,
    read_container,
)
from dream3d.math import linear_to_srgb, srgb_to_linear
from dream3d.mesh import ByteArray, Material, Mesh, TexturedMesh

MAX_NODES = 10_000  # visited; nodes that share children could otherwise multiply without end
MAX_FACES = 20_000_000  # over all nodes, for the same reason
MAX_TEXELS = 2 * 8192 * 8192  # over all pictures: a small file can claim a huge picture

IDENTITY = np.eye(4).reshape(-1).tolist()


@dataclass(frozen=True)
class Picture:
    """An image of the file, decoded."""

    name: str
    mime_type: str
    pixels: ByteArray  # [H, W, 3] sRGB encoded


@dataclass(frozen=True)
class Contents:
    """Everything of a .glb that we read."""

    parts: list[TexturedMesh]  # one per mesh primitive and node that shows it, in metres
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
        return _contents(document, max_faces)
    except InputError as error:
        message = str(error)
        raise InputError(message if str(path) in message else f"{path}: {message}") from None


def load_textured_mesh(path: Path) -> TexturedMesh:
    """Read a .glb that holds one mesh with one material, such as those we write.

    Raises:
        InputError: As `load_glb`, or there are several meshes.
    """
    parts = load_glb(path).parts
    if len(parts) != 1:
        raise InputError(f"{path} holds {len(parts)} meshes; only files with a single one can be shown")
    return parts[0]


def _contents(document: Document, max_faces: int) -> Contents:
    required = [str(name) for name in document.items("extensionsRequired")]
    if required:
        raise InputError(f"the file needs {', '.join(required)[:100]}, which is not read; save it without")
    pictures = _pictures(document)
    scene = document.item("scenes", document.json.get("scene", 0)) if document.items("scenes") else {}
    parts: list[TexturedMesh] = []
    extras: dict[str, Any] = {}
    num_faces = 0
    for node, matrix in _nodes(document, get_list(scene, "nodes")):
        extras = extras or get_object(node, "extras")
        if "mesh" not in node:
            continue
        mesh = document.item("meshes", node["mesh"])
        for primitive in get_list(mesh, "primitives"):
            if not isinstance(primitive, dict):
                corrupt("a mesh primitive is not an object")
            num_faces += _count_faces(document, primitive)
            if num_faces > max_faces:
                raise InputError(f"the file holds more than {max_faces} triangles; reduce it first")
            name = str(node.get("name") or mesh.get("name") or "asset")
            parts.append(_part(document, primitive, matrix, pictures, name))
    if not parts:
        raise InputError("the file holds no triangles")
    asset = get_object(document.json, "asset")
    extras = extras or get_object(scene, "extras") or get_object(asset, "extras")
    parts = [replace(part, metadata=extras) for part in parts]
    return Contents(parts, pictures, extras, str(asset.get("generator", "")), document.num_bytes)


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
    pictures: list[Picture],
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

    normals = read("NORMAL", ("VEC3",))
    mesh = Mesh(
        vertices.astype(np.float32),
        _faces(document, primitive, len(vertices)),
        normals,
        read("TEXCOORD_0", ("VEC2",)),
        read("COLOR_0", ("VEC3", "VEC4")),
    )
    material, factor = _material(document, primitive, pictures)
    if material is None:  # no texture: the colors travel on the vertices
        colors = np.ones_like(mesh.vertices) if mesh.colors is None else mesh.colors[:, :3]
        plain = Material(np.full((1, 1, 3), 255, np.uint8))
        return TexturedMesh(_moved(replace(mesh, uvs=None, colors=colors * factor), matrix), plain, name)
    if mesh.uvs is None:
        corrupt("a mesh has a texture but no TEXCOORD_0")
    return TexturedMesh(_moved(replace(mesh, colors=None), matrix), material, name)


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
    return replace(mesh, vertices=vertices, faces=np.ascontiguousarray(faces), normals=normals)


def _material(
    document: Document, primitive: dict[str, Any], pictures: list[Picture]
) -> tuple[Material | None, NDArray[np.float32]]:
    """Material with its base color texture, None without one, and the linear base color factor [3]."""
    if "material" not in primitive:
        return None, np.ones(3, np.float32)
    pbr = get_object(document.item("materials", primitive["material"]), "pbrMetallicRoughness")
    factor = get_numbers(pbr, "baseColorFactor", [1.0] * 4)[:3].clip(0.0, 1.0).astype(np.float32)
    if "baseColorTexture" not in pbr:
        return None, factor
    info = get_object(pbr, "baseColorTexture")
    if info.get("texCoord", 0) != 0:
        raise InputError("the file's texture uses a second set of UVs, which is not read")
    source = get_count(document.item("textures", info.get("index")), "source")
    document.item("images", source)
    texture = pictures[source].pixels
    if not np.all(factor == 1.0):
        linear = srgb_to_linear(torch.from_numpy(texture / np.float32(255.0))) * torch.from_numpy(factor)
        texture = (linear_to_srgb(linear) * 255.0).round().to(torch.uint8).numpy()
    metallic, roughness = (
        float(get_numbers({"value": [pbr.get(key, 1.0)]}, "value", [1.0])[0])
        for key in ("metallicFactor", "roughnessFactor")
    )
    return Material(texture, metallic, roughness), factor


def _pictures(document: Document) -> list[Picture]:
    """All images, decoded; their sizes are read from the headers and added up first."""
    opened: list[tuple[dict[str, Any], Image.Image]] = []
    num_texels = 0
    for index in range(len(document.items("images"))):
        image = document.item("images", index)
        if "uri" in image:
            raise InputError(
                "the file keeps its pictures in other files; only self-contained .glb files are read"
            )
        data, _ = document.view(image.get("bufferView"))
        try:
            picture = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        except Exception:  # damaged pictures raise nearly anything inside Pillow
            corrupt(f"images[{index}] is not a whole PNG or JPEG")
        num_texels += picture.width * picture.height
        if num_texels > MAX_TEXELS:
            raise InputError(
                f"the file's pictures have more than {MAX_TEXELS >> 20} million texels; too large"
            )
        opened.append((image, picture))
    return [_decode(index, image, picture) for index, (image, picture) in enumerate(opened)]


def _decode(index: int, image: dict[str, Any], picture: Image.Image) -> Picture:
    try:
        pixels = np.asarray(picture.convert("RGB"))
    except Exception:
        corrupt(f"images[{index}] is damaged")
    return Picture(str(image.get("name", "")), f"image/{(picture.format or '').lower()}", pixels)
