"""What every cell of a picture shows, read from the features of the prior's network by one linear layer.

The layer learns beside the network (scripts/prior_labels.py). Features of a denoiser tell parts and materials
apart, as was found for large ones (Baranchuk et al. 2022, arXiv 2112.03126).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from dream3d.errors import InputError, reason_of

CELL = 4  # Pixels per side; one cell for each feature of the block that is read.
FOLDER, CONFIG_FILE, WEIGHTS_FILE = "cell_reader", "config.json", "model.safetensors"

Answers = Mapping[str, tuple[str, ...]]  # question -> words to choose from
Naturals = Mapping[
    tuple[str, str], tuple[str, str]
]  # family and part -> natural color, what it is made of then


def read_block(unet: Any) -> nn.Module:
    """The block whose output is read: the last one with attention, behind which a UNet only draws."""
    return unet.up_blocks[0]


class CellReader(nn.Module):
    """Scores the answers to all questions.

    What things are naturally made of shows in no picture of base colors: it is told along with the weights.
    """

    def __init__(self, width: int, answers: Answers, naturals: Naturals) -> None:
        super().__init__()
        self.answers = answers
        self.naturals = naturals
        self.head = nn.Linear(width, sum(map(len, answers.values())))

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features [B, C, h, w] to logits [B, h, w, number of answers] of each question."""
        rows = functional.layer_norm(features.movedim(1, -1).float(), features.shape[1:2])
        scores = self.head(rows).split([len(words) for words in self.answers.values()], dim=-1)
        return dict(zip(self.answers, scores, strict=True))


def save_reader(reader: CellReader, folder: Path) -> None:
    """Write a reader into a prior's folder, in half precision."""
    folder = folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().to("cpu", torch.bfloat16) for name, value in reader.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)
    naturals = [[*key, *value] for key, value in reader.naturals.items()]
    config = {"answers": reader.answers, "naturals": naturals}
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def load_reader(folder: Path) -> CellReader | None:
    """The reader in a prior's folder; None where there is none.

    Raises:
        InputError: It is damaged.
    """
    folder = folder / FOLDER
    if not folder.is_dir():
        return None
    try:
        config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
        answers = {str(question): tuple(map(str, words)) for question, words in config["answers"].items()}
        naturals = {(family, part): (color, made_of) for family, part, color, made_of in config["naturals"]}
        weights = load_file(folder / WEIGHTS_FILE)
        reader = CellReader(weights["head.weight"].shape[1], answers, naturals)
        reader.load_state_dict({name: value.float() for name, value in weights.items()})
    except Exception as error:  # As for the other components: all kinds mean a damaged folder.
        raise InputError(f"the prior's {folder} cannot be loaded: {reason_of(error)}") from error
    return reader.requires_grad_(False).eval()
