"""What pyproject.toml, constraints.txt, the Makefile and the public names promise."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import dream3d

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKE = shutil.which("make")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(MAKE), "--no-print-directory", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def requirements() -> list[Requirement]:
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    return [Requirement(line) for line in [*PROJECT["dependencies"], *extras]]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): pinned for name, pinned in pairs}


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_every_dependency_is_pinned_within_its_range(requirement: Requirement) -> None:
    assert requirement.specifier.contains(Version(pins()[canonicalize_name(requirement.name)]))


def test_no_dependency_has_an_upper_bound_or_an_address() -> None:
    for requirement in requirements():
        assert requirement.url is None
        assert {specifier.operator for specifier in requirement.specifier} == {">="}


def test_the_pinned_torch_has_no_local_build_name() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", pins()["torch"])


def test_no_file_of_the_setup_names_a_place_to_download_from() -> None:
    words = ("index-url", "find-links", "trusted-host", "file://", "http://")
    for name in ("Makefile", "constraints.txt", "pyproject.toml", ".ci/run"):
        text = (ROOT / name).read_text()
        assert [word for word in words if word in text] == [], name


def test_the_command_is_installed() -> None:
    (script,) = [entry for entry in entry_points(group="console_scripts") if entry.name == "dream3d"]
    assert script.value == "dream3d.cli:main"
    assert dream3d.__version__ == version("dream3d") == PROJECT["version"]


def test_the_public_names_are_what_the_package_says() -> None:
    functions = {"generate", "load_config", "load_model", "refine"}
    classes = {"Asset", "Config", "Event", "Mesh", "PaintConfig", "Pipeline", "Prior", "Run"}
    errors = {"InputError", "RunError", "StoppedError"}
    assert set(dream3d.__all__) == functions | classes | errors | {"__version__"}
    for name in dream3d.__all__:
        assert getattr(dream3d, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = dream3d.nonsense


def test_functions_stay_functions_after_their_modules_are_imported() -> None:
    from dream3d.generate import generate
    from dream3d.refine import refine

    assert dream3d.generate is generate
    assert dream3d.refine is refine


def test_importing_the_package_does_not_import_torch() -> None:
    heavy = ("torch", "diffusers", "transformers", "PIL", "trimesh", "numpy")
    code = f"import sys, dream3d, dream3d.cli; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.skipif(MAKE is None, reason="make is not installed")
def test_make_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, flags=re.M)
    listed = make("help").stdout
    names = [line.split()[0] for line in listed.splitlines() if not line.startswith("make")]
    assert set(names) == set(phony.split())


@pytest.mark.skipif(MAKE is None, reason="make is not installed")
def test_a_prompt_reaches_the_program_as_it_is(tmp_path: Path) -> None:
    # The recipe's own lines, with the program replaced by one that shows what it was given.
    trap = tmp_path / "trap"
    prompt = f"""it's a "red" mushroom; $(touch {trap}) `touch {trap}` \\ $HOME"""
    program = tmp_path / "bin" / "dream3d"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >&2\n')
    program.chmod(0o755)
    for stamp in (
        "bin/python",
        "installed",
        "kernels",
    ):  # newer than anything they depend on: nothing to make
        (tmp_path / stamp).touch()
    variables = {"BIN": "bin", "INSTALLED": "installed", "KERNELS": "kernels"}
    arguments = [f"{name}={tmp_path / path}" for name, path in variables.items()]
    arguments += [f"OUT={tmp_path}", "PROMPT=" + prompt.replace("$", "$$")]
    done = make("demo", *arguments)
    assert done.stderr.splitlines()[:2] == ["generate", prompt]
    assert f"picture: {tmp_path}/it-s-a-red-mushroom-touch-" in done.stdout
    assert not trap.exists()
