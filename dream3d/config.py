"""Every setting of a run: frozen dataclasses whose defaults are the `standard` effort.

The dataclasses are the only schema. `configs/*.yaml` hold differences from these defaults, and both the
overlays and the command line go through one parser (see `dream3d.overlays`). A stage takes its own section,
never the whole `Config`. A flag in `tyro.conf.arg(aliases=...)` is the short everyday name of a field;
`--section.field` always works too. Impossible values are refused in `__post_init__` with an `InputError`.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from dream3d.errors import InputError


@dataclass(frozen=True)
class ExtractConfig:
    """From the field to a clean triangle mesh."""

    target_faces: Annotated[int, tyro.conf.arg(aliases=["--target-faces"])] = 5000
    """Triangles of the finished mesh, at most."""

    def __post_init__(self) -> None:
        if not 4 <= self.target_faces <= 1_000_000:
            raise InputError(f"--target-faces must be between 4 and 1000000, not {self.target_faces}")


@dataclass(frozen=True)
class BakeConfig:
    """From the field's colours to a texture."""

    texture_size: Annotated[int, tyro.conf.arg(aliases=["--texture-size"])] = 512
    """Side of the square base colour texture in texels, a power of two."""

    def __post_init__(self) -> None:
        size = self.texture_size
        if not 64 <= size <= 4096 or size & (size - 1):
            raise InputError(f"--texture-size must be a power of two from 64 to 4096, not {size}")


@dataclass(frozen=True)
class ExportConfig:
    """How the asset sits in the world of the engine that loads it."""

    height_m: Annotated[float, tyro.conf.arg(aliases=["--height"])] = 1.0
    """Height of the asset in metres."""
    origin: Annotated[Literal["bottom", "center"], tyro.conf.arg(aliases=["--origin"])] = "bottom"
    """Where the pivot is: under the asset, or at the centre of its bounding box."""

    def __post_init__(self) -> None:
        if not 1e-3 <= self.height_m <= 1e4:
            raise InputError(f"--height must be between 0.001 and 10000 metres, not {self.height_m}")


@dataclass(frozen=True)
class CoarseConfig:
    """Distillation of the prior into a radiance field."""

    num_steps: int = 400
    """Optimisation steps."""
    num_views: int = 4
    """Views rendered in each step, spread evenly around the object."""

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise InputError(f"--coarse.num-steps must be at least 1, not {self.num_steps}")
        if self.num_views < 1:
            raise InputError(f"--coarse.num-views must be at least 1, not {self.num_views}")


@dataclass(frozen=True)
class Config:
    """All settings of one run but the prompt and the output file."""

    prior: str = "props"
    """Diffusion prior: `props` (built in), a diffusers folder, or a hub id."""
    negative_prompt: str = ""
    """What the asset should not look like."""
    seed: int = 0
    """Same seed, same settings, same machine: same asset."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; `auto` takes a GPU when one is there."""
    extract: ExtractConfig = field(default_factory=ExtractConfig)
    bake: BakeConfig = field(default_factory=BakeConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    coarse: CoarseConfig = field(default_factory=CoarseConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed must be between 0 and {2**32 - 1}, not {self.seed}")
