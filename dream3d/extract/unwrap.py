"""UV atlas: cuts the surface into charts and packs them into the unit square."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import xatlas
from numpy.typing import NDArray

from dream3d.errors import RunError
from dream3d.mesh import Mesh

# The time to find charts grows with the square of the number of faces: larger meshes are cut into blocks
# first.
MAX_BLOCK_FACES = 5000


def unwrap(mesh: Mesh, texture_size: int, padding_texels: int) -> Mesh:
    """Give a mesh UVs without overlaps, with space between the charts.

    The result depends on the input alone, not on chance. 10,000 faces take about two seconds.

    Args:
        mesh: With normals.
        texture_size: Side of the texture that will be baked, in texels.
        padding_texels: Free texels around each chart, at most 1/64 of the texture; between two charts there
            are twice as many.

    Returns:
        The mesh with vertices split along the seams and UVs in [0, 1], glTF convention. Faces keep their
        shape, their normals and their winding, not their order.

    Raises:
        RunError: The charts do not fit the texture.
    """
    source, faces, chart_uvs = _charts(mesh)
    packed_source, packed_faces, uvs = _pack(faces, chart_uvs, texture_size, padding_texels)
    split = mesh.of_vertices(source[packed_source], packed_faces)
    uvs = np.clip(uvs, 0.0, 1.0).astype(np.float32)
    return replace(split, uvs=uvs, colors=None, tangents=None)


def _charts(mesh: Mesh) -> tuple[NDArray[np.integer], NDArray[np.uint32], NDArray[np.float32]]:
    """Flat charts, not yet packed: source vertex [W], faces [T, 3] and UVs [W, 2] in scene units."""
    sources: list[NDArray[np.integer]] = []
    all_faces: list[NDArray[np.uint32]] = []
    all_uvs: list[NDArray[np.float32]] = []
    num_vertices = 0
    # Charts of different blocks must not touch in UV space, or packing would take them for one.
    next_column = 0.0
    for block in _blocks(mesh):
        used, inverse = np.unique(mesh.faces[block], return_inverse=True)
        options = xatlas.PackOptions()
        options.texels_per_unit = 256.0 / max(float(np.ptp(mesh.vertices)), 1e-12)
        charts = xatlas.ChartOptions()
        charts.max_iterations = 1
        with _new_atlas() as atlas:
            vertices = np.ascontiguousarray(mesh.vertices[used])
            atlas.add_mesh(vertices, inverse.reshape(-1, 3).astype(np.uint32))
            atlas.generate(charts, options)
            source, faces, uvs = atlas[0]
            size = np.array([atlas.width, atlas.height], np.float32)
        uvs = uvs * size / np.float32(options.texels_per_unit)
        uvs[:, 0] += next_column
        next_column = float(uvs[:, 0].max()) + 1.0
        sources.append(used[source])
        all_faces.append((faces + num_vertices).astype(np.uint32))
        all_uvs.append(uvs)
        num_vertices += len(source)
    return np.concatenate(sources), np.concatenate(all_faces), np.concatenate(all_uvs)


def _pack(
    faces: NDArray[np.uint32], chart_uvs: NDArray[np.float32], texture_size: int, padding_texels: int
) -> tuple[NDArray[np.integer], NDArray[np.int32], NDArray[np.float32]]:
    """Pack charts at the largest scale that fits one square: source vertex [W], faces [T, 3], UVs [W, 2].

    The packer takes a scale and opens another page when the square is full. The scale goes down step by step
    until one page is enough, so that the padding is the one asked for, in texels of this very texture.
    """
    a, b, c = (chart_uvs[faces[:, corner]].astype(np.float64) for corner in range(3))
    ab, ac = b - a, c - a
    area = 0.5 * np.abs(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]).sum()
    scale = 0.95 * texture_size / math.sqrt(max(area, 1e-20))  # texels per unit
    # Four texels around every chart of a tiny texture would leave no room for the charts.
    padding = max(1, min(padding_texels, texture_size // 64))
    for _ in range(60):
        options = xatlas.PackOptions()
        options.resolution = texture_size
        options.texels_per_unit = scale
        # The packer keeps its padding around both neighbours and adds one texel for filtering.
        options.padding = padding - 1
        options.bilinear = True
        options.blockAlign = True  # fewer places to try: faster, and as tight
        with _new_atlas() as atlas:
            atlas.add_uv_mesh(chart_uvs, faces)
            atlas.generate(pack_options=options)
            if atlas.atlas_count == 1 and max(atlas.width, atlas.height) <= texture_size:
                source, packed_faces, uvs = atlas[0]
                used = np.array([atlas.width, atlas.height], np.float32) / texture_size
                return source.astype(np.int64), packed_faces.astype(np.int32), uvs * used
        scale *= 0.95
    raise RunError(
        f"the surface does not fit a texture of {texture_size} texels: "
        "ask for a larger --texture-size or fewer --target-faces"
    )


def _blocks(mesh: Mesh) -> list[NDArray[np.int64]]:
    """Groups of faces that lie together, each small enough to chart quickly: indices into the faces."""
    centers = mesh.vertices[mesh.faces].mean(axis=1)  # [T, 3]
    waiting, done = [np.arange(len(mesh.faces))], []
    while waiting:
        block = waiting.pop()
        if len(block) <= MAX_BLOCK_FACES:
            done.append(block)
            continue
        axis = int(np.ptp(centers[block], axis=0).argmax())
        order = np.argsort(centers[block, axis], kind="stable")
        waiting += [np.sort(block[half]) for half in np.array_split(order, 2)]
    return done


@contextmanager
def _new_atlas() -> Iterator[xatlas.Atlas]:
    """An atlas that may be dropped afterwards.

    xatlas ends its threads by setting a flag and waking them up, without their lock: one that has read the
    flag and is about to sleep misses that, and the destructor waits for it for ever, with the interpreter
    locked. Where the kernel shows threads (Linux), they are waited for until they sleep.
    """
    before = _thread_ids()
    try:
        yield xatlas.Atlas()
    finally:
        deadline = time.monotonic() + 1.0  # among them may be busy threads that are not the atlas's
        for thread_id in _thread_ids() - before:
            while not _is_asleep(thread_id) and time.monotonic() < deadline:
                time.sleep(0.0005)
        if not before:
            time.sleep(0.05)


def _thread_ids() -> set[int]:
    """Threads of this process; none where the kernel does not show them."""
    folder = Path("/proc/self/task")
    return {int(path.name) for path in folder.iterdir()} if folder.is_dir() else set()


def _is_asleep(thread_id: int) -> bool:
    try:
        status = Path(f"/proc/self/task/{thread_id}/stat").read_text()
    except OSError:
        return True  # it has ended
    return status.rpartition(")")[2].split()[0] == "S"
