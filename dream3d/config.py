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
from dream3d.inputs import check_prompt

Shading = Literal["albedo", "shaded", "textureless", "normals"]
"""How a view is drawn, and what the prior was taught to tell apart: unlit, lit, lit clay, or a normal map."""


ViewConditioning = Literal["words", "camera", "joint"]
"""How a prior learns where the views stand: from words in the prompt, as DreamFusion does; from the cameras
themselves; or from the cameras while all views of a group are denoised together, as MVDream does."""


Collision = Literal["none", "unreal", "godot"]
"""Whose names the convex collision shapes in a file bear."""


Compression = Literal["none", "meshopt"]
"""How meshes are packed: as they are, or by EXT_meshopt_compression, which the reader must know."""


Format = Literal["auto", "glb", "gltf", "obj", "usdz"]
"""The file that is written; "auto" goes by the ending of its name, .glb without one."""


@dataclass(frozen=True)
class ExtractConfig:
    """From the field to a clean triangle mesh."""

    target_faces: Annotated[int, tyro.conf.arg(aliases=["--target-faces"])] = 5000
    """Triangles of the finished mesh, at most."""
    resolution: int = 128
    """Nodes of the density grid along each axis."""
    smoothing_voxels: float = 0.7
    """Gaussian smoothing of the logarithm of the density before the surface is cut, in grid cells."""
    smoothing_iterations: int = 8
    """Rounds of volume-preserving smoothing of the mesh."""
    min_volume_share: float = 0.01
    """Pieces smaller than this share of the largest piece's volume are floaters and go."""
    crease_angle_deg: float = 60.0
    """Edges sharper than this look sharp; 180 makes everything smooth."""

    def __post_init__(self) -> None:
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
    """Samples of the field along the normal of each texel; 1 reads the color on the surface itself."""
    depth: float = 0.04
    """Length of that stretch in scene units, one third of it outside the surface."""
    roughness: float = 0.8
    """Roughness of the material, 0 (mirror) to 1 (chalk)."""
    normal_map: bool = False
    """Bake the normals of the surface before its triangles were reduced into a tangent-space normal map."""
    occlusion: bool = False
    """Bake how much of the sky each point sees, into one picture with roughness and metallic."""

    def __post_init__(self) -> None:
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

    height_m: Annotated[float, tyro.conf.arg(aliases=["--height"])] = 1.0
    """Height of the asset in metres."""
    origin: Annotated[Literal["bottom", "center"], tyro.conf.arg(aliases=["--origin"])] = "bottom"
    """Where the pivot is: under the asset, or at the centre of its bounding box."""
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
        if not 1e-3 <= self.height_m <= 1e4:
            raise InputError(f"--height must be between 0.001 and 10000 metres, not {self.height_m}")
        if self.origin not in ("bottom", "center"):
            raise InputError(f"--origin must be bottom or center, not {self.origin!r}")
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


@dataclass(frozen=True)
class FieldConfig:
    """The radiance field: hash grid, network, initial density."""

    num_levels: int = 8
    """Resolutions of the hash grid."""
    features_per_level: int = 2
    """Numbers stored per grid vertex."""
    log2_hashmap_size: int = 15
    """A level stores at most 2 to this power vertices."""
    base_resolution: int = 8
    """Cells per axis of the coarsest level."""
    finest_resolution: int = 96
    """Cells per axis of the finest level; beyond the prior's pixels there is nothing to store."""
    hidden_size: int = 32
    """Width of the network's only hidden layer."""
    density_scale: float = 20.0
    """Density per unit length at a softplus of 1, at the start."""
    blob_strength: float = 5.0
    """Initial density logit at the center."""
    blob_radius: float = 0.5
    """Radius at which the initial density logit is zero."""
    normal_epsilon: float = 0.02
    """Half width of the stencil that normals are taken with, in scene units."""


@dataclass(frozen=True)
class GuidanceConfig:
    """Score distillation: how the prior is asked."""

    scale: float = 3.0
    """Guidance scale s in x0_uncond + s (x0_text - x0_uncond)."""
    scale_at_noise: float = 1.0
    """Guidance scale at pure noise; it rises to `scale` at half the noise levels."""
    rescale: float = 0.5
    """How far guidance is shrunk where it would increase the spread of the image, 0 (not) to 1."""
    clamp: bool = True
    """Keep the guided image in [-1, 1]; right for priors whose latents are pixels."""
    views: ViewConditioning = "joint"
    """How the prior is told where the views stand."""
    hold: float = 0.25
    """Share of the steps spent at the starting noise levels, where the prior decides the layout."""
    t_max_start: float = 0.99
    """Upper end of the noise levels at the first step, as a share of the prior's timesteps."""
    t_max_end: float = 0.4
    """Upper end at the last step."""
    t_min_start: float = 0.94
    """Lower end at the first step."""
    t_min_end: float = 0.02
    """Lower end at the last step."""


@dataclass(frozen=True)
class CoarseConfig:
    """Distillation of the prior into a radiance field."""

    num_steps: int = 800
    """Optimisation steps."""
    num_views: int = 4
    """Views rendered in each step, in groups of four around the object."""
    radiance_field: FieldConfig = field(default_factory=FieldConfig)
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    table_learning_rate: float = 1e-1
    """Adam's learning rate of the hash table."""
    network_learning_rate: float = 2e-2
    """Adam's learning rate of the network."""
    sharpening: float = 4.0
    """Factor by which the density scale grows over the middle half of the run: fog becomes surface."""
    half_size_until: float = 0.25
    """Share of the steps rendered at half the prior's resolution."""
    double_size_from: float = 1.0
    """Share of the steps after which views are rendered at twice the prior's resolution, if it takes that."""
    step_size: float = 2.0 / 96.0
    """Distance between samples along a ray in scene units."""
    shaded_share: float = 0.3
    """Share of the steps, after the first fifth, that are lit instead of showing plain albedo."""
    textureless_share: float = 0.5
    """Share of the lit steps that show clay: shape without color."""
    depth_spread_weight: float = 2.0
    """Weight of the variance of depth along rays."""
    entropy_weight: float = 0.1
    """Weight of the entropy of the opacity, late in the run."""
    sparsity_weight: float = 0.002
    """Weight of the opacity itself: what the prior does not ask for goes away."""
    roughness_weight: float = 0.0
    """Weight of the difference between normals of neighbouring pixels, in lit steps."""
    occupancy_resolution: int = 64
    """Cells per axis of the occupancy grid."""
    occupancy_interval: int = 8
    """Steps between two updates of the occupancy grid."""
    occupancy_threshold: float = 5.0
    """Density per unit length above which a cell counts as occupied."""
    max_restarts: int = 2
    """Fresh starts after an empty, full or non-finite field."""

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise InputError(f"--coarse.num-steps must be at least 1, not {self.num_steps}")
        if self.num_views < 4 or self.num_views % 4:
            raise InputError(f"--coarse.num-views must be a multiple of 4, not {self.num_views}")


@dataclass(frozen=True)
class RefineConfig:
    """Distillation of the prior into a surface with a color field on it."""

    num_steps: int = 0
    """Optimisation steps; 0 leaves the stage out."""
    num_views: int = 4
    """Views rendered in each step, in groups of four around the object."""
    lattice_resolution: int = 64
    """Cells of the tetrahedral lattice along each axis."""
    shape_until: float = 0.6
    """Share of the steps in which the shape moves; after that only the color does."""
    guidance: GuidanceConfig = field(
        default_factory=lambda: GuidanceConfig(
            hold=0.0, t_max_start=0.5, t_max_end=0.3, t_min_start=0.02, t_min_end=0.02
        )
    )
    samples_per_axis: int = 2
    """Samples per pixel and axis: as smooth edges as the prior's."""
    close_up_share: float = 0.25
    """Share of the groups of views that are close-ups."""
    smoothing: float = 10.0
    """How far the gradient of the shape spreads before it is followed: the root of this, in edges."""
    shape_learning_rate: float = 0.04
    """How far the surface moves in a step at most, in cells of the lattice."""
    table_learning_rate: float = 2e-2
    """Adam's learning rate of the hash table."""
    network_learning_rate: float = 4e-3
    """Adam's learning rate of the network."""
    shaded_share: float = 0.5
    """Share of the steps that show the shape while it moves: lit, as clay, or as normals, equally often."""
    normal_weight: float = 0.3
    """How much of each move evens out the angles between neighbouring faces."""

    def __post_init__(self) -> None:
        if self.num_steps < 0:
            raise InputError(f"--refine.num-steps must be 0 or more, not {self.num_steps}")
        if self.num_views < 4 or self.num_views % 4:
            raise InputError(f"--refine.num-views must be a multiple of 4, not {self.num_views}")


@dataclass(frozen=True)
class Config:
    """All settings of one run but the prompt and the output file."""

    prior: str = "props"
    """Diffusion prior: `props` (built in), or a folder in its layout."""
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
    refine: RefineConfig = field(default_factory=RefineConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed must be between 0 and {2**32 - 1}, not {self.seed}")
        if self.negative_prompt:
            check_prompt(self.negative_prompt, "negative prompt")
