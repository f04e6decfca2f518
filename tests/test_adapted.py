"""The copy of a prior that learns a scene's renders: shared weights, its own adapters."""

import sys
from itertools import pairwise

import pytest
import torch
from prior_folders import write_tiny_prior

from dream3d.errors import InputError
from dream3d.prior import CameraLaw, Prior
from dream3d.prior.adapted import AdaptedPrior

peft = pytest.importorskip("peft")


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    return Prior.from_pretrained(str(write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")))


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


def question(prior, generator, timestep=600):
    """What predictions are asked with: noisy latents, timesteps, prompt, cameras, shading, views."""
    cameras = CameraLaw().sample(1, generator)
    noisy = torch.randn(4, 16, 16, 16, generator=generator)
    return (
        noisy,
        torch.tensor([timestep] * 4),
        prior.embed("a red mushroom"),
        cameras,
        ["albedo"] * 4,
        "joint",
    )


def test_it_starts_as_the_prior_and_shares_its_weights(prior, generator):
    adapted = AdaptedPrior(prior, 4, 1e-3, generator)
    asked = question(prior, generator)
    torch.testing.assert_close(adapted.predict_x0(*asked)[0], prior.predict_x0(*asked)[0], atol=0, rtol=0)
    own = {weight.data_ptr() for weight in prior.unet.parameters()}
    copied = {weight.data_ptr() for weight in adapted.denoiser.unet.parameters()}
    assert own < copied
    assert sum(weight.numel() for weight in adapted.parameters) > 0
    assert {weight.data_ptr() for weight in adapted.parameters} == copied - own


def test_it_learns_what_it_is_shown_and_the_prior_does_not_change(prior, generator):
    adapted = AdaptedPrior(prior, 8, 1e-2, generator)
    noisy, timesteps, embedding, cameras, shading, views = question(prior, generator, 700)
    asked = (noisy, timesteps, embedding, cameras, shading, views)
    before = prior.predict_x0(*asked)[0]
    clean = torch.linspace(-0.8, 0.8, 16)[:, None, None].expand(4, 16, 16, 16)  # a value per channel
    errors = [(adapted.predict_x0(*asked)[0] - clean).square().mean()]
    for _ in range(3):
        for _ in range(20):
            adapted.learn(clean, embedding, cameras, shading, views, generator)
        errors.append((adapted.predict_x0(*asked)[0] - clean).square().mean())
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert errors[-1] < 0.5 * errors[0]
    assert torch.equal(prior.predict_x0(*asked)[0], before)
    assert not any(weight.requires_grad for weight in prior.unet.parameters())


def test_adapters_of_a_prior_in_half_precision_learn_in_single(tiny_prior_folder, generator):
    """In bfloat16 a step of 1e-4 is below what most weights can tell apart."""
    half = Prior.from_pretrained(str(tiny_prior_folder), dtype=torch.bfloat16)
    adapted = AdaptedPrior(half, 4, 1e-4, generator)
    noisy, _, embedding, cameras, shading, views = question(half, generator)
    assert {weight.dtype for weight in adapted.parameters} == {torch.float32}
    for _ in range(3):
        before = [weight.detach().clone() for weight in adapted.parameters]
        adapted.learn(noisy, embedding, cameras, shading, views, generator)
    moved = [(w != b).float().mean() for w, b in zip(adapted.parameters, before, strict=True)]
    assert float(torch.stack(moved).mean()) > 0.9


def test_a_seed_decides_about_everything(prior):
    def learned(seed):
        generator = torch.Generator().manual_seed(seed)
        adapted = AdaptedPrior(prior, 2, 1e-2, generator)
        asked = question(prior, torch.Generator().manual_seed(0))
        adapted.learn(*(asked[0].clamp(-1, 1), *asked[2:]), generator)
        return adapted.predict_x0(*asked)[0]

    torch.random.default_generator.manual_seed(1)
    first = learned(3)
    torch.random.default_generator.manual_seed(2)
    assert torch.equal(first, learned(3))
    assert not torch.equal(first, learned(4))


def test_the_camera_can_be_left_open(prior, generator):
    adapted = AdaptedPrior(prior, 2, 1e-3, generator)
    noisy, timesteps, embedding, cameras, shading, _ = question(prior, generator)
    same = noisy[:1].expand(4, -1, -1, -1)
    asked = (same, timesteps, embedding, cameras, shading, "camera")
    (seen,) = adapted.predict_x0(*asked)
    assert (seen[0] - seen[2]).abs().max() > 1e-4
    (unseen,) = adapted.predict_x0(*asked[:-1], "none")
    torch.testing.assert_close(unseen, unseen[:1].expand_as(unseen), atol=1e-5, rtol=0)


def test_without_peft_one_line_says_what_to_do(prior, generator, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"dream3d\[vsd\].*another guidance method"):
        AdaptedPrior(prior, 2, 1e-3, generator)
