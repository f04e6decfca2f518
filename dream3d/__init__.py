"""Text to game-ready 3D assets.

    asset = dream3d.generate("a red mushroom")
    asset.save("mushroom.glb")

The names below are the public interface. They are imported when first used, so `import dream3d` (and with it
`dream3d --help`) does not wait for torch.
"""

import os
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dream3d.asset import Asset
    from dream3d.config import Config
    from dream3d.errors import InputError, RunError, StoppedError
    from dream3d.events import Event
    from dream3d.export.load_model import load_model
    from dream3d.generate import generate
    from dream3d.mesh import Mesh
    from dream3d.overlays import load_config
    from dream3d.pipeline import Pipeline, Run
    from dream3d.prior import Prior
    from dream3d.refine import refine
    from dream3d.stage_config import PaintConfig

# Read by OpenMP when torch is first imported. Idle threads that spin, its default, take the cores from the
# kernels' own threads and from whatever else runs: on a busy machine a step then takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = [
    "Asset",
    "Config",
    "Event",
    "InputError",
    "Mesh",
    "PaintConfig",
    "Pipeline",
    "Prior",
    "Run",
    "RunError",
    "StoppedError",
    "__version__",
    "generate",
    "load_config",
    "load_model",
    "refine",
]

_HOME = {
    "Asset": "dream3d.asset",
    "Config": "dream3d.config",
    "Event": "dream3d.events",
    "InputError": "dream3d.errors",
    "Mesh": "dream3d.mesh",
    "PaintConfig": "dream3d.stage_config",
    "Pipeline": "dream3d.pipeline",
    "Prior": "dream3d.prior",
    "Run": "dream3d.pipeline",
    "RunError": "dream3d.errors",
    "StoppedError": "dream3d.errors",
    "generate": "dream3d.generate",
    "load_config": "dream3d.overlays",
    "load_model": "dream3d.export.load_model",
    "refine": "dream3d.refine",
}

try:
    __version__ = version("dream3d")
except PackageNotFoundError:  # a checkout on the path that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'dream3d' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


class _Package(ModuleType):
    """Keep `dream3d.generate` the function when the module of the same name is imported.

    Python binds a submodule as an attribute of its package after importing it, which would hide the function.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
