"""Packed meshes are read as plain ones are, bit for bit; what is damaged is refused in one line."""

import sys
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from analytic_fields import make_figure
from glb_bytes import join_glb, split_glb, valid_glb
from hostile_glb import all_paths, assert_refused, json_values, read, read_or_refuse, set_at
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dream3d.cli import main
from dream3d.config import Collision
from dream3d.export import load_meshopt
from dream3d.export.glb import encode_glb
from dream3d.export.layout import game_layout
from dream3d.export.load import Contents, load_glb
from dream3d.export.load_model import load_model
from dream3d.export.meshopt import in_order_of_use
from dream3d.extract.tangents import add_tangents
from dream3d.mesh import Mesh, TexturedMesh

meshopt = pytest.importorskip("meshopt")
EXTENSION = "EXT_meshopt_compression"


def load(content: bytes, folder: Path) -> Contents:
    path = folder / "a.glb"
    path.write_bytes(content)
    return load_glb(path)


@cache
def packed_glb() -> bytes:
    """The small valid file, packed as our own command does it."""
    return encode_glb(make_figure(target_faces=60, texture_size=64), "meshopt")


def repacked(content: bytes, modes: dict[int, tuple[str, str]]) -> bytes:
    """A plain file, packed here: a mode and a filter for the number of each view to pack."""
    document, binary = split_glb(content)
    for index, (mode, name) in modes.items():
        view = document["bufferViews"][index]
        data = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        count = next(each["count"] for each in document["accessors"] if each["bufferView"] == index)
        stride = len(data) // count
        if mode == "ATTRIBUTES":
            rows = np.frombuffer(data, np.uint8).reshape(count, stride)
            if name == "EXPONENTIAL":
                rows = meshopt.encode_filter_exp(np.frombuffer(data, "<f4").reshape(count, -1), 24)
        else:
            rows = np.frombuffer(data, "<u2")
        stream = meshopt.encode_gltf_buffer(rows, mode)
        described = {"buffer": 0, "byteOffset": len(binary), "byteLength": len(stream), "mode": mode}
        described |= {"byteStride": stride, "count": count} | ({"filter": name} if name else {})
        view |= {"buffer": 1, "byteOffset": 0, "extensions": {EXTENSION: described}}
        binary += stream
    document["buffers"] = [{"byteLength": len(binary)}, {"byteLength": len(binary)}]
    document |= {"extensionsRequired": [EXTENSION], "extensionsUsed": [EXTENSION]}
    return join_glb(document, binary)


def turned(mesh: Mesh) -> Mesh:
    """The mesh with the smallest corner of each triangle first: packing may turn triangles, not flip them."""
    places = (mesh.faces.argmin(axis=1)[:, None] + np.arange(3)) % 3
    return replace(mesh, faces=np.take_along_axis(mesh.faces, places, axis=1))


def assert_same_mesh(one: Mesh, other: Mesh) -> None:
    """Bit for bit, and in the same order."""
    for name in (field.name for field in fields(Mesh)):
        left, right = getattr(turned(one), name), getattr(turned(other), name)
        assert (left is None) == (right is None)
        if left is not None:
            assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


def with_maps(figure: TexturedMesh) -> TexturedMesh:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    material = replace(figure.material, orm=picture, normal_map=picture)
    return replace(figure, mesh=add_tangents(figure.mesh), material=material)


@pytest.mark.parametrize("num_lods", [1, 4])
@pytest.mark.parametrize("collision", ["none", "unreal"])
@pytest.mark.parametrize("has_maps", [False, True])
def test_what_we_pack_is_read_bit_for_bit(
    num_lods: int, collision: Collision, has_maps: bool, tmp_path: Path
) -> None:
    """Assets as `dream3d generate` writes them."""
    figure = with_maps(make_figure()) if has_maps else make_figure()
    layout = game_layout(figure, num_lods, collision)
    plain = load(encode_glb(in_order_of_use(layout)), tmp_path)  # packing writes triangles in that order
    packed = load(encode_glb(layout, "meshopt"), tmp_path)
    for key in ("parts", "lods", "collision"):
        pairs = list(zip(getattr(plain, key), getattr(packed, key), strict=True))
        for one, other in pairs:
            assert one.name == other.name
            assert_same_mesh(one.mesh, other.mesh)
    assert len(packed.parts) + len(packed.lods) + len(packed.collision) == len(layout.nodes)
    assert packed.provenance == layout.metadata
    for one, other in zip(plain.pictures, packed.pictures, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("mode", ["TRIANGLES", "INDICES"])
def test_what_others_pack_is_read(mode: str, tmp_path: Path) -> None:
    """Triangles as a list of indices, positions through a filter: 24 bits hold most of a float's."""
    modes = {0: ("ATTRIBUTES", "EXPONENTIAL"), 2: ("ATTRIBUTES", "NONE"), 3: (mode, "")}
    (plain,) = load(valid_glb(), tmp_path).parts
    (packed,) = load(repacked(valid_glb(), modes), tmp_path).parts
    np.testing.assert_allclose(packed.mesh.vertices, plain.mesh.vertices, rtol=0, atol=1e-6)
    assert_same_mesh(replace(packed.mesh, vertices=plain.mesh.vertices), plain.mesh)


def test_plain_data_is_read_where_the_extension_is_not_required(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "meshopt", None)
    document, binary = split_glb(valid_glb())
    described = {"buffer": 9, "count": 1, "byteStride": 4, "mode": "ATTRIBUTES", "byteLength": 0}
    document["bufferViews"][0]["extensions"] = {EXTENSION: described}
    document["extensionsUsed"] = [EXTENSION]
    (part,) = load(join_glb(document, binary), tmp_path).parts
    (plain,) = load(valid_glb(), tmp_path).parts
    assert_same_mesh(part.mesh, plain.mesh)


@pytest.mark.usefixtures("work")
def test_commands_take_packed_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.glb", tmp_path / "packed.glb"
    plain.write_bytes(encode_glb(in_order_of_use(game_layout(make_figure(), 2))))
    packed.write_bytes(encode_glb(game_layout(make_figure(), 2), "meshopt"))
    for path in (plain, packed):
        assert main(["inspect", str(path)]) == 0
        assert main(["preview", str(path), "-o", f"{path.stem}.png", "--size", "32"]) == 0
    assert Path("plain.png").read_bytes() == Path("packed.png").read_bytes()
    facts = capsys.readouterr().out.splitlines()
    differs = {line.split()[0] for line in set(facts[: len(facts) // 2]) ^ set(facts[len(facts) // 2 :])}
    assert differs <= {"file", "plain.png", "packed.png"}
    assert_same_mesh(load_model(plain).mesh, load_model(packed).mesh)


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch) -> None:
    content = packed_glb()
    monkeypatch.setitem(sys.modules, "meshopt", None)
    assert_refused(content, tmp_path, r"a\.glb: .*needs the meshopt extra: pip install 'dream3d\[meshopt\]'")


VIEW = "bufferViews/0"
PACKED = f"{VIEW}/extensions/{EXTENSION}"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (PACKED, [], "is not an object"),
        (PACKED, {}, "count is not a size"),
        (f"{VIEW}/extensions", "x", "is not an object"),
        (f"{VIEW}/extensions", ..., "there is no|other files"),  # then the view has no data at all
        (f"{PACKED}/buffer", 1, "other files"),
        (f"{PACKED}/buffer", 7, "there is no buffers"),
        (f"{PACKED}/buffer", ..., "there is no buffers"),
        (f"{PACKED}/byteOffset", 1 << 39, "beyond the end"),
        (f"{PACKED}/byteOffset", -4, "not a size"),
        (f"{PACKED}/byteOffset", 4, "damaged packed mesh"),
        (f"{PACKED}/byteLength", 1 << 39, "beyond the end"),
        (f"{PACKED}/byteLength", 0, "damaged packed mesh"),
        (f"{PACKED}/byteLength", 30, "damaged packed mesh"),
        (f"{PACKED}/byteLength", ..., "not a size"),
        (f"{PACKED}/count", 0, "another size"),
        (f"{PACKED}/count", 3, "another size"),
        (f"{PACKED}/count", -3, "not a size"),
        (f"{PACKED}/count", 2.0, "not a size"),
        (f"{PACKED}/count", 1 << 39, "another size"),
        (f"{PACKED}/byteStride", 0, "another size"),
        (f"{PACKED}/byteStride", 6, "another size"),
        (f"{PACKED}/byteStride", 260, "another size"),
        (f"{PACKED}/mode", "TRIANGLES", "another size"),
        (f"{PACKED}/mode", "STRIPS", "does not know"),
        (f"{PACKED}/mode", ["ATTRIBUTES"], "does not know"),
        (f"{PACKED}/mode", ..., "does not know"),
        (f"{PACKED}/filter", "COLOR", "filter 'COLOR', which is not read"),
        (f"{PACKED}/filter", {}, "filter {}, which is not read"),
        (f"{PACKED}/filter", "OCTAHEDRAL", "damaged packed mesh"),  # of rows that it does not have
        (f"{VIEW}/byteLength", 12, "another size"),
        (f"{VIEW}/byteLength", ..., "not a size"),
        (f"{VIEW}/byteStride", 16, "another size"),
        ("bufferViews/3/byteLength", 100, "another size"),
        (f"bufferViews/3/extensions/{EXTENSION}/mode", "ATTRIBUTES", "another size"),
        (f"bufferViews/3/extensions/{EXTENSION}/mode", "INDICES", "damaged packed mesh"),
        (f"bufferViews/3/extensions/{EXTENSION}/filter", "EXPONENTIAL", "which is not read"),
        ("extensionsRequired", [EXTENSION, "KHR_mesh_quantization"], "KHR_mesh_quantization, which is not"),
        ("extensionsRequired", [], "there is no|other files"),
        ("buffers/0/uri", "/etc/passwd", "other files"),
    ],
)
def test_hostile_descriptions(path: str, value: object, says: str, tmp_path: Path) -> None:
    document, binary = split_glb(packed_glb())
    assert_refused(join_glb(set_at(document, path, value), binary), tmp_path, says)


def claims(count: int, num_views: int, stream: bytes) -> bytes:
    """A file whose views all unfold from one stream, to `count` rows of 256 bytes each."""
    document, _ = split_glb(packed_glb())
    described = {
        "buffer": 0,
        "byteLength": len(stream),
        "byteStride": 256,
        "count": count,
        "mode": "ATTRIBUTES",
    }
    view = {"buffer": 1, "byteLength": count * 256, "extensions": {EXTENSION: described}}
    document["bufferViews"] = [view] * num_views
    return join_glb(document, stream)


def test_small_files_that_unfold_to_much_are_refused_before_any_of_it(tmp_path: Path, monkeypatch) -> None:
    """A megabyte of zeros packs into a few kilobytes, which a thousand views can name."""
    stream = meshopt.encode_gltf_buffer(np.zeros((4096, 256), np.uint8), "ATTRIBUTES", 1)
    assert len(stream) < 10_000
    monkeypatch.setattr(meshopt, "decode_gltf_buffer", None)  # not even asked
    assert_refused(claims(4096, 1000, stream), tmp_path, "unfolds to more than 512 MiB")
    assert_refused(claims(1 << 31, 1, stream), tmp_path, "unfolds to more than 512 MiB")


def test_the_limit_is_that_of_the_sum(tmp_path: Path, monkeypatch) -> None:
    document, _ = split_glb(packed_glb())
    total = sum(view["byteLength"] for view in document["bufferViews"] if "extensions" in view)
    monkeypatch.setattr(load_meshopt, "MAX_UNPACKED_BYTES", total)
    assert read(packed_glb(), tmp_path).faces == 60
    monkeypatch.setattr(load_meshopt, "MAX_UNPACKED_BYTES", total - 1)
    assert_refused(packed_glb(), tmp_path, "unfolds to more than")


def test_streams_cut_short_are_refused(tmp_path: Path) -> None:
    document, binary = split_glb(packed_glb())
    for view in (view for view in document["bufferViews"] if "extensions" in view):
        described = view["extensions"][EXTENSION]
        whole = described["byteLength"]
        for length in [*range(0, whole, 13), whole - 1]:
            described["byteLength"] = length
            assert_refused(join_glb(document, binary), tmp_path, "damaged packed mesh")
        described["byteLength"] = whole


def test_values_that_are_not_finite_and_indices_out_of_range(tmp_path: Path) -> None:
    document, binary = split_glb(valid_glb())
    for index, value, mode in [(0, np.float32(np.nan), "ATTRIBUTES"), (3, np.uint16(65534), "INDICES")]:
        raw, start = value.tobytes(), document["bufferViews"][index]["byteOffset"]
        spoilt = join_glb(document, binary[:start] + raw + binary[start + len(raw) :])
        assert_refused(repacked(spoilt, {index: (mode, "")}), tmp_path, "finite|exist")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6)
)
def test_damaged_streams_are_read_or_refused(flips: list[tuple[float, int]], tmp_path: Path) -> None:
    document, binary = split_glb(packed_glb())
    packed = [view["extensions"][EXTENSION] for view in document["bufferViews"] if "extensions" in view]
    length = max(each["byteOffset"] + each["byteLength"] for each in packed)
    spoilt = bytearray(binary)
    for where, value in flips:
        spoilt[int(where * length)] ^= value
    report = read_or_refuse(join_glb(document, bytes(spoilt)), tmp_path)
    if report is not None:
        assert report.faces == 60
        assert np.isfinite(report.bounds_m).all()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choice=st.floats(0, 1, exclude_max=True), value=json_values)
def test_any_value_anywhere_in_the_views_is_read_or_refused(choice: float, value, tmp_path: Path) -> None:
    document, binary = split_glb(packed_glb())
    paths = [
        path for path in all_paths(document) if path.startswith(("bufferViews", "buffers", "extensions"))
    ]
    changed = set_at(document, paths[int(choice * len(paths))], value)
    read_or_refuse(join_glb(changed, binary), tmp_path)
