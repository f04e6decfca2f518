"""Score distillation against a Gaussian prior, whose denoiser is known in closed form."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from oracle_prior import cosine_schedule
from torch import Tensor

from dream3d.cameras import orbit
from dream3d.errors import InputError
from dream3d.guidance.classifier_free import guidance_scale, guided_x0
from dream3d.guidance.guide import Guide, Shown
from dream3d.guidance.pullback import rgba_distance
from dream3d.guidance.question import Question
from dream3d.guidance.surface_noise import REFRESH, SurfaceNoise
from dream3d.stage_config import GuidanceConfig

CAMERAS = orbit([0.0, 90.0], 10.0, 3.0, 40.0)
PLAIN = GuidanceConfig(scale=1.0, scale_at_noise=1.0, rescale=0.0)


@dataclass
class GaussianPrior:
    """Clean latents are N(mean, spread^2) given the text and N(0, 1) without; E[x_0 | x_t] is linear."""

    mean: float = 0.3
    spread: float = 0.5
    has_pixel_latents: bool = False
    has_opacity: bool = False
    alphas_cumprod: Tensor = field(default_factory=lambda: cosine_schedule(1000).double())

    def encode(self, images: Tensor) -> Tensor:
        return 3.0 * images.permute(0, 3, 1, 2) - 1.0

    def decode(self, latents: Tensor) -> Tensor:
        return (latents.permute(0, 2, 3, 1) + 1.0) / 3.0

    def denoise(self, noisy: Tensor, timestep: int, mean: float, spread: float) -> Tensor:
        alpha_bar = self.alphas_cumprod[timestep]
        gain = spread**2 * alpha_bar.sqrt() / (alpha_bar * spread**2 + 1.0 - alpha_bar)
        return mean + gain * (noisy - alpha_bar.sqrt() * mean)

    def predict_x0(
        self,
        noisy,
        timesteps,
        embedding=None,  # noqa: ARG002 (the interface of a prior)
        cameras=None,  # noqa: ARG002
        shading=None,  # noqa: ARG002
        views="camera",  # noqa: ARG002
        branches=("text", "negative"),
    ):
        timestep = int(timesteps[0])
        beliefs = {"text": (self.mean, self.spread), "negative": (0.0, 1.0)}
        return tuple(self.denoise(noisy, timestep, *beliefs[branch]) for branch in branches)


def ask(prior, images, timestep, config, seed=0):
    guide = Guide(prior, None, config, torch.Generator().manual_seed(seed))
    opacity = torch.ones(images.shape[:3])
    shown = Shown(images, CAMERAS, "albedo", torch.zeros(*images.shape[:3], 3), opacity)
    return guide.gradient(shown, timestep)


@pytest.mark.parametrize("timestep", [20, 400, 990])
@pytest.mark.parametrize("scale", [1.0, 7.5])
def test_gradient_is_the_guided_gaussian_residual_through_the_encoder(timestep, scale):
    prior = GaussianPrior()
    images = torch.rand(2, 4, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    latents = prior.encode(images)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)).double()
    alpha_bar = prior.alphas_cumprod[timestep]
    noisy = alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * noise
    text, uncond = prior.predict_x0(noisy, [timestep])
    residual = latents - (uncond + scale * (text - uncond))
    config = GuidanceConfig(scale=scale, scale_at_noise=scale, rescale=0.0)
    result = ask(prior, images, timestep, config)
    expected = 3.0 * residual.permute(0, 2, 3, 1) / 2  # the encoder's slope, two images
    torch.testing.assert_close(result.gradient, expected, rtol=1e-12, atol=1e-12)
    assert result.loss == pytest.approx(float(0.5 * residual.square().sum() / 2), rel=1e-12)


def test_expected_gradient_pulls_to_the_mean_by_the_known_factor():
    # E over the noise of x - E[x_0 | x_t] is (x - mean) (1 - abar) / (abar spread^2 + 1 - abar).
    prior, timestep = GaussianPrior(), 600
    images = torch.full((2, 64, 64, 3), 0.9, dtype=torch.float64)
    mean_gradient = (
        sum(float(ask(prior, images, timestep, PLAIN, seed).gradient.mean()) for seed in range(8)) / 8
    )
    alpha_bar = float(prior.alphas_cumprod[timestep])
    pull = (3.0 * 0.9 - 1.0 - prior.mean) * (1 - alpha_bar) / (alpha_bar * prior.spread**2 + 1 - alpha_bar)
    assert mean_gradient == pytest.approx(3.0 * pull / 2, rel=5e-3)


def test_descending_the_gradient_reaches_the_prior_mean():
    prior = GaussianPrior(spread=0.05)
    images = torch.rand(2, 2, 2, 3, dtype=torch.float64)
    for step in range(300):
        images = images - 0.03 * ask(prior, images, 700 - 2 * step, PLAIN, step).gradient
    torch.testing.assert_close(
        prior.encode(images), torch.full((2, 3, 2, 2), 0.3).double(), atol=0.05, rtol=0
    )


def test_the_images_and_the_graph_are_left_alone():
    images = torch.rand(2, 4, 4, 4, requires_grad=True)
    before = images.detach().clone()
    result = ask(GaussianPrior(), images, 500, PLAIN)
    assert torch.equal(images.detach(), before)
    assert images.grad is None
    assert not result.gradient.requires_grad


def predictions() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    text = torch.rand(2, 4, 3, 3, generator=generator) * 2 - 1
    return text, text + 0.3 * torch.randn(2, 4, 3, 3, generator=generator)


@pytest.mark.parametrize("rescale", [0.0, 0.5, 1.0])
def test_scale_one_is_the_text_prediction_whatever_the_rescale(rescale):
    text, uncond = predictions()
    torch.testing.assert_close(guided_x0(text, uncond, 1.0, rescale), text)


def test_without_rescale_it_is_plain_guidance():
    text, uncond = predictions()
    guided = guided_x0(text, uncond, 7.0, 0.0)
    torch.testing.assert_close(guided, uncond + 7.0 * (text - uncond))


def test_rescale_shrinks_the_direction_by_the_growth_of_the_spread():
    text, uncond = predictions()
    full = guided_x0(text, uncond, 9.0, 0.0)
    shrunk = guided_x0(text, uncond, 9.0, 1.0)
    torch.testing.assert_close(shrunk - text, (full - text) * (text.std() / full.std()))
    half = guided_x0(text, uncond, 9.0, 0.5)
    torch.testing.assert_close(half, (full + shrunk) / 2)


def test_what_both_predictions_agree_on_stays_and_nothing_leaves_the_range():
    # Empty background and opaque inside: rescaling the whole image would turn them into fog and holes.
    text, uncond = predictions()
    agreed = torch.zeros_like(text, dtype=torch.bool)
    agreed[..., 0], agreed[..., 1] = True, True
    text[..., 0], uncond[..., 0] = -1.0, -1.0
    text[..., 1], uncond[..., 1] = 1.0, 1.0
    guided = guided_x0(text, uncond, 20.0, 0.5, is_bounded=True)
    assert torch.equal(guided[agreed], text[agreed])
    assert float(guided.abs().max()) == 1.0


@pytest.mark.parametrize("has_pixel_latents", [True, False])
def test_what_the_prior_says_of_its_latents_decides_whether_guidance_is_bounded(has_pixel_latents):
    prior = GaussianPrior(has_pixel_latents=has_pixel_latents)
    config = replace(PLAIN, scale=100.0, scale_at_noise=100.0)
    latents = prior.encode(rgba_shown().images)
    question = Question(prior, latents, 500, None, CAMERAS, "albedo", config, torch.Generator())
    text, negative = prior.predict_x0(latents, [500])
    guided, _ = question.guided(latents, 500)
    free = negative + 100.0 * (text - negative)
    assert float(free.abs().max()) > 2.0
    torch.testing.assert_close(guided, free.clamp(-1.0, 1.0) if has_pixel_latents else free)


def test_guidance_fades_towards_pure_noise():
    config = GuidanceConfig(scale=5.0, scale_at_noise=1.0)
    assert [guidance_scale(level, config) for level in (0.0, 0.5, 0.75, 1.0)] == [5.0, 5.0, 3.0, 1.0]


def rgba(color: list[float], opacity: float) -> Tensor:
    """One pixel of a straight color, premultiplied."""
    return torch.tensor([*(value * opacity for value in color), opacity], dtype=torch.float64)[
        None, None, None
    ]


def test_rgba_distance_of_equal_pictures_is_zero_and_opaque_ones_are_compared_as_they_are():
    generator = torch.Generator().manual_seed(0)
    images, target = torch.rand(2, 2, 3, 3, 4, dtype=torch.float64, generator=generator)
    target[..., 3] = 0.1 + 0.9 * target[..., 3]  # Below a fiftieth the color is not trusted.
    assert float(rgba_distance(target, target)) == pytest.approx(0.0, abs=1e-12)
    images[..., 3], target[..., 3] = 1.0, 1.0
    expected = 2.0 * (images - target).square().sum() / 2  # values in [-1, 1]: half of the square of twice
    assert float(rgba_distance(images, target)) == pytest.approx(float(expected))


def test_what_must_vanish_keeps_its_color_and_what_must_darken_its_opacity():
    def slopes(color, opacity, target):
        """Derivatives to the straight color and to the opacity behind the premultiplied pixel."""
        straight = torch.tensor(color, dtype=torch.float64, requires_grad=True)
        alpha = torch.tensor([opacity], dtype=torch.float64, requires_grad=True)
        image = torch.cat([straight * alpha, alpha])[None, None, None]
        return torch.autograd.grad(rgba_distance(image, target), (straight, alpha))

    to_color, to_opacity = slopes([1.0, 0.5, 0.2], 0.8, rgba([0.0, 0.0, 0.0], 0.0))
    assert float(to_color.abs().max()) == 0.0
    assert float(to_opacity) == pytest.approx(4.0 * 0.8)
    to_color, to_opacity = slopes([1.0, 0.5, 0.2], 0.8, rgba([0.2, 0.1, 0.1], 0.8))
    assert float(to_color.min()) > 0.0
    assert float(to_opacity) == pytest.approx(0.0, abs=1e-12)


def test_gradient_of_an_rgba_prior_is_that_of_the_rgba_distance_to_its_prediction():
    prior = GaussianPrior(has_opacity=True)
    images = torch.rand(2, 4, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    latents = prior.encode(images)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)).double()
    noisy = prior.alphas_cumprod[500].sqrt() * latents + (1 - prior.alphas_cumprod[500]).sqrt() * noise
    target = prior.decode(prior.denoise(noisy, 500, prior.mean, prior.spread))
    result = ask(prior, images, 500, PLAIN)
    eps = 1e-6
    for index in [(0, 0, 0, 0), (1, 2, 3, 1), (0, 1, 1, 3), (1, 3, 0, 3)]:
        step = torch.zeros_like(images)
        step[index] = eps
        slope = (rgba_distance(images + step, target) - rgba_distance(images - step, target)) / (2 * eps)
        assert float(result.gradient[index]) == pytest.approx(float(slope), rel=1e-5, abs=1e-7)


def rgba_shown(seed: int = 1) -> Shown:
    images = torch.rand(2, 4, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Shown(images, CAMERAS, "albedo", torch.zeros(2, 4, 4, 3), torch.ones(2, 4, 4))


def test_a_difference_to_the_unguided_prediction_is_a_wish_relative_to_the_render():
    # CSD on premultiplied RGBA: the wish is the render plus what the text changes.
    prior, shown = GaussianPrior(has_opacity=True), rgba_shown()
    config = GuidanceConfig(method="csd", scale=3.0, scale_at_noise=3.0, rescale=0.0)
    found = Guide(prior, None, config, torch.Generator().manual_seed(0)).gradient(shown, 500)
    latents = prior.encode(shown.images)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)).double()
    noisy = prior.alphas_cumprod[500].sqrt() * latents + (1 - prior.alphas_cumprod[500]).sqrt() * noise
    text, negative = prior.predict_x0(noisy, [500])
    wish = shown.images + 3.0 * (prior.decode(text) - prior.decode(negative))
    images = shown.images.clone().requires_grad_(True)
    (expected,) = torch.autograd.grad(rgba_distance(images, wish), images)
    torch.testing.assert_close(found.gradient, expected, rtol=1e-9, atol=1e-9)


def test_an_opening_is_plain_sds_whatever_the_method():
    shown, prior = rgba_shown(), GaussianPrior(has_opacity=True)
    plain = Guide(prior, None, PLAIN, torch.Generator().manual_seed(0)).gradient(shown, 700)
    config = replace(PLAIN, method="csd", weight="uniform")
    guide = Guide(prior, None, config, torch.Generator().manual_seed(0))
    assert torch.equal(guide.gradient(shown, 700, is_opening=True).gradient, plain.gradient)
    assert guide.evaluations == 4
    assert not torch.equal(guide.gradient(shown, 700).gradient, plain.gradient)


@pytest.mark.parametrize("rms", [1e-3, 1e3])
def test_gradients_are_cut_or_scaled_to_a_size_image_by_image(rms):
    def sizes(**options):
        guide = Guide(GaussianPrior(), None, replace(PLAIN, **options), torch.Generator().manual_seed(0))
        return guide.gradient(rgba_shown(), 500).gradient

    free, cut, fixed = sizes(), sizes(gradient_rms=rms), sizes(gradient_rms=rms, normalize=True)
    own = free.square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(cut.square().mean((1, 2, 3)).sqrt(), own.clamp_max(rms))
    torch.testing.assert_close(fixed.square().mean((1, 2, 3)).sqrt(), torch.full_like(own, rms))
    torch.testing.assert_close(fixed / rms, free / own[:, None, None, None])


def test_the_image_term_adds_the_distance_that_latents_do_not_see():
    images = torch.rand(2, 4, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    without = ask(GaussianPrior(), images, 500, PLAIN).gradient
    with_term = ask(GaussianPrior(), images, 500, replace(PLAIN, image_weight=0.5)).gradient
    # Latents are three times the images: the image term is a ninth of the latents'.
    torch.testing.assert_close(with_term, without * (1.0 + 0.5 / 9.0))


class TestSurfaceNoise:
    """Noise that belongs to places."""

    def test_a_place_has_one_noise_from_every_side_and_the_background_has_its_own(self):
        noise = SurfaceNoise.draw(4, torch.Generator().manual_seed(0))
        points = torch.rand(1, 8, 8, 3, generator=torch.Generator().manual_seed(1)) - 0.5
        turned = points.flip(2)
        solid = torch.ones(1, 8, 8)
        assert torch.equal(noise.at(points, solid).flip(2), noise.at(turned, solid))
        assert not torch.equal(noise.at(points, 0 * solid), noise.at(points, 0 * solid))

    def test_it_is_white_within_a_view(self):
        # A wall a pixel's width of the scene apart per pixel, seen straight on.
        noise = SurfaceNoise.draw(4, torch.Generator().manual_seed(0))
        steps = torch.linspace(-1.0, 1.0, 62)
        wall = torch.stack([*torch.meshgrid(steps, steps, indexing="xy"), torch.zeros(62, 62)], dim=-1)
        seen = noise.at(wall[None], torch.ones(1, 62, 62))[0]
        assert float(seen.mean()) == pytest.approx(0.0, abs=0.03)
        assert float(seen.var()) == pytest.approx(1.0, abs=0.04)
        beside = (seen[:, 1:] * seen[:, :-1]).mean()
        assert float(beside.abs()) < 0.08  # white: none; one cell for a pair of pixels: 0.5 or more

    def test_it_is_refreshed_slowly_and_stays_white(self):
        noise = SurfaceNoise.draw(2, torch.Generator().manual_seed(0))
        first = noise.values
        for _ in range(20):
            noise.refresh()
        assert float(noise.values.var()) == pytest.approx(1.0, abs=0.01)
        kept = float((first * noise.values).mean())
        assert kept == pytest.approx((1.0 - REFRESH) ** 10, abs=0.01)  # the root of each step's share


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"t_max_start": 1.2}, "t_max_start is a share"),
        ({"opening": -0.1}, "opening is a share"),
        ({"t_min_end": 0.5, "t_max_end": 0.4}, "must not be above"),
        ({"perp_neg": True}, "views words or blended"),
        ({"normalize": True}, "needs guidance.gradient_rms"),
        ({"adapter_rank": 0}, "from 1 to 256"),
    ],
)
def test_impossible_settings_are_refused(options, says):
    with pytest.raises(InputError, match=says):
        GuidanceConfig(**options)
