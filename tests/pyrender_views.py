"""Pictures by pyrender through EGL: a renderer that is not ours, of files that pygltflib or trimesh read."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
import pytest
from PIL import Image

from dream3d.cameras import Cameras

os.environ.setdefault("PYOPENGL_PLATFORM", "egl")

LIGHT_TURN = np.array([[0.5, 0.0, 0.866], [0.0, 1.0, 0.0], [-0.866, 0.0, 0.5]])  # 60 degrees to the right


def shown_by_pygltflib(path: Path) -> dict[str, Any]:
    """Numbers of the first node of a .glb, and its pictures by slot."""
    gltf = pygltflib.GLTF2().load(str(path))
    assert gltf is not None
    blob = gltf.binary_blob()

    def numbers(index: int, width: int) -> np.ndarray:
        accessor = gltf.accessors[index]
        view = gltf.bufferViews[accessor.bufferView]
        kind = {5123: "<u2", 5125: "<u4", 5126: "<f4"}[accessor.componentType]
        return np.frombuffer(blob, kind, accessor.count * width, view.byteOffset).reshape(-1, width)

    def picture(texture: Any) -> Image.Image | None:
        if texture is None:
            return None
        view = gltf.bufferViews[gltf.images[gltf.textures[texture.index].source].bufferView]
        return Image.open(io.BytesIO(blob[view.byteOffset : view.byteOffset + view.byteLength]))

    primitive, material = gltf.meshes[0].primitives[0], gltf.materials[0]
    slots = primitive.attributes
    return {
        "positions": numbers(slots.POSITION, 3),
        "normals": numbers(slots.NORMAL, 3),
        "uvs": numbers(slots.TEXCOORD_0, 2),
        "tangents": None if slots.TANGENT is None else numbers(slots.TANGENT, 4),
        "faces": numbers(primitive.indices, 1).reshape(-1, 3),
        "base_color": picture(material.pbrMetallicRoughness.baseColorTexture),
        "normal_map": picture(material.normalTexture),
    }


def lit_mesh(pyrender: Any, shown: dict[str, Any], has_normal_map: bool) -> Any:
    """A gray mesh as pyrender lights it, with or without its normal map."""
    material = pyrender.MetallicRoughnessMaterial(
        baseColorFactor=(0.7, 0.7, 0.7, 1.0),
        metallicFactor=0.0,
        roughnessFactor=1.0,
        normalTexture=_texture(pyrender, shown["normal_map"]) if has_normal_map else None,
    )
    return pyrender.Mesh(
        [
            pyrender.Primitive(
                shown["positions"],
                normals=shown["normals"],
                tangents=shown["tangents"],
                texcoord_0=None if shown["uvs"] is None else shown["uvs"] * [1, -1] + [0, 1],
                indices=shown["faces"],
                material=material,
            )
        ]
    )


def _texture(pyrender: Any, image: Image.Image) -> Any:
    return pyrender.Texture(source=image, source_channels="RGB")


def render(pyrender: Any, scene: Any, cameras: Cameras, size: int, is_lit: bool = False) -> np.ndarray:
    """Pictures [B, size, size, 4] in [0, 1]; lit ones by a sun 60 degrees to the right of the camera.

    Args:
        pyrender: The module.
        scene: A trimesh scene, or a pyrender mesh.
        cameras: B of them, with the same field of view.
        size: Pixels along both sides.
        is_lit: False shows the base color alone.
    """
    try:
        renderer = pyrender.OffscreenRenderer(size, size)
    except Exception as error:  # the OpenGL stack raises nearly anything where it is incomplete
        pytest.skip(f"no headless OpenGL (libegl1 and libgl1-mesa-dri): {error}")
    flags = pyrender.RenderFlags.RGBA | (0 if is_lit else pyrender.RenderFlags.FLAT)
    pictures = []
    try:
        for pose in cameras.c2w().numpy():
            view = pyrender.Scene(bg_color=[0.0, 0.0, 0.0, 0.0], ambient_light=[0.05, 0.05, 0.05])
            for mesh in _meshes(pyrender, scene):
                view.add(mesh)
            view.add(pyrender.PerspectiveCamera(np.radians(float(cameras.fov_y_deg[0]))), pose=pose)
            sun = pose.copy()
            sun[:3, :3] = pose[:3, :3] @ LIGHT_TURN
            view.add(pyrender.DirectionalLight(intensity=3.0), pose=sun)
            pictures.append(renderer.render(view, flags=flags)[0])
    finally:
        renderer.delete()
    return np.stack(pictures) / 255.0


def _meshes(pyrender: Any, scene: Any) -> list[Any]:
    if isinstance(scene, pyrender.Mesh):
        return [scene]
    return [pyrender.Mesh.from_trimesh(shape) for shape in scene.geometry.values()]
