"""A small valid .glb, and .glb files taken apart and put together byte by byte."""

import json
import struct
from functools import cache

from analytic_fields import make_figure

from dream3d.export.glb import encode_glb


@cache
def valid_glb() -> bytes:
    """A small valid file."""
    figure = make_figure(target_faces=60, texture_size=64)
    return encode_glb(figure)


def split_glb(content: bytes) -> tuple[dict, bytes]:
    """The description and the binary chunk."""
    length = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[20 : 20 + length]), content[20 + length + 8 :]


def join_glb(document: object, binary: bytes) -> bytes:
    """A file of any description, or of bytes in its place, with a header that fits."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIIII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(binary), len(text), 0x4E4F534A)
    return head + text + struct.pack("<II", len(binary), 0x004E4942) + binary
