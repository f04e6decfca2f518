"""Which nodes an asset becomes in a file: levels of detail and collision shapes, under names engines know.

Each level of detail is a glTF scene of its own, the finest one the default: a viewer, or Godot, which makes
levels itself, shows one surface and not all of them inside each other; an importer that looks through the
whole file finds nodes named NAME_LOD0, NAME_LOD1, ... The extension MSFT_lod would say the same, but the
common engines do not read it, and the Khronos validator remarks on it.
"""

from dream3d.config import Collision
from dream3d.export.collision import collision_hulls
from dream3d.export.gltf import Group, Layout, Node
from dream3d.export.lods import make_lods
from dream3d.export.names import godot_hull_name, lod_ending, slug, unique_slugs, unreal_hull_name
from dream3d.mesh import Mesh, TexturedMesh


def game_layout(asset: TexturedMesh, num_lods: int = 1, collision: Collision = "none") -> Layout:
    """Arrange an asset for a game engine.

    Args:
        asset: With normals and UVs. Of several things each gets a node.
        num_lods: Levels of detail, the mesh itself included; fewer are made where it cannot be any coarser.
        collision: Whose names the collision shapes bear.

    Raises:
        InputError: The library for collision shapes is not installed.
    """
    name, groups = slug(asset.name), []
    for level, mesh in enumerate(make_lods(asset.mesh, num_lods)):
        ending = lod_ending(level) if num_lods > 1 else ""
        nodes = [Node(thing + ending, part) for thing, part in _things(asset, mesh)]
        hulls = [] if level else [hull for node in nodes for hull in _hull_nodes(node, collision)]
        groups.append(Group(name + ending, (*nodes, *hulls)))
    return Layout(name, tuple(groups), asset.material, asset.metadata)


def _things(asset: TexturedMesh, mesh: Mesh) -> list[tuple[str, Mesh]]:
    """What a level of an asset is made of, each with a name of its own."""
    if mesh.thing is None or not asset.things:
        return [(slug(asset.name), mesh)]
    owner = mesh.thing[mesh.faces[:, 0]]
    parts = [(name, mesh.faces[owner == index]) for index, name in enumerate(unique_slugs(asset.things))]
    return [(name, mesh.of_faces(faces)) for name, faces in parts if len(faces)]


def _hull_nodes(node: Node, collision: Collision) -> list[Node]:
    if collision == "none":
        return []
    name_hull = unreal_hull_name if collision == "unreal" else godot_hull_name
    hulls = collision_hulls(node.mesh)
    return [Node(name_hull(node.name, index), hull, is_visible=False) for index, hull in enumerate(hulls)]
