"""Learned words (textual inversion, Gal et al. 2022, arXiv 2208.01618): vectors that stand for a new word.

Read are the forms that are in use: diffusers' own, with one vector or several under the word; that of web UIs
("emb_params"), whose word is the file's name; and that for the two encoders of SDXL ("clip_l", "clip_g").
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from dream3d.errors import InputError
from dream3d.prior.files import added_file
from dream3d.prior.pipelines.kinds import PipelineKind

_NAME = "learned_embeds.safetensors"  # as diffusers saves it
_ONE_ENCODER = ("StableDiffusionPipeline", "LatentConsistencyModelPipeline", "MVDreamPipeline")
_ENCODERS = {"clip_l": "", "clip_g": "_2"}  # SDXL's, by the name in a file: what their folders end in


@dataclass(frozen=True)
class Concept:
    """A word that a prior has learned."""

    path: str  # as given by the user
    word: str
    vectors: dict[str, Tensor]  # what an encoder's folder ends in -> [n, D]

    @property
    def tokens(self) -> list[str]:
        """One for each vector."""
        count = len(next(iter(self.vectors.values())))
        return [self.word, *(f"{self.word}_{number}" for number in range(1, count))]

    def spelled(self, text: str) -> str:
        """A text with all tokens in place of the word."""
        # As a function, so that nothing in the word means anything to the expression.
        return self._pattern().sub(lambda _: " ".join(self.tokens), text)

    def is_in(self, texts: Sequence[str]) -> bool:
        """Whether any of the texts says the word."""
        return any(self._pattern().search(text) for text in texts)

    def _pattern(self) -> re.Pattern[str]:
        """The word, where it is not part of another one; tokenizers do not know capitals either."""
        return re.compile(rf"(?<!\w){re.escape(self.word)}(?!\w)", re.IGNORECASE)

    def teach(self, tokenizer: Any, encoder: Any, suffix: str) -> None:
        """Add the word to a tokenizer and its encoder, in place.

        Args:
            tokenizer: A CLIPTokenizer.
            encoder: A CLIPTextModel, with a projection or not.
            suffix: What its folder ends in.

        Raises:
            InputError: The prior knows the word already, or the vectors are of another encoder.
        """
        vectors = self.vectors[suffix]
        known = tokenizer.get_vocab()
        if any(token.lower() in known or f"{token.lower()}</w>" in known for token in self.tokens):
            raise InputError(
                f"--embedding {self.path}: {self.word!r} is a word that the prior knows: give it another name"
            )
        table = encoder.get_input_embeddings().weight
        if vectors.shape[1] != table.shape[1]:
            raise InputError(
                f"--embedding {self.path}: does not fit the prior: its vectors have {vectors.shape[1]} "
                f"numbers, not {table.shape[1]} (it is for another version of Stable Diffusion)"
            )
        tokenizer.add_tokens(self.tokens)
        encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        ids = tokenizer.convert_tokens_to_ids(self.tokens)
        encoder.get_input_embeddings().weight.data[ids] = vectors.to(table)


def concept_file(path: str) -> Path:
    """The file of a learned word, given itself or its folder.

    Raises:
        InputError: There is none, there are several, or it is a pickle.
    """
    return added_file(path, "--embedding", _NAME)


def read_concept(path: str, kind: PipelineKind) -> Concept | None:
    """Read a learned word; None where none is asked for.

    Args:
        path: As given by the user; may be empty.
        kind: Of the pipeline that learns it.

    Raises:
        InputError: The file cannot be read, holds something else, or the pipeline takes none.
    """
    if not path:
        return None
    kinds = (*_ONE_ENCODER, "StableDiffusionXLPipeline")
    if kind not in kinds:
        raise InputError(f"--embedding {path}: a {kind} takes none; those that do: {', '.join(kinds)}")
    file = concept_file(path)
    from safetensors.torch import load_file

    try:
        found = {name: value.float() for name, value in load_file(file).items()}
    except Exception as error:  # its own type, and OSError
        raise InputError(f"--embedding {path}: is not a whole safetensors file: {error}") from error
    vectors = {name: value[None] if value.ndim == 1 else value for name, value in found.items()}
    if any(value.ndim != 2 or not value.numel() for value in vectors.values()):
        raise InputError(f"--embedding {path}: holds something else than vectors")
    if not all(bool(value.isfinite().all()) for value in vectors.values()):
        raise InputError(f"--embedding {path}: holds numbers that are not finite: get an undamaged copy")
    if kind == "StableDiffusionXLPipeline":
        return _for_two(path, file, vectors)
    if len(vectors) != 1:
        raise InputError(
            f"--embedding {path}: does not fit a {kind}: it holds {_names(vectors)}, not one word"
        )
    (name, value), *_ = vectors.items()
    return Concept(path, file.stem if name == "emb_params" else name, {"": value})


def _for_two(path: str, file: Path, vectors: dict[str, Tensor]) -> Concept:
    """That of a file for two encoders."""
    lengths = {len(value) for value in vectors.values()}
    if vectors.keys() != _ENCODERS.keys() or len(lengths) != 1:
        raise InputError(
            f"--embedding {path}: does not fit SDXL: it holds {_names(vectors)}, not as many vectors in "
            "clip_l as in clip_g"
        )
    return Concept(path, file.stem, {_ENCODERS[name]: value for name, value in vectors.items()})


def _names(vectors: dict[str, Tensor]) -> str:
    return ", ".join(sorted(vectors)[:3]) or "nothing"
