"""The Khronos glTF validator, an npm package."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def validate(*paths: Path) -> list[dict]:
    """Reports of the Khronos validator."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed: the Khronos validator did not run")
    if not (HERE / "node_modules" / "gltf-validator").is_dir():
        pytest.fail("the Khronos validator is missing: run 'npm ci' in the folder tests (or 'make test')")
    command = ["node", "validate_glb.mjs", *map(str, paths)]
    result = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in result.stdout.splitlines()]
