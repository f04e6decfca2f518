"""The source of the package and the scripts, read with ast by the tests of its rules."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dream3d"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))


def module_name(path: Path) -> str:
    """`dream3d/ops/hash_grid.py` -> `dream3d.ops.hash_grid`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in FILES}


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text())


def trees(paths: list[Path]) -> Iterator[tuple[Path, ast.Module]]:
    """Every file, relative to the repository, with its syntax tree."""
    for path in paths:
        yield path.relative_to(ROOT), tree_of(path)


def dotted(node: ast.AST) -> str:
    """`torch.manual_seed` for the expression of that name, "" for others."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """(place, dotted name) of every call."""
    for path, tree in trees(paths):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield f"{path}:{node.lineno}", dotted(node.func)
