"""The direction of imports of CONTRIBUTING.md, read from the source with ast."""

import ast
from collections.abc import Iterator

import pytest
from source_trees import FILES, MODULES, module_name, tree_of

# From the leaves upwards. A unit is a module or a package directly under dream3d/.
LAYERS = [
    {"math", "config", "stage_config", "errors", "events", "extras", "inputs"},
    {"checkpoint", "optimizer_state"},
    {"cameras", "mesh", "ops", "things"},
    {"scene", "prior"},
    {"render", "guidance"},
    {"optimize", "extract", "bake", "detail", "export", "preview", "metrics", "run_record", "run_folder"},
    {"asset", "finish", "stages", "shape"},
    {"generate", "refine"},
    {"pipeline"},
    {"evaluate"},
    {
        "cli",
        "cli_batch",
        "cli_demo",
        "cli_eval",
        "cli_generate",
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


def test_props_import_only_mesh_math_and_things() -> None:
    outside = {unit_of(imported) for importer, imported in edges() if unit_of(importer) == "props"} - {
        "props"
    }
    assert outside <= {"mesh", "math", "errors", "things"}


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
