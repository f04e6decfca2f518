"""Tiny text-to-image pipelines with random weights, built and saved by diffusers' own classes."""

import shutil
import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    IFPipeline,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    PNDMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from prior_model import make_tokenizer

WORDS = (
    *("a", "an", "the", "with", "red", "blue", "green", "chair", "dragon", "of", "gold", "blurry", ","),
    *("front", "side", "back", "overhead", "view"),
)
WIDTH = 16  # of every text encoder
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}  # Stable Diffusion's
NO_GUARD = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
KINDS = ("sd1", "sd2", "sdxl", "if", "sd3", "sd3 without t5", "lcm", "turbo")


def make_pipeline(folder, kind):
    """Build a pipeline of one of `KINDS`, always the same, and save it."""
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(11)
        pipeline = _pipeline(kind, folder.with_name(f"{folder.name}.parts"))
        for model in pipeline.components.values():
            if isinstance(model, torch.nn.Module):
                shake(model.eval())
    pipeline.save_pretrained(folder, safe_serialization=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_controlnet(folder, unet, **changes):
    """Build a ControlNet for a network, and save it; `changes` make it one of another network."""
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(12)
        options = {"conditioning_embedding_out_channels": (8, 16), "load_weights_from_unet": False}
        control = ControlNetModel.from_unet(unet, **options)
        if changes:
            control = ControlNetModel.from_config({**control.config, **changes})
        shake(control.eval())
    control.save_pretrained(folder)
    return control


def sampled_by_ddim(pipeline, **options):
    """The pipeline with a scheduler that tells what it takes for the clean latents; noise levels stay."""
    options = {"clip_sample": False, "thresholding": False, "steps_offset": 1} | options
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, **options)
    return pipeline


def write_pipeline(folder, kind):
    """A folder with such a pipeline."""
    make_pipeline(folder, kind)
    return folder


def copy_of(folder, target):
    """A copy to damage."""
    return Path(shutil.copytree(folder, target))


def shake(model):
    """Layers that start at zero or one would hide mistakes."""
    for parameter in model.parameters():
        parameter.data += 0.03 * torch.randn_like(parameter)


def _pipeline(kind, parts):
    clip = make_tokenizer(WORDS, parts / "clip")
    match kind:
        case "sd1":
            scheduler = PNDMScheduler(skip_prk_steps=True, steps_offset=1, **BETAS)
        case "sd2":
            scheduler = DDIMScheduler(prediction_type="v_prediction", **BETAS)
        case "turbo":
            scheduler = EulerAncestralDiscreteScheduler(timestep_spacing="trailing", **BETAS)
        case "lcm":
            parts = {"scheduler": LCMScheduler(**BETAS), "unet": _unet(time_cond_proj_dim=8)}
            return LatentConsistencyModelPipeline(**latent_parts(clip), **parts, **NO_GUARD)
        case "sdxl":
            told = {"addition_embed_type": "text_time", "addition_time_embed_dim": 4}
            told |= {"projection_class_embeddings_input_dim": WIDTH + 6 * 4, "cross_attention_dim": 2 * WIDTH}
            second = {"text_encoder_2": _clip(clip, is_projected=True), "tokenizer_2": clip}
            scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=False, **BETAS)
            parts = latent_parts(clip) | second | {"unet": _unet(**told), "scheduler": scheduler}
            return StableDiffusionXLPipeline(**parts, add_watermarker=False)
        case "if":
            pixels = {"in_channels": 3, "out_channels": 6, "sample_size": 16}
            return IFPipeline(
                tokenizer=t5_tokenizer(),
                text_encoder=_t5(),
                unet=_unet(**pixels),
                scheduler=DDIMScheduler(beta_schedule="squaredcos_cap_v2"),
                watermarker=None,
                **NO_GUARD,
            )
        case "sd3" | "sd3 without t5":
            return _sd3(clip, has_t5=kind == "sd3")
    return StableDiffusionPipeline(**latent_parts(clip), unet=_unet(), scheduler=scheduler, **NO_GUARD)


def latent_parts(clip):
    """VAE, text encoder and tokenizer of a latent model, with random weights."""
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        sample_size=16,
    )
    return {"vae": vae, "text_encoder": _clip(clip), "tokenizer": clip}


def _unet(**changes):
    options = {
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 4,
        "cross_attention_dim": WIDTH,
    }
    return UNet2DConditionModel(**(options | changes))


def _clip(tokenizer, is_projected=False):
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        projection_dim=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModelWithProjection(config) if is_projected else CLIPTextModel(config)


def t5_tokenizer():
    """Whole words and single letters, as a unigram model like T5's."""
    letters = sorted({letter for word in WORDS for letter in word})
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -5.0)]
    pieces += [(f"▁{word}", -1.0) for word in WORDS] + [(letter, -4.0) for letter in letters]
    return T5TokenizerFast(vocab=pieces, extra_ids=0)


def _t5(width=WIDTH):
    config = T5Config(
        vocab_size=len(t5_tokenizer()), d_model=width, d_kv=8, d_ff=32, num_layers=2, num_heads=2
    )
    return T5EncoderModel(config)


def _sd3(clip, has_t5):
    joint = 2 * WIDTH + 8
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=joint,
        caption_projection_dim=16,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=16,
    )
    parts = latent_parts(clip)
    parts["vae"].register_to_config(scaling_factor=1.5305, shift_factor=0.0609)
    parts["text_encoder"] = _clip(clip, is_projected=True)
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder_2=_clip(clip, is_projected=True),
        tokenizer_2=clip,
        text_encoder_3=_t5(joint) if has_t5 else None,
        tokenizer_3=t5_tokenizer() if has_t5 else None,
        **parts,
    )
