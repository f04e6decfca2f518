"""The Khronos glTF validator, where a checkout has it."""

import json
import shutil
import subprocess
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[2] / "tests"
_TIMEOUT_S = 60
_SEVERITIES = ("numErrors", "numWarnings", "numInfos", "numHints")


def find_validator() -> list[str] | None:
    """The command that validates a file; None where node or the validator's package is not installed."""
    node, script = shutil.which("node"), _TESTS / "validate_glb.mjs"
    is_there = script.is_file() and (_TESTS / "node_modules" / "gltf-validator").is_dir()
    return [node, str(script)] if node and is_there else None


def validator_findings(path: Path) -> int | None:
    """Issues of any severity in a .glb; None where there is no validator or it does not answer."""
    command = find_validator()
    if command is None:
        return None
    try:
        # Our own script, no shell; the path is an argument.
        done = subprocess.run(  # noqa: S603
            [*command, str(path.resolve())], capture_output=True, timeout=_TIMEOUT_S, check=True
        )
        issues = json.loads(done.stdout)
        return sum(int(issues[severity]) for severity in _SEVERITIES)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None
