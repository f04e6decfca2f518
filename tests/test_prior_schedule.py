"""The noise schedule and the codec of the prior: identities of x_t = a x_0 + s e in float64."""

import pytest
import torch

from dream3d.prior import codec, schedule

ALPHAS = torch.linspace(1.0, 0.0, 1000, dtype=torch.float64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


def draw(generator):
    clean, noise = torch.randn(2, 3, 4, 8, 8, generator=generator, dtype=torch.float64)
    return clean, noise, torch.tensor([1, 500, 999])


def test_velocity_gives_x0_back_even_without_signal(generator):
    clean, noise, timesteps = draw(generator)
    noisy = schedule.add_noise(clean, noise, ALPHAS, timesteps)
    v = schedule.velocity(clean, noise, ALPHAS, timesteps)
    back = schedule.x0_from_velocity(noisy, v, ALPHAS, timesteps)
    assert torch.allclose(back, clean, atol=1e-12)


def test_noise_and_x0_determine_each_other(generator):
    clean, noise, timesteps = draw(generator)
    noisy = schedule.add_noise(clean, noise, ALPHAS, timesteps)
    assert torch.allclose(schedule.noise_from_x0(noisy, clean, ALPHAS, timesteps), noise, atol=1e-11)


def test_unit_variance_is_kept(generator):
    clean, noise = torch.randn(2, 1, 1, 400, 400, generator=generator, dtype=torch.float64)
    for t in (0, 300, 700, 999):
        noisy = schedule.add_noise(clean, noise, ALPHAS, torch.tensor([t]))
        assert noisy.var().item() == pytest.approx(1.0, abs=0.02)


def test_loss_weight_is_the_clamped_snr_on_x0():
    timesteps = torch.tensor([1, 100, 400, 500, 800, 999])
    snr = ALPHAS[timesteps] / (1 - ALPHAS[timesteps])
    # An error d in v is an error s d in x_0, so weight_v = s^2 weight_x0.
    expected = snr.clamp(1, 5) * (1 - ALPHAS[timesteps])
    assert torch.allclose(schedule.x0_loss_weight(ALPHAS, timesteps).flatten(), expected)


def test_codec_is_a_scaled_permutation(generator):
    images = torch.rand(2, 6, 8, 4, generator=generator, dtype=torch.float64)
    latents = codec.images_to_latents(images)
    assert latents.shape == (2, 16, 3, 4)
    assert torch.equal(codec.latents_to_images(latents), (images * 2 - 1 + 1) * 0.5)
    assert latents.square().sum().item() == pytest.approx((images * 2 - 1).square().sum().item())
