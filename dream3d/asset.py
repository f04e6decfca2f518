"""What a run returns: a textured mesh, how it was made, and the way to a file."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual.material import PBRMaterial
from trimesh.visual.texture import TextureVisuals

from dream3d.config import ExportConfig
from dream3d.errors import RunError
from dream3d.export.files import write_files
from dream3d.export.glb import encode_glb
from dream3d.inputs import check_output
from dream3d.mesh import Material, Mesh, TexturedMesh
from dream3d.preview import encode_png_preview


@dataclass(frozen=True)
class Asset:
    """A textured mesh in scene units and everything known about it."""

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
        origin: Literal["bottom", "center"] | None = None,
    ) -> tuple[Path, Path, Path]:
        """Write FILE.glb, FILE.json (how it was made) and FILE.png (a preview): all three or none.

        Args:
            path: Where the .glb goes; the others go beside it.
            height: Height in metres; the run's own setting when None.
            origin: Where the pivot is; the run's own setting when None.

        Returns:
            The three paths: .glb, .json, .png.

        Raises:
            InputError: The path or the height is impossible.
            RunError: The disk is full or failed.
        """
        target = check_output(Path(path))  # before any work
        placement = ExportConfig(
            self.export.height_m if height is None else height, origin or self.export.origin
        )
        placed = place(self.mesh, placement)
        metadata = {**self.textured_mesh.metadata, "height_m": placement.height_m, "origin": placement.origin}
        glb = encode_glb(replace(self.textured_mesh, mesh=placed, metadata=metadata))
        report = {
            **metadata,
            "file": target.name,
            "sha256": hashlib.sha256(glb).hexdigest(),
            "faces": len(placed.faces),
            "vertices": len(placed.vertices),
            "texture_size": list(self.material.base_color_srgb.shape[1::-1]),
            "bounds_m": [placed.vertices.min(axis=0).tolist(), placed.vertices.max(axis=0).tolist()],
            "metrics": self.metrics,
            "warnings": list(self.warnings),
        }
        json_path, png_path = target.with_suffix(".json"), target.with_suffix(".png")
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_files(
            {
                json_path: text.encode(),
                png_path: encode_png_preview(self.textured_mesh),
                target: glb,  # last: where the .glb is, the others are
            }
        )
        return target, json_path, png_path


def place(mesh: Mesh, placement: ExportConfig) -> Mesh:
    """Scale a mesh to its height in metres and move the pivot to the origin.

    Args:
        mesh: In scene units.
        placement: Height, and whether the pivot is at the center of the bounding box or at the middle of its
            floor.

    Returns:
        The mesh in metres; normals and UVs are unchanged.

    Raises:
        RunError: The mesh is flat and cannot be given a height.
    """
    low = mesh.vertices.min(axis=0).astype(np.float64)
    high = mesh.vertices.max(axis=0).astype(np.float64)
    if high[1] - low[1] <= 1e-9:
        raise RunError("the mesh is flat: it cannot be scaled to a height")
    pivot = 0.5 * (low + high)
    if placement.origin == "bottom":
        pivot[1] = low[1]
    scale = placement.height_m / (high[1] - low[1])
    return replace(mesh, vertices=((mesh.vertices - pivot) * scale).astype(np.float32))
