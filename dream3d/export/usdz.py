"""A .usdz, which phones and tablets show as it is: USD in an uncompressed archive, written by OpenUSD itself.

One model with a mesh per thing and a UsdPreviewSurface. OpenUSD (`usd-core`, Tomorrow Open Source Technology
License, Apache 2.0 but for its section on trademarks) is an optional extra.
"""

import json
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from dream3d.export.gltf import GENERATOR, Layout
from dream3d.export.material import PngPicture, has_occlusion, pictures_of
from dream3d.extras import import_extra
from dream3d.mesh import Mesh

# The archive keeps when its files were last changed: the same asset is the same bytes on any day.
FILE_TIME = 631_152_000  # 1990-01-01, in seconds


def check_usd() -> None:
    """Make sure that a .usdz can be written, before any work.

    Raises:
        InputError: The optional library is not installed.
    """
    _pxr()


def encode_usdz(layout: Layout) -> bytes:
    """Write a .usdz: metres, +Y up, the model as default prim, its origin and pictures as in a .glb.

    Args:
        layout: With visible nodes only, which have normals and UVs. Its metadata becomes JSON in the model's
            `customData`. Tangents are left out: readers of USD make their own for a normal map.

    Returns:
        The whole file.

    Raises:
        InputError: The optional library is not installed.
        ValueError: The metadata is not what JSON can say.
    """
    pxr = _pxr()
    pictures = pictures_of(layout.name, layout.material)
    with tempfile.TemporaryDirectory(prefix="dream3d-") as folder:
        files = [f"{layout.name}.usdc", *(_path_of(picture) for picture in pictures)]
        (Path(folder) / "textures").mkdir()
        for picture in pictures:
            (Path(folder) / _path_of(picture)).write_bytes(picture.png)
        _write_stage(pxr, layout, pictures, Path(folder) / files[0])
        archive = Path(folder) / "package.usdz"
        writer = pxr.Sdf.ZipFileWriter.CreateNew(str(archive))
        for file in files:
            os.utime(Path(folder) / file, (FILE_TIME, FILE_TIME))
            writer.AddFile(str(Path(folder) / file), file)
        writer.Save()
        return archive.read_bytes()


def _pxr() -> Any:
    import_extra("pxr", "usd", "a .usdz", "ask for a .glb")
    from pxr import Gf, Kind, Sdf, Usd, UsdGeom, UsdShade, Vt

    return SimpleNamespace(Gf=Gf, Kind=Kind, Sdf=Sdf, Usd=Usd, UsdGeom=UsdGeom, UsdShade=UsdShade, Vt=Vt)


def _prim_name(name: str) -> str:
    return f"_{name}" if name[0].isdigit() else name  # "3_pigs" is no name for a prim


def _path_of(picture: PngPicture) -> str:
    return f"textures/{picture.name}.png"


def _write_stage(pxr: Any, layout: Layout, pictures: list[PngPicture], path: Path) -> None:
    """The root layer: /NAME (the model) with NAME_mesh and NAME_material in it."""
    stage = pxr.Usd.Stage.CreateNew(str(path))
    pxr.UsdGeom.SetStageUpAxis(stage, pxr.UsdGeom.Tokens.y)
    pxr.UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.GetRootLayer().customLayerData = {"creator": GENERATOR}
    name = _prim_name(layout.name)
    model = pxr.UsdGeom.Xform.Define(stage, f"/{name}")
    pxr.Usd.ModelAPI(model).SetKind(pxr.Kind.Tokens.component)
    if layout.metadata:
        text = json.dumps(layout.metadata, allow_nan=False)
        model.GetPrim().SetCustomDataByKey("dream3d", text)
    stage.SetDefaultPrim(model.GetPrim())
    material = _define_material(pxr, stage, f"/{name}/{name}_material", layout, pictures)
    for node in layout.nodes:
        shape = _define_mesh(pxr, stage, f"/{name}/{_prim_name(node.name)}_mesh", node.mesh)
        pxr.UsdShade.MaterialBindingAPI.Apply(shape.GetPrim()).Bind(material)
    stage.GetRootLayer().Save()


def _define_mesh(pxr: Any, stage: Any, path: str, mesh: Mesh) -> Any:
    """Triangles with a normal and a texture coordinate per vertex."""
    assert mesh.normals is not None
    assert mesh.uvs is not None
    shape = pxr.UsdGeom.Mesh.Define(stage, path)
    points = pxr.Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(mesh.vertices, np.float32))
    shape.CreatePointsAttr(points)
    shape.CreateExtentAttr(pxr.UsdGeom.PointBased.ComputeExtent(points))
    shape.CreateFaceVertexCountsAttr(pxr.Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    shape.CreateFaceVertexIndicesAttr(
        pxr.Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.faces.reshape(-1), np.int32))
    )
    shape.CreateNormalsAttr(pxr.Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(mesh.normals, np.float32)))
    shape.SetNormalsInterpolation(pxr.UsdGeom.Tokens.vertex)
    shape.CreateSubdivisionSchemeAttr(pxr.UsdGeom.Tokens.none)  # the default would smooth the triangles
    shape.CreateDoubleSidedAttr(False)
    upwards = np.stack([mesh.uvs[:, 0], 1.0 - mesh.uvs[:, 1]], axis=1).astype(np.float32)  # v grows upwards
    coordinates = pxr.UsdGeom.PrimvarsAPI(shape).CreatePrimvar(
        "st", pxr.Sdf.ValueTypeNames.TexCoord2fArray, pxr.UsdGeom.Tokens.vertex
    )
    coordinates.Set(pxr.Vt.Vec2fArray.FromNumpy(upwards))
    return shape


def _define_material(pxr: Any, stage: Any, path: str, layout: Layout, pictures: list[PngPicture]) -> Any:
    """A UsdPreviewSurface with a texture per picture."""
    types = pxr.Sdf.ValueTypeNames
    material = pxr.UsdShade.Material.Define(stage, path)
    surface = _define_shader(pxr, stage, f"{path}/surface", "UsdPreviewSurface")
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    reader = _define_shader(pxr, stage, f"{path}/coordinates", "UsdPrimvarReader_float2")
    reader.CreateInput("varname", types.String).Set("st")
    place = reader.CreateOutput("result", types.Float2)

    def texture(role: str, color_space: str) -> Any:
        (picture,) = (picture for picture in pictures if picture.name == f"{layout.name}_{role}")
        shader = _define_shader(pxr, stage, f"{path}/{role}", "UsdUVTexture")
        shader.CreateInput("file", types.Asset).Set(pxr.Sdf.AssetPath(_path_of(picture)))
        shader.CreateInput("st", types.Float2).ConnectToSource(place)
        shader.CreateInput("sourceColorSpace", types.Token).Set(color_space)
        for wrap in ("wrapS", "wrapT"):
            shader.CreateInput(wrap, types.Token).Set("clamp")
        return shader

    def connect(name: str, kind: Any, shader: Any, channels: str) -> None:
        output = shader.CreateOutput(channels, types.Float if len(channels) == 1 else types.Float3)
        surface.CreateInput(name, kind).ConnectToSource(output)

    looks = layout.material
    connect("diffuseColor", types.Color3f, texture("base_color", "sRGB"), "rgb")
    if looks.orm is None:
        surface.CreateInput("roughness", types.Float).Set(looks.roughness_factor)
        surface.CreateInput("metallic", types.Float).Set(looks.metallic_factor)
    else:
        packed = texture("orm", "raw")
        connect("roughness", types.Float, packed, "g")
        connect("metallic", types.Float, packed, "b")
        if has_occlusion(looks):
            connect("occlusion", types.Float, packed, "r")
    if looks.normal_map is not None:
        normal = texture("normal", "raw")
        normal.CreateInput("scale", types.Float4).Set(pxr.Gf.Vec4f(2, 2, 2, 1))
        normal.CreateInput("bias", types.Float4).Set(pxr.Gf.Vec4f(-1, -1, -1, 0))
        connect("normal", types.Normal3f, normal, "rgb")
    return material


def _define_shader(pxr: Any, stage: Any, path: str, kind: str) -> Any:
    shader = pxr.UsdShade.Shader.Define(stage, path)
    shader.CreateIdAttr(kind)
    return shader
