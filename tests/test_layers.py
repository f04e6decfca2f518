"""The direction of imports and the budgets of CONTRIBUTING.md, read from the source with ast."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dream3d"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))

# From the leaves upwards. A unit is a module or a package directly under dream3d/.
LAYERS = [
    {"math", "config", "stage_config", "errors", "events", "extras", "inputs"},
    {"cameras", "mesh", "ops"},
    {"scene", "prior"},
    {"render", "guidance"},
    {"optimize", "extract", "bake", "detail", "export", "preview", "metrics", "checkpoint"},
    {"asset", "finish"},
    {"generate", "refine"},
    {"evaluate"},
    {
        "cli",
        "cli_eval",
        "cli_preview",
        "cli_refine",
        "cli_asset",
        "app",
        "batch",
        "overlays",
        "progress",
        "doctor",
    },
]
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}
STRANGERS = [{"scene", "prior"}, {"render", "guidance"}]  # same layer, must not know each other

# A few lines of slack over what CONTRIBUTING.md asks for: the limits are for people, not for the counter.
MAX_FILE_LINES = 320
MAX_FUNCTION_LINES = 60
VAGUE_NAMES = {"utils", "util", "helpers", "common", "manager", "base", "misc"}


def module_name(path: Path) -> str:
    """`dream3d/ops/hash_grid.py` -> `dream3d.ops.hash_grid`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in FILES}


def unit_of(module: str) -> str:
    """The module or package directly under dream3d/, or "" for dream3d itself."""
    return [*module.split("."), ""][1]


def imports_of(tree: ast.Module, module: str, is_package: bool = False) -> set[str]:
    """Every dream3d module that a file imports, wherever in it the import stands."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                origin = ".".join([*package[: len(package) - node.level + 1], *filter(None, [origin])])
            # `from dream3d import mesh` imports a module, `from dream3d.mesh import Mesh` a name of one.
            inner = {f"{origin}.{alias.name}" for alias in node.names}
            found |= (inner & MODULES) or {origin}
    return {name for name in found if name.split(".")[0] == "dream3d"}


def edges() -> Iterator[tuple[str, str]]:
    """(importer, imported) over the package; dream3d itself only re-exports and takes no part."""
    for path in FILES:
        module = module_name(path)
        if module == "dream3d":
            continue
        for imported in imports_of(tree_of(path), module, path.name == "__init__.py"):
            if imported != "dream3d":
                yield module, imported


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text())


def trees(paths: list[Path]) -> Iterator[tuple[Path, ast.Module]]:
    """Every file, relative to the repository, with its syntax tree."""
    for path in paths:
        yield path.relative_to(ROOT), tree_of(path)


def imports_ctypes(node: ast.AST) -> bool:
    """True for `import ctypes` and `from ctypes import ...`."""
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == "ctypes" for alias in node.names)
    return isinstance(node, ast.ImportFrom) and node.module == "ctypes"


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


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import dream3d.mesh", {"dream3d.mesh"}),
        ("from dream3d import mesh", {"dream3d.mesh"}),
        ("from dream3d import __version__", {"dream3d"}),
        ("from dream3d.ops.hash_grid import hash_grid", {"dream3d.ops.hash_grid"}),
        ("from dream3d.prior import Prior, codec", {"dream3d.prior.codec"}),
        ("from . import shading", {"dream3d.render.shading"}),
        ("from .shading import name", {"dream3d.render.shading"}),
        ("from ..mesh import Mesh", {"dream3d.mesh"}),
        ("def f():\n    from dream3d.prior import Prior", {"dream3d.prior"}),
        ("import torch\nfrom numpy import dream3d", set()),
    ],
)
def test_the_reader_of_imports_sees_every_form(source: str, expected: set[str]) -> None:
    assert imports_of(ast.parse(source), "dream3d.render.volume") == expected


def test_every_unit_has_a_layer() -> None:
    units = {unit_of(module_name(path)) for path in FILES} - {"", "props"}
    assert units <= set(LEVEL), f"give these a place in LAYERS: {sorted(units - set(LEVEL))}"


def test_imports_go_downwards_only() -> None:
    upwards = [
        f"{importer} -> {imported}"
        for importer, imported in edges()
        if unit_of(importer) != "props"
        and unit_of(imported) != "props"
        and LEVEL[unit_of(imported)] > LEVEL[unit_of(importer)]
    ]
    assert upwards == []


def test_scene_and_prior_and_render_and_guidance_do_not_know_each_other() -> None:
    met = [
        f"{importer} -> {imported}"
        for importer, imported in edges()
        for pair in STRANGERS
        if {unit_of(importer), unit_of(imported)} == pair
    ]
    assert met == []


def test_props_import_only_mesh_and_math() -> None:
    outside = {unit_of(imported) for importer, imported in edges() if unit_of(importer) == "props"} - {
        "props"
    }
    assert outside <= {"mesh", "math", "errors"}


def test_generation_can_never_look_a_shape_up() -> None:
    readers = {unit_of(importer) for importer, imported in edges() if unit_of(imported) == "props"} - {
        "props"
    }
    assert readers <= {"metrics"}
    pairs = list(edges())
    reached, waiting = set(), ["dream3d.generate"]
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting += [
            imported for importer, imported in pairs if importer == module and imported not in reached
        ]
    assert {unit_of(module) for module in reached} & {"props", "metrics", "evaluate"} == set()
    words = [
        str(path)
        for path in FILES
        if unit_of(module_name(path)) == "generate" and "props." in path.read_text()
    ]
    assert words == []


def test_there_are_no_cycles() -> None:
    graph: dict[str, set[str]] = {}
    for importer, imported in edges():
        # A package's own modules reach each other through full names: an edge to the package is its __init__.
        graph.setdefault(importer, set()).add(imported)
    finished: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module in finished:
            return
        for imported in sorted(graph.get(module, ())):
            visit(imported, (*trail, module))
        finished.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_only_ops_know_ctypes_and_only_the_loader_opens_a_library() -> None:
    for path, tree in trees(FILES):
        names = {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        assert "ctypes" not in names or path.parts[1] == "ops", path
    openers = {
        place for place, name in calls(FILES) if name.rsplit(".", 1)[-1] in {"CDLL", "PyDLL", "LoadLibrary"}
    }
    assert {place.split(":")[0] for place in openers} <= {"dream3d/ops/_library.py"}


def test_only_the_command_line_prints() -> None:
    assert [
        place
        for place, name in calls(FILES)
        if name == "print" and not place.startswith(("dream3d/cli.py", "dream3d/cli_"))
    ] == []


def test_nothing_touches_global_random_state_or_defaults() -> None:
    forbidden = {
        "torch.manual_seed",
        "torch.set_default_device",
        "torch.set_default_dtype",
        "torch.cuda.manual_seed",
        "torch.cuda.manual_seed_all",
        "np.random.seed",
        "numpy.random.seed",
        "random.seed",
    }
    assert [f"{place} {name}" for place, name in calls(FILES) if name in forbidden] == []


def test_nothing_can_run_code_from_a_file() -> None:
    forbidden = {
        "torch.load",
        "pickle.load",
        "pickle.loads",
        "eval",
        "exec",
        "yaml.load",
        "np.load",
        "numpy.load",
    }
    assert [f"{place} {name}" for place, name in calls(FILES + SCRIPTS) if name in forbidden] == []


def test_files_stay_short() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES + SCRIPTS}
    assert {path: lines for path, lines in long.items() if lines > MAX_FILE_LINES} == {}


def test_functions_stay_short() -> None:
    long = {
        f"{path}:{node.name}": lines
        for path, tree in trees(FILES + SCRIPTS)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_inheritance_is_one_deep() -> None:
    bases = {
        node.name: {dotted(base).rsplit(".", 1)[-1] for base in node.bases}
        for _, tree in trees(FILES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    deep = [
        name for name, parents in bases.items() for parent in parents if bases.get(parent, set()) & set(bases)
    ]
    assert deep == []


def test_modules_are_named_for_what_they_hold() -> None:
    assert [str(path.relative_to(ROOT)) for path in FILES if path.stem.lstrip("_") in VAGUE_NAMES] == []


def test_every_folder_is_a_package_that_says_what_it_is_for() -> None:
    for folder in {path.parent for path in FILES}:
        source = folder / "__init__.py"
        assert source.is_file(), f"{folder} lacks __init__.py"
        assert ast.get_docstring(tree_of(source)), source
