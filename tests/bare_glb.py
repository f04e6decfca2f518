"""A .glb writer of a few lines, without any code of the package: plain positions and triangles."""

import json
import struct
from typing import Any

import numpy as np
import trimesh


def glb(vertices: np.ndarray, faces: np.ndarray, extras: dict[str, Any] | None = None) -> bytes:
    """Positions [V, 3] and faces [T, 3]; `extras` go where our own files keep how they were made."""
    blocks = [vertices.astype("<f4").tobytes(), faces.astype("<u4").tobytes()]
    views = [
        {"buffer": 0, "byteOffset": 0, "byteLength": len(blocks[0])},
        {"buffer": 0, "byteOffset": len(blocks[0]), "byteLength": len(blocks[1])},
    ]
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": len(vertices), "type": "VEC3"},
        {"bufferView": 1, "componentType": 5125, "count": faces.size, "type": "SCALAR"},
    ]
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0} | ({"extras": extras} if extras else {})],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": sum(map(len, blocks))}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(blocks)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks) + len(binary)) + chunks + binary


def ball(extras: dict[str, Any] | None = None) -> bytes:
    shape = trimesh.creation.icosphere(subdivisions=2)
    return glb(np.asarray(shape.vertices), np.asarray(shape.faces), extras)
