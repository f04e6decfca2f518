"""The measurement of guidance methods, on a prior of random weights that is as small as can be."""

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from bench_guidance import Bench
from random_prior import random_prior

from dream3d.config import PriorOptions

PLAIN = PriorOptions(precision="float32")
TINY = {"shape": "tiny", "views": "words", "device": "cpu", "options": PLAIN, "repeats": 2}


@pytest.mark.parametrize(("method", "evaluations"), [("sds", 8), ("csd", 8), ("vsd", 16)])
def test_a_step_is_measured(method, evaluations):
    found = Bench(**TINY).measure(method)
    assert found["evaluations"] == evaluations
    assert 0.01 < found["unet_share"] < 0.99
    assert found["ms"] > 0.0
    assert found["peak_mb"] > 50.0


def test_the_numbers_of_one_method_are_printed_for_the_process_that_asked(capsys):
    Bench(**TINY, only="sds").run()
    assert Bench(**TINY).measure("sds").keys() == json.loads(capsys.readouterr().out).keys()


def test_a_random_prior_is_a_latent_prior_of_its_shape():
    prior = random_prior("tiny", torch.device("cpu"), PLAIN)
    assert (prior.image_size, prior.image_channels, prior.has_pixel_latents) == (16, 3, False)
    assert prior.encode(torch.rand(1, 16, 16, 3)).shape == (1, 4, 8, 8)
    assert prior.alphas_cumprod.shape == (1000,)


def test_the_large_shape_is_that_of_stable_diffusion_2_1():
    """Without memory for its weights."""
    prior = random_prior("sd21", torch.device("meta"), PLAIN)
    assert prior.image_size == 512
    assert round(sum(weight.numel() for weight in prior.unet.parameters()) / 1e6) == 866
    assert round(sum(weight.numel() for weight in prior.codec.vae.parameters()) / 1e6) == 84
