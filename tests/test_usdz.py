"""A .usdz: nothing for OpenUSD's own validators to report, and read back with OpenUSD and with zipfile."""

import json
import struct
import sys
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from analytic_fields import make_figure
from PIL import Image

from dream3d.asset import Asset
from dream3d.config import ExportConfig
from dream3d.errors import InputError
from dream3d.export.gltf import layout_of
from dream3d.export.usdz import encode_usdz
from dream3d.mesh import Material, TexturedMesh

pxr = pytest.importorskip("pxr")
from pxr import Gf, Usd, UsdGeom, UsdShade, UsdValidation  # noqa: E402

RNG = np.random.default_rng(0)


def picture() -> np.ndarray:
    return RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)


FIGURE = make_figure(target_faces=300, texture_size=64)
PLAIN = replace(FIGURE.material, metallic_factor=0.25, roughness_factor=0.5)
OCCLUDED = picture()
OPEN = np.dstack([np.full((64, 64), 255, np.uint8), OCCLUDED[..., 1:]])
MATERIALS = {
    "plain": PLAIN,
    "orm": replace(PLAIN, orm=OCCLUDED),
    "orm without occlusion": replace(PLAIN, orm=OPEN),
    "everything": replace(PLAIN, orm=OCCLUDED, normal_map=picture()),
}


def dressed(material: Material, name: str = "a figure") -> TexturedMesh:
    tangents = np.tile(np.float32([1, 0, 0, 1]), (len(FIGURE.mesh.vertices), 1))
    return replace(FIGURE, mesh=replace(FIGURE.mesh, tangents=tangents), material=material, name=name)


@pytest.fixture
def open_stage(tmp_path: Path):
    def opened(material: Material, name: str = "a figure") -> Usd.Stage:
        path = tmp_path / "a.usdz"
        path.write_bytes(encode_usdz(layout_of(dressed(material, name))))
        return Usd.Stage.Open(str(path))

    return opened


@pytest.mark.parametrize("name", list(MATERIALS))
def test_openusds_validators_have_nothing_to_say(open_stage, name: str) -> None:
    registry = UsdValidation.ValidationRegistry()
    context = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators())
    found = [str(error.GetMessage()) for error in context.Validate(open_stage(MATERIALS[name]))]
    assert found == []


def test_the_validators_notice_damage(open_stage) -> None:
    """The check itself works: a normal map without its scale and bias is reported, and a lost extent."""
    stage = open_stage(MATERIALS["everything"])
    stage.SetEditTarget(stage.GetSessionLayer())
    shader = UsdShade.Shader(stage.GetPrimAtPath("/a_figure/a_figure_material/normal"))
    shader.GetInput("scale").Set(Gf.Vec4f(1, 1, 1, 1))
    registry = UsdValidation.ValidationRegistry()
    errors = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators()).Validate(stage)
    assert any("normal" in error.GetMessage().lower() for error in errors)


def test_the_mesh_comes_back_bit_for_bit(open_stage) -> None:
    stage = open_stage(PLAIN)
    assert UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    model = stage.GetDefaultPrim()
    assert model.GetName() == "a_figure"
    assert json.loads(model.GetCustomDataByKey("dream3d")) == FIGURE.metadata
    (shape,) = (UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh))
    mesh = FIGURE.mesh
    np.testing.assert_array_equal(shape.GetPointsAttr().Get(), mesh.vertices)
    np.testing.assert_array_equal(np.reshape(shape.GetFaceVertexIndicesAttr().Get(), (-1, 3)), mesh.faces)
    assert set(shape.GetFaceVertexCountsAttr().Get()) == {3}
    np.testing.assert_array_equal(shape.GetNormalsAttr().Get(), mesh.normals)
    st = UsdGeom.PrimvarsAPI(shape).GetPrimvar("st")
    assert st.GetInterpolation() == shape.GetNormalsInterpolation() == UsdGeom.Tokens.vertex
    assert mesh.uvs is not None
    np.testing.assert_allclose(st.Get() * np.array([1, -1]) + [0, 1], mesh.uvs, atol=1e-7)
    assert shape.GetSubdivisionSchemeAttr().Get() == UsdGeom.Tokens.none
    assert shape.GetOrientationAttr().Get() == UsdGeom.Tokens.rightHanded
    world = UsdGeom.XformCache().GetLocalToWorldTransform(shape.GetPrim())
    assert world == Gf.Matrix4d(1.0)
    extent = np.array(shape.GetExtentAttr().Get())
    np.testing.assert_array_equal(extent, [mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)])


@pytest.mark.parametrize("name", list(MATERIALS))
def test_every_input_of_the_surface_is_the_right_channel_of_the_right_picture(open_stage, name: str) -> None:
    material = MATERIALS[name]
    stage = open_stage(material)
    (shape,) = (prim for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh))
    bound, _ = UsdShade.MaterialBindingAPI(shape).ComputeBoundMaterial()
    surface, _, _ = bound.ComputeSurfaceSource()
    assert surface.GetShaderId() == "UsdPreviewSurface"
    channels = {"r": slice(0, 1), "g": slice(1, 2), "b": slice(2, 3), "rgb": slice(0, 3)}
    expected = {"diffuseColor": (material.base_color_srgb, "rgb", "sRGB")}
    if material.orm is not None:
        expected |= {"roughness": (material.orm, "g", "raw"), "metallic": (material.orm, "b", "raw")}
    if name in ("orm", "everything"):
        expected["occlusion"] = (material.orm, "r", "raw")
    if material.normal_map is not None:
        expected["normal"] = (material.normal_map, "rgb", "raw")
    seen = {}
    archive = zipfile.ZipFile(stage.GetRootLayer().realPath)
    for field in surface.GetInputs():
        sources, _ = field.GetConnectedSources()
        if not sources:
            assert material.orm is None
            assert field.Get() == pytest.approx({"roughness": 0.5, "metallic": 0.25}[field.GetBaseName()])
            continue
        texture = UsdShade.Shader(sources[0].source.GetPrim())
        assert texture.GetShaderId() == "UsdUVTexture"
        reader = UsdShade.Shader(texture.GetInput("st").GetConnectedSources()[0][0].source.GetPrim())
        assert reader.GetInput("varname").Get() == "st"
        pixels = np.asarray(Image.open(BytesIO(archive.read(texture.GetInput("file").Get().path))))
        seen[field.GetBaseName()] = (
            pixels,
            sources[0].sourceName,
            texture.GetInput("sourceColorSpace").Get(),
        )
    assert seen.keys() == expected.keys()
    for key, (pixels, channel, space) in expected.items():
        assert seen[key][1:] == (channel, space), key
        np.testing.assert_array_equal(seen[key][0][..., channels[channel]], pixels[..., channels[channel]])


def test_the_archive_is_as_the_format_asks() -> None:
    """The layer first, nothing compressed, and every file's data on a multiple of 64 bytes."""
    content = encode_usdz(layout_of(dressed(MATERIALS["everything"])))
    entries = zipfile.ZipFile(BytesIO(content)).infolist()
    maps = ["base_color", "orm", "normal"]
    assert [entry.filename for entry in entries] == [
        "a_figure.usdc",
        *(f"textures/a_figure_{role}.png" for role in maps),
    ]
    for entry in entries:
        assert entry.compress_type == zipfile.ZIP_STORED
        name_length, extra_length = struct.unpack_from("<HH", content, entry.header_offset + 26)
        assert (entry.header_offset + 30 + name_length + extra_length) % 64 == 0


def test_same_asset_same_bytes() -> None:
    material = MATERIALS["everything"]
    assert encode_usdz(layout_of(dressed(material))) == encode_usdz(layout_of(dressed(material)))


def test_names_that_usd_does_not_know_are_made_valid(open_stage) -> None:
    assert open_stage(PLAIN, "3 little pigs").GetDefaultPrim().GetName() == "_3_little_pigs"


def test_save_places_it_in_metres(tmp_path: Path) -> None:
    paths = Asset(FIGURE, ExportConfig(format="usdz")).save(tmp_path / "a #1.usdz", height=2.0)
    assert [path.suffix for path in paths] == [".usdz", ".json", ".png"]
    stage = Usd.Stage.Open(str(paths[0]))
    box = UsdGeom.BBoxCache(0, [UsdGeom.Tokens.default_]).ComputeWorldBound(stage.GetDefaultPrim())
    low, high = box.ComputeAlignedRange().GetMin(), box.ComputeAlignedRange().GetMax()
    assert high[1] - low[1] == pytest.approx(2.0, rel=1e-6)
    assert low[1] == pytest.approx(0.0, abs=1e-6)


def test_what_it_cannot_say_is_refused_and_nothing_written(tmp_path: Path, monkeypatch) -> None:
    asset = Asset(FIGURE)
    for options in ({"lods": 2}, {"collision": "unreal"}):
        with pytest.raises(InputError, match=r"a \.usdz has no levels"):
            asset.save(tmp_path / "a.usdz", **options)
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(InputError, match=r"pip install 'dream3d\[usd\]'") as error:
        asset.save(tmp_path / "a.usdz")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
