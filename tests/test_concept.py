"""Learned words (textual inversion): they say what they say in diffusers, or they are refused."""

import shutil
from pathlib import Path

import pytest
import torch
from pipeline_folders import WIDTH, make_pipeline, write_pipeline
from prior_folders import write_tiny_prior
from safetensors.torch import save_file
from transformers import CLIPTokenizer

from dream3d.cli import main
from dream3d.config import PriorOptions
from dream3d.errors import InputError
from dream3d.prior import Prior

TEXTS = ["a red <toy>", "a red <toy>, front view", "blurry", ""]


def vectors(count, seed=0):
    return 0.5 * torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders and pipelines of three kinds."""
    root = tmp_path_factory.mktemp("concepts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield {
            kind: (root / kind, make_pipeline(root / kind, kind)) for kind in ("sd1", "sd2", "sdxl", "lcm")
        }


def opened(folder, file):
    options = PriorOptions(embedding=str(file))
    return Prior.from_pretrained(str(folder), dtype=torch.float32, options=options)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", ["sd1", "sd2", "lcm"])
def test_it_says_what_it_says_in_diffusers(made, tmp_path, kind, count):
    folder, pipeline = made[kind]
    file, word = tmp_path / "learned_embeds.safetensors", f"<toy{kind}{count}>"
    save_file({word: vectors(count)[0] if count == 1 else vectors(count)}, file)
    texts = [text.replace("<toy>", word) for text in TEXTS]
    found, _ = opened(folder, tmp_path).texts.encode(texts)
    pipeline.load_textual_inversion(str(file))
    expected, _ = pipeline.encode_prompt(texts, "cpu", 1, False)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    plain, _ = Prior.from_pretrained(str(folder), dtype=torch.float32).texts.encode(TEXTS[2:])
    torch.testing.assert_close(found[2:], plain, atol=1e-6, rtol=1e-6)  # whatever does not say it stays


def test_sdxl_learns_it_twice(made, tmp_path):
    folder, pipeline = made["sdxl"]
    pairs = {"clip_l": vectors(2, 1), "clip_g": vectors(2, 2)}
    save_file(pairs, tmp_path / "plush.safetensors")
    texts = [text.replace("<toy>", "plush") for text in TEXTS]
    found = opened(folder, tmp_path / "plush.safetensors").texts.encode(texts)
    pipeline.tokenizer_2 = CLIPTokenizer.from_pretrained(folder / "tokenizer_2")  # so far the same object
    first, second = (
        (pipeline.tokenizer, pipeline.text_encoder),
        (pipeline.tokenizer_2, pipeline.text_encoder_2),
    )
    pipeline.load_textual_inversion({"plush": pairs["clip_l"]}, "plush", *first)
    pipeline.load_textual_inversion({"plush": pairs["clip_g"]}, "plush", *second)
    tokens, _, pooled, _ = pipeline.encode_prompt(texts[:3], None, "cpu", 1, False)
    torch.testing.assert_close(found[0][:3], tokens, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(found[1][:3], pooled, atol=1e-6, rtol=1e-6)


def test_the_form_of_web_uis_is_named_by_its_file(made, tmp_path):
    folder = made["sd1"][0]
    save_file({"emb_params": vectors(2)}, tmp_path / "toy.safetensors")
    save_file({"toy": vectors(2)}, tmp_path / "other.safetensors")
    found, same = (
        opened(folder, tmp_path / f"{name}.safetensors").embed("a red toy").tokens
        for name in ("toy", "other")
    )
    assert torch.equal(found, same)


def test_only_the_whole_word_is_meant_in_capitals_or_not(made, tmp_path):
    save_file({"<toy>": vectors(2)}, tmp_path / "toy.safetensors")
    concept = opened(made["sd1"][0], tmp_path / "toy.safetensors").texts.concept
    assert concept.spelled("a <toy>, a <Toy> and x<toy>") == "a <toy> <toy>_1, a <toy> <toy>_1 and x<toy>"
    assert concept.is_in(["a chair", "<TOY>"])
    assert not concept.is_in(["a toy", "a x<toy>"])


def test_what_was_kept_for_another_word_is_not_taken(made, tmp_path):
    """The same text, with the same file under another name and with other numbers in it."""
    folder = made["sd1"][0]
    answers = []
    for name, seed in (("toy", 1), ("doll", 1), ("toy", 2)):
        file = tmp_path / str(len(answers)) / f"{name}.safetensors"
        file.parent.mkdir()
        save_file({"emb_params": vectors(1, seed)}, file)
        prior = opened(folder, file)
        answers.append((prior.embed("a red toy").tokens[0], prior.sha256))
    plain = Prior.from_pretrained(str(folder), dtype=torch.float32)
    answers.append((plain.embed("a red toy").tokens[0], plain.sha256))
    assert torch.equal(answers[1][0], answers[3][0])  # nothing is called a toy there
    first, _, third, fourth = (tokens for tokens, _ in answers)
    assert (
        min(float((a - b).abs().max()) for a, b in ((first, third), (first, fourth), (third, fourth))) > 1e-3
    )
    assert len({digest for _, digest in answers}) == 3  # the numbers alone are in that of the weights


def test_all_of_its_vectors_count_as_words_of_a_prompt(made, tmp_path):
    save_file({"<toy>": vectors(30)}, tmp_path / "toy.safetensors")
    with pytest.raises(
        InputError, match="reads 24 tokens of a text, and the prompt with the words for a view"
    ):
        opened(made["sd1"][0], tmp_path / "toy.safetensors").embed("a <toy>")


REFUSED = {
    "two words": ({"<a>": vectors(1), "<b>": vectors(1)}, "holds <a>, <b>, not one word"),
    "for SDXL": ({"clip_l": vectors(1), "clip_g": vectors(1)}, "holds clip_g, clip_l, not one word"),
    "no vectors": ({"<a>": torch.zeros(1, 2, 3)}, "something else than vectors"),
    "not finite": ({"<a>": vectors(2) * torch.nan}, "not finite"),
    "too wide": ({"<a>": torch.zeros(1, 24)}, "have 24 numbers, not 16 .it is for another version"),
    "a known word": ({"chair": vectors(1)}, "'chair' is a word that the prior knows"),
    "nothing": ({}, "holds nothing, not one word"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(made, tmp_path, name):
    tensors, says = REFUSED[name]
    save_file(tensors, tmp_path / "odd.safetensors")
    with pytest.raises(InputError, match=says) as caught:
        opened(made["sd1"][0], tmp_path / "odd.safetensors").embed("a <a> chair")
    assert "\n" not in str(caught.value)
    assert "--embedding" in str(caught.value)


def test_files_and_priors_that_cannot_be_used_are_refused(made, tmp_path):
    folder = made["sd1"][0]
    (tmp_path / "broken.safetensors").write_bytes(b"x")
    (tmp_path / "x.pt").write_bytes(b"x")
    for name, says in {
        "nowhere": "no such file or folder",
        "x.pt": "only .safetensors",
        "broken.safetensors": "not a whole safetensors file",
    }.items():
        with pytest.raises(InputError, match=says):
            opened(folder, tmp_path / name)
    save_file({"<toy>": vectors(1)}, tmp_path / "toy.safetensors")
    save_file({"clip_l": vectors(2), "clip_g": vectors(1)}, tmp_path / "uneven.safetensors")
    for kind, file in (("sdxl", "toy"), ("sdxl", "uneven")):
        with pytest.raises(InputError, match="does not fit SDXL"):
            opened(made[kind][0], tmp_path / f"{file}.safetensors")
    for other in (write_pipeline(tmp_path / "if", "if"), write_tiny_prior(tmp_path / "tiny")):
        with pytest.raises(InputError, match=r"--embedding .*takes none"):
            opened(other, tmp_path / "toy.safetensors")


@pytest.mark.usefixtures("work")
def test_a_word_that_nobody_says_is_refused_before_any_work(made, tmp_path, capfd):
    shutil.copytree(made["sd1"][0], "sd")
    save_file({"<toy>": vectors(1)}, tmp_path / "toy.safetensors")
    words = [
        "--prior",
        "sd",
        "--coarse.guidance.views",
        "words",
        "--coarse.num-steps",
        "2",
        "--refine.num-steps",
        "0",
        "--target-faces",
        "99",
    ]
    words += ["--texture-size", "64", "--quiet", "--embedding", str(tmp_path / "toy.safetensors")]
    assert main(["generate", "a red chair", *words]) == 2
    assert capfd.readouterr().err.strip().endswith("the prompt does not say <toy>, which it stands for")
    assert main(["generate", "a red <toy>", *words]) == 0
    Path("box.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    refine = ["refine", "box.obj", "--prompt", "a chair", *words, "--paint.guidance.views", "words"]
    refine += ["--paint.num-steps", "2"]
    assert main([*refine, "--from-prompt", "a <toy> chair"]) == 0  # an edit may take it away
    assert main(refine) == 2
