"""Compressed meshes inside a .glb: the extension EXT_meshopt_compression, without loss.

Vertices and triangles are put into the order in which a graphics card uses them, which also packs best, then
every block is packed on its own. Nothing is rounded: positions, normals and UVs come back bit for bit.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from dream3d.export.gltf import ARRAY_BUFFER, Binary, Layout, aligned
from dream3d.extras import import_extra
from dream3d.mesh import Mesh

EXTENSION = "EXT_meshopt_compression"


def check_meshopt() -> None:
    """Make sure that meshes can be compressed, before any work.

    Raises:
        InputError: The optional library is not installed.
    """
    _meshopt()


def in_order_of_use(layout: Layout) -> Layout:
    """The layout with triangles next to their neighbors and vertices in the order in which they are used.

    Raises:
        InputError: The optional library is not installed.
    """
    groups = tuple(
        replace(group, nodes=tuple(replace(node, mesh=_reordered(node.mesh)) for node in group.nodes))
        for group in layout.groups
    )
    return replace(layout, groups=groups)


def compress(binary: Binary) -> tuple[bytes, dict[str, object]]:
    """Pack the meshes of a file.

    Args:
        binary: Whole: meshes first, then pictures, which are left as they are.

    Returns:
        The binary chunk, and what the file's JSON says of it: `bufferViews`, `buffers` and the extension,
        which is required. The second buffer has no data: it is what the packed one unfolds into.

    Raises:
        InputError: The optional library is not installed.
    """
    counts: dict[Any, Any] = {accessor["bufferView"]: accessor["count"] for accessor in binary.accessors}
    packed = Binary()
    views: list[dict[str, Any]] = []
    unfolded_bytes = 0
    for index, (view, block) in enumerate(zip(binary.views, binary.blocks, strict=True)):
        if index not in counts:
            packed.add_block(block[: view["byteLength"]])
            views.append(packed.views[-1])
            continue
        stride = view["byteLength"] // counts[index]
        is_vertices = view["target"] == ARRAY_BUFFER
        data = block[: view["byteLength"]]
        packed.add_block(_pack_rows(data, stride) if is_vertices else _pack_triangles(data, stride))
        where = packed.views[-1] | {"byteStride": stride, "count": counts[index]}
        mode = "ATTRIBUTES" if is_vertices else "TRIANGLES"
        views.append(view | {"buffer": 1, "extensions": {EXTENSION: where | {"mode": mode}}})
        unfolded_bytes = view["byteOffset"] + view["byteLength"]
    buffers: list[dict[str, object]] = [
        {"byteLength": packed.num_bytes},
        {
            "byteLength": len(aligned(bytes(unfolded_bytes), b"\0")),
            "extensions": {EXTENSION: {"fallback": True}},
        },
    ]
    described: dict[str, object] = {"bufferViews": views, "buffers": buffers}
    described |= {"extensionsUsed": [EXTENSION], "extensionsRequired": [EXTENSION]}
    return b"".join(packed.blocks), described


def _meshopt() -> Any:
    return import_extra("meshopt", "meshopt", "--compression")


def _reordered(mesh: Mesh) -> Mesh:
    indices, place, num_used = _meshopt().reorder_mesh(
        mesh.faces.reshape(-1).astype(np.uint32), triangles=True, optsize=False
    )
    source = np.argsort(place, kind="stable")[:num_used]  # vertices that nothing uses are placed last
    return mesh.of_vertices(source, indices.reshape(-1, 3).astype(np.int32))


def _pack_rows(data: bytes, stride: int) -> bytes:
    return _meshopt().encode_gltf_buffer(np.frombuffer(data, np.uint8).reshape(-1, stride), "ATTRIBUTES")


def _pack_triangles(data: bytes, stride: int) -> bytes:
    indices = np.frombuffer(data, "<u2" if stride == 2 else "<u4").astype(np.uint32)
    return _meshopt().encode_gltf_buffer(indices, "TRIANGLES")
