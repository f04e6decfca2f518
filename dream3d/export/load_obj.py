"""The geometry of a Wavefront .obj from anyone; no other file that it names is opened.

A reader of our own: the common ones merge corners that differ in their normals only, and so lose hard edges.
"""

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dream3d.errors import InputError
from dream3d.export.polygon import triangulate
from dream3d.inputs import read_file
from dream3d.mesh import Mesh

MAX_BYTES = 256 << 20
MAX_CORNERS = 64  # of a polygon

Corner = tuple[int, ...]


def load_obj(path: Path, max_faces: int) -> Mesh:
    """Read positions, UVs, normals and faces; objects, groups and materials become one mesh.

    Args:
        path: The file.
        max_faces: Files with more triangles are refused.

    Returns:
        The mesh, one vertex for each combination of position, UV and normal. UVs or normals that some face
        lacks are left out.

    Raises:
        InputError: It cannot be read, or a line of it makes no sense.
    """
    reader = _Reader(max_faces)
    for number, line in enumerate(_lines(read_file(path, MAX_BYTES)), 1):
        try:
            reader.read(line.partition("#")[0].split())
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (ValueError, IndexError, OverflowError):
            raise InputError(f"{path}: line {number} makes no sense: {line.strip()[:60]!r}") from None
    if len(reader.triangles) > max_faces:
        raise InputError(f"{path} holds more than {max_faces} triangles; reduce it first")
    if not reader.triangles:
        raise InputError(f"{path}: it holds no triangles")
    return reader.mesh()


def _lines(content: bytes) -> Iterator[str]:
    """Lines of a file; those that end in a backslash together with the next one."""
    begun: list[str] = []
    for raw in io.BytesIO(content):
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line.endswith("\\"):
            begun.append(line[:-1])
            continue
        yield " ".join([*begun, line])
        begun = []
    yield " ".join(begun)


class _Reader:
    """What was read so far. A corner is (position, UV, normal), counted from 0; -1 where it has none."""

    def __init__(self, max_faces: int) -> None:
        self.max_faces = max_faces
        self.values: dict[str, list[tuple[float, ...]]] = {"v": [], "vt": [], "vn": []}
        self.triangles: list[tuple[Corner, Corner, Corner]] = []

    def read(self, words: Sequence[str]) -> None:
        """Take one line; ValueError or IndexError where it makes no sense."""
        match words:
            case ["v" | "vn" as kind, *numbers]:
                x, y, z = map(float, numbers[:3])
                self._keep(kind, (x, y, z))
            case ["vt", *numbers]:
                u, v = map(float, [*numbers[:2], "0"][:2])
                if not (math.isfinite(u) and math.isfinite(v)):
                    raise ValueError
                self._keep("vt", (u, 1.0 - v))  # v grows upwards there
            case ["f", *corners] if len(self.triangles) <= self.max_faces:
                if not 3 <= len(corners) <= MAX_CORNERS:
                    raise ValueError
                polygon = [self._corner(word) for word in corners]
                places = [self.values["v"][position] if position >= 0 else () for position, *_ in polygon]
                if not all(places):
                    raise InputError("a face names no position")
                for a, b, c in triangulate(places):
                    self.triangles.append((polygon[a], polygon[b], polygon[c]))

    def _keep(self, kind: str, value: tuple[float, ...]) -> None:
        if len(self.values[kind]) > 3 * self.max_faces:  # more than the triangles could name
            raise InputError(
                f"it holds more than {3 * self.max_faces} positions, UVs or normals; reduce it first"
            )
        self.values[kind].append(value)

    def _corner(self, word: str) -> tuple[int, ...]:
        """`7`, `7/2`, `7//3` or `7/2/3`; negative numbers count from the end."""
        parts = [*word.split("/"), "", ""][:3]
        return tuple(
            self._index(part, len(values)) for part, values in zip(parts, self.values.values(), strict=True)
        )

    @staticmethod
    def _index(part: str, count: int) -> int:
        if not part:
            return -1
        index = int(part)
        index += count if index < 0 else -1
        if not 0 <= index < count:
            raise IndexError
        return index

    def mesh(self) -> Mesh:
        """Everything as one mesh."""
        corners = np.array(self.triangles, np.int64).reshape(-1, 3)
        missing = np.asarray((corners < 0).any(axis=0))
        corners[:, missing] = -1
        unique, inverse = np.unique(corners, axis=0, return_inverse=True)

        def gather(kind: str, column: int) -> NDArray[np.float32] | None:
            if missing[column]:
                return None
            with np.errstate(over="ignore"):  # huge numbers become infinite, and are refused as such
                return np.array(self.values[kind], np.float64)[unique[:, column]].astype(np.float32)

        vertices = gather("v", 0)
        assert vertices is not None
        faces = inverse.reshape(-1, 3).astype(np.int32)
        return Mesh(vertices, faces, normals=gather("vn", 2), uvs=gather("vt", 1))
