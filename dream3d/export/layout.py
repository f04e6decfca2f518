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
from dream3d.export.names import godot_hull_name, lod_name, slug, unreal_hull_name
from dream3d.mesh import TexturedMesh


def game_layout(asset: TexturedMesh, num_lods: int = 1, collision: Collision = "none") -> Layout:
    """Arrange an asset for a game engine.

    Args:
        asset: With normals and UVs.
        num_lods: Levels of detail, the mesh itself included; fewer are made where it cannot be any coarser.
        collision: Whose names the collision shapes bear.

    Raises:
        InputError: The library for collision shapes is not installed.
    """
    name = slug(asset.name)
    levels = make_lods(asset.mesh, num_lods)
    names = [name] if num_lods == 1 else [lod_name(name, level) for level in range(len(levels))]
    shown = (Node(names[0], levels[0]), *_hull_nodes(asset, names[0], collision))
    coarser = [Group(name, (Node(name, level),)) for name, level in zip(names[1:], levels[1:], strict=True)]
    return Layout(name, (Group(names[0], shown), *coarser), asset.material, asset.metadata)


def _hull_nodes(asset: TexturedMesh, name: str, collision: Collision) -> list[Node]:
    if collision == "none":
        return []
    name_hull = unreal_hull_name if collision == "unreal" else godot_hull_name
    hulls = collision_hulls(asset.mesh)
    return [Node(name_hull(name, index), hull, is_visible=False) for index, hull in enumerate(hulls)]
