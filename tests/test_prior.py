"""The prior: schedule identities, conditioning, loading, and that guidance sees what it should."""

import math
import shutil
from dataclasses import replace

import pytest
import torch
from prior_folders import VOCABULARY, WORDS, write_tiny_prior

from dream3d.cameras import Cameras, orbit
from dream3d.errors import InputError
from dream3d.prior import CameraLaw, Prior, codec, schedule
from dream3d.prior.conditioning import RAY_CHANNELS, SHADINGS, VIEW_FEATURES, ray_map, view_vector
from dream3d.prior.sampling import sample_images
from dream3d.prior.text import Vocabulary, keep_known, split_words, unknown_words
from dream3d.prior.view_words import view_words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")


@pytest.fixture(scope="module")
def prior(folder):
    return Prior.from_pretrained(str(folder))


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


ALPHAS = torch.linspace(1.0, 0.0, 1000, dtype=torch.float64)


class TestSchedule:
    """Identities of x_t = a x_0 + s e in float64."""

    def draw(self, generator):
        clean, noise = torch.randn(2, 3, 4, 8, 8, generator=generator, dtype=torch.float64)
        return clean, noise, torch.tensor([1, 500, 999])

    def test_velocity_gives_x0_back_even_without_signal(self, generator):
        clean, noise, timesteps = self.draw(generator)
        noisy = schedule.add_noise(clean, noise, ALPHAS, timesteps)
        v = schedule.velocity(clean, noise, ALPHAS, timesteps)
        back = schedule.x0_from_velocity(noisy, v, ALPHAS, timesteps)
        assert torch.allclose(back, clean, atol=1e-12)

    def test_noise_and_x0_determine_each_other(self, generator):
        clean, noise, timesteps = self.draw(generator)
        noisy = schedule.add_noise(clean, noise, ALPHAS, timesteps)
        assert torch.allclose(schedule.noise_from_x0(noisy, clean, ALPHAS, timesteps), noise, atol=1e-11)

    def test_unit_variance_is_kept(self, generator):
        clean, noise = torch.randn(2, 1, 1, 400, 400, generator=generator, dtype=torch.float64)
        for t in (0, 300, 700, 999):
            noisy = schedule.add_noise(clean, noise, ALPHAS, torch.tensor([t]))
            assert noisy.var().item() == pytest.approx(1.0, abs=0.02)

    def test_loss_weight_is_the_clamped_snr_on_x0(self):
        timesteps = torch.tensor([1, 100, 400, 500, 800, 999])
        snr = ALPHAS[timesteps] / (1 - ALPHAS[timesteps])
        # An error d in v is an error s d in x_0, so weight_v = s^2 weight_x0.
        expected = snr.clamp(1, 5) * (1 - ALPHAS[timesteps])
        assert torch.allclose(schedule.x0_loss_weight(ALPHAS, timesteps).flatten(), expected)

    def test_released_schedule_ends_without_signal(self, prior):
        assert prior.alphas_cumprod[-1].item() < 1e-6
        assert (prior.alphas_cumprod.diff() < 0).all()


def test_codec_is_a_scaled_permutation(generator):
    images = torch.rand(2, 6, 8, 4, generator=generator, dtype=torch.float64)
    latents = codec.images_to_latents(images)
    assert latents.shape == (2, 16, 3, 4)
    assert torch.equal(codec.latents_to_images(latents), (images * 2 - 1 + 1) * 0.5)
    assert latents.square().sum().item() == pytest.approx((images * 2 - 1).square().sum().item())


class TestConditioning:
    """What the network is told about the view."""

    def test_ray_map_is_the_same_for_any_distance_along_the_ray(self):
        near, far = orbit([30.0], 20.0, 2.0, 40.0), orbit([30.0], 20.0, 5.0, 40.0)
        center = ray_map(near, 5)[0, :, 2, 2]  # the central ray passes through the origin
        assert torch.allclose(center, ray_map(far, 5)[0, :, 2, 2], atol=1e-5)
        assert torch.allclose(center[:3], torch.zeros(3), atol=1e-5)

    def test_nearest_points_lie_on_their_rays_and_are_nearest(self):
        cameras = orbit([0.0, 70.0, 200.0], 35.0, 3.0, 40.0)
        nearest, directions = ray_map(cameras, 8)[:, :3], ray_map(cameras, 8)[:, 3:6]
        assert (nearest * directions).sum(1).abs().max() < 1e-5
        to_camera = cameras.positions()[:, :, None, None] - nearest
        off_axis = to_camera - (to_camera * directions).sum(1, keepdim=True) * directions
        assert off_axis.abs().max() < 1e-5

    def test_turning_the_camera_turns_the_rays(self):
        here, there = ray_map(orbit([0.0], 0.0, 3.0, 40.0), 4), ray_map(orbit([90.0], 0.0, 3.0, 40.0), 4)
        turned = torch.stack([here[:, 5], here[:, 4], -here[:, 3]], 1)  # (x, y, z) -> (z, y, -x)
        assert torch.allclose(there[:, 3:6], turned, atol=1e-5)

    def test_view_vector_tells_every_azimuth_and_shading_apart(self):
        azimuths = [15.0 * k for k in range(24)]
        vectors = torch.cat([view_vector(orbit(azimuths, 20.0, 3.0, 40.0), [s] * 24) for s in SHADINGS])
        assert vectors.shape == (96, VIEW_FEATURES)
        distances = torch.cdist(vectors, vectors) + 10 * torch.eye(96)
        assert distances.min() > 0.2

    def test_an_untold_camera_leaves_only_the_shading(self):
        cameras, is_told = orbit([10.0, 200.0], 20.0, 3.0, 40.0), torch.tensor([True, False])
        vector, rays = view_vector(cameras, ["textureless"] * 2, is_told), ray_map(cameras, 4, is_told)
        assert torch.equal(vector[0], view_vector(cameras, ["textureless"] * 2)[0])
        assert torch.equal(vector[1], torch.eye(VIEW_FEATURES)[VIEW_FEATURES - 1])
        assert torch.equal(rays[0], ray_map(cameras, 4)[0])
        assert not rays[1].any()

    def test_channel_count_is_what_the_network_expects(self, prior):
        assert ray_map(orbit([0.0], 0.0, 3.0, 40.0), 4).shape[1] == RAY_CHANNELS
        assert prior.unet.config.in_channels == 16 + RAY_CHANNELS


class TestCameraLaw:
    """The distribution that training and distillation share."""

    def test_views_of_a_group_stand_evenly_around_and_share_the_rest(self, generator):
        cameras = CameraLaw().sample(50, generator)
        azimuth = cameras.azimuth_deg.reshape(50, 4)
        steps = (azimuth - azimuth[:, :1]) % 360
        assert torch.allclose(steps, torch.tensor([0.0, 90.0, 180.0, 270.0]).expand(50, 4), atol=1e-3)
        for shared in (cameras.elevation_deg, cameras.distance, cameras.fov_y_deg):
            assert (shared.reshape(50, 4).std(1) == 0).all()

    def test_ranges_are_filled_and_kept(self, generator):
        law = CameraLaw()
        cameras = law.sample(2000, generator, views_per_group=1)
        for values, (low, high) in (
            (cameras.elevation_deg, law.elevation_deg),
            (cameras.fov_y_deg, law.fov_y_deg),
            (cameras.azimuth_deg, (0.0, 360.0)),
        ):
            assert low <= values.min()
            assert values.max() <= high
            assert values.max() - values.min() > 0.98 * (high - low)

    def test_the_unit_sphere_always_fits_the_picture(self, generator):
        cameras = CameraLaw().sample(500, generator)
        tangent = torch.asin(1.0 / cameras.distance)
        assert (tangent <= cameras.fov_y_deg * math.pi / 360 + 1e-6).all()

    def test_close_ups_are_cut_out_of_views_of_the_whole(self, generator):
        law = CameraLaw()
        cameras = law.sample(4000, generator, views_per_group=2, close_up_share=0.5)
        is_close = cameras.fov_y_deg < law.fov_y_deg[0]
        assert 0.4 < is_close.float().mean() < 0.55  # a few magnify too little to tell
        assert not cameras.target[cameras.fov_y_deg == cameras.fov_y_deg.max()].any()
        half = cameras.distance * torch.tan(
            cameras.fov_y_deg * math.pi / 360
        )  # of what is seen, at the target
        whole = cameras.distance * math.tan(law.fov_y_deg[1] * math.pi / 360)
        assert (cameras.target.norm(dim=1) + half <= whole + 1e-5).all()
        shared = cameras.target.reshape(-1, 2, 3)
        assert torch.equal(shared[:, 0], shared[:, 1])

    def test_a_close_up_of_the_centre_is_the_middle_of_a_larger_picture(self):
        whole = orbit([30.0], 20.0, 3.0, 40.0)
        fov = 2 * math.degrees(math.atan(math.tan(math.radians(20.0)) / 2))
        close = orbit([30.0], 20.0, 3.0, fov)
        assert torch.allclose(
            close.rays(8, 8).directions, whole.rays(16, 16).directions[:, 4:12, 4:12], atol=1e-6
        )


def test_view_words_cut_the_turn_in_quarters():
    azimuths = [0.0, 44.0, 46.0, 134.0, 136.0, 224.0, 226.0, 314.0, 316.0, 720.0]
    words = view_words(orbit(azimuths, 20.0, 3.0, 40.0))
    assert [text.split()[0] for text in words] == [
        *("front", "front", "side", "side", "back", "back", "side", "side", "front", "front")
    ]
    assert view_words(orbit([0.0, 90.0], 45.0, 3.0, 40.0)) == ["overhead view"] * 2


class TestText:
    """Which words count."""

    vocabulary = Vocabulary(**{name: tuple(words) for name, words in VOCABULARY.items()})

    def test_every_word_of_the_vocabulary_is_one_token(self, prior):
        for word in WORDS:
            assert len(prior.tokenizer.tokenize(word)) == 1, word

    def test_unknown_words_name_their_neighbours(self):
        found = unknown_words("a red mushrom with a zqx", self.vocabulary)
        assert found == {"mushrom": ["mushroom"], "zqx": []}

    def test_unknown_words_are_left_out(self):
        assert keep_known("A RED, shiny mushroom!", self.vocabulary) == "a red mushroom"
        assert split_words("Ice-cream 3D") == ["ice", "cream", "3d"]

    def test_unknown_words_do_not_change_the_embedding(self, prior):
        plain, noisy = prior.embed("a red mushroom"), prior.embed("a red glorious mushroom")
        assert torch.equal(plain.tokens, noisy.tokens)
        assert not torch.equal(plain.tokens[0], plain.tokens[1])

    @pytest.mark.parametrize("prompt", ["zebra", "a the with", "?!", "éléphant"])
    def test_a_prompt_that_says_nothing_known_is_refused(self, prior, prompt):
        with pytest.raises(InputError, match="knows no word"):
            prior.embed(prompt)


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
        text, uncond = prior.predict_x0(noisy, timesteps, embedding, cameras, ["albedo"] * 3, "words")
        assert torch.equal(text[0], text[1])
        assert (text[0] - text[2]).abs().max() > 1e-4
        assert torch.equal(uncond[0], uncond[2])

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
            (lambda f: (f / "unet" / "config.json").write_text("[]"), "cannot be loaded"),
            (lambda f: (f / "tokenizer" / "tokenizer.json").write_text("{}"), "cannot be loaded"),
        ],
    )
    def test_damage_is_named(self, folder, tmp_path, damage, says):
        copy = self.broken(folder, tmp_path)
        damage(copy)
        with pytest.raises(InputError, match=says) as caught:
            Prior.from_pretrained(str(copy))
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


def test_cameras_can_be_selected_and_moved():
    cameras: Cameras = orbit([0.0, 90.0, 180.0], 10.0, 3.0, 40.0)
    assert cameras[1:].azimuth_deg.tolist() == [90.0, 180.0]
    assert len(cameras.to("cpu")) == 3
