"""The pictures that a prior is measured by: groups of four views of each prompt, kept on the disk."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from claims import claim
from PIL import Image
from prior_data import render_views
from torch import Tensor

from dream3d.cameras import FRAME_DISTANCE, FRAME_FOV_Y_DEG, Cameras, orbit
from dream3d.errors import InputError
from dream3d.evaluate.prompts import read_prompts
from dream3d.evaluate.run import safe_name
from dream3d.export.files import write_files
from dream3d.prior import Prior
from dream3d.prior.sampling import sample_images
from dream3d.props import Spec, make_prop, parse_caption
from dream3d.stage_config import Shading, ViewConditioning

NUM_VIEWS = 4  # 90 degrees apart
SIZE = 64  # pixels
ELEVATION_DEG = 20.0  # the middle of the prior's camera law
UNLIT: list[Shading] = ["albedo"]


@dataclass(frozen=True)
class SampleSettings:
    """How the samples of a folder were drawn."""

    prior_sha256: str
    views: ViewConditioning
    num_steps: int
    guidance_scale: float


@dataclass(frozen=True)
class Asked:
    """One prompt of the list, and from where its samples are seen."""

    prompt: str
    spec: Spec

    @property
    def seed(self) -> int:
        """Decides the noise, the first azimuth and the ground-truth instance; not the place in the list."""
        return crc32(self.prompt.encode())

    @property
    def azimuth_deg(self) -> list[float]:
        """Four azimuths, 90 degrees apart."""
        return [(self.seed + 360.0 * k / NUM_VIEWS) % 360.0 for k in range(NUM_VIEWS)]

    @property
    def cameras(self) -> Cameras:
        """Four cameras."""
        return orbit(self.azimuth_deg, ELEVATION_DEG, FRAME_DISTANCE, FRAME_FOV_Y_DEG)

    def truth(self) -> Tensor:
        """Renders of a random instance of the spec from the cameras, [4, 64, 64, 4]."""
        prop = make_prop(self.spec, np.random.default_rng(self.seed))
        return render_views(prop, self.cameras, UNLIT * NUM_VIEWS, SIZE)


def read_asked(path: Path, limit: int | None) -> list[Asked]:
    """The prompts of a list.

    Raises:
        InputError: A line is no prompt of the grammar.
    """
    found = []
    for line in read_prompts([path], limit).lines:
        spec = None if line.error else parse_caption(line.text)
        if spec is None:
            raise InputError(f"{line.place}: {line.error or 'not in the grammar of dream3d/props'}")
        found.append(Asked(line.text, spec))
    return found


class Samples:
    """A folder of samples, one PNG (premultiplied RGBA, four views side by side) for each prompt."""

    def __init__(self, folder: Path, settings: SampleSettings) -> None:
        """Open the folder, or make it.

        Raises:
            InputError: It holds samples of another prior or of other settings.
        """
        self.folder, self.settings = folder, settings
        folder.mkdir(parents=True, exist_ok=True)
        claim(folder / "samples.json", asdict(settings))

    def path(self, asked: Asked) -> Path:
        """Where the samples of a prompt are."""
        return self.folder / f"{safe_name(asked.prompt)}.png"

    def load(self, asked: Asked) -> Tensor:
        """Images [4, 64, 64, 4], premultiplied sRGB in [0, 1]."""
        strip = np.asarray(Image.open(self.path(asked)), np.float32) / 255.0
        return torch.from_numpy(np.stack(np.split(strip, NUM_VIEWS, axis=1)))

    def draw(self, prior: Prior, asked: Sequence[Asked]) -> Iterator[Asked]:
        """Draw what is not there yet; yields each prompt when its samples are there."""
        for item in asked:
            if not self.path(item).is_file():
                self._draw(prior, item)
            yield item

    def _draw(self, prior: Prior, asked: Asked) -> None:
        images = sample_images(
            prior,
            prior.embed(asked.prompt),
            asked.cameras,
            UNLIT * NUM_VIEWS,
            torch.Generator().manual_seed(asked.seed),
            self.settings.num_steps,
            self.settings.guidance_scale,
            self.settings.views,
            SIZE,
        )
        strip = np.concatenate(list((images * 255).round().byte().cpu().numpy()), axis=1)
        stream = io.BytesIO()
        Image.fromarray(strip, "RGBA").save(stream, "PNG")
        write_files({self.path(asked): stream.getvalue()})
