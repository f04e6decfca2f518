"""What a run returns: a textured mesh, how it was made, and the way to a file."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual.material import PBRMaterial
from trimesh.visual.texture import TextureVisuals

from dream3d.config import Collision, Compression, ExportConfig, Origin
from dream3d.errors import RunError
from dream3d.export.checks import check_export, prove_solids
from dream3d.export.files import write_files
from dream3d.export.formats import encode_files
from dream3d.export.gltf import Layout
from dream3d.export.layout import game_layout
from dream3d.extract.topology import is_watertight, weld
from dream3d.inputs import check_output
from dream3d.mesh import ByteArray, Material, Mesh, TexturedMesh
from dream3d.preview import encode_png_preview, render_turntable


@dataclass(frozen=True)
class Asset:
    """A textured mesh in scene units and everything known about it.

        asset = dream3d.generate("a red mushroom", dream3d.load_config("draft"))
        print(len(asset.mesh.faces), asset.metrics["seconds"], asset.warnings)
        front = asset.turntable(num_views=8, size=128)[0]
        asset.save("mushroom.glb", lods=3)

    Its size and place in meters are given when it is saved.
    """

    textured_mesh: TexturedMesh  # metadata inside: prompt, seed, prior and its hash, settings, versions
    export: ExportConfig = field(default_factory=ExportConfig)
    metrics: dict[str, Any] = field(default_factory=dict)  # seconds, restarts, ... of the run
    warnings: tuple[str, ...] = ()

    @property
    def mesh(self) -> Mesh:
        """The mesh in scene units."""
        return self.textured_mesh.mesh

    @property
    def material(self) -> Material:
        """The material and its texture."""
        return self.textured_mesh.material

    @property
    def textures(self) -> dict[str, ByteArray]:
        """The pictures of the material, [H, W, 3] each, by glTF's names."""
        material = self.material
        pictures = {
            "baseColorTexture": material.base_color_srgb,
            "metallicRoughnessTexture": material.orm,
            "normalTexture": material.normal_map,
        }
        return {name: picture for name, picture in pictures.items() if picture is not None}

    def turntable(self, num_views: int = 8, size: int = 256) -> ByteArray:
        """Studio pictures from all around, [num_views, size, size, 3] sRGB, starting at the front."""
        return render_turntable(self.textured_mesh, num_views, size)

    def to_trimesh(self) -> trimesh.Trimesh:
        """The asset as trimesh knows it, in scene units, with its texture. Vertices are not merged."""
        mesh, material = self.mesh, self.material
        uv = None if mesh.uvs is None else np.stack([mesh.uvs[:, 0], 1.0 - mesh.uvs[:, 1]], axis=1)
        pbr = PBRMaterial(
            baseColorTexture=Image.fromarray(material.base_color_srgb),
            metallicFactor=material.metallic_factor,
            roughnessFactor=material.roughness_factor,
        )
        return trimesh.Trimesh(
            mesh.vertices,
            mesh.faces,
            vertex_normals=mesh.normals,
            visual=TextureVisuals(uv=uv, material=pbr),
            metadata=dict(self.textured_mesh.metadata),
            process=False,
        )

    def save(
        self,
        path: str | Path,
        height: float | None = None,
        origin: Origin | None = None,
        lods: int | None = None,
        collision: Collision | None = None,
        watertight: bool | None = None,
        compression: Compression | None = None,
    ) -> tuple[Path, ...]:
        """Write FILE.glb, FILE.json (how it was made) and FILE.png (a preview): all or none.

        Args:
            path: Where the .glb goes, or a .usdz, or a .gltf or .obj with data files; the others go
                beside it.
            height: Height in metres; the run's own setting when None.
            origin: Where the pivot is; the run's own setting when None.
            lods: Levels of detail, 1 to 8; the run's own setting when None.
            collision: Whose names collision shapes bear, or "none"; the run's own setting when None.
            watertight: Write only what is proven to be closed; the run's own setting when None. The repair
                is made before the texture, by `generate`: ask there for meshes that need one.
            compression: How the meshes of a .glb are packed; the run's own setting when None.

        Returns:
            The paths: .glb, .json, .png, and the data files of other formats.

        Raises:
            InputError: The path or an option is impossible, or an optional library is missing.
            RunError: A mesh is not closed although it has to be, or the disk is full or failed.
        """
        options = {
            "height_m": height,
            "origin": origin,
            "lods": lods,
            "collision": collision,
            "require_watertight": watertight,
            "compression": compression,
        }
        export = replace(self.export, **{key: value for key, value in options.items() if value is not None})
        target = check_output(Path(path), export.suffixes)  # before any work
        check_export(export, target)
        placed = replace(
            self.textured_mesh,
            mesh=place(self.mesh, export),
            metadata=self.textured_mesh.metadata | asdict(export),
        )
        layout = game_layout(placed, export.lods, export.collision)
        if export.require_watertight:
            prove_solids(layout)
        files = encode_files(layout, target, export.compression)
        report = self._report(target, files[target], placed.mesh, layout, export)
        json_path, png_path = target.with_suffix(".json"), target.with_suffix(".png")
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        beside = {json_path: text.encode(), png_path: encode_png_preview(self.textured_mesh)}
        write_files(beside | files)  # the target is last: where it is, the others are
        return target, json_path, png_path, *(file for file in files if file != target)

    def _report(
        self, target: Path, content: bytes, mesh: Mesh, layout: Layout, export: ExportConfig
    ) -> dict[str, Any]:
        """What FILE.json says."""
        _, welded = weld(mesh.vertices, mesh.faces)
        warnings = list(self.warnings)
        if len(layout.groups) < export.lods:
            warnings.append(f"made {len(layout.groups)} of {export.lods} LODs: the surface cannot be coarser")
        num_hulls = sum(not node.is_visible for node in layout.nodes)
        if export.collision != "none" and not num_hulls:
            warnings.append("made no collision shapes: the surface is flat")
        return {
            **layout.metadata,
            "file": target.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "faces": len(mesh.faces),
            "vertices": len(mesh.vertices),
            "watertight": is_watertight(welded),
            "things": list(self.textured_mesh.things),
            "lod_faces": [group.num_faces for group in layout.groups],
            "collision_hulls": num_hulls,
            "texture_size": list(self.material.base_color_srgb.shape[1::-1]),
            "bounds_m": [mesh.vertices.min(axis=0).tolist(), mesh.vertices.max(axis=0).tolist()],
            "metrics": self.metrics,
            "warnings": warnings,
        }


def place(mesh: Mesh, placement: ExportConfig) -> Mesh:
    """Scale a mesh to its height in metres and move the pivot to the origin.

    Args:
        mesh: In scene units, or a given mesh in its own.
        placement: Height, None to leave it; and whether the pivot is at the center of the bounding box, at
            the middle of its floor, or where it is.

    Returns:
        The mesh in metres; normals and UVs are unchanged.

    Raises:
        RunError: The mesh is flat and cannot be given a height.
    """
    if placement.height_m is None and placement.origin == "source":
        return mesh
    low = mesh.vertices.min(axis=0).astype(np.float64)
    high = mesh.vertices.max(axis=0).astype(np.float64)
    pivot = np.zeros(3) if placement.origin == "source" else 0.5 * (low + high)
    if placement.origin == "bottom":
        pivot[1] = low[1]
    scale = 1.0
    if placement.height_m is not None:
        if high[1] - low[1] <= 1e-9:
            raise RunError("the mesh is flat: it cannot be scaled to a height")
        scale = placement.height_m / (high[1] - low[1])
    return replace(mesh, vertices=((mesh.vertices - pivot) * scale).astype(np.float32))
