"""three.js' GLTFLoader under node: what web pages will see of a file."""

import base64
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dream3d.mesh import Mesh

HERE = Path(__file__).parent


@dataclass(frozen=True)
class ThreeNode:
    """A mesh as three.js holds it."""

    name: str
    mesh: Mesh
    material: dict  # type, factors, and slots: slot -> name, size, sha256 of the file, color space
    extras: dict
    matrix: np.ndarray  # [4, 4] to the world


def read_three(*paths: Path) -> list[list[list[ThreeNode]]]:
    """Nodes of every scene of every file; the first scene is the one that is shown."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed: three.js did not run")
    if not (HERE / "node_modules" / "three").is_dir():
        pytest.fail("three.js is missing: run 'npm ci' in the folder tests (or 'make test')")
    command = ["node", "read_three.mjs", *(str(path.absolute()) for path in paths)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # nor a word of complaint
    files = [json.loads(line) for line in done.stdout.splitlines()]
    assert [file["shown"] for file in files] == [0] * len(paths)
    return [[[_node(node) for node in scene["nodes"]] for scene in file["scenes"]] for file in files]


def _node(said: dict) -> ThreeNode:
    data = {
        name: np.frombuffer(base64.b64decode(text), np.float32).reshape(-1, width)
        for name, (width, text) in said["attributes"].items()
    }
    faces = np.frombuffer(base64.b64decode(said["index"]), np.uint32).astype(np.int32).reshape(-1, 3)
    mesh = Mesh(
        data["position"],
        faces,
        normals=data.get("normal"),
        uvs=data.get("uv"),
        tangents=data.get("tangent"),
    )
    matrix = np.reshape(said["matrix"], (4, 4)).T
    return ThreeNode(said["name"], mesh, said["material"], said["extras"], matrix)
