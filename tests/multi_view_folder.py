"""Tiny MVDream pipelines with random weights, in the form and under the names that the hub has them."""

import json
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from pipeline_folders import BETAS, WIDTH, WORDS, latent_parts, shake
from prior_model import make_tokenizer
from safetensors.torch import save_file

CONFIG = {
    "image_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "attention_resolutions": [1],
    "num_res_blocks": 1,
    "channel_mult": [1, 2],
    "num_head_channels": 16,
    "transformer_depth": 1,
    "context_dim": WIDTH,
    "camera_dim": 16,
    "use_checkpoint": False,
}
INDEX = {
    "_class_name": "MVDreamPipeline",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["mv_unet", "MultiViewUNetModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def stored_shapes(config):
    """Name and shape of every weight of latent diffusion's UNet with cameras, in the order of computation."""
    width, text = config["model_channels"], config["context_dim"]
    shapes = {}

    def layer(name, *weight, has_bias=True):
        shapes[f"{name}.weight"] = weight
        if has_bias:
            shapes[f"{name}.bias"] = weight[:1]

    def residual(name, before, after):
        layer(f"{name}.in_layers.0", before)
        layer(f"{name}.in_layers.2", after, before, 3, 3)
        layer(f"{name}.emb_layers.1", after, 4 * width)
        layer(f"{name}.out_layers.0", after)
        layer(f"{name}.out_layers.3", after, after, 3, 3)
        if before != after:
            layer(f"{name}.skip_connection", after, before, 1, 1)

    def transformer(name, side):
        layer(f"{name}.norm", side)
        layer(f"{name}.proj_in", side, side)
        block = f"{name}.transformer_blocks.0"
        for attention, read in (("attn1", side), ("attn2", text)):
            layer(f"{block}.{attention}.to_q", side, side, has_bias=False)
            layer(f"{block}.{attention}.to_k", side, read, has_bias=False)
            layer(f"{block}.{attention}.to_v", side, read, has_bias=False)
            layer(f"{block}.{attention}.to_out.0", side, side)
        for norm in ("norm1", "norm2", "norm3"):
            layer(f"{block}.{norm}", side)
        layer(f"{block}.ff.net.0.proj", 8 * side, side)
        layer(f"{block}.ff.net.2", side, 4 * side)
        layer(f"{name}.proj_out", side, side)

    for name, numbers in (("time_embed", width), ("camera_embed", config["camera_dim"])):
        layer(f"{name}.0", 4 * width, numbers)
        layer(f"{name}.2", 4 * width, 4 * width)
    layer("input_blocks.0.0", width, config["in_channels"], 3, 3)
    sides, now, block = [width], width, 1
    last = len(config["channel_mult"]) - 1
    for level, factor in enumerate(config["channel_mult"]):
        for _ in range(config["num_res_blocks"]):
            residual(f"input_blocks.{block}.0", now, factor * width)
            now = factor * width
            if 2**level in config["attention_resolutions"]:
                transformer(f"input_blocks.{block}.1", now)
            sides.append(now)
            block += 1
        if level < last:
            layer(f"input_blocks.{block}.0.op", now, now, 3, 3)
            sides.append(now)
            block += 1
    residual("middle_block.0", now, now)
    transformer("middle_block.1", now)
    residual("middle_block.2", now, now)
    block = 0
    for level in range(last, -1, -1):
        for index in range(config["num_res_blocks"] + 1):
            side = config["channel_mult"][level] * width
            residual(f"output_blocks.{block}.0", now + sides.pop(), side)
            now, place = side, 1
            if 2**level in config["attention_resolutions"]:
                transformer(f"output_blocks.{block}.1", now)
                place = 2
            if level and index == config["num_res_blocks"]:
                layer(f"output_blocks.{block}.{place}.conv", now, now, 3, 3)
            block += 1
    layer("out.0", now)
    layer("out.2", config["out_channels"], now, 3, 3)
    return shapes


def write_network(folder, **changes):
    """The folder unet/ of such a pipeline, always the same; its weights by name."""
    config = CONFIG | changes
    generator = torch.Generator().manual_seed(7)
    weights = {}
    for name, shape in stored_shapes(config).items():
        scale = 0.1 if len(shape) == 1 else 0.7 * torch.Size(shape[1:]).numel() ** -0.5
        is_norm = len(shape) == 1 and name.endswith("weight")
        weights[name] = scale * torch.randn(shape, generator=generator) + float(is_norm)
    folder = Path(folder) / "unet"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"_class_name": "MultiViewUNetModel"} | config))
    (folder / "mv_unet.py").write_text("raise SystemExit('code of a prior must not run')\n")
    save_file(weights, folder / "diffusion_pytorch_model.safetensors")
    return weights


def write_multi_view(folder):
    """A whole pipeline; the weights of its network by name."""
    weights = write_network(folder)
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(12)
        parts = latent_parts(make_tokenizer(WORDS, folder.with_name(f"{folder.name}.clip")))
        for name, part in parts.items():
            if isinstance(part, torch.nn.Module):
                shake(part.eval())
            part.save_pretrained(folder / name)
    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1, **BETAS)
    scheduler.save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    return weights
