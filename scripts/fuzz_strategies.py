"""Inputs that somebody else damaged on purpose: Hypothesis strategies of bytes, made out of whole inputs."""

import json
import struct
from collections.abc import Sequence
from typing import Any, cast

from hypothesis import strategies as st

CANARY = "canary-8d1f03"  # the content of every file that nobody may read

# Words that mean something to some parser, one a line.
_TEXTS = r"""
a red mushroom
a blue chair, with a golden seat
# a
a # b
"
'
\
`id`
$(id)
{0}
%s%n
{{}}
<script>alert(1)</script>
'; DROP TABLE a; --
=1+1
../../a
a/../../b
../outside/secret.txt
../../outside/model.safetensors
/etc/passwd
file:///etc/passwd
https://example.com/a
__import__('os').system('touch ran')
-
--
--help
-o
--version
--config
=
--seed=1
true
null
None
~
NaN
1e999
-1e999
0
-0
1.5
1_0
0x_
0b_
0o9
._
+.inf
1:99:99
2001-99-99
2001-01-01 99:99:99
!!python/object/apply:os.system ['id']
!!python/object/apply:eval ["__import__('os').system('touch ran')"]
!!binary x
!!int x
!!float x
!!float ''
!!null x
!!timestamp x
!!set {a}
!!omap [a]
<<: *a
*a
&a
&a [*a]
&a {coarse: *a}
{coarse: &b {guidance: *b}}
{*a : 1}
"""
_LETTERS = ("\t", "\n", "\r\n", "\0", "\x1b[31m", "\x85", "\ufeff", "\ud800", "\u202e", "e\u0301" * 80)
_LONG = ("9" * 5000, "1" * 400, "a" * 299, "a" * 301, "a " * 200, "mushroom " * 60, "\u0130" * 150)
_DEEP = ("(" * 300, "[" * 3000, "{" * 3000, "{a: " * 2000, "- " * 3000, "? " * 2000)
HOSTILE_TEXTS = ("", " ", *_TEXTS.strip().split("\n"), *_LETTERS, *_LONG, *_DEEP)
_SIZES = (0, 1, -1, 2, 3, 7, 255, 1 << 16, 1 << 20, (1 << 31) - 1, 1 << 32, 1 << 40, 1 << 63, 10**30, 10**400)
HOSTILE_NUMBERS = (*_SIZES, 0.5, -0.0, 1e-320, 1e30, 1e308, float("inf"), float("-inf"), float("nan"))

hostile_text = st.one_of(st.sampled_from(HOSTILE_TEXTS), st.sampled_from(HOSTILE_TEXTS), st.text(max_size=40))
hostile_scalar = st.one_of(
    hostile_text,
    hostile_text,
    st.sampled_from(HOSTILE_NUMBERS),
    st.integers(),
    st.floats(),
    st.none() | st.booleans(),
)
hostile_value = st.recursive(
    hostile_scalar,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile_text, inner, max_size=3),
    max_leaves=5,
)
place = st.floats(0, 1, exclude_max=True)  # where in something of any length


@st.composite
def words(draw: st.DrawFn, options: Sequence[str]) -> bytes:
    """A prompt and a few options with values, a null byte between two words."""
    prompt = draw(hostile_text) if draw(st.booleans()) else f"a red mushroom {draw(hostile_text)}"
    found = [prompt.replace("\0", " ")]
    for option in draw(st.lists(st.sampled_from(options), max_size=3)):
        value = str(draw(hostile_scalar)).replace("\0", "")
        found += [f"{option}={value}"] if draw(st.booleans()) else [option, value]
    return "\0".join(found).encode("utf-8", "surrogatepass")


@st.composite
def overlays(draw: st.DrawFn, names: Sequence[str]) -> bytes:
    """YAML with settings of known names, and values as they come."""
    lines: list[str] = []
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)):
        *sections, key = name.split(".")
        if draw(st.booleans()):
            lines += ["  " * depth + f"{section}:" for depth, section in enumerate(sections)]
            lines.append("  " * len(sections) + f"{key}: {draw(hostile_scalar)}")
        else:
            lines.append(f"{name}: {draw(hostile_scalar)}")
    text = "\n".join(lines) + draw(st.sampled_from(("", "\n", "\n...", "\n---\na: 1")))
    return (draw(hostile_text) if draw(st.integers(0, 3)) == 0 else text).encode("utf-8", "surrogatepass")


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with a few bytes flipped, cut out, doubled, or put in."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        start = int(draw(place) * (len(changed) + 1))
        match draw(st.sampled_from(("flip", "put", "cut", "double", "end", "text"))):
            case "flip" if start < len(changed):
                changed[start] ^= draw(st.integers(1, 255))
            case "put":
                changed[start:start] = draw(st.binary(min_size=1, max_size=8))
            case "cut":
                del changed[start : start + draw(st.integers(1, 64))]
            case "double":
                piece = changed[start : start + draw(st.integers(1, 64))]
                changed[start:start] = piece * draw(st.sampled_from((1, 2, 50)))
            case "end":
                del changed[start:]
            case "text":
                changed[start:start] = draw(hostile_text).encode("utf-8", "replace")
            case _:
                pass
    return bytes(changed)


@st.composite
def damaged_document(draw: st.DrawFn, document: object) -> Any:
    """A JSON document with up to three entries replaced, removed, added, or exchanged."""
    changed = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(changed))
        if not places:
            return draw(hostile_value)
        parent, key = places[int(draw(place) * len(places))]
        match draw(st.sampled_from(("put", "put", "put", "scale", "remove", "add", "wrap", "swap"))):
            case "put":
                parent[key] = draw(hostile_value)
            case "scale" if isinstance(parent[key], int):
                parent[key] = int(parent[key]) * draw(st.sampled_from((-1, 0, 2, 1000, 100_000)))
            case "remove":
                del parent[key]
            case "add" if isinstance(parent, dict):
                parent[draw(hostile_text)] = draw(hostile_value)
            case "wrap":
                parent[key] = [parent[key]] * draw(st.sampled_from((1, 2, 300)))
            case "swap":
                other, name = places[int(draw(place) * len(places))]
                parent[key] = json.loads(json.dumps(other[name])) if name in _keys(other) else None
            case _:
                pass
    return changed


def damaged_json(content: bytes) -> st.SearchStrategy[bytes]:
    """JSON whose values are damaged, or whose text is."""
    document = damaged_document(json.loads(content)).map(_to_json)
    deep = st.sampled_from((b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"9" * 5000 + b"}", b"\xff\xfe"))
    return st.one_of(document, document, document, damaged_bytes(content), deep)


def damaged_safetensors(content: bytes) -> st.SearchStrategy[bytes]:
    """Weights whose header is damaged, or whose length is, or some byte."""
    end = 8 + struct.unpack_from("<Q", content)[0]

    def joined(header: object) -> bytes:
        text = _to_json(header)
        return struct.pack("<Q", len(text)) + text + content[end:]

    header = damaged_document(json.loads(content[8:end])).map(joined)
    lengths = st.sampled_from((0, 1, end - 9, end - 7, 1 << 31, 1 << 40, (1 << 64) - 1))
    length = lengths.map(lambda size: struct.pack("<Q", size) + content[8:])
    return st.one_of(header, header, length, damaged_bytes(content[: end + 512]), damaged_bytes(content))


def damaged_checkpoint(content: bytes) -> st.SearchStrategy[bytes]:
    """A state whose outline is damaged, the JSON inside the header; or the file around it."""
    end = 8 + struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8:end])

    def joined(outline: object) -> bytes:
        text = _to_json(header | {"__metadata__": {"state": _to_json(outline).decode()}})
        return struct.pack("<Q", len(text)) + text + content[end:]

    outline = damaged_document(json.loads(header["__metadata__"]["state"])).map(joined)
    return st.one_of(outline, outline, damaged_safetensors(content))


def damaged_glb(content: bytes) -> st.SearchStrategy[bytes]:
    """A .glb whose description is damaged, or its data, with a header that fits; or any byte of it."""
    size = struct.unpack_from("<I", content, 12)[0]
    text, data = content[20 : 20 + size], content[20 + size + 8 :]

    def joined(text: bytes, data: bytes) -> bytes:
        text += b" " * (-len(text) % 4)
        head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(data))
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942)
        return head + chunks + data

    described = damaged_json(text).map(lambda changed: joined(changed, data))
    with_data = damaged_bytes(data).map(lambda changed: joined(text, changed))
    return st.one_of(described, described, described, with_data, damaged_bytes(content))


@st.composite
def damaged_lines(draw: st.DrawFn, content: bytes) -> bytes:
    """Text with lines replaced by hostile ones, repeated, cut or exchanged."""
    lines = content.decode("utf-8").split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = int(draw(place) * len(lines)) if lines else 0
        match draw(st.sampled_from(("put", "word", "repeat", "cut", "indent"))):
            case "put":
                lines[at:at] = [draw(hostile_text)]
            case "word":
                parts = (lines[at] if lines else "").split(" ")
                parts[int(draw(place) * len(parts))] = str(draw(hostile_scalar))
                lines[at : at + 1] = [" ".join(parts)]
            case "repeat":
                lines[at:at] = lines[at : at + 1] * draw(st.sampled_from((1, 3, 2000)))
            case "cut":
                del lines[at : at + 1]
            case _:
                lines[at : at + 1] = [" " * draw(st.integers(1, 8)) + line for line in lines[at : at + 1]]
    return "\n".join(lines).encode("utf-8", draw(st.sampled_from(("replace", "surrogatepass"))))


def _to_json(document: object) -> bytes:
    """Numbers beyond all bounds and halves of letters too, as a hostile writer would."""
    try:
        return json.dumps(document).encode()
    except ValueError:  # an integer of more digits than Python writes
        return json.dumps(str(type(document))).encode()


def _keys(parent: object) -> Any:
    return range(len(parent)) if isinstance(parent, list) else list(cast(dict[str, Any], parent))


def _places(value: Any) -> Any:
    """(parent, key) of every entry of a document."""
    if isinstance(value, dict | list):
        for key in _keys(value):
            yield value, key
            yield from _places(value[key])
