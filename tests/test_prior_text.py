"""Which words of a prompt count."""

import pytest
import torch
from prior_folders import VOCABULARY, WORDS, write_tiny_prior

from dream3d.errors import InputError
from dream3d.prior import Prior
from dream3d.prior.vocabulary import Vocabulary, keep_known, plain_prompt, split_words, unknown_words

KNOWN = Vocabulary(**{name: tuple(words) for name, words in VOCABULARY.items()})
LOOKS = Vocabulary(
    nouns=("chest", "tree", "pine tree", "stool", "star", "shield"),
    colors=("red", "blue", "white"),
    parts=("lid", "trunk"),
    sizes=("tall",),
    function_words=("a", "and", "with", "without", "that", "is", "made", "of"),
    materials=("wooden", "wood"),
    patterns=("striped", "stripes"),
    relations=("on", "next to", "on top of"),
)


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    return Prior.from_pretrained(str(write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")))


def test_every_word_of_the_vocabulary_is_one_token(prior):
    for word in WORDS:
        assert len(prior.texts.tokenizer.tokenize(word)) == 1, word


def test_unknown_words_name_their_neighbours():
    found = unknown_words("a red mushrom with a zqx", KNOWN)
    assert found == {"mushrom": ["mushroom"], "zqx": []}


def test_plurals_are_read_as_one():
    nouns = ("box", "cherry", "knife", "leaf", "pine tree", "glasses")
    words = Vocabulary(nouns, ("blue",), ("legs",), (), ("a", "the", "is"))
    said = "Boxes cherries knives leaves pine trees glasses legs glass"
    one = ["box", "cherry", "knife", "leaf", "pine", "tree", "glasses", "legs", "glass"]
    assert words.read(said) == one
    assert keep_known("the blue boxes", words) == "the blue box"
    assert list(unknown_words("as blues boxs boxess leg", words)) == ["as", "boxess", "leg"]
    assert words.names_thing("two PINE TREES")
    assert not words.names_thing("blue legs")


def test_unknown_words_are_left_out():
    assert keep_known("A RED, shiny mushroom!", KNOWN) == "a red mushroom"
    assert split_words("Ice-cream 3D") == ["ice", "cream", "3d"]


def test_unknown_words_do_not_change_the_embedding(prior):
    plain, noisy = prior.embed("a red mushroom"), prior.embed("a red glorious mushroom")
    assert torch.equal(plain.tokens, noisy.tokens)
    assert not torch.equal(plain.tokens[0], plain.tokens[1])


@pytest.mark.parametrize("prompt", ["zebra", "a the with", "?!", "éléphant"])
def test_a_prompt_that_says_nothing_known_is_refused(prior, prompt):
    with pytest.raises(InputError, match="knows no word"):
        prior.embed(prompt)


@pytest.mark.parametrize(
    ("prompt", "plain"),
    [
        ("a wooden chest", "chest"),
        ("a red wooden chest with a blue lid", "red chest"),
        ("a red and white striped pine tree, white trunk", "red white pine tree"),
        ("a chest without lid", "chest"),
        ("a stool that is red and striped", "stool"),
        ("a tall blue stool made of wood", "blue stool"),
    ],
)
def test_a_plain_prompt_names_the_thing_and_its_color(prompt, plain):
    assert plain_prompt(prompt, LOOKS) == plain


@pytest.mark.parametrize(
    "prompt", ["a red chest", "pine tree", "a white stool next to a red tree", "a lid", ""]
)
def test_a_prompt_that_says_no_more_is_plain_already(prompt):
    assert plain_prompt(prompt, LOOKS) == prompt


def test_an_embedding_tells_whether_there_are_looks_to_emphasize(prior):
    assert not prior.embed("a red mushroom").says_looks
    assert prior.embed("a red mushroom with a blue cap").says_looks
    assert prior.embed("a tall mushroom").says_looks
