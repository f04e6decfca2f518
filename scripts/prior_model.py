"""The built-in prior's network and tokenizer as diffusers and transformers classes, and its folder."""

import json
import shutil
from pathlib import Path
from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from dream3d.prior.cell_reader import CellReader, save_reader
from dream3d.prior.conditioning import RAY_CHANNELS, VIEW_FEATURES
from dream3d.prior.folder import CARD
from dream3d.prior.joint_attention import JointViewAttention
from dream3d.prior.text import MAX_TOKENS

LATENT_CHANNELS = 16  # RGBA x 2 x 2
LATENT_SIZE = 32
TEXT_WIDTH = 128
START, END = "<|startoftext|>", "<|endoftext|>"


def make_unet(channels: tuple[int, int, int] = (64, 128, 256)) -> UNet2DConditionModel:
    """About 16 M parameters; attention only at 8x8, text and view in every residual block.

    Args:
        channels: Width at 32x32, 16x16 and 8x8; multiples of 16.
    """
    unet = UNet2DConditionModel(
        sample_size=LATENT_SIZE,
        in_channels=LATENT_CHANNELS + RAY_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=8,  # diffusers reads this as the number of heads
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
        class_embed_type="projection",
        projection_class_embeddings_input_dim=TEXT_WIDTH + VIEW_FEATURES,
    )
    unet.set_attn_processor(JointViewAttention())
    return unet


def make_tokenizer(words: tuple[str, ...], folder: Path) -> CLIPTokenizer:
    """A CLIP tokenizer in which every word of the vocabulary is one token.

    Byte-pair training on the bare word list runs until no pair is left to merge, which leaves whole words.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=END, end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=50_000,
        min_frequency=0,
        end_of_word_suffix="</w>",
        special_tokens=[START, END],
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(words)], trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    # Numbered in the order of the alphabet: the trainer's own order is another one in every process.
    letters = {letter + ending for word in words for letter in word for ending in ("", "</w>")}
    names = sorted((set(tokenizer.get_vocab()) | letters) - {START, END})
    vocabulary = {name: number for number, name in enumerate((START, END, *names))}
    tokens = {
        "vocab": vocabulary,
        "merges": [tuple(merge) for merge in merges],
        "unk_token": END,
        "bos_token": START,
        "eos_token": END,
        "pad_token": END,
    }
    result = CLIPTokenizer(**tokens, model_max_length=MAX_TOKENS)
    result.save_pretrained(folder)
    return load_tokenizer(folder)


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """Read a saved tokenizer back."""
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def make_text_encoder(tokenizer: Any) -> CLIPTextModel:
    """A small CLIP text model over the small vocabulary."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def make_scheduler() -> DDIMScheduler:
    """Cosine schedule with zero terminal SNR, v-prediction (arXiv 2305.08891)."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def save_prior(
    folder: Path,
    unet: UNet2DConditionModel,
    encoder: CLIPTextModel,
    reader: CellReader,
    tokenizer: CLIPTokenizer,
    card: dict[str, Any],
) -> None:
    """Write a whole prior folder in the precision of its parts and swap it in at once."""
    staging = folder.with_name(folder.name + ".staging")
    shutil.rmtree(staging, ignore_errors=True)
    unet.save_pretrained(staging / "unet", safe_serialization=True)
    encoder.save_pretrained(staging / "text_encoder", safe_serialization=True)
    save_reader(reader, staging)
    tokenizer.save_pretrained(staging / "tokenizer")
    make_scheduler().save_pretrained(staging / "scheduler")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    (staging / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    (staging / CARD).write_text(json.dumps(card, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    staging.rename(folder)
