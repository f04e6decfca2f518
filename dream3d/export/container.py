"""The outer layers of a .glb from anyone: header, chunks, JSON, and numbers inside the binary chunk.

Every size and index is checked against what the file really holds before memory is taken. Nothing that the
file names is opened.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

import numpy as np
from numpy.typing import NDArray

from dream3d.errors import InputError
from dream3d.inputs import read_file

MAX_FILE_BYTES = 1 << 30
MAX_JSON_BYTES = 1 << 26
JSON_CHUNK, BIN_CHUNK = 0x4E4F534A, 0x004E4942

COMPONENT_TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@dataclass(frozen=True)
class Document:
    """The JSON of a .glb and its binary chunk."""

    json: dict[str, Any]
    binary: bytes
    num_bytes: int  # of the whole file

    def items(self, key: str) -> list[Any]:
        """A top-level array such as "meshes"; empty when absent."""
        return get_list(self.json, key)

    def item(self, key: str, index: object) -> dict[str, Any]:
        """One object of a top-level array.

        Raises:
            InputError: The index is not one of the array's, or no object is there.
        """
        items = self.items(key)
        if not _is_index(index) or index >= len(items) or not isinstance(items[index], dict):
            corrupt(f"there is no {key}[{index!r:.20}]")
        return items[index]

    def view(self, index: object) -> tuple[memoryview, int]:
        """Bytes of a buffer view and its stride, 0 when rows follow each other without gaps.

        Raises:
            InputError: As `data`.
        """
        view = self.item("bufferViews", index)
        return self.data(view, f"bufferViews[{index}]"), get_count(view, "byteStride", 0)

    def data(self, place: dict[str, Any], name: str) -> memoryview:
        """Bytes that an object says to be at its `byteOffset`, `byteLength` long, in its `buffer`.

        Raises:
            InputError: They reach outside the binary chunk or into another file.
        """
        buffer = self.item("buffers", place.get("buffer"))
        if "uri" in buffer or place["buffer"] != 0:
            raise InputError("the file keeps data in other files; only self-contained .glb files can be read")
        offset, length = get_count(place, "byteOffset", 0), get_count(place, "byteLength")
        if offset + length > len(self.binary):
            corrupt(f"{name} reaches beyond the end of the data")
        return memoryview(self.binary)[offset : offset + length]

    def count(self, accessor_index: object) -> int:
        """Number of elements of an accessor."""
        return get_count(self.item("accessors", accessor_index), "count")

    def accessor(self, index: object, kinds: tuple[str, ...]) -> NDArray[np.generic]:
        """Elements of an accessor, [N] or [N, C]; normalized integers become floats in [0, 1].

        Args:
            index: Of the accessor.
            kinds: Types that make sense here, such as "VEC3".

        Raises:
            InputError: The type is another one, or the data is missing, cut off or not finite.
        """
        accessor = self.item("accessors", index)
        kind, component = accessor.get("type"), accessor.get("componentType")
        if kind not in kinds or not _is_index(component) or component not in COMPONENT_TYPES:
            corrupt(f"accessors[{index}] is not of a type that is expected there")
        if "sparse" in accessor or "bufferView" not in accessor:
            raise InputError("the file uses sparse accessors, which are not read; save it without them")
        dtype = np.dtype(COMPONENT_TYPES[component]).newbyteorder("<")
        width, count = COMPONENTS[kind], get_count(accessor, "count")
        data, stride = self.view(accessor["bufferView"])
        offset, size = get_count(accessor, "byteOffset", 0), width * dtype.itemsize
        stride = stride or size
        if count == 0 or stride < size or offset + (count - 1) * stride + size > len(data):
            corrupt(f"accessors[{index}] does not fit its data")
        array = np.ndarray((count, width), dtype, data, offset, (stride, dtype.itemsize)).copy()
        if dtype.kind == "f" and not np.isfinite(array).all():
            corrupt(f"accessors[{index}] holds values that are not finite")
        if accessor.get("normalized") is True and dtype.kind == "u":
            array = array.astype(np.float32) / np.iinfo(dtype).max
        return array[:, 0] if kind == "SCALAR" else array


def read_container(path: Path) -> Document:
    """Read a .glb's header and chunks.

    Args:
        path: A regular file.

    Returns:
        The JSON, an object, and the binary chunk.

    Raises:
        InputError: Not readable, not a .glb, too large, cut off, or not valid JSON inside.
    """
    content = read_file(path, MAX_FILE_BYTES)
    if content[:4] != b"glTF":
        raise InputError(f"{path} is not a .glb file (it does not start with glTF)")
    if len(content) < 20:
        corrupt("the file is cut off", path)
    version, length = struct.unpack_from("<II", content, 4)
    if version != 2:
        raise InputError(f"{path} is version {version} of the format; only version 2 can be read")
    if length != len(content):
        corrupt(f"the file has {len(content)} bytes but says {length}: it is cut off or damaged", path)
    chunks: list[tuple[int, bytes]] = []
    offset = 12
    while offset < len(content) and len(chunks) < 2:
        if offset + 8 > len(content):
            corrupt("a chunk is cut off", path)
        size, kind = struct.unpack_from("<II", content, offset)
        if offset + 8 + size > len(content):
            corrupt("a chunk is cut off", path)
        chunks.append((kind, content[offset + 8 : offset + 8 + size]))
        offset += 8 + size
    if chunks[0][0] != JSON_CHUNK:
        corrupt("the first chunk is not JSON", path)
    binary = chunks[1][1] if len(chunks) > 1 and chunks[1][0] == BIN_CHUNK else b""
    return Document(_parse_json(chunks[0][1], path), binary, len(content))


def corrupt(what: str, path: Path | None = None) -> NoReturn:
    """Refuse a damaged file in one line."""
    raise InputError(f"{path or 'the file'} is not a valid .glb: {what}")


def get_list(parent: dict[str, Any], key: str) -> list[Any]:
    """An array of an object; empty when absent."""
    value = parent.get(key, [])
    if not isinstance(value, list):
        corrupt(f"{key} is not an array")
    return value


def get_object(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """An object inside an object; empty when absent."""
    value = parent.get(key, {})
    if not isinstance(value, dict):
        corrupt(f"{key} is not an object")
    return value


def get_count(parent: dict[str, Any], key: str, default: int | None = None) -> int:
    """A whole number of at least 0."""
    value = parent.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 40:
        corrupt(f"{key} is not a size")
    return value


def get_numbers(parent: dict[str, Any], key: str, default: list[float]) -> NDArray[np.float64]:
    """A fixed-length array of finite numbers of moderate size."""
    values = parent.get(key, default)
    if not isinstance(values, list) or len(values) != len(default):
        corrupt(f"{key} does not hold {len(default)} numbers")
    for value in values:
        if not isinstance(value, int | float) or isinstance(value, bool) or not -1e30 < value < 1e30:
            corrupt(f"{key} holds something that is not a number")
    return np.array(values, np.float64)


def get_number(parent: dict[str, Any], key: str, default: float) -> float:
    """A finite number of moderate size."""
    return float(get_numbers({key: [parent.get(key, default)]}, key, [default])[0])


def _is_index(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _parse_json(text: bytes, path: Path) -> dict[str, Any]:
    """The JSON chunk, an object. RFC 8259 only: NaN and Infinity are refused."""
    if len(text) > MAX_JSON_BYTES:
        corrupt("its description is too large", path)
    try:
        document = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        corrupt("its description is not valid JSON", path)
    if not isinstance(document, dict):
        corrupt("its description is not a JSON object", path)
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
