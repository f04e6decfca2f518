"""Our own glTF 2.0 writer: named nodes with one mesh each, one shared material, every picture stored once.

What is written is a `Layout`: groups of nodes, each of which becomes a glTF scene. A viewer shows the first
one; the others are there for those who look (levels of detail).
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dream3d import __version__
from dream3d.export.material import PngPicture, material_json
from dream3d.export.names import slug
from dream3d.mesh import Material, Mesh, TexturedMesh

GENERATOR = f"dream3d {__version__}"

FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125  # componentType
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963  # bufferView.target


@dataclass(frozen=True)
class Node:
    """A mesh and the name it has in a file."""

    name: str
    mesh: Mesh
    is_visible: bool = True  # wears the material; collision hulls are bare positions


@dataclass(frozen=True)
class Group:
    """Nodes that are shown together: a glTF scene."""

    name: str
    nodes: tuple[Node, ...]

    @property
    def num_faces(self) -> int:
        """Of what is seen."""
        return sum(len(node.mesh.faces) for node in self.nodes if node.is_visible)


@dataclass(frozen=True)
class Layout:
    """Everything of a file."""

    name: str  # of the material and the pictures
    groups: tuple[Group, ...]  # the first one is what viewers show
    material: Material
    metadata: dict[str, object] = field(default_factory=dict)  # lands in the `extras` of the first node

    @property
    def nodes(self) -> list[Node]:
        """All nodes, in the order of the file."""
        return [node for group in self.groups for node in group.nodes]


def layout_of(asset: TexturedMesh) -> Layout:
    """A file with one node."""
    name = slug(asset.name)
    return Layout(name, (Group(name, (Node(name, asset.mesh),)),), asset.material, asset.metadata)


class Binary:
    """Data of the file as it grows: blocks that start on multiples of four bytes, and what they mean."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.views: list[dict[str, int]] = []
        self.accessors: list[dict[str, object]] = []
        self.num_bytes = 0

    def add_block(self, block: bytes, target: int | None = None) -> int:
        """Append bytes; returns the number of their buffer view."""
        view = {"buffer": 0, "byteOffset": self.num_bytes, "byteLength": len(block)}
        self.views.append(view if target is None else view | {"target": target})
        self.blocks.append(aligned(block, b"\0"))
        self.num_bytes += len(self.blocks[-1])
        return len(self.views) - 1

    def add_floats(self, values: NDArray[np.floating], has_bounds: bool = False) -> int:
        """Append vectors [N, C]; returns the number of their accessor."""
        data = values.astype("<f4")
        accessor: dict[str, object] = {
            "bufferView": self.add_block(data.tobytes(), ARRAY_BUFFER),
            "componentType": FLOAT,
            "count": len(data),
            "type": f"VEC{data.shape[1]}",
        }
        if has_bounds:  # float32 values are exact in JSON's doubles: the bounds equal the data bit for bit
            accessor |= {"min": data.min(axis=0).tolist(), "max": data.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_faces(self, faces: NDArray[np.integer], num_vertices: int) -> int:
        """Append triangles [T, 3]; returns the number of their accessor."""
        is_short = num_vertices < 65535  # 65535 itself restarts a primitive
        accessor: dict[str, object] = {
            "bufferView": self.add_block(
                faces.astype("<u2" if is_short else "<u4").tobytes(), ELEMENT_ARRAY_BUFFER
            ),
            "componentType": UNSIGNED_SHORT if is_short else UNSIGNED_INT,
            "count": faces.size,
            "type": "SCALAR",
        }
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def build_document(layout: Layout, binary: Binary) -> dict[str, object]:
    """The JSON of a file but for images, accessors and buffers; mesh data is appended to `binary`.

    Raises:
        ValueError: Two nodes share a name, a visible mesh lacks normals, UVs or the tangents that a normal
            map needs, or values are not finite.
    """
    nodes = layout.nodes
    if len({node.name for node in nodes}) != len(nodes):
        raise ValueError("two nodes have the same name")
    meshes = [_mesh_json(node, layout.material, binary) for node in nodes]
    node_json: list[dict[str, object]] = [
        {"name": node.name, "mesh": index} for index, node in enumerate(nodes)
    ]
    if layout.metadata:
        node_json[0]["extras"] = layout.metadata  # Blender and Godot show them on the object
    scenes: list[dict[str, object]] = []
    start = 0
    for group in layout.groups:
        scenes.append({"name": group.name, "nodes": list(range(start, start + len(group.nodes)))})
        start += len(group.nodes)
    return {
        "asset": {"version": "2.0", "generator": GENERATOR},
        "scene": 0,
        "scenes": scenes,
        "nodes": node_json,
        "meshes": meshes,
    } | material_json(layout.name, layout.material)


def embed_pictures(pictures: list[PngPicture], binary: Binary) -> list[dict[str, object]]:
    """`images` whose bytes are appended to `binary`."""
    return [
        {"name": picture.name, "mimeType": "image/png", "bufferView": binary.add_block(picture.png)}
        for picture in pictures
    ]


def aligned(block: bytes, padding: bytes) -> bytes:
    """The block, padded to a multiple of four bytes."""
    return block + padding * (-len(block) % 4)


def _mesh_json(node: Node, material: Material, binary: Binary) -> dict[str, object]:
    """One mesh with one primitive; its data is appended to `binary`."""
    mesh = _checked(node, material)
    attributes = {"POSITION": binary.add_floats(mesh.vertices, has_bounds=True)}
    if mesh.normals is not None:
        attributes["NORMAL"] = binary.add_floats(_unit(mesh.normals))
    if mesh.tangents is not None:
        signs = np.where(mesh.tangents[:, 3:] < 0, -1.0, 1.0)
        attributes["TANGENT"] = binary.add_floats(np.hstack([_unit(mesh.tangents[:, :3]), signs]))
    if mesh.uvs is not None:
        attributes["TEXCOORD_0"] = binary.add_floats(mesh.uvs)
    primitive: dict[str, object] = {
        "attributes": attributes,
        "indices": binary.add_faces(mesh.faces, len(mesh.vertices)),
        "mode": 4,
    }
    return {"name": node.name, "primitives": [primitive | ({"material": 0} if node.is_visible else {})]}


def _checked(node: Node, material: Material) -> Mesh:
    """The mesh with what its looks need and nothing else: the validator reports data that nothing reads."""
    mesh = node.mesh
    if not node.is_visible:
        mesh = Mesh(mesh.vertices, mesh.faces)
    elif mesh.normals is None or mesh.uvs is None:
        raise ValueError("a mesh needs normals and UVs to be written: unwrap it first")
    elif material.normal_map is None:
        mesh = replace(mesh, tangents=None)
    elif mesh.tangents is None:
        raise ValueError("a normal map needs tangents on the mesh, or every engine makes up its own")
    data = (mesh.vertices, mesh.normals, mesh.uvs, mesh.tangents)
    if not all(np.isfinite(part).all() for part in data if part is not None):
        raise ValueError("the mesh holds values that are not finite")
    return mesh


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Unit vectors [N, 3]; the format does not allow zero normals, +Y stands in for them."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.where(lengths > 1e-12, vectors / np.maximum(lengths, 1e-12), [[0.0, 1.0, 0.0]])
