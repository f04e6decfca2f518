"""Settings of the stages that optimise: what the field is, how the prior is asked, how far each step goes.

As in `dream3d.config`, which holds these sections: frozen, and the defaults are the `standard` effort.
"""

from dataclasses import dataclass, field
from typing import Literal

from dream3d.errors import InputError
from dream3d.inputs import check_numbers

Shading = Literal["albedo", "shaded", "textureless", "normals"]
"""How a view is drawn, and what the prior was taught to tell apart: unlit, lit, lit clay, or a normal map."""


ViewConditioning = Literal["words", "blended", "camera", "joint", "none"]
"""How a prior learns where the views stand: from words in the prompt, as DreamFusion does, the nearest ones
or blended; from the cameras themselves; or from the cameras while all views of a group are denoised together,
as MVDream does; or not at all."""


GuidanceMethod = Literal["sds", "csd", "nfsd", "vsd", "esd", "ism", "sdi", "cfd", "consistent3d"]
"""What the prior's guided answer is compared with: see docs/guidance.md."""


GuidanceWeight = Literal["x0", "sigma2", "sigma2_signal", "uniform"]
"""What a difference of noise predictions counts: as the clean image that it implies, sigma^2 as in
DreamFusion, that times the signal's scale as in Fantasia3D, or 1."""


ShapeShading = Literal["mixed", "normals"]
"""How a surface that moves is drawn where it is not shown in its colors: lit, as clay and as normals, equally
often; or as normals alone, so that its shape forms without its colors (Fantasia3D)."""


Annealing = Literal["linear", "sqrt", "dreamtime"]
"""How noise levels fall: their bounds linearly; with the root of the progress, fast at first (HiFA); or one
level a step, longest where content is decided (DreamTime)."""


MAX_VIEWS = 256  # in a step
MAX_LATTICE_CELLS = 256  # 34 million vertices and 200 million tetrahedra; more do not fit in memory either


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

    def __post_init__(self) -> None:
        check_numbers(self, "coarse.radiance-field", hidden_size=(1, 1024))


@dataclass(frozen=True)
class GuidanceConfig:
    """Score distillation: how the prior is asked."""

    method: GuidanceMethod = "sds"
    """What its guided answer is compared with."""
    opening: float = 0.3
    """Share of the steps that begin with SDS in x0 form, whatever the method: most need a shape."""
    weight: GuidanceWeight = "x0"
    """What the difference counts at each noise level."""
    scale: float = 6.0
    """Guidance scale s in x0_uncond + s (x0_text - x0_uncond). Runs of 800 steps grow spikes with 6."""
    scale_at_noise: float = 2.0
    """Guidance scale at pure noise; it goes to `scale` at half the noise levels."""
    rescale: float = 0.5
    """How far guidance is shrunk where it would increase the spread of the image, 0 (not) to 1."""
    emphasis: float = 0.0
    """How far what a prompt says beside the thing and its color is carried on: e in x0_text + e (x0_text -
    x0_plain). For the built-in prior, whose words are known; two things in one field are left as they are.
    0.5 brings more of parts and materials and costs some of the shape."""
    views: ViewConditioning = "joint"
    """How the prior is told where the views stand."""
    perp_neg: bool = False
    """Let the other sides of the object be negative prompts (Perp-Neg); for views in words."""
    image_weight: float = 0.0
    """Weight of the squared distance in images beside that in latents (HiFA); for priors with a VAE."""
    gradient_rms: float = 0.0
    """Root mean square that the gradient of an image has at most, or with `normalize` always; 0: as it is."""
    normalize: bool = False
    """Give every image's gradient that root mean square, small ones too."""
    adapter_rank: int = 8
    """Rank of the adapters that learn the renders in VSD and ESD."""
    adapter_learning_rate: float = 1e-3
    """AdamW's learning rate of the adapters. ProlificDreamer has 1e-4, for runs of 25,000 steps."""
    num_particles: int = 1
    """Fields optimized together, from whose renders VSD and ESD learn; the first one is kept."""
    annealing: Annealing = "linear"
    """How the noise levels fall over a run."""
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

    def __post_init__(self) -> None:
        check_numbers(self, "guidance")
        for name in ("t_max_start", "t_max_end", "t_min_start", "t_min_end", "hold", "opening"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"guidance.{name} is a share from 0 to 1, not {getattr(self, name)}")
        if self.t_min_start > self.t_max_start or self.t_min_end > self.t_max_end:
            raise InputError("guidance.t_min must not be above guidance.t_max, at the start or at the end")
        if self.perp_neg and self.views not in ("words", "blended"):
            raise InputError("guidance.perp_neg needs views in words: guidance.views words or blended")
        if self.normalize and self.gradient_rms <= 0:
            raise InputError("guidance.normalize needs guidance.gradient_rms above 0")
        if not 1 <= self.adapter_rank <= 256:
            raise InputError(f"guidance.adapter_rank must be from 1 to 256, not {self.adapter_rank}")
        if not 1 <= self.num_particles <= 16:
            raise InputError(f"guidance.num_particles must be from 1 to 16, not {self.num_particles}")


@dataclass(frozen=True)
class CoarseConfig:
    """Distillation of the prior into a radiance field."""

    num_steps: int = 80
    """Optimisation steps; 0 leaves the ball that the field starts as to the refinement. Many more make shapes
    extreme."""
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
    latent_share: float = 0.0
    """Share of the steps, the first ones, in which the field shows latents in place of colors, and no encoder
    is asked (Latent-NeRF); for priors with a VAE."""
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
        bounds = {
            "num_views": (4, MAX_VIEWS),
            "occupancy_resolution": (4, 512),
            "occupancy_interval": (1, 10**6),
        }
        check_numbers(self, "coarse", **bounds)
        if self.num_steps < 0:
            raise InputError(f"--coarse.num-steps must be 0 or more, not {self.num_steps}")
        if self.num_views % 4:
            raise InputError(f"--coarse.num-views must be a multiple of 4, not {self.num_views}")
        if not 0 <= self.latent_share <= 1:
            raise InputError(f"--coarse.latent-share is a share from 0 to 1, not {self.latent_share}")


@dataclass(frozen=True)
class PaintConfig:
    """Distillation of the prior into the colors of a mesh that is there already."""

    num_steps: int = 200
    """Optimisation steps; 0 leaves the stage out."""
    num_views: int = 4
    """Views rendered in each step, in groups of four around the object."""
    guidance: GuidanceConfig = field(
        default_factory=lambda: GuidanceConfig(
            scale=3.0, scale_at_noise=6.0, hold=0.1, t_max_end=0.3, t_min_start=0.9
        )
    )
    samples_per_axis: int = 2
    """Samples per pixel and axis: as smooth edges as the prior's."""
    close_up_share: float = 0.25
    """Share of the groups of views that are close-ups."""
    table_learning_rate: float = 5e-2
    """Adam's learning rate of the hash table."""
    network_learning_rate: float = 1e-2
    """Adam's learning rate of the network."""

    def __post_init__(self) -> None:
        check_numbers(self, self._flag, num_views=(4, MAX_VIEWS), samples_per_axis=(1, 8))
        if self.num_steps < 0:
            raise InputError(f"--{self._flag}.num-steps must be 0 or more, not {self.num_steps}")
        if self.num_views % 4:
            raise InputError(f"--{self._flag}.num-views must be a multiple of 4, not {self.num_views}")
        if self.guidance.num_particles != 1:
            raise InputError(f"--{self._flag}.guidance.num-particles must be 1: there is one surface")

    @property
    def _flag(self) -> str:
        return type(self).__name__.removesuffix("Config").lower()


@dataclass(frozen=True)
class RefineConfig(PaintConfig):
    """Distillation of the prior into a surface with a color field on it."""

    num_steps: int = 80
    """Optimisation steps; 0 leaves the stage out."""
    guidance: GuidanceConfig = field(
        default_factory=lambda: GuidanceConfig(
            scale=3.0,
            scale_at_noise=6.0,
            hold=0.0,
            t_max_start=0.7,
            t_max_end=0.3,
            t_min_start=0.02,
            t_min_end=0.02,
        )
    )
    lattice_resolution: int = 64
    """Cells of the tetrahedral lattice along each axis."""
    shape_until: float = 0.8
    """Share of the steps in which the shape moves; after that only the color does."""
    smoothing: float = 10.0
    """How far the gradient of the shape spreads before it is followed: the root of this, in edges."""
    shape_learning_rate: float = 0.04
    """How far the surface moves in a step at most, in cells of the lattice."""
    table_learning_rate: float = 2e-2
    """Adam's learning rate of the hash table."""
    network_learning_rate: float = 4e-3
    """Adam's learning rate of the network."""
    shaded_share: float = 0.5
    """Share of the steps that show the shape while it moves, in place of colors."""
    shape_shading: ShapeShading = "mixed"
    """How they show it."""
    normal_weight: float = 0.3
    """How much of each move evens out the angles between neighbouring faces."""

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = {"lattice_resolution": (1, MAX_LATTICE_CELLS), "shape_until": (0.0, 1.0)}
        check_numbers(self, "refine", smoothing=(0.0, 1e4), **bounds)
