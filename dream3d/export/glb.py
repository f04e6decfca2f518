"""Our own glTF 2.0 binary writer: one mesh, one material, one picture.

Layout of the binary chunk: positions, normals, UVs, indices, PNG; each starts on a multiple of four bytes.
"""

import io
import json
import re
import struct
import unicodedata

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dream3d import __version__
from dream3d.mesh import ByteArray, Material, Mesh, TexturedMesh

GENERATOR = f"dream3d {__version__}"

FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125  # componentType
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963  # bufferView.target
LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071  # sampler
JSON_CHUNK, BIN_CHUNK = 0x4E4F534A, 0x004E4942

MAX_NAME_LENGTH = 60


def slug(text: str, separator: str = "_") -> str:
    """ASCII name of a prompt, safe as a file or node name: "A red mushroom!" -> "a_red_mushroom"."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", separator, plain).strip(separator)
    return words[:MAX_NAME_LENGTH].rstrip(separator) or "asset"


def encode_glb(asset: TexturedMesh) -> bytes:
    """Write a textured mesh as a .glb.

    Args:
        asset: Mesh in metres with normals and UVs; `metadata` must be what JSON can say and lands in the
            node's `extras`, which Blender and Godot show on the object.

    Returns:
        The whole file.

    Raises:
        ValueError: The mesh lacks normals or UVs, or holds values that are not finite.
    """
    mesh = asset.mesh
    if mesh.normals is None or mesh.uvs is None:
        raise ValueError("a mesh needs normals and UVs to be written: unwrap it first")
    if not all(np.isfinite(part).all() for part in (mesh.vertices, mesh.normals, mesh.uvs)):
        raise ValueError("the mesh holds values that are not finite")
    index_type = np.uint16 if len(mesh.vertices) < 65535 else np.uint32  # 65535 itself restarts a primitive
    blocks = [
        mesh.vertices.astype("<f4").tobytes(),
        _unit(mesh.normals).astype("<f4").tobytes(),
        mesh.uvs.astype("<f4").tobytes(),
        mesh.faces.astype(index_type).astype(np.dtype(index_type).newbyteorder("<")).tobytes(),
        encode_png(asset.material.base_color_srgb),
    ]
    document = _document(asset, index_type) | _buffers(blocks)
    binary = b"".join(_aligned(block, b"\0") for block in blocks)
    text = _aligned(json.dumps(document, allow_nan=False, separators=(",", ":")).encode(), b" ")
    header = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(binary))
    chunks = [
        struct.pack("<II", len(text), JSON_CHUNK),
        text,
        struct.pack("<II", len(binary), BIN_CHUNK),
        binary,
    ]
    return b"".join([header, *chunks])


def encode_png(image: ByteArray) -> bytes:
    """PNG of an image [H, W, 3]."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def _document(asset: TexturedMesh, index_type: type) -> dict[str, object]:
    """The JSON but for the buffers."""
    name = slug(asset.name)
    attributes = {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}
    primitive = {"attributes": attributes, "indices": 3, "material": 0, "mode": 4}
    sampler = {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR}
    return {
        "asset": {"version": "2.0", "generator": GENERATOR},
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0} | ({"extras": asset.metadata} if asset.metadata else {})],
        "meshes": [{"name": name, "primitives": [primitive]}],
        "materials": [_material(f"{name}_material", asset.material)],
        "textures": [{"name": f"{name}_base_color", "sampler": 0, "source": 0}],
        "samplers": [sampler | {"wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}],
        "images": [{"name": f"{name}_base_color", "mimeType": "image/png", "bufferView": 4}],
        "accessors": _accessors(asset.mesh, index_type),
    }


def _material(name: str, material: Material) -> dict[str, object]:
    """The only material: opaque, seen from outside."""
    return {
        "name": name,
        # The format's default metallicFactor is 1: left out, every asset would be of metal.
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": 0},
            "metallicFactor": material.metallic_factor,
            "roughnessFactor": material.roughness_factor,
        },
        "alphaMode": "OPAQUE",
        "doubleSided": False,
    }


def _accessors(mesh: Mesh, index_type: type) -> list[dict[str, object]]:
    """Types and counts of positions, normals, UVs and indices."""

    def accessor(view: int, component: int, count: int, kind: str) -> dict[str, object]:
        return {"bufferView": view, "componentType": component, "count": count, "type": kind}

    num_vertices = len(mesh.vertices)
    positions = mesh.vertices.astype(np.float32)
    # float32 values are exact in JSON's doubles, so the bounds equal the data bit for bit.
    bounds = {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
    return [
        accessor(0, FLOAT, num_vertices, "VEC3") | bounds,
        accessor(1, FLOAT, num_vertices, "VEC3"),
        accessor(2, FLOAT, num_vertices, "VEC2"),
        accessor(3, UNSIGNED_SHORT if index_type is np.uint16 else UNSIGNED_INT, mesh.faces.size, "SCALAR"),
    ]


def _buffers(blocks: list[bytes]) -> dict[str, object]:
    """`bufferViews` and `buffers` of the five blocks."""
    targets = [ARRAY_BUFFER, ARRAY_BUFFER, ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, None]
    views: list[dict[str, int]] = []
    offset = 0
    for block, target in zip(blocks, targets, strict=True):
        view = {"buffer": 0, "byteOffset": offset, "byteLength": len(block)}
        views.append(view if target is None else view | {"target": target})
        offset += len(_aligned(block, b"\0"))
    return {"bufferViews": views, "buffers": [{"byteLength": offset}]}


def _aligned(block: bytes, padding: bytes) -> bytes:
    """The block, padded to a multiple of four bytes."""
    return block + padding * (-len(block) % 4)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Unit vectors [N, 3]; the format does not allow zero normals, +Y stands in for them."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.where(lengths > 1e-12, vectors / np.maximum(lengths, 1e-12), [[0.0, 1.0, 0.0]])
