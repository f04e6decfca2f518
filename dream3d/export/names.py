"""Names inside files: ASCII, short, and what game engines read out of them."""

import re
import unicodedata
from collections.abc import Sequence

MAX_NAME_LENGTH = 60


def slug(text: str, separator: str = "_") -> str:
    """ASCII name of a prompt, safe as a file or node name: "A red mushroom!" -> "a_red_mushroom"."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", separator, plain).strip(separator)
    return words[:MAX_NAME_LENGTH].rstrip(separator) or "asset"


def unique_slugs(texts: Sequence[str]) -> list[str]:
    """The slugs of several texts, numbered where they would be the same: "a_mug", "a_mug_2"."""
    numbers: dict[str, int] = {}  # the last one given to each name
    for text in texts:
        name = plain = slug(text)
        while name in numbers:
            numbers[plain] += 1
            name = f"{plain}_{numbers[plain]}"
        numbers[name] = 1
    return list(numbers)


def lod_ending(level: int) -> str:
    """Ending of the name of a level of detail, as Unity and Unreal spell it: "chair_LOD0" is the finest."""
    return f"_LOD{level}"


def lod_level(name: str) -> int | None:
    """The level that a name ends in, None without one."""
    match = re.search(r"_LOD(\d{1,2})$", name, flags=re.IGNORECASE)
    return int(match[1]) if match else None


def without_lod(name: str) -> str:
    """The name without the level that it ends in."""
    return name if lod_level(name) is None else name[: name.upper().rindex("_LOD")]


def unreal_hull_name(mesh_name: str, index: int) -> str:
    """Unreal takes `UCX_<mesh>_<number>` for a convex collision shape of the mesh of that name."""
    return f"UCX_{mesh_name}_{index:02d}"


def godot_hull_name(name: str, index: int) -> str:
    """Godot turns a node whose name ends in "-convcolonly" into a static body with a convex shape."""
    return f"{name}_hull_{index:02d}-convcolonly"


def is_collision_only(name: str) -> bool:
    """True for names whose meshes an engine collides with and never shows: Unreal's and Godot's."""
    is_unreal = re.match(r"(UCX|UBX|USP|UCP)_", name) is not None
    return (
        is_unreal or re.search(r"[-$_](convcolonly|colonly)[\d\s]*$", name, flags=re.IGNORECASE) is not None
    )
