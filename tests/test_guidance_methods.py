"""Guidance methods against the formulas of their papers, in noise predictions, and their fixed points."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from mixture_prior import MixturePrior, ParticleScore
from scipy import stats
from torch import Tensor

from dream3d.cameras import orbit
from dream3d.guidance import consistent3d, inversion, surface_noise
from dream3d.guidance.guide import Guide, Shown
from dream3d.guidance.perp_neg import negative_weights, perp_neg
from dream3d.prior.text import BRANCHES, TextEmbedding
from dream3d.stage_config import GuidanceConfig

SCALE = 4.0
PRIOR = MixturePrior(
    means={"text": (0.4, -0.7), "negative": (0.1, -0.2), "null": (0.0, 0.3), "plain": (0.3, -0.1)},
    spread={"text": 0.3, "negative": 0.8, "null": 1.1, "plain": 0.5},
    shares=(0.6, 0.4),
    turn=0.2,
)
CAMERAS = orbit([0.0, 70.0, 140.0], 10.0, 3.0, 40.0)
LAST = len(PRIOR.alphas_cumprod) - 1
ROWS = torch.eye(len(BRANCHES))[:, None]  # another embedding for every branch
LOOKS = TextEmbedding("a wooden chest", ROWS, ROWS[:, 0])


def settings(**options) -> GuidanceConfig:
    plain = {"scale": SCALE, "scale_at_noise": SCALE, "rescale": 0.0, "views": "camera", "emphasis": 0.0}
    return GuidanceConfig(**plain | options)


def pictures(count: int = 3) -> Tensor:
    return torch.rand(count, 2, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def shown(images: Tensor, cameras=CAMERAS) -> Shown:
    points = 0.4 * torch.rand(*images.shape[:3], 3, generator=torch.Generator().manual_seed(2))
    return Shown(images, cameras, "albedo", points, torch.ones(images.shape[:3]))


def gradient(images: Tensor, timestep: int, renders=None, prior=PRIOR, embedding=LOOKS, **options) -> Tensor:
    """Of the latents, [B, c, h, w], not averaged over the images."""
    guide = Guide(prior, embedding, settings(**options), torch.Generator().manual_seed(0), renders)
    found = guide.gradient(shown(images), timestep).gradient
    return found.permute(0, 3, 1, 2) * len(images) / 3.0  # the encoder's slope


class Paper:
    """Quantities of the papers: a, s, and noise predictions."""

    def __init__(self, images: Tensor, timestep: int) -> None:
        self.x = PRIOR.encode(images)
        self.draws = torch.Generator().manual_seed(0)
        self.t = timestep

    def scales(self, t: int) -> tuple[Tensor, Tensor]:
        return PRIOR.alphas_cumprod[t].sqrt(), (1.0 - PRIOR.alphas_cumprod[t]).sqrt()

    def noise(self) -> Tensor:
        return torch.randn(self.x.shape, generator=self.draws).double()

    def at(self, t: int, noise: Tensor) -> Tensor:
        a, s = self.scales(t)
        return a * self.x + s * noise

    def e(self, noisy: Tensor, t: int, branch: str) -> Tensor:
        a, s = self.scales(t)
        (x0,) = PRIOR.predict_x0(noisy, [t], cameras=CAMERAS, branches=(branch,))
        return (noisy - a * x0) / s

    def guided(self, noisy: Tensor, t: int, scale: float = SCALE) -> Tensor:
        text, negative = (self.e(noisy, t, branch) for branch in ("text", "negative"))
        return negative + scale * (text - negative)

    def invert(self, noisy: Tensor, t: int, following: int, e: Tensor) -> Tensor:
        """A step of DDIM backwards."""
        (a, s), (a2, s2) = self.scales(t), self.scales(following)
        return a2 * (noisy - s * e) / a + s2 * e


TIMESTEPS = (150, 500, 930)


class TestFormulas:
    """The gradient of each method is that of its paper."""

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    @pytest.mark.parametrize("weight", ["x0", "sigma2", "sigma2_signal", "uniform"])
    def test_sds(self, timestep, weight):
        paper = Paper(pictures(), timestep)
        a, s = paper.scales(timestep)
        noise = paper.noise()
        residual = paper.guided(paper.at(timestep, noise), timestep) - noise
        one = torch.ones_like(a)
        w = {"x0": s / a, "sigma2": s**2, "sigma2_signal": a * s**2, "uniform": one}[weight]
        found = gradient(pictures(), timestep, weight=weight)
        torch.testing.assert_close(found, w * residual, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    def test_emphasis_carries_on_from_the_plain_prompt(self, timestep):
        paper = Paper(pictures(), timestep)
        noise = paper.noise()
        noisy = paper.at(timestep, noise)
        text, plain, negative = (paper.e(noisy, timestep, name) for name in ("text", "plain", "negative"))
        emphasized = text + 0.7 * (text - plain)
        residual = negative + SCALE * (emphasized - negative) - noise
        found = gradient(pictures(), timestep, weight="uniform", emphasis=0.7)
        torch.testing.assert_close(found, residual, rtol=1e-9, atol=1e-9)

    def test_a_prompt_that_is_plain_already_is_not_emphasized(self):
        said = ROWS.clone()
        said[BRANCHES.index("plain")] = said[BRANCHES.index("text")]
        plain = TextEmbedding("a chest", said, said[:, 0])
        found = [gradient(pictures(), 500, embedding=plain, emphasis=emphasis) for emphasis in (0.0, 0.7)]
        assert torch.equal(*found)

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    def test_sjc_is_sds_with_weight_one_in_the_variance_exploding_form(self, timestep):
        # z = x + sigma n; the denoiser D; gradient (x - D(z)) / sigma (Wang et al. 2023).
        paper = Paper(pictures(), timestep)
        a, s = paper.scales(timestep)
        sigma = s / a
        noise = paper.noise()
        z = paper.x + sigma * noise
        denoised = z - sigma * paper.guided(z * a, timestep)
        found = gradient(pictures(), timestep, weight="uniform")
        torch.testing.assert_close(found, (paper.x - denoised) / sigma, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    def test_csd(self, timestep):
        paper = Paper(pictures(), timestep)
        noisy = paper.at(timestep, paper.noise())
        delta = paper.e(noisy, timestep, "text") - paper.e(noisy, timestep, "negative")
        found = gradient(pictures(), timestep, method="csd", weight="uniform")
        torch.testing.assert_close(found, SCALE * delta, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    def test_nfsd(self, timestep):
        paper = Paper(pictures(), timestep)
        noisy = paper.at(timestep, paper.noise())
        text, null, negative = (paper.e(noisy, timestep, branch) for branch in ("text", "null", "negative"))
        correction = null if timestep < 200 else null - negative
        found = gradient(pictures(), timestep, method="nfsd", weight="uniform")
        torch.testing.assert_close(found, correction + SCALE * (text - null), rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    def test_ism(self, timestep):
        paper = Paper(pictures(), timestep)
        below = timestep - round(inversion.ISM_GAP * LAST)
        count = math.ceil(below / (inversion.ISM_STRIDE * LAST))
        grid = [round(below * k / count) for k in range(count + 1)]
        noisy = paper.x
        for k in range(count):
            e = paper.e(noisy, grid[k], "null")
            noisy = paper.invert(noisy, grid[k], grid[k + 1], e)
        lower = paper.e(noisy, below, "null")
        upper = paper.guided(paper.invert(noisy, below, timestep, lower), timestep)
        found = gradient(pictures(), timestep, method="ism", weight="uniform")
        torch.testing.assert_close(found, upper - lower, rtol=1e-8, atol=1e-8)

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    def test_sdi(self, timestep):
        paper = Paper(pictures(), timestep)
        count = math.ceil(inversion.INVERSION_STEPS * timestep / (LAST + 1))
        grid = [round(timestep * k / count) for k in range(count + 1)]
        noisy = paper.x
        for k in range(count):
            e = paper.guided(noisy, grid[k], inversion.INVERSION_SCALE)
            noisy = paper.invert(noisy, grid[k], grid[k + 1], e)
        a, s = paper.scales(timestep)
        kept = math.sqrt(1.0 - inversion.FRESH_SHARE**2)
        noise = kept * (noisy - a * paper.x) / s + inversion.FRESH_SHARE * paper.noise()
        noisy = paper.at(timestep, noise)
        implied = (noisy - s * paper.guided(noisy, timestep)) / a
        found = gradient(pictures(), timestep, method="sdi")
        torch.testing.assert_close(found, paper.x - implied, rtol=1e-7, atol=1e-7)

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    def test_consistent3d(self, timestep):
        paper = Paper(pictures(), timestep)
        shape = paper.x.shape
        fixed = torch.Generator().manual_seed(consistent3d.NOISE_SEED)
        noise = torch.randn(shape[1:], generator=fixed).double()
        low, high = (round(gap * (LAST + 1)) for gap in consistent3d.GAP)
        below = max(0, timestep - int(torch.randint(low, high + 1, (), generator=paper.draws)))
        noisy = paper.at(timestep, noise.expand(shape))
        upper = paper.guided(noisy, timestep)
        further = paper.invert(noisy, timestep, below, upper)
        lower = paper.guided(further, below)
        # w (e_t - e_t') with the weight that makes it a difference of clean predictions.
        a2, s2 = paper.scales(below)
        expected = s2 / a2 * (upper - lower)
        found = gradient(pictures(), timestep, method="consistent3d")
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
        found = gradient(pictures(), timestep, method="consistent3d", weight="uniform")
        torch.testing.assert_close(found, upper - lower, rtol=1e-8, atol=1e-8)  # w = 1

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    def test_cfd_is_sds_with_the_noise_of_the_surface(self, timestep):
        paper = Paper(pictures(), timestep)
        noise = surface_noise.SurfaceNoise.draw(3, paper.draws)
        seen = shown(pictures())
        sticking = noise.at(seen.points, seen.opacity).permute(0, 3, 1, 2).double()
        a, s = paper.scales(timestep)
        residual = paper.guided(paper.at(timestep, sticking), timestep) - sticking
        found = gradient(pictures(), timestep, method="cfd")
        # The codec is inverted in single precision.
        torch.testing.assert_close(found, s / a * residual, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    @pytest.mark.parametrize("method", ["vsd", "esd"])
    def test_vsd_and_esd(self, timestep, method):
        renders = ParticleScore(PRIOR.alphas_cumprod)
        renders.particles, renders.unseen_shift = PRIOR.encode(pictures(3).flip(0)), 0.3
        before = renders.particles
        paper = Paper(pictures(), timestep)
        a, s = paper.scales(timestep)
        noisy = paper.at(timestep, paper.noise())
        (seen,) = renders.predict_x0(noisy, [timestep], None, None, None, None)
        reference = seen if method == "vsd" else 0.5 * seen + 0.5 * (seen + 0.3)
        expected = paper.guided(noisy, timestep) - (noisy - a * reference) / s
        found = gradient(pictures(), timestep, renders, method=method, weight="uniform")
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        assert torch.equal(renders.particles, paper.x)  # it was shown these renders
        assert not torch.equal(renders.particles, before)

    @pytest.mark.parametrize("method", ["csd", "nfsd", "ism", "vsd", "esd"])
    def test_beliefs_outside_the_range_of_images_are_no_difference_in_pixels(self, method):
        # White on white: all believe in more than white, the guided one in the most.
        prior = MixturePrior(
            means={"text": (1.5,), "negative": (1.4,), "null": (1.3,)},
            spread={"text": 1e-3, "negative": 1e-3, "null": 1e-3},
        )
        renders = ParticleScore(prior.alphas_cumprod)
        renders.particles = torch.full_like(prior.encode(pictures()), 1.2)
        latent = gradient(pictures(), 500, renders, prior, method=method)
        assert float(latent.abs().min()) > 0.1
        renders.particles = torch.full_like(renders.particles, 1.2)  # it has learned from the step before
        pixels = gradient(pictures(), 500, renders, replace(prior, has_pixel_latents=True), method=method)
        assert float(pixels.abs().max()) == 0.0


class TestEdits:
    """Delta denoising: the difference that two prompts make."""

    def edited(self, images: Tensor, original: Tensor, source: str, timestep: int, **options) -> Tensor:
        """Gradient of the latents where the second embedding stands for another text."""

        @dataclass
        class Worded(MixturePrior):
            def predict_x0(self, noisy, timesteps, embedding, cameras, shading, views, branches):
                branches = [embedding if branch == "text" else branch for branch in branches]
                return super().predict_x0(noisy, timesteps, None, cameras, shading, views, branches)

        prior = Worded(PRIOR.means, PRIOR.spread, PRIOR.shares, PRIOR.turn)
        draws = torch.Generator().manual_seed(0)
        guide = Guide(prior, "text", settings(**options), draws, original_embedding=source)
        found = guide.gradient(replace(shown(images), original=original), timestep).gradient
        assert guide.evaluations == 2 * len(images)
        return found.permute(0, 3, 1, 2) * len(images) / 3.0

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    def test_dds(self, timestep):
        original = pictures().flip(0)
        now, before = Paper(pictures(), timestep), Paper(original, timestep)
        noise = now.noise()
        edited, source = now.at(timestep, noise), before.at(timestep, noise)
        expected = now.e(edited, timestep, "text") - before.e(source, timestep, "null")
        found = self.edited(pictures(), original, "null", timestep, weight="uniform")
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)

    def test_the_same_prompt_changes_nothing(self):
        assert not self.edited(pictures(), pictures(), "text", 600).any()


def particles_after(method: str, steps: int = 600) -> Tensor:
    """256 numbers, each an image of one pixel, moved by a method from N(0, 1)."""
    prior = MixturePrior(
        means={"text": (0.5, -0.6), "negative": (0.0, 0.0)},
        spread={"text": 0.15, "negative": 1.0},
        shares=(0.7, 0.3),
    )
    draws = torch.Generator().manual_seed(3)
    x = torch.randn(256, 1, 1, 1, generator=draws, dtype=torch.float64)
    images = (x + 1.0) / 3.0
    cameras = orbit([0.0] * 256, 0.0, 3.0, 40.0)
    renders = ParticleScore(prior.alphas_cumprod)
    config = settings(method=method, scale=1.0, scale_at_noise=1.0)
    guide = Guide(prior, None, config, draws, renders)
    for step in range(steps):
        renders.learn(prior.encode(images))  # the exact score of what is there now
        level = 700.0 - 600.0 * step / steps
        timestep = round(level + 100.0 * float(torch.rand((), generator=draws)) - 50.0)
        found = guide.gradient(shown(images, cameras), timestep).gradient
        images = images - 0.3 * (1.0 - 0.9 * step / steps) * found * 256 / 9.0
    return prior.encode(images).flatten()


class ScoreOfAll(ParticleScore):
    """Remembers every group of particles as it was when it had its turn."""

    def __init__(self, alphas_cumprod: Tensor, groups: Tensor) -> None:
        super().__init__(alphas_cumprod)
        self.groups = groups.clone()
        self.turn = 0

    def learn(self, clean, *_others):
        self.groups[self.turn] = clean
        self.particles = self.groups.flatten(0, 1)


def particles_in_turn(steps: int = 600) -> Tensor:
    """As `particles_after` VSD, but four groups of 64 take turns under one score of them all."""
    prior = MixturePrior(
        means={"text": (0.5, -0.6), "negative": (0.0, 0.0)},
        spread={"text": 0.15, "negative": 1.0},
        shares=(0.7, 0.3),
    )
    draws = torch.Generator().manual_seed(3)
    images = (torch.randn(4, 64, 1, 1, 1, generator=draws, dtype=torch.float64) + 1.0) / 3.0
    cameras = orbit([0.0] * 64, 0.0, 3.0, 40.0)
    renders = ScoreOfAll(prior.alphas_cumprod, torch.stack([prior.encode(group) for group in images]))
    config = settings(method="vsd", scale=1.0, scale_at_noise=1.0)
    guide = Guide(prior, None, config, draws, renders)
    renders.learn(prior.encode(images[0]))
    for step in range(steps):
        level = 700.0 - 600.0 * step / steps
        for renders.turn in range(4):
            timestep = round(level + 100.0 * float(torch.rand((), generator=draws)) - 50.0)
            found = guide.gradient(shown(images[renders.turn], cameras), timestep).gradient
            images[renders.turn] -= 0.3 * (1.0 - 0.9 * step / steps) * found * 64 / 9.0
    return torch.cat([prior.encode(group) for group in images]).flatten()


def mixture_cdf(values):
    return 0.7 * stats.norm.cdf(values, 0.5, 0.15) + 0.3 * stats.norm.cdf(values, -0.6, 0.15)


class TestFixedPoints:
    """Where the methods lead: SDS to modes, VSD to samples."""

    @pytest.mark.parametrize("timestep", TIMESTEPS)
    @pytest.mark.parametrize("method", ["sds", "ism", "sdi", "cfd", "consistent3d"])
    def test_a_render_off_the_mean_is_pulled_to_it(self, method, timestep):
        prior = MixturePrior(
            means=dict.fromkeys(("text", "negative", "null"), (0.3,)),
            spread=dict.fromkeys(("text", "negative", "null"), 0.4),
        )
        images = torch.full((3, 16, 16, 3), 0.9, dtype=torch.float64)
        pull = gradient(images, timestep, prior=prior, method=method, scale=1.0, scale_at_noise=1.0)
        push = gradient(images - 0.9, timestep, prior=prior, method=method, scale=1.0, scale_at_noise=1.0)
        assert (
            float(pull.mean()) > 0.005 > -0.005 > float(push.mean())
        )  # descending goes to 0.3 from both sides

    def test_sds_collapses_to_the_modes(self):
        found = particles_after("sds")
        distance = torch.minimum((found - 0.5).abs(), (found + 0.6).abs())
        assert float(distance.quantile(0.9)) < 0.5 * 0.15  # samples have a median of 0.67 times the spread
        assert stats.kstest(found.numpy(), mixture_cdf).pvalue < 1e-6

    def test_vsd_draws_samples_of_the_mixture(self):
        found = particles_after("vsd")
        assert stats.kstest(found.numpy(), mixture_cdf).pvalue > 0.05
        share = float((found > -0.05).double().mean())
        assert share == pytest.approx(0.7, abs=0.06)
        assert float(found[found > -0.05].std()) == pytest.approx(0.15, rel=0.2)

    def test_particles_that_take_turns_are_samples_too(self):
        assert stats.kstest(particles_in_turn().numpy(), mixture_cdf).pvalue > 0.05


class TestVariance:
    """How noisy the gradients are, against the closed form for a single Gaussian."""

    @pytest.mark.parametrize("timestep", [300, 600, 900])
    def test_leaving_out_the_render_takes_its_noise_with_it(self, timestep):
        # x_0 is linear in the noise: m + g (a (x - m) + s e) with g = spread^2 a / variance.
        prior = MixturePrior(
            means={"text": (0.3,), "negative": (-0.1,)}, spread={"text": 0.4, "negative": 0.9}
        )
        alpha_bar = prior.alphas_cumprod[timestep]
        a, s = alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt()
        gain = {name: spread**2 * a / (alpha_bar * spread**2 + s**2) for name, spread in prior.spread.items()}
        expected = {
            "sds": (s * (gain["negative"] + SCALE * (gain["text"] - gain["negative"]))) ** 2,
            "csd": (s * SCALE * (gain["text"] - gain["negative"])) ** 2,
        }
        images = torch.full((3, 40, 40, 3), 0.4, dtype=torch.float64)
        for method, variance in expected.items():
            found = gradient(images, timestep, prior=prior, method=method)
            assert float(found.var()) == pytest.approx(float(variance), rel=0.06)


class TestPerpNeg:
    """Directions away from the wrong sides."""

    def test_what_a_negative_shares_with_the_positive_is_left_alone(self):
        null = torch.randn(2, 3, 4, 4, dtype=torch.float64)
        direction = torch.randn(2, 3, 4, 4, dtype=torch.float64)
        across = torch.randn(2, 3, 4, 4, dtype=torch.float64)
        along = (across * direction).sum((1, 2, 3), keepdim=True) / direction.square().sum(
            (1, 2, 3), keepdim=True
        )
        across = across - along * direction
        weights = torch.tensor([[-0.5, -2.0]], dtype=torch.float64)
        found = perp_neg(null + direction, null, [null + 3.0 * direction + across], weights)
        expected = null + direction + weights[0][:, None, None, None] * across
        torch.testing.assert_close(found, expected)

    def test_no_view_speaks_against_itself_and_none_jumps(self):
        turns = torch.linspace(0.0, 360.0, 721)
        front, side = negative_weights(orbit(turns, 10.0, 3.0, 40.0))
        assert float(front[0]) == pytest.approx(0.0, abs=1e-3)
        assert float(side[180]) == pytest.approx(0.0, abs=1e-3)  # at 90 degrees
        assert float(front[360]) < -1.5 < 0 > float(side[360])  # behind, both are wrong
        torch.testing.assert_close(front, front.flip(0), atol=1e-5, rtol=0)
        assert float(torch.stack([front, side]).diff(dim=1).abs().max()) < 0.05
        above = orbit(turns, 45.0, 3.0, 40.0)
        assert not negative_weights(above).any()  # the prompt says "overhead view" from 40 degrees on
        third = torch.stack([front, side]) * (1.0 - (45.0 - 25.0) / 30.0)
        torch.testing.assert_close(negative_weights(above, is_smooth=True), third)
