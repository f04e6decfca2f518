"""What can be said about an export before any work, and what must be true before it is written."""

from pathlib import Path
from typing import TYPE_CHECKING

from dream3d.config import ExportConfig
from dream3d.errors import InputError, RunError

if TYPE_CHECKING:
    from dream3d.export.gltf import Layout


def check_export(export: ExportConfig, target: Path) -> None:
    """Refuse what the format cannot say or what no installed library can do, before any work.

    Args:
        export: What is asked for.
        target: The file, whose ending decides about the format.

    Raises:
        InputError: One of the options is impossible there, its optional library is not installed, or no file
            can have the name or lie beside it.
    """
    try:
        target.name.encode()
    except UnicodeEncodeError:  # the file beside it names it
        raise InputError(f"the file name {target.name!a} is not text; choose another") from None
    for beside in (target.with_suffix(".json"), target.with_suffix(".png")):
        if beside.is_dir():
            raise InputError(f"{beside}, which goes beside {target.name}, is a folder; choose another name")
    if target.suffix.lower() == ".obj":
        if export.lods > 1:
            raise InputError("an .obj cannot keep levels of detail apart: leave --lods out, or write a .glb")
        if " " in target.name:
            raise InputError(f"{target.name!r}: an .obj cannot name files with spaces; choose another name")
    if target.suffix.lower() == ".usdz":
        if export.lods > 1 or export.collision != "none":
            raise InputError(
                "a .usdz has no levels or collision shapes: leave --lods and --collision out, or write a .glb"
            )
        from dream3d.export.usdz import check_usd

        check_usd()
    if export.compression != "none":
        if target.suffix.lower() != ".glb":
            raise InputError(f"--compression is for a .glb, not for {target.name}: leave it out")
        from dream3d.export.meshopt import check_meshopt

        check_meshopt()
    # Only what is used is imported: the command line answers quickly.
    if export.collision != "none":
        from dream3d.export.collision import check_collision

        check_collision(export.collision)
    if export.require_watertight:
        from dream3d.extract.solid import check_solids

        check_solids()


def prove_solids(layout: "Layout") -> None:
    """Make sure that everything that is seen is a solid, with the numbers that will be in the file.

    Raises:
        RunError: A mesh is not one; the message names it and says why.
    """
    from dream3d.extract.solid import find_flaw

    for node in layout.nodes:
        if node.is_visible and (flaw := find_flaw(node.mesh)):
            raise RunError(
                f"{node.name} is not watertight, {flaw}: ask for fewer --lods, or leave --watertight out"
            )
