"""The Khronos glTF validator, where a checkout has it."""

import json
import shutil
import subprocess
from pathlib import Path

_SCRIPT = Path(__file__).resolve().parents[2] / "tests" / "validate_glb.mjs"
_TIMEOUT_S = 60
_SEVERITIES = ("numErrors", "numWarnings", "numInfos", "numHints")


def validator_findings(path: Path) -> int | None:
    """Issues of any severity in a .glb; None where node or its validator package is not installed."""
    node = shutil.which("node")
    if node is None or not _SCRIPT.is_file():
        return None
    command = [node, str(_SCRIPT), str(path.resolve())]
    try:
        # Our own script, no shell; the path is an argument.
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=True)  # noqa: S603
        issues = json.loads(done.stdout)
        return sum(int(issues[severity]) for severity in _SEVERITIES)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None
