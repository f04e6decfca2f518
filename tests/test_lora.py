"""LoRAs on top of pipelines: they change what they change in diffusers and PEFT, or they are refused."""

import pytest
import torch
from diffusers import StableDiffusion3Pipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from peft import LoraConfig, get_peft_model_state_dict
from pipeline_folders import make_pipeline
from prior_folders import write_tiny_prior
from safetensors.torch import load_file, save_file

from dream3d.config import PriorOptions
from dream3d.errors import InputError
from dream3d.prior import Prior

NAME = "pytorch_lora_weights.safetensors"
SAVERS = {
    "sd1": (StableDiffusionPipeline, "unet"),
    "sdxl": (StableDiffusionXLPipeline, "unet"),
    "sd3": (StableDiffusion3Pipeline, "transformer"),
}
TARGETS = ["to_q", "to_v", "to_out.0"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder, pipeline and LoRA of three kinds."""
    root = tmp_path_factory.mktemp("lora")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield {kind: (root / kind, *with_lora(root / kind, kind)) for kind in SAVERS}


def with_lora(folder, kind):
    """A saved pipeline and the folder of a LoRA that was saved for it; the pipeline keeps the LoRA."""
    pipeline, (saver, part) = make_pipeline(folder, kind), SAVERS[kind]
    network, targets = getattr(pipeline, part), TARGETS + (["conv1"] if part == "unet" else [])
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(4)
        network.add_adapter(LoraConfig(r=2, lora_alpha=6, target_modules=targets, init_lora_weights=False))
    layers = {f"{part}_lora_layers": get_peft_model_state_dict(network)}
    metadata = {f"{part}_lora_adapter_metadata": network.peft_config["default"].to_dict()}
    lora = folder.with_name(f"{folder.name}-lora")
    saver.save_lora_weights(lora, **layers, **metadata)
    return pipeline, lora


def answer(prior, network):
    """x0 of a prior whose network is another one."""
    noisy = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    embedding, denoiser = prior.embed("a red chair"), prior.denoiser
    asked = (noisy, torch.tensor([300, 600]), embedding.tokens[:2], embedding.pooled[:2])
    return type(denoiser)(network, denoiser.card, denoiser.schedule, denoiser.dtype).x0(*asked)


def opened(folder, **added):
    return Prior.from_pretrained(str(folder), dtype=torch.float32, options=PriorOptions(**added))


@pytest.mark.parametrize("kind", SAVERS)
def test_it_predicts_what_diffusers_predicts_with_it(made, kind):
    folder, pipeline, lora = made[kind]
    plain, changed = opened(folder), opened(folder, lora=str(lora))
    with torch.no_grad():
        expected = answer(changed, getattr(pipeline, SAVERS[kind][1]))
        found, before = answer(changed, changed.unet), answer(plain, plain.unet)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (found - before).abs().max() > 1e-3
    assert changed.sha256 != plain.sha256
    assert not any(p.requires_grad for p in changed.unet.parameters())


def test_it_is_merged_and_leaves_no_layers_behind(made):
    folder, _, lora = made["sd1"]
    plain, changed = opened(folder), opened(folder, lora=str(lora / NAME))
    assert [(n, type(m)) for n, m in changed.unet.named_modules()] == [
        (n, type(m)) for n, m in plain.unet.named_modules()
    ]


def test_the_form_of_other_trainers_is_read(made, tmp_path):
    """kohya's: underlined names, down and up, and an alpha for each layer."""
    folder, _, lora = made["sd1"]
    old = {}
    for name, value in load_file(lora / NAME).items():
        layer, half = name.removeprefix("unet.").split(".lora_")
        if "attn" not in layer:
            continue
        stem = "lora_unet_" + layer.replace(".", "_")
        old[f"{stem}.lora_{'down' if half.startswith('A') else 'up'}.weight"] = value
        old[f"{stem}.alpha"] = torch.tensor(6.0)
    save_file(old, tmp_path / "kohya.safetensors")
    kept = {name: value for name, value in load_file(lora / NAME).items() if "attn" in name}
    save_file({name: 3.0 * v if "lora_B" in name else v for name, v in kept.items()}, tmp_path / NAME)
    found, expected = (opened(folder, lora=str(tmp_path / name)) for name in ("kohya.safetensors", NAME))
    torch.testing.assert_close(answer(found, found.unet), answer(expected, expected.unet))


def spoiled(lora, target, change):
    weights = {name: value for key, tensor in load_file(lora).items() for name, value in change(key, tensor)}
    save_file(weights, target)
    return target


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda key, tensor: [(key, torch.cat([tensor, tensor], -1))], "does not fit this prior"),
        (lambda key, tensor: [(key.replace("mid_block", "no_block"), tensor)], "layers that it changes"),
        (
            lambda key, tensor: [(key, tensor), (f"text_encoder.{key[5:]}", tensor.clone())],
            "also changes text_encoder",
        ),
        (lambda key, tensor: [(key, tensor * torch.nan)], "not finite"),
        (lambda key, tensor: [(f"transformer.{key[5:]}", tensor)], "also changes transformer"),
    ],
)
def test_what_does_not_fit_is_refused(made, tmp_path, change, says):
    folder, _, lora = made["sd1"]
    file = spoiled(lora / NAME, tmp_path / "odd.safetensors", change)
    with pytest.raises(InputError, match=says) as caught:
        opened(folder, lora=str(file))
    assert "\n" not in str(caught.value)
    assert "--lora" in str(caught.value)


def test_files_that_are_no_lora_are_refused(made, tmp_path):
    folder = made["sd1"][0]
    (tmp_path / "x.ckpt").write_bytes(b"x")
    (tmp_path / "broken.safetensors").write_bytes(b"x")
    (tmp_path / "two").mkdir()
    for name in ("a", "b"):
        save_file({"x": torch.zeros(1)}, tmp_path / "two" / f"{name}.safetensors")
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "lora.bin").write_bytes(b"x")
    for name, says in {
        "nothing": "no such file or folder",
        "x.ckpt": "only .safetensors",
        "broken.safetensors": "cannot be read",
        "two": "has 2 .safetensors files",
        "pickled": "a pickle",
    }.items():
        with pytest.raises(InputError, match=says):
            opened(folder, lora=str(tmp_path / name))


def test_the_built_in_kind_takes_none(made, tmp_path):
    with pytest.raises(InputError, match="takes none"):
        opened(write_tiny_prior(tmp_path / "tiny"), lora=str(made["sd1"][2]))
