"""Prompts to embeddings: a prompt, and all that it is compared with, in rows of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.prior.view_words import VIEW_WORDS, view_shares
from dream3d.stage_config import ViewConditioning

MAX_TOKENS = 24

Branch = Literal["text", "negative", "null", "plain", "front view", "side view", "back view", "overhead view"]
"""What a prediction is given: the prompt, the negative prompt, no text, only the thing that the prompt names
in its color, or the prompt seen from one side."""

BRANCHES: tuple[Branch, ...] = get_args(Branch)


@dataclass(frozen=True)
class TextEmbedding:
    """A prompt and all that it is compared with, encoded once per run."""

    prompt: str
    tokens: Tensor  # [8, L, D], in the order of BRANCHES; the negative prompt is "" unless one is given
    pooled: Tensor  # [8, P], the text as one vector, for networks that take it

    @property
    def says_looks(self) -> bool:
        """Whether the prompt says more than its plain form, as far as the prior can tell."""
        row, plain = self.tokens[BRANCHES.index("text")], self.tokens[BRANCHES.index("plain")]
        return not torch.equal(row, plain)

    def rows(
        self, branches: Sequence[Branch], cameras: Cameras, views: ViewConditioning
    ) -> tuple[Tensor, Tensor]:
        """What the network reads for every branch and camera.

        Args:
            branches: N of them.
            cameras: B cameras; where views are told in words, the text says where each of them stands.
            views: "words" names the nearest view, "blended" goes smoothly from one to the next.

        Returns:
            Tokens [N B, L, D] and pooled text [N B, P], branch by branch.
        """
        shares = torch.zeros(len(branches), len(cameras), len(BRANCHES), device=self.tokens.device)
        for row, branch in zip(shares, branches, strict=True):
            if branch == "text" and views in ("words", "blended"):
                row[:, -len(VIEW_WORDS) :] = view_shares(cameras, is_smooth=views == "blended")
            else:
                row[:, BRANCHES.index(branch)] = 1.0
        shares = shares.flatten(0, 1)
        tokens = (shares @ self.tokens.flatten(1)).unflatten(1, self.tokens.shape[1:])
        return tokens, shares @ self.pooled


def embedded_texts(prompt: str, negative_prompt: str, plain: str, seen: str | None = None) -> list[str]:
    """The texts behind the rows of a `TextEmbedding`; `seen`: the prompt where words for a view follow."""
    seen = prompt if seen is None else seen
    return [prompt, negative_prompt, "", plain, *(f"{seen}, {words}" for words in VIEW_WORDS)]


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
