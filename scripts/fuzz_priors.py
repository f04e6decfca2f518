"""Folders of priors, and what is added to them, with one file damaged or one too many."""

import sys
import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import fuzz_strategies as damage
import torch
from hypothesis import strategies as st

from dream3d.config import PriorOptions
from dream3d.prior import Prior
from dream3d.prior.card import PriorCard

TESTS = Path(__file__).resolve().parent.parent / "tests"
PIPELINES = ("sd1", "sdxl", "sd3", "if")
ADDITIONS = ("lora", "embedding", "controlnet")  # folders of what is added to the first of them
# What a hostile folder may hold besides what a whole one does.
INDEX = b'{"metadata": {}, "weight_map": {"conv_in.weight": "../../../outside/model.safetensors"}}'
ADAPTER = b'{"base_model_name_or_path": "../outside", "peft_type": "LORA", "target_modules": ["q_proj"]}'
STRANGERS = {
    "unet/diffusion_pytorch_model.safetensors.index.json": INDEX,
    "text_encoder/model.safetensors.index.json": INDEX,
    "text_encoder/adapter_config.json": ADAPTER,
    "tokenizer/special_tokens_map.json": b'{"bos_token": "a", "extra_special_tokens": ["b"]}',
    "tokenizer/added_tokens.json": b'{"a": 1, "b": 900000}',
}


def write_folders(name: str, home: Path) -> dict[str, bytes]:
    """Small priors with random weights in `home / name`: one of our own, of diffusers, or one and additions.

    Returns:
        Path (prior/part/file) to content of all files that are to be damaged.
    """
    sys.path.insert(0, str(TESTS))
    folder = home / name
    if name == "prior":
        from prior_folders import write_tiny_prior  # pyright: ignore[reportMissingImports]

        write_tiny_prior(folder / "tiny")
    elif name == "pipeline":
        from multi_view_folder import write_multi_view  # pyright: ignore[reportMissingImports]
        from pipeline_folders import write_pipeline  # pyright: ignore[reportMissingImports]

        for kind in PIPELINES:
            write_pipeline(folder / kind, kind)
        write_multi_view(folder / "mvdream")
    else:
        _write_additions(folder / PIPELINES[0])
    priors = {path.name for path in folder.iterdir() if "." not in path.name}  # not what they were made of
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder) if path.suffix != ".py"}
    return {
        path: file.read_bytes()
        for path, file in files.items()
        if path.split("/")[0] in priors and (name != "addition" or path.split("/")[1] in ADDITIONS)
    }


def _write_additions(folder: Path) -> None:
    """A pipeline, and beside its parts a LoRA, a learned word and a ControlNet."""
    from peft import LoraConfig, get_peft_model_state_dict
    from pipeline_folders import (  # pyright: ignore[reportMissingImports]
        WIDTH,
        make_controlnet,
        make_pipeline,
    )
    from safetensors.torch import save_file

    pipeline = make_pipeline(folder, PIPELINES[0])
    make_controlnet(folder / "controlnet", pipeline.unet)
    config = LoraConfig(r=2, lora_alpha=6, target_modules=["to_q", "to_v", "conv1"], init_lora_weights=False)
    pipeline.unet.add_adapter(config)
    described = {"unet_lora_adapter_metadata": pipeline.unet.peft_config["default"].to_dict()}
    weights = get_peft_model_state_dict(pipeline.unet)
    pipeline.save_lora_weights(folder / "lora", unet_lora_layers=weights, **described)
    (folder / "embedding").mkdir()
    save_file({"<toy>": torch.ones(2, WIDTH)}, folder / "embedding" / "learned_embeds.safetensors")


def damaged_files(files: Mapping[str, bytes]) -> st.SearchStrategy[bytes]:
    """One file, damaged, or one that no whole folder has: its path, a line break, its content."""
    found: list[st.SearchStrategy[bytes]] = []
    for path, content in files.items():
        is_json = path.endswith(".json")
        damaged = (damage.damaged_json if is_json else damage.damaged_safetensors)(content)
        found += [damaged.map(partial(_join, path))] * (2 if is_json else 1)
    for prior in {path.split("/")[0] for path in files}:
        for name, content in STRANGERS.items():
            whole, damaged = st.just(content), damage.damaged_json(content)
            found.append((whole | damaged).map(partial(_join, f"{prior}/{name}")))
    return st.one_of(found)


def _join(path: str, content: bytes) -> bytes:
    return f"{path}\n".encode() + content


def read_prior(folder: Path, known: tuple[str, ...], content: bytes, box: Path) -> None:
    """Open the prior among whose files the given one lies, and ask it once."""
    name, _, content = content.partition(b"\n")
    kinds = sorted({path.split("/")[0] for path in known})
    names = (*known, *(f"{kind}/{stranger}" for kind in kinds for stranger in STRANGERS))
    path = name.decode("utf-8", "replace")
    path = path if path in names else names[zlib.crc32(name) % len(names)]
    copied, original = box / path.split("/")[0], folder / path.split("/")[0]
    try:
        for file in _files(original):
            target = copied / file.relative_to(original)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file)
        (box / path).parent.mkdir(exist_ok=True)
        (box / path).unlink(missing_ok=True)
        (box / path).write_bytes(content)
        part = path.split("/")[1]
        _ask(copied, replace(PriorOptions(), **({part: str(copied / part)} if part in ADDITIONS else {})))
    finally:
        for leftover in (*sorted(copied.rglob("*"), reverse=True), copied):
            leftover.rmdir() if leftover.is_dir() else leftover.unlink()


@torch.no_grad()
def _ask(folder: Path, options: PriorOptions) -> None:
    """Open a prior and ask what it sees in noise."""
    prior = Prior.from_pretrained(str(folder), dtype=torch.float32, options=options)
    embedding = prior.embed("a red <toy>" if options.embedding else "a red mushroom")
    generator = torch.Generator().manual_seed(0)
    cameras = prior.sample_cameras(1, generator)
    size, views = prior.image_size, "joint" if isinstance(prior.card, PriorCard) else "words"
    noisy = prior.encode(torch.rand(4, size, size, prior.image_channels, generator=generator))
    if prior.control_kind:
        prior = prior.shown(torch.rand(4, 3, size, size, generator=generator))
    timesteps = torch.full((4,), len(prior.alphas_cumprod) - 1)
    (clean, _) = prior.predict_x0(noisy, timesteps, embedding, cameras, ["albedo"] * 4, views)
    assert clean.shape == noisy.shape


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
