"""Prompts as the networks of pipelines read them: encoded once, kept on disk, and the encoders let go."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dream3d.errors import InputError, reason_of
from dream3d.prior.files import find_weights, read_json, sha256_of
from dream3d.prior.pipelines.concept import Concept, concept_file, read_concept
from dream3d.prior.pipelines.kinds import INDEX, PipelineKind, has_third_encoder, layout
from dream3d.prior.pipelines.models import load_model
from dream3d.prior.pipelines.text_cache import TextCache
from dream3d.prior.text import TextEmbedding, embedded_texts

_T5_LENGTH = 256  # Tokens that SD3 reads of its third encoder.
_IF_LENGTH = 77  # Tokens that DeepFloyd IF was trained with.
_RECIPE = 1  # Raise it when the same encoder would answer something else.


@dataclass(frozen=True)
class PipelineTexts:
    """The text encoders of a pipeline, by where they are: they are loaded when a new text comes."""

    name: str
    folder: Path
    kind: PipelineKind
    device: torch.device
    dtype: torch.dtype
    cache: TextCache
    sha256: str  # of the encoders' weights, the tokenizers and the learned word
    concept: Concept | None = None

    @classmethod
    def of(
        cls,
        name: str,
        folder: Path,
        kind: PipelineKind,
        device: torch.device,
        dtype: torch.dtype,
        embedding: str = "",
    ) -> "PipelineTexts":
        """Those of a checked folder, with the user's cache.

        Raises:
            InputError: The learned word cannot be read, or does not fit the pipeline.
        """
        concept = read_concept(embedding, kind)
        texts = [part for part in layout(kind).models if part.startswith("text_encoder")]
        tokenizers = layout(kind).tokenizers
        if kind == "StableDiffusion3Pipeline" and has_third_encoder(folder):
            texts, tokenizers = [*texts, "text_encoder_3"], (*tokenizers, "tokenizer_3")
        files = [file for part in texts for file in find_weights(folder / part).files]
        files += [folder / part / "config.json" for part in texts]
        files += [file for part in tokenizers for file in sorted((folder / part).iterdir()) if file.is_file()]
        files += [folder / INDEX]
        files += [] if concept is None else [concept_file(embedding)]
        return cls(name, folder, kind, device, dtype, TextCache.of_user(), sha256_of(files), concept)

    def embed(self, prompt: str, negative_prompt: str) -> TextEmbedding:
        """Encode a prompt and all that it is compared with.

        Raises:
            InputError: There are more words than an encoder reads, or an encoder is damaged.
        """
        texts = embedded_texts(prompt, negative_prompt, prompt)  # no vocabulary tells what is plain
        word = "" if self.concept is None else f"{self.concept.word!r} "  # which may be the name of its file
        keys = {text: f"{_RECIPE} {self.sha256} {self.dtype} {word}{text}" for text in texts}
        known = {text: self.cache.load(key) for text, key in keys.items()}
        missing = [text for text, encoded in known.items() if encoded is None]
        if missing:
            for text, encoded in zip(missing, zip(*self.encode(missing), strict=True), strict=True):
                known[text] = encoded
                self.cache.store(keys[text], encoded)
        rows = [encoded for text in texts if (encoded := known[text]) is not None]
        tokens, pooled = (torch.stack([row[part] for row in rows]).to(self.device) for part in (0, 1))
        return TextEmbedding(prompt, tokens, pooled)

    def check_said(self, texts: Sequence[str]) -> None:
        """Refuse a learned word that nobody uses.

        Raises:
            InputError: None of the texts says it.
        """
        if self.concept is not None and not self.concept.is_in(texts):
            word = self.concept.word
            raise InputError(
                f"--embedding {self.concept.path}: the prompt does not say {word}, which it stands for"
            )

    def words_too_many(self, prompt: str) -> str:  # noqa: ARG002
        """None: `embed` refuses such a prompt."""
        return ""

    def unknown_words(self, prompt: str) -> dict[str, list[str]]:  # noqa: ARG002
        """None: tokens are parts of words, of which all words can be made."""
        return {}

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Encode texts, not looking at the cache. Each encoder is loaded, used and let go before the next.

        Args:
            texts: N of them.

        Returns:
            Tokens [N, L, D] and pooled text [N, P] in float32; P is 0 where the network takes none.
        """
        try:
            tokens, pooled = self._encode(texts)
        except InputError:
            raise
        except Exception as error:  # A damaged tokenizer, or one of another encoder, raises nearly anything.
            raise InputError(f"the texts of {self.name!r} cannot be encoded: {reason_of(error)}") from error
        if not (bool(tokens.isfinite().all()) and bool(pooled.isfinite().all())):
            raise InputError(f"the text encoder of {self.name!r} answers numbers that are not finite")
        return tokens.float().cpu(), pooled.float().cpu()

    def _encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        match self.kind:
            case "StableDiffusionPipeline" | "LatentConsistencyModelPipeline" | "MVDreamPipeline":
                tokens = self._clip(texts, "").last_hidden_state
                return tokens, tokens.new_zeros(len(texts), 0)
            case "IFPipeline":
                tokens = self._t5([text.lower().strip() for text in texts], "", _IF_LENGTH, is_masked=True)
                return tokens, tokens.new_zeros(len(texts), 0)
            case "StableDiffusionXLPipeline":
                first, second = self._clip(texts, ""), self._clip(texts, "_2", is_projected=True)
                tokens = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
                pooled = second.text_embeds
                if read_json(self.folder / INDEX).get("force_zeros_for_empty_prompt", True):
                    is_said = torch.tensor([float(text != "") for text in texts]).to(tokens)
                    tokens, pooled = tokens * is_said[:, None, None], pooled * is_said[:, None]
                return tokens, pooled
            case "StableDiffusion3Pipeline":
                return self._encode_sd3(texts)

    def _encode_sd3(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Both CLIP encoders side by side, padded to the width of T5, whose tokens follow."""
        first, second = (self._clip(texts, suffix, is_projected=True) for suffix in ("", "_2"))
        clip = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        pooled = torch.cat([first.text_embeds, second.text_embeds], dim=-1)
        width = int(read_json(self.folder / "transformer" / "config.json")["joint_attention_dim"])
        if has_third_encoder(self.folder):
            t5 = self._t5(texts, "_3", _T5_LENGTH, is_masked=False)
        else:
            t5 = clip.new_zeros(len(texts), _T5_LENGTH, width)
        return torch.cat([torch.nn.functional.pad(clip, (0, width - clip.shape[-1])), t5], dim=1), pooled

    def _clip(self, texts: Sequence[str], suffix: str, is_projected: bool = False) -> Any:
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        tokenizer = load_model(CLIPTokenizer, self.folder, f"tokenizer{suffix}")
        kind = CLIPTextModelWithProjection if is_projected else CLIPTextModel
        encoder = load_model(kind, self.folder, f"text_encoder{suffix}", self.dtype).to(self.device)
        if self.concept is not None:
            self.concept.teach(tokenizer, encoder, suffix)
            texts = [self.concept.spelled(text) for text in texts]
        ids, mask = self._tokenize(tokenizer, texts, tokenizer.model_max_length)
        is_masked = getattr(encoder.config, "use_attention_mask", False)
        return encoder(ids, attention_mask=mask if is_masked else None, output_hidden_states=True)

    def _t5(self, texts: Sequence[str], suffix: str, length: int, is_masked: bool) -> Tensor:
        from transformers import (
            T5EncoderModel,
            T5TokenizerFast,  # pyright: ignore[reportAttributeAccessIssue] (another name of T5Tokenizer in 5)
        )

        _check_sentencepiece(self.folder / f"tokenizer{suffix}")
        tokenizer = load_model(T5TokenizerFast, self.folder, f"tokenizer{suffix}")
        ids, mask = self._tokenize(tokenizer, texts, length)
        encoder = load_model(T5EncoderModel, self.folder, f"text_encoder{suffix}", self.dtype).to(self.device)
        return encoder(ids, attention_mask=mask if is_masked else None).last_hidden_state

    def _tokenize(self, tokenizer: Any, texts: Sequence[str], length: int) -> tuple[Tensor, Tensor]:
        """Token ids and attention mask, [N, length] both; words behind the last token would not be seen."""
        longest = max(len(ids) for ids in tokenizer(list(texts)).input_ids)
        if longest > length:
            raise InputError(
                f"the prior {self.name!r} reads {length} tokens of a text, and the prompt with the words "
                f"for a view has {longest}: shorten the prompt or the negative prompt"
            )
        batch = tokenizer(list(texts), padding="max_length", max_length=length, return_tensors="pt")
        return batch.input_ids.to(self.device), batch.attention_mask.to(self.device)


def _check_sentencepiece(folder: Path) -> None:
    """Refuse a tokenizer in the form of SentencePiece where nothing can read that.

    Raises:
        InputError: Its libraries are not installed; the message says how to get them.
    """
    if (folder / "tokenizer.json").is_file():
        return
    try:
        for library in ("sentencepiece", "google.protobuf"):
            import_module(library)
    except ImportError:
        raise InputError(
            f"{folder} has no tokenizer.json, and its spiece.model needs two libraries: "
            "pip install sentencepiece protobuf"
        ) from None
