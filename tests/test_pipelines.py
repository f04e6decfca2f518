"""Priors from pipelines of diffusers: what they predict is what the pipelines themselves compute."""

import os
from dataclasses import replace

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from pipeline_folders import KINDS, make_pipeline, sampled_by_ddim

from dream3d.cameras import orbit
from dream3d.errors import InputError
from dream3d.prior import Prior, schedule

PROMPT, NEGATIVE, SCALE = "a red dragon", "blurry", 3.0
LATENT = [kind for kind in KINDS if kind != "if"]
EXACT = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder and pipeline of every kind."""
    root = tmp_path_factory.mktemp("pipelines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        folders = {kind: root / kind.replace(" ", "-") for kind in KINDS}
        yield {kind: (folder, make_pipeline(folder, kind)) for kind, folder in folders.items()}


@pytest.fixture(scope="module")
def priors(made):
    return {kind: Prior.from_pretrained(str(made[kind][0]), dtype=torch.float32) for kind in KINDS}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


def ours(prior, noisy, timestep, negative=NEGATIVE, scale=SCALE):
    """x0 under guidance of the view in front, whose words the prompt ends with."""
    embedding = prior.embed(PROMPT, negative)
    cameras = orbit([0.0] * len(noisy), 0.0, 3.0, 40.0)
    timesteps = torch.full((len(noisy),), timestep)
    text, uncond = prior.predict_x0(
        noisy, timesteps, embedding, cameras, ["albedo"] * len(noisy), "words", ("text", "negative")
    )
    return uncond + scale * (text - uncond)


def assert_agree(found, expected, prior, timestep):
    """To 1e-5 in what the network answers: of a predicted noise, x0 is that over the signal scale."""
    unit = prior.alphas_cumprod[timestep].sqrt() if prior.card.prediction == "epsilon" else 1.0
    error = float(((found - expected) * unit).abs().max())
    if "SHOW_AGREEMENT" in os.environ:
        print(f"AGREE {prior.card.pipeline} {prior.card.prediction} t={timestep} {error:.1e}")
    assert error <= 1e-5


def noisy_latents(prior, generator):
    size = prior.image_size
    shape = prior.encode(torch.zeros(2, size, size, 3)).shape
    return torch.randn(shape, generator=generator)


class TestAgreement:
    """With diffusers' own pipelines, at the same latents, timestep and guidance scale, in float32."""

    @pytest.mark.parametrize("negative", [NEGATIVE, None])
    @pytest.mark.parametrize("kind", ["sd1", "sd2", "turbo", "sdxl"])
    def test_one_step_of_the_whole_pipeline_from_pure_noise(self, made, priors, generator, kind, negative):
        pipeline = sampled_by_ddim(made[kind][1], timestep_spacing="trailing", set_alpha_to_one=True)
        noisy = noisy_latents(priors[kind], generator)
        asked = {"prompt": [f"{PROMPT}, front view"] * 2, "guidance_scale": SCALE, "latents": noisy}
        if negative is not None:
            asked["negative_prompt"] = [negative] * 2
        expected = pipeline(**asked, num_inference_steps=1, output_type="latent").images
        assert_agree(ours(priors[kind], noisy, 999, negative or ""), expected, priors[kind], 999)

    @pytest.mark.parametrize("timestep", [20, 500, 900])
    @pytest.mark.parametrize("kind", ["sd1", "sd2", "turbo", "sdxl", "if"])
    def test_the_clean_latents_that_ddim_sees(self, made, priors, generator, kind, timestep):
        pipeline = sampled_by_ddim(made[kind][1], timestep_spacing="leading")
        noisy = noisy_latents(priors[kind], generator)
        size, told = priors[kind].image_size, {}
        prompts = (f"{PROMPT}, front view", "cpu", 1, True, NEGATIVE)
        with torch.no_grad():
            if kind == "sdxl":
                text, negative, pooled, negative_pooled = pipeline.encode_prompt(
                    prompts[0], None, *prompts[1:]
                )
                ids = pipeline._get_add_time_ids((size, size), (0, 0), (size, size), torch.float32, 16)
                pooled = torch.cat([negative_pooled, pooled]).repeat_interleave(2, 0)
                told = {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": ids.repeat(4, 1)}}
            elif kind == "if":
                text, negative = pipeline.encode_prompt(
                    prompts[0], True, device="cpu", negative_prompt=NEGATIVE
                )
            else:
                text, negative = pipeline.encode_prompt(*prompts)
            tokens = torch.cat([negative, text]).repeat_interleave(2, 0)
            answer = pipeline.unet(torch.cat([noisy] * 2), timestep, tokens, **told).sample
        uncond, text = answer[:, : noisy.shape[1]].chunk(2)
        pipeline.scheduler.set_timesteps(1000)
        guided = uncond + SCALE * (text - uncond)
        expected = pipeline.scheduler.step(guided, timestep, noisy).pred_original_sample
        assert_agree(ours(priors[kind], noisy, timestep), expected, priors[kind], timestep)

    @pytest.mark.parametrize("timestep", [4, 300, 999])
    @pytest.mark.parametrize("kind", ["sd3", "sd3 without t5"])
    def test_one_step_of_rectified_flow(self, made, priors, generator, kind, timestep):
        pipeline, prior = made[kind][1], priors[kind]
        noisy = noisy_latents(prior, generator)
        even = (timestep + 1) / 1000.0  # the pipeline shifts it
        shifted = 3.0 * even / (1.0 + 2.0 * even)
        expected = pipeline(
            [f"{PROMPT}, front view"] * 2,
            negative_prompt=[NEGATIVE] * 2,
            guidance_scale=SCALE,
            sigmas=[even],
            latents=noisy * ((1.0 - shifted) ** 2 + shifted**2) ** 0.5,
            output_type="latent",
        ).images
        assert_agree(ours(prior, noisy, timestep), expected, prior, timestep)

    @pytest.mark.parametrize("timestep", [19, 499, 999])
    def test_one_step_of_a_consistency_model(self, made, priors, generator, timestep):
        pipeline, noisy = made["lcm"][1], noisy_latents(priors["lcm"], generator)
        expected = pipeline(
            [f"{PROMPT}, front view"] * 2,
            timesteps=[timestep],
            guidance_scale=8.5,
            latents=noisy,
            output_type="latent",
        ).images
        assert_agree(ours(priors["lcm"], noisy, timestep, scale=1.0), expected, priors["lcm"], timestep)

    @pytest.mark.parametrize("kind", LATENT)
    def test_images_are_encoded_as_the_pipeline_decodes_them(self, made, priors, generator, kind):
        prior, pipeline = priors[kind], made[kind][1]
        images = torch.rand(1, 16, 16, 3, generator=generator)
        latents = prior.encode(images)
        vae, config = pipeline.vae, pipeline.vae.config
        shift = config.shift_factor or 0.0
        with torch.no_grad():
            mean = vae.encode(images.permute(0, 3, 1, 2) * 2 - 1).latent_dist.mode()
            pictures = vae.decode(latents / config.scaling_factor + shift).sample
        torch.testing.assert_close(latents, (mean - shift) * config.scaling_factor, **EXACT)
        shown = pipeline.image_processor.postprocess(pictures, output_type="pt").permute(0, 2, 3, 1)
        torch.testing.assert_close(prior.decode(latents).clamp(0, 1), shown, **EXACT)


class TestSchedule:
    """One meaning of timesteps and noise for all kinds."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_noise_grows_and_x0_can_be_told_to_the_last(self, priors, kind):
        alphas_cumprod = priors[kind].alphas_cumprod
        assert (alphas_cumprod.diff() < 0).all()
        if priors[kind].card.prediction == "epsilon":
            assert alphas_cumprod[-1].sqrt() >= schedule.MIN_SIGNAL

    def test_only_what_hides_the_picture_is_cut_off(self, priors):
        assert len(priors["sd1"].alphas_cumprod) == 1000
        full = DDIMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
        kept = priors["if"].alphas_cumprod
        assert torch.equal(kept, full[: len(kept)])
        assert full[len(kept)].sqrt() < schedule.MIN_SIGNAL

    def test_rectified_flow_is_the_same_process_on_another_scale(self, generator):
        sigmas = FlowMatchEulerDiscreteScheduler(shift=3.0).sigmas.flip(0).double()
        clean, noise = torch.randn(2, 1000, 4, 1, 1, generator=generator, dtype=torch.float64)
        alphas_cumprod = schedule.flow_alphas_cumprod(sigmas)
        noisy = schedule.add_noise(clean, noise, alphas_cumprod, torch.arange(1000))
        u = sigmas[:, None, None, None]
        torch.testing.assert_close(
            noisy * schedule.flow_scale(sigmas)[:, None, None, None], (1 - u) * clean + u * noise
        )

    def test_rectified_flow_has_no_signal_at_the_end(self, priors):
        assert priors["sd3"].alphas_cumprod[-1] == 0.0


class TestEncoder:
    """Gradients of the guidance pass through the encoder."""

    @pytest.mark.parametrize("kind", ["sd1", "sd3", "if"])
    def test_the_gradient_is_that_of_finite_differences(self, made, generator, kind):
        prior = Prior.from_pretrained(str(made[kind][0]), dtype=torch.float64)
        images = torch.rand(1, 16, 16, 3, generator=generator, dtype=torch.float64)
        weights, direction = (
            torch.randn(shape, generator=generator, dtype=torch.float64)
            for shape in (prior.encode(images).shape, images.shape)
        )
        images.requires_grad_(True)
        (gradient,) = torch.autograd.grad((prior.encode(images) * weights).sum(), images)
        step = 1e-5
        with torch.no_grad():
            ahead, behind = (prior.encode(images + side * step * direction) for side in (1.0, -1.0))
        expected = ((ahead - behind) * weights).sum() / (2 * step)
        torch.testing.assert_close((gradient * direction).sum(), expected, rtol=1e-7, atol=1e-7)

    @pytest.mark.parametrize(("kind", "side"), [("sd1", 15), ("sd3", 18), ("sd1", 0)])
    def test_sizes_that_do_not_fit_are_refused(self, priors, kind, side):
        with pytest.raises(InputError, match="multiples of"):
            priors[kind].encode(torch.zeros(1, side, side, 3))


class TestPrior:
    """What a prior says of itself."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_takes_opaque_pictures_of_one_size_and_all_words(self, priors, kind):
        prior = priors[kind]
        assert (prior.image_size, prior.image_sizes, prior.image_channels) == (16, (16,), 3)
        assert (prior.joint_views, prior.reader, prior.unknown_words("zqx")) == (1, None, {})
        assert prior.has_pixel_latents == (kind == "if")
        assert len(prior.sha256) == 64

    @pytest.mark.parametrize("views", ["camera", "joint"])
    def test_it_is_not_told_cameras(self, priors, generator, views):
        prior = priors["sd1"]
        noisy = noisy_latents(prior, generator)
        asked = (noisy, torch.tensor([9, 9]), prior.embed("a chair"), orbit([0.0, 9.0], 0.0, 3.0, 40.0))
        with pytest.raises(InputError, match=r"--coarse\.guidance\.views to words or blended"):
            prior.predict_x0(*asked, ["albedo"] * 2, views)

    def test_blended_views_lie_between(self, priors, generator):
        prior = priors["sd2"]
        noisy = noisy_latents(prior, generator)[:1].expand(3, -1, -1, -1)
        cameras = orbit([0.0, 45.0, 90.0], 0.0, 3.0, 40.0)
        embedding = prior.embed(PROMPT)
        tokens, _ = embedding.rows(("text",), cameras, "blended")
        torch.testing.assert_close(tokens[1], (tokens[0] + tokens[2]) / 2)
        front, between, side = prior.predict_x0(
            noisy, torch.tensor([500] * 3), embedding, cameras, ["albedo"] * 3, "blended", ("text",)
        )[0]
        assert min(float((a - between).abs().max()) for a in (front, side)) > 1e-5

    @pytest.mark.parametrize("kind", KINDS)
    def test_half_precision_answers_nearly_the_same(self, made, priors, generator, kind):
        prior = Prior.from_pretrained(str(made[kind][0]), dtype=torch.bfloat16)
        noisy = noisy_latents(priors[kind], generator)
        exact, rounded = (ours(each, noisy, 500, scale=1.0) for each in (priors[kind], prior))
        assert rounded.dtype == torch.float32
        assert (exact - rounded).abs().max() < 0.1

    def test_the_card_can_be_replaced_and_still_tells_the_truth(self, priors):
        told = replace(priors["sd1"], card=replace(priors["sd1"].card, views=("camera",)))
        with pytest.raises(InputError, match="was not taught views in words"):
            told.check_views("words")
