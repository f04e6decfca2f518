"""The binary container of glTF 2.0: a header, the JSON, one block of data with meshes and pictures."""

import json
import struct

from dream3d.config import Compression
from dream3d.export.container import BIN_CHUNK, JSON_CHUNK
from dream3d.export.gltf import Binary, Layout, aligned, build_document, embed_pictures, layout_of
from dream3d.export.material import pictures_of
from dream3d.export.meshopt import compress, in_order_of_use
from dream3d.mesh import TexturedMesh


def encode_glb(asset: TexturedMesh | Layout, compression: Compression = "none") -> bytes:
    """Write a .glb.

    Args:
        asset: A mesh in metres with normals and UVs, or several in a layout; `metadata` must be what JSON can
            say and lands in the first node's `extras`.
        compression: How meshes are packed.

    Returns:
        The whole file.

    Raises:
        InputError: The optional library for the compression is not installed.
        ValueError: A mesh lacks normals or UVs, or holds values that are not finite.
    """
    layout = layout_of(asset) if isinstance(asset, TexturedMesh) else asset
    if compression == "meshopt":
        layout = in_order_of_use(layout)
    binary = Binary()
    document = build_document(layout, binary)
    document["images"] = embed_pictures(pictures_of(layout.name, layout.material), binary)
    document["accessors"] = binary.accessors
    if compression == "meshopt":
        data, described = compress(binary)
        document |= described
    else:
        data = b"".join(binary.blocks)
        document |= {"bufferViews": binary.views, "buffers": [{"byteLength": binary.num_bytes}]}
    text = aligned(json.dumps(document, allow_nan=False, separators=(",", ":")).encode(), b" ")
    header = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(data))
    chunks = [struct.pack("<II", len(text), JSON_CHUNK), text, struct.pack("<II", len(data), BIN_CHUNK), data]
    return b"".join([header, *chunks])
