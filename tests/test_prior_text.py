"""Which words of a prompt count."""

import pytest
import torch
from prior_folders import VOCABULARY, WORDS, write_tiny_prior

from dream3d.errors import InputError
from dream3d.prior import Prior
from dream3d.prior.text import Vocabulary, keep_known, split_words, unknown_words

KNOWN = Vocabulary(**{name: tuple(words) for name, words in VOCABULARY.items()})


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    return Prior.from_pretrained(str(write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")))


def test_every_word_of_the_vocabulary_is_one_token(prior):
    for word in WORDS:
        assert len(prior.texts.tokenizer.tokenize(word)) == 1, word


def test_unknown_words_name_their_neighbours():
    found = unknown_words("a red mushrom with a zqx", KNOWN)
    assert found == {"mushrom": ["mushroom"], "zqx": []}


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
