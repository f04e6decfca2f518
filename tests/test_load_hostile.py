"""Files from anyone: a damaged or hostile .glb gives one line, never another exception."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from glb_bytes import join_glb, split_glb, valid_glb
from hostile_glb import all_paths, assert_refused, json_values, read, read_or_refuse, set_at
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dream3d.errors import InputError
from dream3d.export.load import load_glb


def test_the_untouched_file_is_read(tmp_path):
    assert read(join_glb(*split_glb(valid_glb())), tmp_path).faces == 60


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "does not start"),
        (b"glTF", "cut off"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 100, "does not start"),
        (b"glTF" + struct.pack("<II", 1, 20) + b"x" * 8, "version 1"),
        (struct.pack("<4sIIII", b"glTF", 2, 20, 1 << 31, 0x4E4F534A), "cut off"),
        (struct.pack("<4sIIII", b"glTF", 2, 20, 0, 0x004E4942), "not JSON"),
        (join_glb(b"{", b""), "not valid JSON"),
        (join_glb(b"[]", b""), "not a JSON object"),
        (join_glb(b"[" * 100_000, b""), "not valid JSON"),
        (join_glb(b'{"a": NaN}', b""), "not valid JSON"),
        (join_glb(b'{"a": ' + b"9" * 10_000 + b"}", b""), "not valid JSON"),
        (join_glb(b"\xff\xfe{}", b""), "not valid JSON"),
        (join_glb({}, b""), "no triangles"),
        (join_glb({"meshes": 3, "scenes": "x"}, b""), "not an array"),
    ],
)
def test_broken_outer_layers(content, match, tmp_path):
    assert_refused(content, tmp_path, match)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("accessors/0/count", 1 << 39),
        ("accessors/0/count", 10**300),
        ("accessors/0/count", -1),
        ("accessors/0/count", 0),
        ("accessors/0/count", 3.5),
        ("accessors/0/count", True),
        ("accessors/0/bufferView", 77),
        ("accessors/0/bufferView", ...),
        ("accessors/0/type", "MAT4"),
        ("accessors/0/componentType", 5120),
        ("accessors/0/byteOffset", 1 << 30),
        ("accessors/0/sparse", {"count": 1}),
        ("accessors/1/count", 3),
        ("accessors/3/count", 4),
        ("accessors/3/componentType", 5126),
        ("bufferViews/0/byteLength", 1 << 39),
        ("bufferViews/0/byteOffset", 1 << 39),
        ("bufferViews/0/byteStride", 1),
        ("bufferViews/0/byteStride", 1 << 38),
        ("bufferViews/0/buffer", 5),
        ("buffers/0/uri", "/etc/passwd"),
        ("images/0/uri", "file:///etc/passwd"),
        ("images/0/uri", "https://example.com/a.png"),
        ("images/0/uri", "data:image/png;base64,AAAA"),
        ("images/0/bufferView", 0),
        ("images/0/bufferView", ...),
        ("textures/0/source", 9),
        ("textures/0/source", ...),
        ("materials/0/pbrMetallicRoughness", []),
        ("materials/0/pbrMetallicRoughness/baseColorTexture/index", None),
        ("materials/0/pbrMetallicRoughness/baseColorTexture/texCoord", 1),
        ("materials/0/pbrMetallicRoughness/baseColorFactor", [1, 2]),
        ("materials/0/pbrMetallicRoughness/metallicFactor", "x"),
        ("meshes/0/primitives", [3]),
        ("meshes/0/primitives/0/attributes", {}),
        ("meshes/0/primitives/0/attributes/TEXCOORD_0", ...),
        ("meshes/0/primitives/0/indices", "0"),
        ("meshes/0/primitives/0/material", -1),
        ("meshes/0/primitives/0/mode", 0),
        ("nodes/0/mesh", 12),
        ("nodes/0/children", [0]),
        ("nodes/0/children", {"a": 1}),
        ("nodes/0/matrix", [1.0] * 15),
        ("nodes/0/matrix", [1e308] * 16),
        ("nodes/0/scale", [1e30, 1e30, 1e30]),
        ("nodes/0/rotation", ["x", 0, 0, 1]),
        ("nodes/0/extras", 5),
        ("scenes/0/nodes", [4]),
        ("scene", 3),
        ("extensionsRequired", ["KHR_draco_mesh_compression"]),
    ],
)
def test_hostile_descriptions(path, value, tmp_path):
    document, binary = split_glb(valid_glb())
    assert_refused(join_glb(set_at(document, path, value), binary), tmp_path)


def test_nodes_that_multiply_are_stopped(tmp_path):
    """Each node shows the next one twice: 2^40 copies of the mesh from forty lines."""
    document, binary = split_glb(valid_glb())
    document["nodes"] = [{"children": [index + 1] * 2} for index in range(40)] + [{"mesh": 0}]
    assert_refused(join_glb(document, binary), tmp_path, "loop or are more")


def test_faces_are_counted_over_all_nodes(tmp_path):
    document, binary = split_glb(valid_glb())
    document["nodes"] += [{"mesh": 0}, {"mesh": 0}]
    document["scenes"][0]["nodes"] = [0, 1, 2]
    assert read(join_glb(document, binary), tmp_path).faces == 180
    with pytest.raises(InputError, match=r"a\.glb: the file holds more than 179 triangles"):
        load_glb(tmp_path / "a.glb", max_faces=179)


def with_picture(picture: bytes) -> bytes:
    document, binary = split_glb(valid_glb())
    document["bufferViews"][4] |= {"byteOffset": len(binary), "byteLength": len(picture)}
    return join_glb(document, binary + picture)


def png_of_size(width: int, height: int) -> bytes:
    """A few bytes that claim to be a picture of this size."""
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


def test_huge_pictures_are_refused_by_their_header(tmp_path):
    assert_refused(with_picture(png_of_size(100_000, 100_000)), tmp_path)
    assert_refused(with_picture(png_of_size(20_000, 20_000)), tmp_path)


def test_damaged_and_foreign_pictures(tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), (1, 2, 3)).save(stream, "PNG")
    assert read(with_picture(stream.getvalue()), tmp_path).textures[0].width == 64
    assert_refused(with_picture(stream.getvalue()[:-40]), tmp_path, "damaged|whole")
    assert_refused(with_picture(b"GIF89a" + b"x" * 50), tmp_path, "PNG or JPEG")
    assert_refused(with_picture(png_of_size(8, 8)), tmp_path, "damaged|whole")


def test_values_that_are_not_finite_and_indices_out_of_range(tmp_path):
    document, binary = split_glb(valid_glb())
    for view, value in [(0, np.float32(np.nan)), (1, np.float32(np.inf)), (3, np.uint16(65534))]:
        start = document["bufferViews"][view]["byteOffset"]
        raw = value.tobytes()
        assert_refused(
            join_glb(document, binary[:start] + raw + binary[start + len(raw) :]), tmp_path, "finite|exist"
        )


def test_other_kinds_of_files_in_place_of_one(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_glb(tmp_path / "none.glb")
    with pytest.raises(InputError, match="not a file"):
        load_glb(tmp_path)
    os.mkfifo(tmp_path / "pipe.glb")
    with pytest.raises(InputError, match="not a file"):  # and does not wait for a writer
        load_glb(tmp_path / "pipe.glb")
    with pytest.raises(InputError):
        load_glb(Path("/dev/zero"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, 10_000))
def test_truncated_files_are_always_refused(length, tmp_path):
    content = valid_glb()[: length % len(valid_glb())]
    assert_refused(content, tmp_path)
    patched = content[:8] + struct.pack("<I", len(content)) + content[12:]  # the header agrees with the cut
    if len(content) >= 12:
        assert_refused(patched, tmp_path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6),
    region=st.sampled_from([(0.0, 1.0), (0.0, 0.05), (0.0, 0.3)]),
)
def test_flipped_bytes_are_read_or_refused(flips, region, tmp_path):
    content = bytearray(valid_glb())
    for where, value in flips:
        content[int((region[0] + where * (region[1] - region[0])) * len(content))] ^= value
    report = read_or_refuse(bytes(content), tmp_path)
    if report is not None:
        assert report.faces > 0
        assert np.isfinite(report.bounds_m).all()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choice=st.floats(0, 1, exclude_max=True), value=json_values)
def test_any_value_anywhere_in_the_description_is_read_or_refused(choice, value, tmp_path):
    document, binary = split_glb(valid_glb())
    document["asset"].pop("extras", None)
    paths = [path for path in all_paths(document) if "extras/" not in path]
    changed = set_at(document, paths[int(choice * len(paths))], value)
    read_or_refuse(join_glb(changed, binary), tmp_path)


@pytest.mark.parametrize(("depth", "is_read"), [(60, True), (70, False), (700, False)])
def test_extras_may_be_nested_but_not_without_end(tmp_path, depth, is_read):
    document, binary = split_glb(valid_glb())
    nested: object = 1
    for level in range(depth):
        nested = [nested] if level % 2 else {"a": nested}
    document["nodes"][0]["extras"] = {"deep": nested}
    if is_read:
        assert read(join_glb(document, binary), tmp_path).provenance == {"deep": nested}
    else:
        assert_refused(join_glb(document, binary), tmp_path, "nested more than 64 deep")
