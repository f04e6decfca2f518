"""Pictures of what a prior draws: every family, and the prompts that it was measured on."""

import textwrap
from collections.abc import Mapping, Sequence

import torch
from PIL import Image
from prior_samples import ELEVATION_DEG, NUM_VIEWS, SIZE, Asked, Samples, SampleSettings
from prior_scores import Score
from sheets import BLACK, LETTER_WIDTH, RED, Tile, contact_sheet, strip

from dream3d.cameras import FRAME_DISTANCE, FRAME_FOV_Y_DEG, orbit
from dream3d.prior import Prior
from dream3d.prior.sampling import sample_images
from dream3d.props import COLORS
from dream3d.stage_config import Shading

FAMILY_COLUMNS, PROMPT_COLUMNS = 3, 5
STRIP_WIDTH = NUM_VIEWS * SIZE


def family_sheet(prior: Prior, families: Sequence[str], settings: SampleSettings) -> Image.Image:
    """Each family from four sides as it is, then lit and in a color."""
    cameras = orbit(
        [30.0 + 90.0 * k for k in range(NUM_VIEWS)], ELEVATION_DEG, FRAME_DISTANCE, FRAME_FOV_Y_DEG
    )
    colors = list(COLORS)
    tiles = []
    for index, family in enumerate(families):
        generator = torch.Generator().manual_seed(index)
        color = colors[5 * index % len(colors)]
        looks: list[tuple[str, Shading]] = [(f"a {family}", "albedo"), (f"a {color} {family}", "shaded")]
        groups = [
            sample_images(
                prior,
                prior.embed(prompt),
                cameras,
                [shading] * NUM_VIEWS,
                generator,
                settings.num_steps,
                settings.guidance_scale,
                settings.views,
                SIZE,
            )
            for prompt, shading in looks
        ]
        tiles.append(Tile(strip(torch.cat(groups)), ((f"{family}, {color}", BLACK),)))
    return contact_sheet(tiles, FAMILY_COLUMNS, 2 * STRIP_WIDTH, SIZE)


def prompt_sheet(asked: Sequence[Asked], samples: Samples, scores: Mapping[str, Score]) -> Image.Image:
    """The samples of each prompt with the prompt under them, and in red what the judge sees instead.

    Args:
        asked: The prompts.
        samples: Where their samples are.
        scores: Prompt -> score.
    """
    tiles = []
    for item in asked:
        score = scores[item.prompt]
        wrong = [each for each in score.said if not each.is_right]
        mistakes = dict.fromkeys(f"{each.expected} > {each.found}" for each in wrong)
        lines = [*textwrap.wrap(item.prompt, STRIP_WIDTH // LETTER_WIDTH), ""][:2]
        color = RED if wrong else BLACK
        text = tuple((line, color) for line in (*lines, ", ".join(mistakes)))
        tiles.append(Tile(strip(samples.load(item)), text))
    return contact_sheet(tiles, PROMPT_COLUMNS, STRIP_WIDTH, SIZE)
