"""Every kind of file we write, validated and read back by others, over the .glb files of some folders.

python scripts/export_sweep.py out/gallery/assets            # all files there, every kind
python scripts/export_sweep.py out/one out/two --limit 24

Each asset is saved in every kind of `KINDS`: formats, levels, collision, maps, sizes, proofs and packing meet
each other at least once. The Khronos validator (OpenUSD's own for .usdz) must have nothing to report at any
severity; trimesh, pygltflib and three.js under node must find the faces, nodes and extents that were written.
Needs the extras of `.[dev]` and `npm ci --prefix tests`. The table goes to stdout, failures to stderr; the
exit code is 1 when there are any.
"""

import argparse
import base64
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
import trimesh
from PIL import Image

from dream3d.asset import Asset
from dream3d.config import BakeConfig
from dream3d.detail.bake import bake_detail
from dream3d.detail.substance import packed_orm
from dream3d.errors import InputError, RunError
from dream3d.export.load_model import load_textured_mesh
from dream3d.extract.normals import add_normals
from dream3d.extract.tangents import add_tangents
from dream3d.extract.topology import is_watertight, weld
from dream3d.mesh import Mesh, TexturedMesh

TESTS = Path(__file__).resolve().parent.parent / "tests"
UNKNOWN = "UNSUPPORTED_EXTENSION"  # the validator's word for an extension that it cannot look into
USD_MODULES = ("Usd", "UsdGeom", "UsdValidation")
SEVERITIES = ("numErrors", "numWarnings", "numInfos", "numHints")


@dataclass(frozen=True)
class Kind:
    """One way to save an asset."""

    ending: str
    options: dict[str, Any] = field(default_factory=dict)  # of Asset.save
    texture_size: int = 512
    has_maps: bool = False  # normal map and packed occlusion, roughness, metallic


KINDS = {
    "plain": Kind("glb"),
    "levels, Unreal, maps, proven": Kind(
        "glb", {"lods": 4, "collision": "unreal", "watertight": True}, 256, has_maps=True
    ),
    "levels, Godot, packed, proven": Kind(
        "glb", {"lods": 3, "collision": "godot", "watertight": True, "compression": "meshopt"}, 64
    ),
    "maps, packed": Kind("glb", {"compression": "meshopt"}, 256, has_maps=True),
    "levels, tiny, centred": Kind("gltf", {"lods": 2, "height": 0.01, "origin": "center"}, 1024),
    "maps, tall": Kind("gltf", {"height": 250.0}, 256, has_maps=True),
    "Unreal, maps, proven": Kind("obj", {"collision": "unreal", "watertight": True}, 256, has_maps=True),
    "plain usdz": Kind("usdz"),
    "maps, proven usdz": Kind("usdz", {"watertight": True}, 256, has_maps=True),
}


@dataclass(frozen=True)
class Seen:
    """What a reader found: the mesh that is shown, and how many there are."""

    vertices: np.ndarray  # [V, 3]
    num_faces: int
    num_nodes: int


def dressed(asset: TexturedMesh) -> TexturedMesh:
    """The asset with the maps that its own smooth surface gives, in 256 texels."""
    config = BakeConfig(texture_size=256, normal_map=True, occlusion=True)
    mesh = add_tangents(asset.mesh)
    smooth = add_normals(Mesh(*weld(mesh.vertices, mesh.faces)), 180.0)
    maps = bake_detail(mesh, smooth, config)
    material = asset.material
    orm = packed_orm(maps.occlusion, None, material.metallic_factor, material.roughness_factor, 256)
    return replace(asset, mesh=mesh, material=replace(material, orm=orm, normal_map=maps.normal_map))


def save_all(asset: TexturedMesh, folder: Path) -> dict[str, Path]:
    """The asset in every kind."""
    with_maps = dressed(asset)
    paths = {}
    for number, (name, kind) in enumerate(KINDS.items()):
        chosen = with_maps if kind.has_maps else asset
        picture = Image.fromarray(chosen.material.base_color_srgb)
        texture = np.asarray(picture.resize((kind.texture_size, kind.texture_size)))
        material = replace(chosen.material, base_color_srgb=texture)
        target = folder / f"{number}.{kind.ending}"
        paths[name] = Asset(replace(chosen, material=material)).save(target, **kind.options)[0]
    return paths


def run_node(script: str, paths: list[Path]) -> list[dict[str, Any]]:
    """What a script of the tests says about each file."""
    command = ["node", str(TESTS / script), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return [json.loads(line) for line in done.stdout.splitlines()]


def seen_by_trimesh(path: Path) -> Seen:
    """Only levels of detail have UVs, and the finest of them is shown."""
    objects: dict[str, Any] = {"split_objects": True} if path.suffix == ".obj" else {}
    scene: Any = trimesh.load(path, process=False, force="scene", **objects)
    levels = [shape for shape in scene.geometry.values() if getattr(shape.visual, "uv", None) is not None]
    shown = max(levels, key=lambda shape: len(shape.faces))
    return Seen(shown.vertices, len(shown.faces), len(scene.geometry))


def seen_by_pygltflib(path: Path) -> Seen:
    """Counts and bounds of the accessors; the data itself may be packed."""
    gltf: Any = pygltflib.GLTF2().load(str(path))
    primitive = gltf.meshes[gltf.nodes[gltf.scenes[gltf.scene].nodes[0]].mesh].primitives[0]
    bounds = gltf.accessors[primitive.attributes.POSITION]
    return Seen(
        np.array([bounds.min, bounds.max]), gltf.accessors[primitive.indices].count // 3, len(gltf.nodes)
    )


def seen_by_three(said: dict[str, Any]) -> Seen:
    """The first node of the scene that is shown."""
    nodes = [node for scene in said["scenes"] for node in scene["nodes"]]
    positions = np.frombuffer(base64.b64decode(nodes[0]["attributes"]["position"][1]), np.float32)
    faces = np.frombuffer(base64.b64decode(nodes[0]["index"]), np.uint32).reshape(-1, 3)
    vertices = positions.reshape(-1, 3)
    if not is_watertight(weld(vertices, faces.astype(np.int32))[1]):
        raise ValueError("three.js holds a mesh that is not watertight")
    return Seen(vertices, len(faces), len(nodes))


def seen_by_usd(path: Path) -> tuple[Seen, int]:
    """The mesh, and how much OpenUSD's validators report."""
    # OpenUSD's modules are compiled: their names are known only when they run.
    usd, geometry, validation = (importlib.import_module(f"pxr.{name}") for name in USD_MODULES)
    stage = usd.Stage.Open(str(path))
    (mesh,) = (geometry.Mesh(prim) for prim in stage.Traverse() if prim.IsA(geometry.Mesh))
    registry = validation.ValidationRegistry()
    context = validation.ValidationContext(registry.GetOrLoadAllValidators())
    vertices = np.array(mesh.GetPointsAttr().Get())
    return Seen(vertices, len(mesh.GetFaceVertexCountsAttr().Get()), 1), len(context.Validate(stage))


def complaints(path: Path, seen: Seen) -> Iterator[str]:
    """Where a reader's view differs from what FILE.json says was written."""
    said = json.loads(path.with_suffix(".json").read_text())
    num_nodes = len(said["lod_faces"]) + said["collision_hulls"]
    if seen.num_faces != said["faces"]:
        yield f"{seen.num_faces} faces, not {said['faces']}"
    if seen.num_nodes != num_nodes:
        yield f"{seen.num_nodes} nodes, not {num_nodes}"
    bounds = np.array([seen.vertices.min(axis=0), seen.vertices.max(axis=0)])
    if not np.allclose(bounds, said["bounds_m"], rtol=1e-6, atol=1e-6 * said["height_m"]):
        yield f"bounds {bounds.tolist()}, not {said['bounds_m']}"


def check(paths: dict[str, Path], counts: dict[str, Counter[str]]) -> list[str]:
    """Read one asset's files back; the failures, each in a line."""
    failures = []

    def note(name: str, reader: str, seen: Seen) -> None:
        found = list(complaints(paths[name], seen))
        failures.extend(f"{name}: {reader}: {complaint}" for complaint in found)
        counts[name][reader] += not found

    webs = [name for name in paths if KINDS[name].ending in ("glb", "gltf")]
    reports = run_node("validate_glb.mjs", [paths[name] for name in webs])
    held = run_node("read_three.mjs", [paths[name] for name in webs])
    for name, report, said in zip(webs, reports, held, strict=True):
        codes = [message["code"] for message in report["messages"]]
        total = sum(report[severity] for severity in SEVERITIES)
        counts[name]["unknown extension"] += codes.count(UNKNOWN)
        counts[name]["findings"] += total - codes.count(UNKNOWN)
        failures += [f"{name}: validator: {code}" for code in codes if code != UNKNOWN]
        note(name, "three.js", seen_by_three(said))
        note(name, "pygltflib", seen_by_pygltflib(paths[name]))
    for name, path in paths.items():
        counts[name]["files"] += 1
        counts[name]["bytes"] += path.stat().st_size
        if KINDS[name].ending == "usdz":
            seen, findings = seen_by_usd(path)
            counts[name]["findings"] += findings
            failures += [f"{name}: OpenUSD reports {findings}"] * bool(findings)
            note(name, "OpenUSD", seen)
        elif "compression" not in KINDS[name].options:  # which trimesh does not read
            note(name, "trimesh", seen_by_trimesh(path))
    return failures


def table(counts: dict[str, Counter[str]]) -> str:
    """Markdown: a row per kind."""
    readers = ("trimesh", "pygltflib", "three.js", "OpenUSD")
    lines = [f"| kind | format | kB | findings | {' | '.join(readers)} |", "|---" * (4 + len(readers)) + "|"]
    for name, count in counts.items():
        files = max(count["files"], 1)
        read = [f"{count[reader]} of {files}" if reader in count else "" for reader in readers]
        findings = f"{count['findings']}" + " (extension unknown to it)" * bool(count["unknown extension"])
        size = f"{count['bytes'] / files / 1000:.0f}"
        lines.append(f"| {name} | {KINDS[name].ending} | {size} | {findings} | {' | '.join(read)} |")
    return "\n".join(lines)


def main() -> int:
    """Sweep, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, default=1_000_000, help="at most this many assets")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no asset after this long")
    args = parser.parse_args()
    files = sorted(path for folder in args.folders for path in folder.rglob("*.glb"))[: args.limit]
    counts: dict[str, Counter[str]] = {name: Counter() for name in KINDS}
    failures = []
    num_assets, started = 0, time.monotonic()
    for file in files:
        if time.monotonic() - started > 60 * args.minutes:
            break
        with tempfile.TemporaryDirectory(prefix="dream3d-") as folder:
            try:
                found = check(save_all(load_textured_mesh(file), Path(folder)), counts)
            except (InputError, RunError, ValueError, LookupError, subprocess.SubprocessError) as error:
                found = [str(error)]
        failures += [f"{file}: {failure}" for failure in found]
        num_assets += 1
        done = f"{num_assets} of {len(files)}: {file.name}, {len(found)} failures"
        print(done, file=sys.stderr, flush=True)
    print(table(counts))
    print(f"\n{num_assets} assets, {sum(count['files'] for count in counts.values())} files, ", end="")
    print(f"{sum(count['findings'] for count in counts.values())} findings, {len(failures)} failures")
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
