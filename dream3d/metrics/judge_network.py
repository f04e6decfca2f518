"""The network behind the learned judge: pictures, captions and questions in, scores and answers out.

A residual network of full 3x3 convolutions reads the picture; questions about it are vectors that attend to
its features (cross-attention, no question sees another one); a small transformer reads the caption. Pictures
and captions meet word by word: each word counts by the place of the picture that fits it best (late
interaction as in FILIP, Yao et al. 2021, arXiv 2111.07783), so that "red" is looked for where its part is.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name

IMAGE_CHANNELS = 4
MAX_WORDS = 40  # of a caption, the mark of its beginning included
PADDING, UNKNOWN, BEGIN = 0, 1, 2  # word ids before those of the vocabulary
NUM_RESERVED = 3
MIN_LOGIT = -1e4  # of what attention must not see; finite in bfloat16


@dataclass(frozen=True)
class JudgeShape:
    """Sizes of the network; the numbers of answers are those of `questions`."""

    num_words: int  # of the vocabulary
    num_families: int
    channels: tuple[int, int, int] = (64, 128, 176)  # at 32, 16 and 8 pixels
    blocks: tuple[int, int, int] = (2, 3, 3)
    width: int = 192  # of tokens and questions
    num_heads: int = 6
    text_layers: int = 2
    question_layers: int = 2
    joint_width: int = 64  # where words and places meet
    num_summaries: int = 4  # vectors of the whole picture that words may match as well
    num_colors: int = 17  # the words, then "the material's own" or "none"
    num_materials: int = 7  # none, then the words
    num_patterns: int = 4
    num_relations: int = 4
    azimuth_bins: int = 36


class PartLogits(NamedTuple):
    """What is answered about K parts in each of N pictures."""

    visible: Tensor  # [N, K] logit that some of it is seen
    color: Tensor  # [N, K, 17]
    second: Tensor  # [N, K, 17]
    material: Tensor  # [N, K, 7]
    pattern: Tensor  # [N, K, 4]


class SceneLogits(NamedTuple):
    """What is answered about N whole pictures."""

    first: Tensor  # [N, families]
    second: Tensor  # [N, families + 1], the last one: there is none
    relation: Tensor  # [N, 4]
    azimuth: Tensor  # [N, 36]


class PictureFeatures(NamedTuple):
    """What the picture tower hands on, and the answers that need no question."""

    tokens: Tensor  # [N, 256, width], 16 x 16 places
    places: Tensor  # [N, 64 + summaries, joint_width], unit
    scene: SceneLogits


class CaptionFeatures(NamedTuple):
    """What the caption tower hands on."""

    words: Tensor  # [M, L, joint_width], unit
    weights: Tensor  # [M, L], sum to 1


class _Residual(nn.Module):
    """x + conv(relu(conv(norm(x)))), normalised over channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same."""
        return x + self.second(self.first(_over_channels(self.norm, x)).relu())


class _Attention(nn.Module):
    """Multi-head attention of queries to tokens, then two dense layers; pre-norm."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm, self.norm_dense = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        last = nn.Linear(2 * width, width)
        self.dense = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), last)
        for weight in (self.out.weight, last.weight):
            nn.init.zeros_(weight)

    def forward(self, x: Tensor, tokens: Tensor | None, bias: Tensor | None = None) -> Tensor:
        """Queries [N, Q, C] and tokens [N, L, C] (None: the queries themselves) -> [N, Q, C]."""
        normed = self.norm(x)
        query = self._heads(self.query(normed))  # [N, h, Q, c]
        key, value = map(self._heads, self.key_value(normed if tokens is None else tokens).chunk(2, dim=-1))
        logits = query @ key.mT * query.shape[-1] ** -0.5
        if bias is not None:
            logits = logits + bias
        mixed = (logits.float().softmax(-1).to(value.dtype) @ value).transpose(1, 2).flatten(2)
        x = x + self.out(mixed)
        return x + self.dense(self.norm_dense(x))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class JudgeNetwork(nn.Module):
    """The judge's weights; parameters in float32 unless converted."""

    def __init__(self, shape: JudgeShape) -> None:
        super().__init__()
        self.shape = shape
        fine, middle, deep = shape.channels
        width, joint = shape.width, shape.joint_width
        self.stem = nn.Conv2d(4 * IMAGE_CHANNELS, fine, 3, padding=1)
        self.down_middle = nn.Conv2d(fine, middle, 2, stride=2)
        self.down_deep = nn.Conv2d(middle, deep, 2, stride=2)
        self.fine, self.middle, self.deep = (
            nn.Sequential(*(_Residual(channels) for _ in range(count)))
            for channels, count in zip(shape.channels, shape.blocks, strict=True)
        )
        self.norm_middle, self.norm_deep = nn.LayerNorm(middle), nn.LayerNorm(deep)
        self.from_middle, self.from_deep = nn.Linear(middle, width), nn.Linear(deep, width)
        self.norm_tokens = nn.LayerNorm(width)
        self.place = nn.Parameter(0.02 * torch.randn(1, 256, width))

        self.asked = nn.Parameter(torch.randn(1, 3 + shape.num_summaries, width))
        self.words = nn.Embedding(NUM_RESERVED + shape.num_words, width, padding_idx=PADDING)
        self.from_noun, self.from_part = nn.Linear(width, width), nn.Linear(width, width)
        self.questions = nn.ModuleList(
            _Attention(width, shape.num_heads) for _ in range(shape.question_layers)
        )
        self.norm_answers = nn.LayerNorm(width)
        self.answer_first = nn.Linear(width, shape.num_families)
        self.answer_second = nn.Linear(width, shape.num_families + 1)
        self.answer_relation = nn.Linear(width, shape.num_relations)
        self.answer_azimuth = nn.Linear(width, shape.azimuth_bins)
        sizes = [1, shape.num_colors, shape.num_colors, shape.num_materials, shape.num_patterns]
        self.part_sizes = sizes
        self.answer_part = nn.Linear(width, sum(sizes))

        self.position = nn.Parameter(0.1 * torch.randn(1, MAX_WORDS, width))
        self.text = nn.ModuleList(_Attention(width, shape.num_heads) for _ in range(shape.text_layers))
        self.norm_text = nn.LayerNorm(width)
        self.to_joint_word, self.to_weight = nn.Linear(width, joint), nn.Linear(width, 1)
        self.to_joint_place, self.to_joint_summary = nn.Linear(deep, joint), nn.Linear(width, joint)
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def read_pictures(self, images: Tensor) -> PictureFeatures:
        """Features of pictures [N, 64, 64, 4], premultiplied sRGB in [0, 1], in the network's precision."""
        x = F.pixel_unshuffle((images.permute(0, 3, 1, 2) * 2 - 1), 2)
        x = self.stem(x.to(self.stem.weight.dtype).contiguous(memory_format=torch.channels_last))
        middle = self.middle(self.down_middle(self.fine(x)))
        deep = _over_channels(self.norm_deep, self.deep(self.down_deep(middle)))
        near = self.from_middle(_as_tokens(_over_channels(self.norm_middle, middle)))
        far = self.from_deep(deep.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        far = F.interpolate(far, scale_factor=2.0, mode="nearest")
        tokens = self.norm_tokens(near + _as_tokens(far) + self.place)
        asked = self.attend(tokens, self.asked.expand(len(tokens), -1, -1))
        places = torch.cat([self.to_joint_place(_as_tokens(deep)), self.to_joint_summary(asked[:, 3:])], 1)
        scene = SceneLogits(
            self.answer_first(asked[:, 0]),
            self.answer_second(asked[:, 1]),
            self.answer_relation(asked[:, 1]),
            self.answer_azimuth(asked[:, 2]),
        )
        return PictureFeatures(tokens, F.normalize(places, dim=-1), scene)

    def attend(self, tokens: Tensor, questions: Tensor) -> Tensor:
        """Answers [N, K, C] to questions [N, K, C] about tokens [N, 256, C]."""
        for layer in self.questions:
            questions = layer(questions, tokens)
        return self.norm_answers(questions)

    def part_questions(self, noun_ids: Tensor, part_ids: Tensor) -> Tensor:
        """Question vectors [K, C] about parts, from the word ids [K, W] of nouns and of part names."""
        return self.from_noun(self._mean_word(noun_ids)) + self.from_part(self._mean_word(part_ids))

    def answer_parts(self, tokens: Tensor, questions: Tensor) -> PartLogits:
        """Answers to questions [N, K, C] about parts in the pictures with tokens [N, 256, C]."""
        visible, *rest = self.answer_part(self.attend(tokens, questions)).split(self.part_sizes, dim=-1)
        return PartLogits(visible[..., 0], *rest)

    def read_captions(self, ids: Tensor) -> CaptionFeatures:
        """Features of captions, from their word ids [M, L]; 0 fills up."""
        is_padding = ids == PADDING
        x = self.words(ids) + self.position[:, : ids.shape[1]]
        bias = (is_padding * MIN_LOGIT)[:, None, None, :].to(x.dtype)
        for layer in self.text:
            x = layer(x, None, bias)
        x = self.norm_text(x)
        weights = self.to_weight(x)[..., 0].float().masked_fill(is_padding, MIN_LOGIT).softmax(-1)
        return CaptionFeatures(F.normalize(self.to_joint_word(x), dim=-1), weights)

    def scores(self, places: Tensor, captions: CaptionFeatures) -> Tensor:
        """How well M captions fit N pictures, [N, M] float32 logits."""
        num_captions, length = captions.weights.shape
        similarity = places @ captions.words.flatten(0, 1).T  # [N, places, M * L]
        best = similarity.amax(1).view(-1, num_captions, length).float()
        return (best * captions.weights).sum(-1) * self.log_scale.float().exp()

    def _mean_word(self, ids: Tensor) -> Tensor:
        """The mean embedding of word ids [K, W], 0 left out: [K, C]."""
        count = (ids != PADDING).sum(1, keepdim=True).clamp_min(1)
        return self.words(ids).sum(1) / count


def _over_channels(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """Normalise [N, C, H, W] over C, in channels-last memory."""
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _as_tokens(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, H * W, C]."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)
