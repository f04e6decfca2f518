"""The doctor's report."""

import importlib.metadata
import json
import platform
import tomllib
from pathlib import Path

import pytest
import torch

from dream3d.cli import main
from dream3d.doctor import EXTRAS, Finding, diagnose, format_findings


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose()}


def test_it_names_what_is_there(findings: dict[str, Finding]) -> None:
    assert findings["python"].value.startswith(platform.python_version())
    assert findings["torch"].value == torch.__version__
    assert findings["device"].value.startswith("cuda" if torch.cuda.is_available() else "cpu")
    assert findings["threads"].value == str(torch.get_num_threads())


def test_every_choice_has_a_reason(findings: dict[str, Finding]) -> None:
    for name in ("device", "threads", "kernels cpu", "kernels cuda", "tinycudann", "nerfacc", "nvdiffrast"):
        assert findings[name].why, name


def test_nothing_that_is_required_is_missing(findings: dict[str, Finding]) -> None:
    assert [finding for finding in findings.values() if finding.status == "problem"] == []


def test_every_extra_is_listed_with_the_library_that_it_installs(findings: dict[str, Finding]) -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"docs", "dev"}
    for extra, (library, _) in EXTRAS.items():
        assert [requirement.split(">=")[0] for requirement in extras[extra]] == [library]
        finding = findings[f"extra {extra}"]
        try:
            assert finding.value == f"{library} {importlib.metadata.version(library)}"
        except importlib.metadata.PackageNotFoundError:
            assert f"pip install 'dream3d[{extra}]'" in finding.why


def test_the_report_is_one_line_each() -> None:
    made = [Finding("a", "ok", "1"), Finding("long name", "problem", "missing", "do this")]
    assert format_findings(made).splitlines() == [
        "ok       a          1",
        "problem  long name  missing  (do this)",
    ]


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str], findings: dict[str, Finding]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in report] == list(findings)
    assert set(report[0]) == {"name", "status", "value", "why"}
