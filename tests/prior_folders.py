"""Small whole prior folders with random weights, made through the code that trains the real one."""

import sys
from dataclasses import asdict
from pathlib import Path

import torch

from dream3d.prior.camera_law import CameraLaw
from dream3d.prior.cell_reader import CellReader
from dream3d.prior.view_words import VIEW_WORDS

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from prior_model import make_text_encoder, make_tokenizer, make_unet, save_prior

WORDS = (
    *("a", "an", "the", "with", "red", "blue", "mushroom", "toadstool", "cap", "stem", "tall", "house"),
    *("front", "side", "back", "overhead", "view", "fort"),
)
VOCABULARY = {
    "nouns": ["mushroom", "toadstool", "house", "fort"],  # no procedural family has a fort
    "colors": ["red", "blue"],
    "parts": ["cap", "stem"],
    "sizes": ["tall"],
    "function_words": ["a", "an", "the", "with"],
    "views": list(VIEW_WORDS),
}
ANSWERS = {
    "family": ("none", "mushroom", "house"),
    "part": ("cap", "stem"),
    "color": ("red", "blue"),
    "material": ("none", "metal"),
}


def write_tiny_prior(folder: Path) -> Path:
    """A prior of the released one's layout, narrow enough to run in milliseconds."""
    tokenizer = make_tokenizer(WORDS, folder.with_name(folder.name + ".tokenizer"))
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(3)
        unet, encoder = make_unet((16, 16, 16)), make_text_encoder(tokenizer)
        for parameter in unet.conv_out.parameters():  # diffusers starts some layers at zero
            torch.nn.init.normal_(parameter, std=0.2)
        reader = CellReader(16, ANSWERS, {("house", "cap"): ("red", "glass")})
    card = {
        "name": "tiny",
        "image_size": 64,
        "image_sizes": [32, 64, 128],
        "image_channels": 4,
        "joint_views": 4,
        "camera_law": asdict(CameraLaw()),
        "vocabulary": VOCABULARY,
        "facts": {"parameters": sum(p.numel() for p in unet.parameters())},
    }
    save_prior(folder, unet, encoder, reader, tokenizer, card)
    return folder


def answering(prior, word):
    """A reader that gives one answer wherever it can, and else the first."""
    reader = CellReader(prior.reader.head.in_features, prior.reader.answers, {})
    words = [word for words in reader.answers.values() for word in words]
    with torch.no_grad():
        reader.head.weight.zero_()
        reader.head.bias.copy_(torch.tensor([5.0 if each == word else 0.0 for each in words]))
    return reader
