"""What tests of hostile .glb files share: values to put anywhere, and what must become of the files."""

from pathlib import Path

import pytest
from hypothesis import strategies as st

from dream3d.errors import InputError
from dream3d.export.inspect import AssetReport, inspect

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def read(content: bytes, folder: Path):
    path = folder / "a.glb"
    path.write_bytes(content)
    return inspect(path)


def assert_refused(content: bytes, folder: Path, match: str | None = None) -> None:
    with pytest.raises(InputError, match=match) as error:
        read(content, folder)
    assert "\n" not in str(error.value)
    assert "a.glb" in str(error.value)


def read_or_refuse(content: bytes, folder: Path) -> AssetReport | None:
    """The report, or None where the file was refused; any other exception is a failure of the test."""
    try:
        return read(content, folder)
    except InputError:
        return None


def set_at(document: dict, path: str, value: object) -> dict:
    """Replace (or delete, with the value ...) the entry at a path such as "accessors/0/count"."""
    *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    place = document
    for key in parents:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def all_paths(value: object, prefix: str = "") -> list[str]:
    """Paths of every entry in a JSON document."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    )
    paths = []
    for key, inner in entries:
        paths += [f"{prefix}{key}", *all_paths(inner, f"{prefix}{key}/")]
    return paths
