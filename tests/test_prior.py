"""The prior as a whole: what it predicts and draws, and which folders it is loaded from."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from json_files import edit
from prior_folders import VOCABULARY, write_tiny_prior
from thread_counts import threads

from dream3d.cameras import orbit
from dream3d.errors import InputError
from dream3d.prior import CameraLaw, Prior, codec
from dream3d.prior.conditioning import RAY_CHANNELS, ray_map
from dream3d.prior.sampling import sample_images

# Changes of a card that no prior can have; each of them once went through, or ended in another exception.
CARDS = (
    {"camera_law": []},
    {"camera_law": {"fov_y_deg": [0.0, 1e30]}},
    {"camera_law": {"elevation_deg": [50.0, 10.0]}},
    {"vocabulary": {}},
    {"vocabulary": VOCABULARY | {"nouns": [{}]}},
    {"vocabulary": VOCABULARY | {"function_words": [["a"]]}},
    {"vocabulary": VOCABULARY | {"nouns": "mushroom"}},
    {"image_size": 1e400},
    {"image_size": 1 << 31, "image_sizes": [1 << 31]},
    {"image_sizes": [32]},
    {"image_channels": 0},
    {"joint_views": 10**30},
    {"facts": 3},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")


@pytest.fixture(scope="module")
def prior(folder):
    return Prior.from_pretrained(str(folder))


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


def test_released_schedule_ends_without_signal(prior):
    assert prior.alphas_cumprod[-1].item() < 1e-6
    assert (prior.alphas_cumprod.diff() < 0).all()


def test_channel_count_is_what_the_network_expects(prior):
    assert ray_map(orbit([0.0], 0.0, 3.0, 40.0), 4).shape[1] == RAY_CHANNELS
    assert prior.unet.config.in_channels == 16 + RAY_CHANNELS


class TestPrediction:
    """The denoiser's inputs all matter, and the two branches differ in the text alone."""

    def ask(
        self, prior, generator, prompt="a red mushroom", negative="", azimuth=0.0, shading="albedo", t=600
    ):
        noisy = torch.randn(1, 16, 32, 32, generator=generator.manual_seed(1)).expand(2, -1, -1, -1)
        cameras = orbit([azimuth, 120.0], 20.0, 3.0, 40.0)
        return prior.predict_x0(
            noisy, torch.tensor([t, t]), prior.embed(prompt, negative), cameras, [shading] * 2
        )

    def test_shapes_and_no_gradient(self, prior, generator):
        text, uncond = self.ask(prior, generator)
        assert text.shape == uncond.shape == (2, 16, 32, 32)
        assert text.dtype == torch.float32
        assert not text.requires_grad

    def test_equal_prompts_give_equal_branches(self, prior, generator):
        text, uncond = self.ask(prior, generator, "a red mushroom", "a red mushroom")
        assert torch.allclose(text, uncond, atol=1e-2)

    @pytest.mark.parametrize("change", [{"prompt": "a blue house"}, {"azimuth": 90.0}, {"shading": "shaded"}])
    def test_every_condition_reaches_the_output(self, prior, generator, change):
        before, _ = self.ask(prior, generator)
        after, _ = self.ask(prior, generator, **change)
        assert (before[0] - after[0]).abs().max() > 1e-4

    def test_at_zero_noise_x0_is_the_input(self, prior, generator):
        clean = torch.randn(1, 16, 32, 32, generator=generator)
        text, _ = prior.predict_x0(
            clean, torch.tensor([0]), prior.embed("a house"), orbit([0.0], 0.0, 3.0, 40.0), ["albedo"]
        )
        noise_scale = (1 - prior.alphas_cumprod[0]).sqrt()
        assert (text - clean).abs().max() < 8 * noise_scale + 1e-3

    def test_words_tell_the_quarter_and_nothing_else_of_the_camera(self, prior, generator):
        noisy = torch.randn(1, 16, 16, 16, generator=generator).expand(3, -1, -1, -1)
        cameras = orbit([0.0, 20.0, 180.0], 20.0, 3.0, 40.0)
        timesteps, embedding = torch.tensor([600] * 3), prior.embed("a red mushroom")
        with threads(1):  # more may round the rows of a matrix product differently
            text, uncond = prior.predict_x0(noisy, timesteps, embedding, cameras, ["albedo"] * 3, "words")
        assert torch.equal(text[0], text[1])
        assert (text[0] - text[2]).abs().max() > 1e-4
        assert torch.equal(uncond[0], uncond[2])

    def test_branches_are_asked_in_one_call_as_they_would_be_alone(self, prior, generator):
        noisy = torch.randn(2, 16, 16, 16, generator=generator)
        cameras, embedding = (
            orbit([0.0, 90.0], 20.0, 3.0, 40.0),
            prior.embed("a red mushroom", "a blue house"),
        )
        asked = (noisy, torch.tensor([600] * 2), embedding, cameras, ["albedo"] * 2, "camera")
        branches = ("text", "negative", "null", "back view")
        together = prior.predict_x0(*asked, branches)
        for branch, answer in zip(branches, together, strict=True):
            (alone,) = prior.predict_x0(*asked, (branch,))
            torch.testing.assert_close(answer, alone, atol=2e-2, rtol=0)
        assert min(float((a - b).abs().max()) for a, b in pairwise(together)) > 1e-3
        unsaid = prior.embed("a red mushroom")
        (null,) = prior.predict_x0(noisy, torch.tensor([600] * 2), unsaid, *asked[3:], ("negative",))
        torch.testing.assert_close(null, together[2], atol=2e-2, rtol=0)

    def test_a_prior_that_knows_no_views_in_words_says_so(self, prior):
        silent = replace(prior, card=replace(prior.card, vocabulary=replace(prior.card.vocabulary, views=())))
        with pytest.raises(InputError, match="not taught views in words"):
            silent.predict_x0(
                torch.zeros(1, 16, 16, 16),
                torch.tensor([600]),
                silent.embed("a house"),
                orbit([0.0], 20.0, 3.0, 40.0),
                ["albedo"],
                "words",
            )

    def test_joint_views_see_each_other_and_turn_together(self, prior, generator):
        noisy = torch.randn(8, 16, 16, 16, generator=generator)
        cameras = CameraLaw().sample(2, generator)
        timesteps, embedding = torch.tensor([600] * 8), prior.embed("a red mushroom")

        def ask(images, cameras, views):
            return prior.predict_x0(images, timesteps, embedding, cameras, ["albedo"] * 8, views)[0]

        changed = noisy.clone()
        changed[1] = -changed[1]
        for views, reached in (("camera", [1]), ("joint", [0, 1, 2, 3])):
            difference = (ask(noisy, cameras, views) - ask(changed, cameras, views)).abs().amax((1, 2, 3))
            assert (difference > 1e-3).nonzero()[:, 0].tolist() == reached
        turned = torch.tensor([1, 2, 3, 0, 4, 5, 6, 7])
        assert torch.allclose(
            ask(noisy, cameras, "joint")[turned], ask(noisy[turned], cameras[turned], "joint"), atol=2e-2
        )

    @pytest.mark.parametrize("size", [32, 64, 128])
    def test_every_size_is_denoised(self, prior, generator, size):
        drawn = sample_images(
            prior, prior.embed("a house"), orbit([0.0], 0.0, 3.0, 40.0), ["albedo"], generator, 2, size=size
        )
        assert drawn.shape == (1, size, size, 4)

    def test_loading_twice_predicts_the_same(self, folder, prior, generator):
        again = Prior.from_pretrained(str(folder))
        assert torch.equal(self.ask(prior, generator)[0], self.ask(again, generator)[0])
        assert again.sha256 == prior.sha256


class TestSampling:
    """DDIM on a prior whose score is known."""

    class DeltaPrior:
        """Believes in one image, whatever it is shown."""

        image_size, image_channels, device = 8, 4, torch.device("cpu")
        alphas_cumprod = torch.linspace(1.0, 0.0, 1000)
        encode = staticmethod(codec.images_to_latents)
        decode = staticmethod(codec.latents_to_images)

        def __init__(self, image):
            self.target = codec.images_to_latents(image)

        def predict_x0(self, *_view):
            return self.target, self.target

    def test_sampling_a_delta_gives_the_delta(self, generator):
        image = torch.rand(1, 8, 8, 4, generator=generator)
        drawn = sample_images(
            self.DeltaPrior(image), None, orbit([0.0], 0.0, 3.0, 40.0), ["albedo"], generator, num_steps=5
        )
        assert torch.allclose(drawn, image, atol=1e-5)


class TestLoading:
    """Folders that are not whole are refused in one line, before anything runs."""

    def broken(self, folder, tmp_path):
        return shutil.copytree(folder, tmp_path / "prior")

    @pytest.mark.parametrize(
        ("damage", "says"),
        [
            (lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").unlink(), "incomplete"),
            (lambda f: (f / "text_encoder" / "model.safetensors").write_bytes(b""), "incomplete"),
            (lambda f: (f / "dream3d.json").unlink(), "dream3d.json"),
            (lambda f: (f / "dream3d.json").write_text("{"), "JSON"),
            (lambda f: (f / "dream3d.json").write_text('{"name": "x"}'), "card"),
            *(
                (lambda f, change=change: edit(f / "dream3d.json", **change), "not a valid prior card")
                for change in CARDS
            ),
            (lambda f: (f / "dream3d.json").write_text("[" * 100_000), "cannot be read as JSON"),
            (lambda f: (f / "dream3d.json").write_text('{"name":' + "9" * 5000 + "}"), "read as JSON"),
            (lambda f: (f / "unet" / "config.json").write_text("[]"), "must hold a JSON object"),
            (lambda f: (f / "tokenizer" / "tokenizer.json").write_text("{}"), "cannot be loaded"),
            (lambda f: edit(f / "unet/config.json", conv_out_kernel=300_001), "unet lacks weights"),
            *(
                (
                    lambda f, levels=levels: edit(
                        f / "scheduler/scheduler_config.json", num_train_timesteps=levels
                    ),
                    "num_train_timesteps must be from 1 to 100000",
                )
                for levels in (10**8, 0, True, "many", None)
            ),
        ],
    )
    def test_damage_is_named(self, folder, tmp_path, damage, says):
        copy = self.broken(folder, tmp_path)
        damage(copy)
        with pytest.raises(InputError, match=says) as caught:
            Prior.from_pretrained(str(copy))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "change", [{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "?"}}, {"truncation": 3}]
    )
    def test_a_tokenizer_that_cannot_read_the_prompt_is_named(self, folder, tmp_path, change):
        copy = self.broken(folder, tmp_path)
        path = copy / "tokenizer" / "tokenizer.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(InputError, match=r"cannot be (loaded|encoded)") as caught:
            Prior.from_pretrained(str(copy)).embed("a red mushroom")
        assert "\n" not in str(caught.value)

    def test_truncated_weights(self, folder, tmp_path):
        weights = self.broken(folder, tmp_path) / "unet" / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1000])
        with pytest.raises(InputError, match="cannot be loaded"):
            Prior.from_pretrained(str(weights.parent.parent))

    def test_pickles_are_never_opened(self, folder, tmp_path):
        copy = self.broken(folder, tmp_path)
        weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
        weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
        with pytest.raises(InputError, match="pickle"):
            Prior.from_pretrained(str(copy))

    def test_unknown_name(self):
        with pytest.raises(InputError, match="unknown prior 'nonsense'"):
            Prior.from_pretrained("nonsense")
