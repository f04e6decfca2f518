"""Folders of models whose files lead elsewhere: to files outside, to pickles, to code. None is followed."""

import json
import os
import pickle  # noqa: TID251 - to write one that runs a program
import shutil

import pytest
import torch
from json_files import edit
from pipeline_folders import write_pipeline
from prior_folders import write_tiny_prior
from safetensors.torch import load_file, save_file

from dream3d.errors import InputError
from dream3d.prior import Prior
from dream3d.prior.references import check_references

MODEL, SHARDS = "model.safetensors", "model.safetensors.index.json"
UNET = "diffusion_pytorch_model.safetensors"


class Touch:
    """Runs a program when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield {"pipeline": write_pipeline(root / "sd", "sd1"), "prior": write_tiny_prior(root / "tiny")}


def write_index(path, weights, file):
    path.write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(weights, file)}))


def in_shards(folder, file):
    """The text encoder's weights in one shard of a name that passes, and an index that names another file."""
    part = folder / "text_encoder"
    weights = load_file(part / MODEL)
    (part / MODEL).rename(part / "model-00001-of-00001.safetensors")
    write_index(part / SHARDS, weights, file)
    return weights


def outside(folder):
    save_file(in_shards(folder, "../../outside.safetensors"), folder.parent / "outside.safetensors")


def pickled(folder):
    torch.save(in_shards(folder, "weights.bin"), folder / "text_encoder/weights.bin")


def hostile_pickle(folder):
    in_shards(folder, "weights.bin")
    (folder / "text_encoder/weights.bin").write_bytes(pickle.dumps(Touch(folder.parent / "ran")))


def pickled_unet(folder):
    weights = load_file(folder / "unet" / UNET)
    torch.save(weights, folder / "unet/weights.bin")
    write_index(folder / "unet" / f"{UNET}.index.json", weights, "weights.bin")


def adapted(folder):
    base = {"peft_type": "LORA", "base_model_name_or_path": "../../other", "target_modules": ["q_proj"]}
    (folder / "text_encoder/adapter_config.json").write_text(json.dumps(base))


def configured(**changes):
    return lambda folder: edit(folder / "text_encoder/config.json", **changes)


def versioned_tokenizer(folder):
    files = ["tokenizer.4.0.0.json", "../../outside/tokenizer.4.0.0.json"]
    edit(folder / "tokenizer/tokenizer_config.json", fast_tokenizer_files=files)


LEADING = {
    "a shard outside": (outside, "names '../../outside.safetensors'"),
    "a shard that is a pickle": (pickled, "names 'weights.bin', which is not a .safetensors file"),
    "a shard that runs a program": (hostile_pickle, "names 'weights.bin'"),
    "a shard of the denoiser": (pickled_unet, "names 'weights.bin'"),
    "an adapter of another model": (adapted, "holds an adapter .* --lora"),
    "code from a repository": (configured(_attn_implementation="someone/attention"), "_attn_implementation"),
    "the same further down": (
        configured(text_config={"_attn_implementation": "a/b"}),
        "_attn_implementation",
    ),
    "other weights": (configured(transformers_weights="../../a.safetensors"), "transformers_weights"),
    "other libraries": (configured(quantization_config={"quant_method": "gptq"}), "quantization_config"),
    "another tokenizer": (versioned_tokenizer, "names '../../outside/tokenizer.4.0.0.json'"),
}


@pytest.mark.parametrize("kind", ["pipeline", "prior"])
@pytest.mark.parametrize("name", LEADING)
def test_what_leads_elsewhere_is_refused_before_anything_is_loaded(whole, tmp_path, kind, name):
    lead, says = LEADING[name]
    folder = shutil.copytree(whole[kind], tmp_path / "copy")
    lead(folder)
    if kind == "prior" and not (folder / "text_encoder" / MODEL).is_file():
        says = "model.safetensors is missing|has only weights.bin, a pickle"  # its files have fixed names
    with pytest.raises(InputError, match=says) as caught:
        Prior.from_pretrained(str(folder))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_code_that_a_folder_brings_along_is_left_alone(whole, tmp_path):
    folder = shutil.copytree(whole["pipeline"], tmp_path / "copy")
    touch = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    (folder / "text_encoder/modeling_own.py").write_text(touch)
    (folder / "pipeline.py").write_text(touch)
    edit(folder / "text_encoder/config.json", auto_map={"AutoModel": "modeling_own.Own"})
    edit(folder / "model_index.json", custom_pipeline="pipeline.py")
    prior, untouched = (Prior.from_pretrained(str(path)) for path in (folder, whole["pipeline"]))
    assert torch.equal(prior.embed("a chair").tokens, untouched.embed("a chair").tokens)
    assert not (tmp_path / "ran").exists()


def test_names_beside_a_file_and_usual_configurations_pass(tmp_path):
    write_index(tmp_path / SHARDS, ["a", "b"], "model-00001-of-00002.safetensors")
    config = {
        "_name_or_path": "/home/someone/clip",
        "auto_map": {"AutoModel": "a.B"},
        "torch_dtype": "float32",
    }
    config |= {
        "_attn_implementation": "sdpa",
        "_attn_implementation_autoset": True,
        "quantization_config": None,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text('{"fast_tokenizer_files": ["tokenizer.4.0.0.json"]}')
    check_references(tmp_path)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "[" * 100_000]
)
def test_an_index_that_is_none_is_refused(tmp_path, content):
    (tmp_path / SHARDS).write_text(content)
    with pytest.raises(InputError, match=r"index\.json"):
        check_references(tmp_path)
