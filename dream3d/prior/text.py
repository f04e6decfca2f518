"""Prompts to embeddings, and the honest account of which words a prior knows."""

import difflib
import re
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_TOKENS = 24


@dataclass(frozen=True)
class TextEmbedding:
    """A prompt and its unconditional counterpart, encoded once per run."""

    prompt: str
    tokens: Tensor  # [2, L, D]: row 0 the prompt, row 1 the negative prompt ("" unless given)
    pooled: Tensor  # [2, D]
    view_tokens: Tensor  # [4, L, D]: the prompt with each of VIEW_WORDS after it
    view_pooled: Tensor  # [4, D]


@dataclass(frozen=True)
class Vocabulary:
    """The words a prior was trained on, by what they say."""

    nouns: tuple[str, ...]  # "mushroom", "pine tree": may hold several words
    colors: tuple[str, ...]
    parts: tuple[str, ...]
    sizes: tuple[str, ...]
    function_words: tuple[str, ...]
    materials: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()  # "next to": may hold several words
    views: tuple[str, ...] = ()  # "front view": where the camera stands, for a prior that is not told

    def content_words(self) -> frozenset[str]:
        """Single words that change the picture."""
        phrases = (*self.nouns, *self.colors, *self.parts, *self.sizes)
        phrases += (*self.materials, *self.patterns, *self.relations)
        return frozenset(word for phrase in phrases for word in split_words(phrase))

    def known(self) -> frozenset[str]:
        """All single words the prior has seen."""
        views = {word for phrase in self.views for word in split_words(phrase)}
        return self.content_words() | views | frozenset(self.function_words)


def split_words(text: str) -> list[str]:
    """Lower-case words of a text; everything but letters and digits separates."""
    return re.findall(r"[a-z0-9]+", text.lower())


def unknown_words(prompt: str, vocabulary: Vocabulary) -> dict[str, list[str]]:
    """Words of the prompt that the prior never saw, each with up to three nearest known ones."""
    known = vocabulary.known()
    content = sorted(vocabulary.content_words())
    missing = [word for word in split_words(prompt) if word not in known]
    return {word: difflib.get_close_matches(word, content, n=3, cutoff=0.5) for word in missing}


def keep_known(prompt: str, vocabulary: Vocabulary) -> str:
    """The prompt without the words the prior never saw: an unknown word can only add noise."""
    known = vocabulary.known()
    return " ".join(word for word in split_words(prompt) if word in known)


@torch.no_grad()
def encode(tokenizer, encoder, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Encode texts with a CLIP-style tokenizer and text model.

    Args:
        tokenizer: A transformers tokenizer.
        encoder: A CLIPTextModel.
        texts: N strings.

    Returns:
        Token embeddings [N, L, D] and pooled embeddings [N, D].
    """
    batch = tokenizer(
        texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
    )
    output = encoder(input_ids=batch["input_ids"].to(encoder.device))
    return output.last_hidden_state, output.pooler_output
