"""The laboratory of guidance: methods x scales x schedules on a list of prompts, under the judges.

    python scripts/compare_guidance.py --refine.num-steps 0              # all, then the page
    python scripts/compare_guidance.py --refine.num-steps 0 --shard 0/2  # half of the prompts, for one of two
                                                                         # processes; then once without
    python scripts/compare_guidance.py --methods sds csd --scales 3 10 --prompts mine.txt --page out/mine.md
    python scripts/compare_guidance.py --methods sds --scales 6 --schedules linear sqrt dreamtime ...

What is in the folder already is kept. The methods are those of the first stage: without the second the table
is of them alone. Every method gets the same steps, views, regularizers and, but for plain SDS, the same
opening of SDS: what differs is what follows. The diversity is how much two seeds of a prompt differ.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Annotated, get_args

import numpy as np
import tyro
from ablate import Ablate
from ablations import Ablation, Variant
from PIL import Image

from dream3d.config import Config
from dream3d.errors import InputError
from dream3d.evaluate.rows import Row
from dream3d.overlays import Overlays, Settings, parse
from dream3d.stage_config import Annealing, GuidanceMethod

METHODS: tuple[GuidanceMethod, ...] = get_args(GuidanceMethod)
QUESTION = (
    "What should the prior's guided answer be compared with? Each method at each guidance scale, with the "
    "weight of the clean image (`x0`); `sds sigma2` is DreamFusion's weight, `sds uniform` that of SJC."
)


@dataclass(frozen=True)
class CompareGuidance:
    """Run every method at every scale, and write the page."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out/guidance")
    """Folder of the results, one folder in it per variant."""
    prompts: Path = Path("assets/prompts/guidance16.txt")
    """The list."""
    limit: int | None = None
    """Only the first prompts."""
    seeds: int = 2
    """Seeds for each prompt."""
    methods: tuple[str, ...] = ("sds", "sds sigma2", "sds uniform", *METHODS[1:])
    """Methods, with their weight where it is not that of the clean image."""
    scales: tuple[float, ...] = (3.0, 6.0)
    """Guidance scales; at pure noise each is what the settings say."""
    schedules: tuple[Annealing, ...] = ()
    """How the noise levels fall; as the settings say unless named."""
    shard: str | None = None
    """I/N: every N-th prompt, and no page."""
    page: Path = Path("assets/ablations/guidance.md")
    """Where the page goes; its picture goes beside it."""
    config: Overlays = ()
    """Overlay of settings: the effort."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Config)

    def run(self, command: Sequence[str] = ()) -> None:
        """Generate and measure what is not there yet; then the page, which names the command."""
        variants = tuple(
            variant(name, scale, schedule)
            for name in self.methods
            for scale in self.scales
            for schedule in self.schedules or (None,)
        )
        ablation = Ablation("guidance", QUESTION, variants)
        Ablate(
            self.output,
            self.prompts,
            self.limit,
            self.seeds,
            shard=self.shard,
            page=self.page,
            config=self.config,
            settings=self.settings,
        ).run((ablation,), command, {"diversity": diversity})


def variant(name: str, scale: float, schedule: Annealing | None = None) -> Variant:
    """A method, or a method and a weight, at a guidance scale, and under a schedule where one is named."""
    method, *weight = name.split()
    if method not in METHODS or len(weight) > 1:
        raise InputError(f"--methods takes {', '.join(METHODS)}, and a weight after it, not {name!r}")
    guidance: dict[str, object] = {"method": method, "scale": scale}
    guidance |= {"weight": weight[0]} if weight else {}
    guidance |= {"annealing": schedule} if schedule else {}
    return Variant(" ".join(filter(None, (name, f"{scale:g}", schedule))), guidance)


def diversity(rows: Sequence[Row], folder: Path) -> float | None:
    """Mean absolute difference of the turntables of two seeds of a prompt, over pairs and prompts; 0 to 1.

    Args:
        rows: Of one variant.
        folder: That its pictures are in.
    """
    strips: dict[str, list[np.ndarray]] = {}
    for row in rows:
        if row.picture is not None and row.prompt is not None:
            picture = np.asarray(Image.open(folder / row.picture).convert("RGB"), dtype=np.float32) / 255.0
            strips.setdefault(row.prompt, []).append(picture)
    means = [
        float(np.mean([np.abs(one - other).mean() for one, other in combinations(each, 2)]))
        for each in strips.values()
        if len(each) > 1
    ]
    return float(np.mean(means)) if means else None


if __name__ == "__main__":
    try:
        parse(CompareGuidance, sys.argv[1:], "compare_guidance.py").run(sys.argv)
    except InputError as error:
        sys.exit(f"compare_guidance: {error}")
