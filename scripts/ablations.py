"""The ablations that settle defaults: which settings are compared, and what came out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dream3d.config import Config

Settings = Mapping[str, object]


@dataclass(frozen=True)
class Variant:
    """One choice: the settings of the coarse stage and of its guidance that it fixes."""

    name: str
    guidance: Settings = field(default_factory=dict)
    coarse: Settings = field(default_factory=dict)

    def applied(self, config: Config) -> Config:
        """The settings with this choice."""
        # Names and values are data here; the dataclasses refuse unknown names.
        guidance = replace(config.coarse.guidance, **self.guidance)  # pyright: ignore[reportArgumentType]
        coarse = replace(config.coarse, guidance=guidance, **self.coarse)  # pyright: ignore[reportArgumentType]
        return replace(config, coarse=coarse)

    @property
    def options(self) -> str:
        """The same on the command line."""
        named = {f"guidance.{name}": value for name, value in self.guidance.items()} | dict(self.coarse)
        return " ".join(f"--coarse.{name.replace('_', '-')} {value}" for name, value in named.items())


@dataclass(frozen=True)
class Ablation:
    """Variants of one choice, all of which say explicitly what they are."""

    name: str
    question: str
    variants: tuple[Variant, ...]
    conclusion: str = ""  # written by hand when the numbers are there; it goes to the page

    def folder_name(self, variant: Variant, config: Config) -> str:
        """Where a variant's results are; the settings as they are have one folder for all ablations."""
        return "default" if variant.applied(config) == config else f"{self.name}-{variant.name}"


def _timesteps(hold: float, low: tuple[float, float], high: tuple[float, float]) -> Settings:
    """Guidance settings of a schedule: the share held, and the start and end of both bounds."""
    names = ("hold", "t_min_start", "t_min_end", "t_max_start", "t_max_end")
    return dict(zip(names, (hold, *low, *high), strict=True))


ABLATIONS = (
    Ablation(
        "views",
        "How does the prior learn where the views stand: from words in the prompt, from the cameras, or "
        "from the cameras with all four views denoised together?",
        tuple(Variant(name, {"views": name}) for name in ("words", "camera", "joint")),
    ),
    Ablation(
        "scale",
        "How strong should classifier-free guidance be?",
        tuple(Variant(f"{scale:g}", {"scale": scale}) for scale in (1.5, 3.0, 6.0, 10.0)),
    ),
    Ablation(
        "emphasis",
        "How much further than its things should the looks go that the prompt gives them?",
        tuple(Variant(f"{emphasis:g}", {"emphasis": emphasis}) for emphasis in (0.0, 0.5, 0.8)),
    ),
    Ablation(
        "timesteps",
        "Which noise levels, when: held high and then falling, falling from the start, or any at any time?",
        (
            Variant("hold and fall", _timesteps(0.25, (0.94, 0.02), (0.99, 0.4))),
            Variant("fall", _timesteps(0.0, (0.94, 0.02), (0.99, 0.4))),
            Variant("uniform", _timesteps(0.0, (0.02, 0.02), (0.98, 0.98))),
        ),
    ),
    Ablation(
        "shading",
        "Should some of the renders be lit, and some of those be clay?",
        (
            Variant("unlit", coarse={"shaded_share": 0.0}),
            Variant("lit", coarse={"shaded_share": 0.3, "textureless_share": 0.0}),
            Variant("lit and clay", coarse={"shaded_share": 0.3, "textureless_share": 0.5}),
        ),
    ),
)
