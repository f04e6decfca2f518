"""Facts about a .glb, for people and for pipelines."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dream3d.export.load import Contents, load_glb
from dream3d.export.names import lod_level
from dream3d.extract.topology import face_components, is_watertight, weld
from dream3d.mesh import join_meshes


@dataclass(frozen=True)
class TextureFacts:
    """One picture inside the file."""

    name: str
    mime_type: str
    width: int  # texels
    height: int  # texels


@dataclass(frozen=True)
class AssetReport:
    """What is in a .glb."""

    file: str
    file_bytes: int
    generator: str
    faces: int
    vertices: int  # as stored: split along UV seams and creases
    watertight: bool  # after vertices at the same position were welded
    components: int  # pieces that share no vertex, after welding
    meshes: int
    lod_faces: list[int]  # faces of each level of detail, the finest first
    collision_faces: list[int]  # faces of each collision shape
    textures: list[TextureFacts]
    bounds_m: list[list[float]]  # smallest and largest corner
    size_m: list[float]  # extent along x, y, z
    provenance: dict[str, Any]  # prompt, seed, prior, settings, versions as written by `generate`


def inspect(path: Path) -> AssetReport:
    """Say what is in a .glb, from anyone; nothing that the file names is opened.

    Args:
        path: The file.

    Returns:
        The facts.

    Raises:
        InputError: It cannot be read, is damaged, holds no triangles, or uses what we do not read.
    """
    contents = load_glb(path)
    whole = join_meshes([part.mesh for part in contents.parts])
    vertices, faces = whole.vertices, whole.faces
    _, welded_faces = weld(vertices, faces)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return AssetReport(
        file=str(path),
        file_bytes=contents.num_bytes,
        generator=contents.generator,
        faces=len(faces),
        vertices=len(vertices),
        watertight=is_watertight(welded_faces),
        components=int(face_components(welded_faces).max()) + 1,
        meshes=len(contents.parts),
        lod_faces=[len(faces), *_coarser_faces(contents)],
        collision_faces=[len(part.mesh.faces) for part in contents.collision],
        textures=[
            TextureFacts(picture.name, picture.mime_type, picture.pixels.shape[1], picture.pixels.shape[0])
            for picture in contents.pictures
        ],
        bounds_m=[[round(float(value), 6) for value in corner] for corner in (low, high)],
        size_m=[round(float(value), 6) for value in high - low],
        provenance=contents.provenance,
    )


def _coarser_faces(contents: Contents) -> list[int]:
    """Triangles of each coarser level of detail, of all things together."""
    faces = Counter[int | None]()
    for part in contents.lods:
        faces[lod_level(part.name)] += len(part.mesh.faces)
    return list(faces.values())
