"""What a prior says about itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dream3d.errors import InputError
from dream3d.prior.camera_law import CameraLaw
from dream3d.prior.files import read_json
from dream3d.prior.folder import CARD
from dream3d.prior.vocabulary import Vocabulary
from dream3d.stage_config import ViewConditioning

MAX_SIDE = 2048  # pixels
MAX_VIEWS = 64


@dataclass(frozen=True)
class PriorCard:
    """What a prior says about itself (its folder's dream3d.json)."""

    name: str
    image_size: int  # pixels per side
    image_sizes: tuple[int, ...]  # all that it denoises, that one among them
    image_channels: int  # 4: premultiplied RGBA
    joint_views: int  # views, evenly around an object, that it can denoise together; 1: each for itself
    camera_law: CameraLaw
    vocabulary: Vocabulary
    facts: dict[str, Any]  # parameters, images seen, licence, measured scores ... for people

    @property
    def views(self) -> tuple[ViewConditioning, ...]:
        """How it can be told where the views stand."""
        words: tuple[ViewConditioning, ...] = ("words", "blended") if self.vocabulary.views else ()
        return ("camera", "joint", *words, "none")


def read_card(folder: Path) -> PriorCard:
    """Read a prior's card without loading its weights.

    Raises:
        InputError: The card is unreadable or lacks a field.
    """
    data = read_json(folder / CARD)
    try:
        law = {name: (float(low), float(high)) for name, (low, high) in data["camera_law"].items()}
        words = {name: _words(values) for name, values in data["vocabulary"].items()}
        sizes = data.get("image_sizes", [data["image_size"]])
        card = PriorCard(
            name=str(data["name"]),
            image_size=int(data["image_size"]),
            image_sizes=tuple(map(int, sizes)),
            image_channels=int(data["image_channels"]),
            joint_views=int(data.get("joint_views", 1)),
            camera_law=CameraLaw(**law),
            vocabulary=Vocabulary(**words),
            facts=dict(data.get("facts", {})),
        )
        _check_sizes(card)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{folder / CARD} is not a valid prior card: {error!r:.200}") from error
    return card


def _words(values: object) -> tuple[str, ...]:
    """A list of a vocabulary."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("a list of words is something else")
    return tuple(cast(list[str], values))


def _check_sizes(card: PriorCard) -> None:
    """Refuse numbers that no network has, before memory is taken for pictures of that size."""
    if card.image_size not in card.image_sizes or not all(0 < size <= MAX_SIDE for size in card.image_sizes):
        raise ValueError(f"image sizes must be from 1 to {MAX_SIDE}, the best one among them")
    if card.image_channels not in (3, 4) or not 1 <= card.joint_views <= MAX_VIEWS:
        raise ValueError(f"images have 3 or 4 channels, and 1 to {MAX_VIEWS} views are denoised together")
