"""Every setting of a run: frozen dataclasses whose defaults are the `standard` effort.

The dataclasses are the only schema. `configs/*.yaml` hold differences from these defaults, and both the
overlays and the command line go through one parser (see `dream3d.overlays`). A stage takes its own section,
never the whole `Config`; those of the stages that optimise are in `dream3d.stage_config`. A flag in
`tyro.conf.arg(aliases=...)` is the short everyday name of a field; `--section.field` always works too.
Impossible values are refused in `__post_init__` with an `InputError`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import tyro

from dream3d.errors import InputError
from dream3d.extras import check_extra
from dream3d.inputs import check_numbers, check_prompt
from dream3d.stage_config import CoarseConfig, GuidanceConfig, GuidanceMethod, RefineConfig

Collision = Literal["none", "unreal", "godot"]
"""Whose names the convex collision shapes in a file bear."""


Origin = Literal["bottom", "center", "source"]
"""Where the pivot of an asset is; "source" is for meshes that somebody else made."""


Compression = Literal["none", "meshopt"]
"""How meshes are packed: as they are, or by EXT_meshopt_compression, which the reader must know."""


Format = Literal["auto", "glb", "gltf", "obj", "usdz"]
"""The file that is written; "auto" goes by the ending of its name, .glb without one."""


ControlKind = Literal["normal", "depth"]
"""What a ControlNet is shown of the scene as it is now; it must be the kind that it was trained on."""


@dataclass(frozen=True)
class ExtractConfig:
    """From the field to a clean triangle mesh."""

    target_faces: Annotated[int, tyro.conf.arg(aliases=["--target-faces"])] = 5000
    """Triangles of the finished mesh, at most."""
    resolution: int = 128
    """Nodes of the density grid along each axis."""
    smoothing_voxels: float = 0.7
    """Gaussian smoothing of the logarithm of the density before the surface is cut, in grid cells. Of a field
    alone (`--refine.num-steps 0`): a refined surface is cut out of its distances."""
    smoothing_iterations: int = 8
    """Rounds of volume-preserving smoothing of the mesh."""
    min_volume_share: float = 0.01
    """Pieces smaller than this share of the largest piece's volume are floaters and go."""
    crease_angle_deg: float = 60.0
    """Edges sharper than this look sharp; 180 makes everything smooth."""

    def __post_init__(self) -> None:
        check_numbers(self, "extract")
        if not 4 <= self.target_faces <= 1_000_000:
            raise InputError(f"--target-faces must be between 4 and 1000000, not {self.target_faces}")
        if not 16 <= self.resolution <= 512:
            raise InputError(f"--extract.resolution must be between 16 and 512, not {self.resolution}")
        if not 0 <= self.smoothing_voxels <= 5:
            raise InputError(
                f"--extract.smoothing-voxels must be between 0 and 5, not {self.smoothing_voxels}"
            )
        if not 0 <= self.smoothing_iterations <= 100:
            raise InputError(
                f"--extract.smoothing-iterations must be between 0 and 100, not {self.smoothing_iterations}"
            )
        if not 0 <= self.min_volume_share <= 1:
            raise InputError(
                f"--extract.min-volume-share must be between 0 and 1, not {self.min_volume_share}"
            )
        if not 0 <= self.crease_angle_deg <= 180:
            raise InputError(f"--extract.crease-angle-deg must be from 0 to 180, not {self.crease_angle_deg}")


@dataclass(frozen=True)
class BakeConfig:
    """From the field's colours to a texture."""

    texture_size: Annotated[int, tyro.conf.arg(aliases=["--texture-size"])] = 512
    """Side of the square base colour texture in texels, a power of two."""
    padding_texels: int = 4
    """Free texels around each chart of the UV atlas, against bleeding in mip-maps; fewer in small
    textures."""
    samples: int = 5
    """Samples of the field along the normal of each texel; 1 reads the color on the surface itself, which is
    what is done after a refinement or painting, whatever this says."""
    depth: float = 0.04
    """Length of that stretch in scene units, one third of it outside the surface."""
    roughness: float = 0.8
    """Roughness of the material, 0 (mirror) to 1 (chalk), where it is not known what it is."""
    substance: bool = True
    """Let the prior tell what is of metal, glass, wood ..., and bake how it shines, if anything is."""
    normal_map: bool = False
    """Bake the normals of the surface before its triangles were reduced into a tangent-space normal map."""
    occlusion: bool = False
    """Bake how much of the sky each point sees, into one picture with roughness and metallic."""

    def __post_init__(self) -> None:
        check_numbers(self, "bake")
        size = self.texture_size
        if not 64 <= size <= 4096 or size & (size - 1):
            raise InputError(f"--texture-size must be a power of two from 64 to 4096, not {size}")
        if not 1 <= self.padding_texels <= 16:
            raise InputError(f"--bake.padding-texels must be between 1 and 16, not {self.padding_texels}")
        if not 1 <= self.samples <= 64:
            raise InputError(f"--bake.samples must be between 1 and 64, not {self.samples}")
        if not 0 < self.depth <= 0.5:
            raise InputError(f"--bake.depth must be above 0 and at most 0.5, not {self.depth}")
        if not 0 <= self.roughness <= 1:
            raise InputError(f"--bake.roughness must be between 0 and 1, not {self.roughness}")


@dataclass(frozen=True)
class ExportConfig:
    """How the asset sits in the world of the engine that loads it."""

    height_m: Annotated[float | None, tyro.conf.arg(aliases=["--height"])] = 1.0
    """Height of the asset in metres; None leaves a given mesh as tall as it is."""
    origin: Annotated[Origin, tyro.conf.arg(aliases=["--origin"])] = "bottom"
    """Where the pivot is: under the asset, in the middle of its bounding box, or as in a given mesh."""
    lods: Annotated[int, tyro.conf.arg(aliases=["--lods"])] = 1
    """Levels of detail, NAME_LOD0 and so on, each with half of the faces of the one before; 1 is one mesh."""
    collision: Annotated[Collision, tyro.conf.arg(aliases=["--collision"])] = "none"
    """Convex collision shapes, under the names that this engine knows."""
    require_watertight: Annotated[bool, tyro.conf.arg(aliases=["--watertight"])] = False
    """Prove that every level is a closed solid, repair what is not, and rather fail than write another."""
    format: Annotated[Format, tyro.conf.arg(aliases=["--format"])] = "auto"
    """What to write; `auto` goes by the ending of the output file."""
    compression: Annotated[Compression, tyro.conf.arg(aliases=["--compression"])] = "none"
    """Packing of the meshes in a .glb, without loss; for the web, where loaders know `meshopt`."""

    def __post_init__(self) -> None:
        if self.height_m is not None and not 1e-3 <= self.height_m <= 1e4:
            raise InputError(f"--height must be between 0.001 and 10000 metres, not {self.height_m}")
        if self.origin not in ("bottom", "center", "source"):
            raise InputError(f"--origin must be bottom, center or source, not {self.origin!r}")
        if not 1 <= self.lods <= 8:
            raise InputError(f"--lods must be between 1 and 8, not {self.lods}")
        if self.collision not in ("none", "unreal", "godot"):
            raise InputError(f"--collision must be none, unreal or godot, not {self.collision!r}")
        if self.format not in ("auto", "glb", "gltf", "obj", "usdz"):
            raise InputError(f"--format must be auto, glb, gltf, obj or usdz, not {self.format!r}")

        if self.compression not in ("none", "meshopt"):
            raise InputError(f"--compression must be none or meshopt, not {self.compression!r}")

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Endings that the file may have, the one it gets by default first."""
        return (".glb", ".gltf", ".obj", ".usdz") if self.format == "auto" else (f".{self.format}",)


OneByOne = Literal["auto", "apart", "together"]
"""Whether the things in a prompt are made one by one; "auto" is apart for the built-in prior, which tends to
draw one of two."""


Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""What networks compute in; "auto" is the fastest of the device."""


@dataclass(frozen=True)
class PriorOptions:
    """What is added to a prior that is a pipeline of diffusers, and how it computes."""

    lora: Annotated[str, tyro.conf.arg(aliases=["--lora"])] = ""
    """A LoRA to add to the prior: a .safetensors file, or a folder with one."""
    embedding: Annotated[str, tyro.conf.arg(aliases=["--embedding"])] = ""
    """A word of textual inversion that the prompt says: a .safetensors file, or a folder with one."""
    controlnet: Annotated[str, tyro.conf.arg(aliases=["--controlnet"])] = ""
    """A ControlNet that holds the prior to the shape as it is: a folder, or a hub id as for the prior."""
    controlnet_kind: Annotated[ControlKind, tyro.conf.arg(aliases=["--controlnet-kind"])] = "normal"
    """Which pictures of the shape it is shown: what it was trained on."""
    controlnet_scale: Annotated[float, tyro.conf.arg(aliases=["--controlnet-scale"])] = 1.0
    """How strongly it holds: factor on what it adds to the network."""
    precision: Annotated[Precision, tyro.conf.arg(aliases=["--prior-precision"])] = "auto"
    """What the networks compute in, whichever precision their files are stored in; the built-in prior not in
    float16."""
    offload: Annotated[bool, tyro.conf.arg(aliases=["--prior-offload"])] = False
    """Keep the network that denoises in main memory, and on the GPU one block of it at a time."""
    compile: Annotated[bool, tyro.conf.arg(aliases=["--prior-compile"])] = False
    """Let torch.compile make the network faster; the first steps take minutes."""

    def __post_init__(self) -> None:
        if not 0 <= self.controlnet_scale <= 2:
            raise InputError(f"--controlnet-scale must be between 0 and 2, not {self.controlnet_scale}")

    @property
    def given(self) -> dict[str, str]:
        """What only pipelines take, by the option that says so."""
        added = {"--lora": self.lora, "--embedding": self.embedding, "--controlnet": self.controlnet}
        switches = {"--prior-offload": self.offload, "--prior-compile": self.compile}
        return {option: str(value) for option, value in (added | switches).items() if value}


@dataclass(frozen=True)
class Config:
    """All settings of one run but the prompt and the output file."""

    prior: str = "props"
    """Diffusion prior: `props` (built in), a folder, or a hub id whose files are on this machine."""
    prior_options: PriorOptions = field(default_factory=PriorOptions)
    negative_prompt: str = ""
    """What the asset should not look like."""
    seed: int = 0
    """Same seed, same settings, same machine: same asset."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; `auto` takes a GPU when one is there."""
    things: OneByOne = "auto"
    """Of a prompt such as "a duck on a crate", make each thing in a field of its own and put them together
    (`apart`), or all in one field, in the time of one (`together`); `auto`: apart with the built-in prior."""
    extract: ExtractConfig = field(default_factory=ExtractConfig)
    bake: BakeConfig = field(default_factory=BakeConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    coarse: CoarseConfig = field(default_factory=CoarseConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed must be between 0 and {2**32 - 1}, not {self.seed}")
        if self.things not in ("auto", "apart", "together"):
            raise InputError(f"--things must be auto, apart or together, not {self.things!r}")
        if self.coarse.num_steps == 0 and self.refine.num_steps == 0:
            raise InputError("--coarse.num-steps 0 needs --refine.num-steps: nothing would be made else")
        if self.negative_prompt:
            check_prompt(self.negative_prompt, "negative prompt")


def with_guidance(config: Config, method: GuidanceMethod | None) -> Config:
    """The settings with another guidance method in the coarse stage; None changes nothing."""
    if method is None:
        return config
    guidance = replace(config.coarse.guidance, method=method)
    return replace(config, coarse=replace(config.coarse, guidance=guidance))


def generate_guidance(config: Config) -> dict[str, GuidanceConfig]:
    """That of the stages which `generate` runs, by the option that sets it."""
    stages = {"--coarse.guidance": config.coarse, "--refine.guidance": config.refine}
    return {option: stage.guidance for option, stage in stages.items() if stage.num_steps}


def check_guidance(stages: Iterable[GuidanceConfig], options: PriorOptions) -> None:
    """Check, before any work, that what the guidance methods need is there.

    Args:
        stages: Those that will be run.
        options: Of the prior.

    Raises:
        InputError: A library is missing, and the message says how to get it; or the prior cannot be copied.
    """
    for guidance in stages:
        method = guidance.method
        if method not in ("vsd", "esd"):
            if guidance.num_particles > 1:
                raise InputError(f"guidance {method} learns nothing from several particles: take vsd or esd")
            continue
        if options.offload:
            raise InputError(
                f"guidance {method} teaches a copy of the prior's network, which --prior-offload does not "
                "keep together: leave one of them out"
            )
        check_extra("peft", "vsd", f"guidance {method}", "take another method")


def given_mesh_settings() -> Config:
    """The defaults for a mesh that somebody else made: its size and place stay, and a free shape moves.

    Less noise than after a coarse stage: there is more worth keeping.
    """
    refine = RefineConfig(num_steps=120, shape_until=0.6)
    refine = replace(refine, guidance=replace(refine.guidance, t_max_start=0.5))
    return Config(export=ExportConfig(height_m=None, origin="source"), refine=refine)
