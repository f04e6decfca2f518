"""The budgets of CONTRIBUTING.md and what no code of ours may call, read from the source with ast."""

import ast

from source_trees import FILES, ROOT, SCRIPTS, calls, dotted, tree_of, trees

MAX_FILE_LINES = 320  # some slack over what CONTRIBUTING.md asks for: that is for people, not for the counter
MAX_FUNCTION_LINES = 50
VAGUE_NAMES = {"utils", "util", "helpers", "common", "manager", "base", "misc"}


def imports_ctypes(node: ast.AST) -> bool:
    """True for `import ctypes` and `from ctypes import ...`."""
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == "ctypes" for alias in node.names)
    return isinstance(node, ast.ImportFrom) and node.module == "ctypes"


def test_only_ops_know_ctypes_and_only_the_loader_opens_a_library() -> None:
    for path, tree in trees(FILES):
        assert path.parts[1] == "ops" or not any(imports_ctypes(node) for node in ast.walk(tree)), path
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


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_functions_stay_short() -> None:
    """Not counting what they say of themselves."""
    long = {
        f"{path}:{node.name}": lines
        for path, tree in trees(FILES + SCRIPTS)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (lines := lines_of(node) - (lines_of(node.body[0]) if ast.get_docstring(node) else 0))
        > MAX_FUNCTION_LINES
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
