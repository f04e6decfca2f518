"""The files of one asset, in the format asked for: .glb, .gltf with its data beside it, .obj, or .usdz."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from dream3d.config import Compression
from dream3d.export.glb import encode_glb
from dream3d.export.gltf import Binary, Layout, Node, build_document
from dream3d.export.material import pictures_of
from dream3d.export.usdz import encode_usdz
from dream3d.mesh import Material


def encode_files(layout: Layout, target: Path, compression: Compression = "none") -> dict[Path, bytes]:
    """All files of an asset; the ending of the target decides about the format.

    Args:
        layout: What to write.
        target: The file that names the others; it comes last. `check_export` has found it possible.
        compression: Of the meshes in a .glb.
    """
    match target.suffix.lower():
        case ".gltf":
            return _encode_gltf(layout, target)
        case ".obj":
            return _encode_obj(layout, target)
        case ".usdz":
            return {target: encode_usdz(layout)}
        case _:
            return {target: encode_glb(layout, compression)}


def _encode_gltf(layout: Layout, target: Path) -> dict[Path, bytes]:
    """FILE.gltf, FILE.bin and a picture per map, FILE_base_color.png and so on."""
    binary = Binary()
    document = build_document(layout, binary)
    pictures = pictures_of(target.stem, layout.material)
    names = [picture.name for picture in pictures_of(layout.name, layout.material)]
    data = target.with_suffix(".bin")
    document |= {
        "images": [
            {"name": name, "uri": _uri(f"{picture.name}.png")}
            for name, picture in zip(names, pictures, strict=True)
        ],
        "accessors": binary.accessors,
        "bufferViews": binary.views,
        "buffers": [{"uri": _uri(data.name), "byteLength": binary.num_bytes}],
    }
    text = json.dumps(document, allow_nan=False, indent=1) + "\n"
    files = {target.with_name(f"{picture.name}.png"): picture.png for picture in pictures}
    return files | {data: b"".join(binary.blocks), target: text.encode()}


def _uri(name: str) -> str:
    """A relative reference to a file (RFC 3986)."""
    return quote(name)


def _encode_obj(layout: Layout, target: Path) -> dict[Path, bytes]:
    """FILE.obj, FILE.mtl and its pictures. An .obj holds objects, but no scenes to keep levels apart."""
    # Engines disagree about packed pictures in an .mtl: roughness and metallic are then left to them.
    pictures = pictures_of(target.stem, replace(layout.material, orm=None))
    library = target.with_suffix(".mtl")
    lines = [f"mtllib {library.name}"]
    start = 1  # vertices are counted from 1, through the whole file
    for node in layout.nodes:
        lines += _obj_lines(node, layout.name, start)
        start += len(node.mesh.vertices)
    files = {target.with_name(f"{picture.name}.png"): picture.png for picture in pictures}
    material = _mtl(layout, [f"{picture.name}.png" for picture in pictures])
    return files | {library: material.encode(), target: ("\n".join(lines) + "\n").encode()}


def _obj_lines(node: Node, material_name: str, start: int) -> list[str]:
    """One object. UVs and normals are numbered as positions are: the visible mesh comes before bare hulls."""
    mesh = node.mesh
    lines = [f"o {node.name}"]
    # Nine digits give a float32 back bit for bit.
    lines += ["v " + " ".join(f"{value:.9g}" for value in row) for row in mesh.vertices.tolist()]
    reference = "{0}"
    if node.is_visible and mesh.normals is not None and mesh.uvs is not None:
        lines += [f"vt {u:.9g} {1.0 - v:.9g}" for u, v in mesh.uvs.tolist()]  # v grows upwards here
        lines += ["vn " + " ".join(f"{value:.9g}" for value in row) for row in mesh.normals.tolist()]
        lines.append(f"usemtl {material_name}_material")
        reference = "{0}/{0}/{0}"
    faces = (mesh.faces + start).tolist()
    return lines + ["f " + " ".join(reference.format(vertex) for vertex in face) for face in faces]


def _mtl(layout: Layout, pictures: list[str]) -> str:
    """The material; Pr and Pm (roughness, metallic) are the common extension of the format."""
    material: Material = layout.material
    lines = [f"newmtl {layout.name}_material", "Kd 1 1 1", f"map_Kd {pictures[0]}"]
    if material.orm is None:
        lines += [f"Pr {material.roughness_factor:g}", f"Pm {material.metallic_factor:g}"]
    if material.normal_map is not None:
        lines.append(f"norm {pictures[-1]}")
    return "\n".join(lines) + "\n"
