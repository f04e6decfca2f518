"""Packed meshes of a .glb from anyone: EXT_meshopt_compression is undone before anything else is read.

The library that unfolds a stream takes its length, its rows and its bytes as they come and refuses those that
do not belong together. What it cannot know is checked here: how much memory a file may ask for.
"""

from dataclasses import dataclass, replace
from typing import Any

from dream3d.errors import InputError
from dream3d.export.container import Document, corrupt, get_count, get_object
from dream3d.export.meshopt import EXTENSION
from dream3d.extras import import_extra

MAX_UNPACKED_BYTES = 1 << 29  # zeros pack a thousandfold: a small file can claim a huge mesh
MAX_ROW_BYTES = (
    256  # https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0/Vendor/EXT_meshopt_compression
)
FILTERS = ("NONE", "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL")


@dataclass(frozen=True)
class _Packed:
    """What the extension says of one buffer view."""

    index: int  # of the view
    stream: memoryview
    count: int
    stride: int  # bytes
    mode: str
    filter: str


def unpack(document: Document) -> Document:
    """The document without the extension; data that was packed follows what was in the binary chunk.

    Where a file does not require the extension it holds plain data as well, and that is what is read.

    Raises:
        InputError: The optional library is not installed, a description is impossible, the file unfolds to
            more than we take, or a stream is damaged.
    """
    required = document.items("extensionsRequired")
    if EXTENSION not in required:
        return document
    meshopt = import_extra("meshopt", "meshopt", f"a file with {EXTENSION}", "save it without")
    found = [_packed(document, index) for index in range(len(document.items("bufferViews")))]
    packed = [entry for entry in found if entry is not None]
    num_bytes = sum(entry.count * entry.stride for entry in packed)
    if num_bytes > MAX_UNPACKED_BYTES:  # all of them, before memory is taken for the first
        raise InputError(f"the file unfolds to more than {MAX_UNPACKED_BYTES >> 20} MiB; it cannot be read")
    views, end = list(document.items("bufferViews")), len(document.binary)
    blocks: list[Any] = [document.binary]
    for entry in packed:
        blocks.append(_unfolded(meshopt, entry))
        moved = {"buffer": 0, "byteOffset": end, "extensions": {}}
        views[entry.index] = views[entry.index] | moved
        end += entry.count * entry.stride
    json = document.json | {"bufferViews": views}
    json["extensionsRequired"] = [name for name in required if name != EXTENSION]
    return replace(document, json=json, binary=b"".join(blocks))


def _packed(document: Document, index: int) -> _Packed | None:
    """What a buffer view unfolds from, checked; None if it is not packed."""
    view = document.item("bufferViews", index)
    extensions = get_object(view, "extensions")
    if EXTENSION not in extensions:
        return None
    described, name = get_object(extensions, EXTENSION), f"bufferViews[{index}]"
    count, stride = get_count(described, "count"), get_count(described, "byteStride")
    mode, chosen = described.get("mode"), described.get("filter", "NONE")
    match mode:
        case "ATTRIBUTES":
            is_possible = 0 < stride <= MAX_ROW_BYTES and stride % 4 == 0
        case "TRIANGLES":
            is_possible = stride in (2, 4) and count % 3 == 0
        case "INDICES":
            is_possible = stride in (2, 4)
        case _:
            corrupt(f"{name} is packed in a way that the extension does not know")
    if chosen not in FILTERS or (chosen != "NONE" and mode != "ATTRIBUTES"):
        raise InputError(f"the file packs meshes with the filter {chosen!r:.20}, which is not read")
    is_stride_kept = view.get("byteStride", stride) == stride
    if not is_possible or not is_stride_kept or not 0 < count * stride == get_count(view, "byteLength"):
        corrupt(f"{name} unfolds to another size than it says")
    return _Packed(index, document.data(described, name), count, stride, mode, chosen)


def _unfolded(meshopt: Any, packed: _Packed) -> Any:
    """Rows of bytes or indices, an array."""
    try:
        rows = meshopt.decode_gltf_buffer(
            packed.stream, packed.count, packed.stride, packed.mode, packed.filter
        )
    except ValueError:
        corrupt(f"bufferViews[{packed.index}] holds a damaged packed mesh")
    return rows
