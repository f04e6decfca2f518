"""Encoded prompts of pipelines: kept on disk, encoded again when in doubt, never cut off."""

import shutil
from importlib.util import find_spec

import pytest
import torch
from pipeline_folders import write_pipeline

from dream3d.errors import InputError
from dream3d.prior import Prior
from dream3d.prior.pipelines.text_cache import TextCache
from dream3d.prior.text import BRANCHES, embedded_texts


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dream3d" / "text"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pipeline(tmp_path_factory.mktemp("pipelines") / "sdxl", "sdxl")


@pytest.fixture
def prior(cache, folder):  # noqa: ARG001
    return Prior.from_pretrained(str(folder), dtype=torch.float32)


def same(one, other):
    return torch.equal(one.tokens, other.tokens) and torch.equal(one.pooled, other.pooled)


def test_rows_are_the_texts_in_the_order_of_the_branches(prior):
    embedding = prior.embed("a red chair", "blurry")
    assert len(embedding.tokens) == len(embedding.pooled) == len(BRANCHES)
    for row, text in enumerate(embedded_texts("a red chair", "blurry", "a red chair")):
        tokens, pooled = prior.texts.encode([text])
        torch.testing.assert_close(embedding.tokens[row], tokens[0])
        torch.testing.assert_close(embedding.pooled[row], pooled[0])
    assert not embedding.tokens[BRANCHES.index("null")].any()  # SDXL's empty prompt


def test_the_second_time_nothing_is_loaded(prior, cache, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    first, moved = prior.embed("a red chair", "blurry"), Prior.from_pretrained(str(copy), dtype=torch.float32)
    for part in ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"):
        shutil.rmtree(copy / part)
    assert same(moved.embed("a red chair", "blurry"), first)
    assert len(list(cache.iterdir())) == 7
    with pytest.raises(InputError):
        moved.embed("a blue chair")


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-9], lambda content: content[:-1] + b"?", lambda _: b""]
)
def test_damaged_files_are_written_again(prior, cache, damage):
    first = prior.embed("a red chair")
    before = {path: path.read_bytes() for path in cache.iterdir()}
    for path, content in before.items():
        path.write_bytes(damage(content))
    assert same(prior.embed("a red chair"), first)
    assert {path: path.read_bytes() for path in cache.iterdir()} == before


def test_other_weights_and_other_precision_are_other_texts(prior, cache, tmp_path):
    write_pipeline(tmp_path / "sd1", "sd1")
    prior.embed("a red chair")
    count = len(list(cache.iterdir()))
    for dtype in (torch.float32, torch.bfloat16):
        Prior.from_pretrained(str(tmp_path / "sd1"), dtype=dtype).embed("a red chair")
    assert len(list(cache.iterdir())) == 3 * count


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path):
    file = tmp_path / "file"
    file.write_text("in the way")
    cache = TextCache(file / "text")
    encoded = (torch.ones(2, 3), torch.ones(3))
    cache.store("key", encoded)
    assert cache.load("key") is None


def test_texts_that_would_be_cut_off_are_refused(prior):
    with pytest.raises(
        InputError, match="reads 24 tokens of a text, and the prompt with the words for a view has"
    ):
        prior.embed("a red chair " * 8)


@pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="it is installed")
def test_a_tokenizer_that_needs_libraries_says_which(cache, tmp_path):  # noqa: ARG001
    folder = write_pipeline(tmp_path / "if", "if")
    (folder / "tokenizer" / "tokenizer.json").rename(folder / "tokenizer" / "spiece.model")
    with pytest.raises(InputError, match="pip install sentencepiece protobuf"):
        Prior.from_pretrained(str(folder)).embed("a red chair")


def test_damaged_encoders_are_named(cache, folder, tmp_path):  # noqa: ARG001
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = copy / "text_encoder_2" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    prior = Prior.from_pretrained(str(copy), dtype=torch.float32)
    with pytest.raises(InputError, match="text_encoder_2 cannot be loaded"):
        prior.embed("a red chair")
