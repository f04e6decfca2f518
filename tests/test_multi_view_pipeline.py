"""MVDream pipelines as priors, held against a forward pass written from the stored weights' names alone."""

import math
import shutil

import pytest
import torch
from diffusers import StableDiffusionPipeline
from json_files import edit
from multi_view_folder import CONFIG, write_multi_view, write_network
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch.nn import functional

from dream3d.cameras import Cameras, orbit
from dream3d.config import PriorOptions
from dream3d.errors import InputError
from dream3d.prior import Prior, schedule
from dream3d.prior.adapted import AdaptedPrior
from dream3d.prior.pipelines.multi_view import camera_numbers, load_multi_view, told_views

UNET = "unet/diffusion_pytorch_model.safetensors"
BRANCHES = ("text", "negative")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "mvdream"
    return folder, write_multi_view(folder)


@pytest.fixture(scope="module")
def prior(whole):
    return Prior.from_pretrained(str(whole[0]), dtype=torch.float32)


@pytest.fixture
def noisy():
    return torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(3))


class Reference:
    """The network in plain torch: what the names and shapes of the weights say, block after block."""

    def __init__(self, weights, per_head=CONFIG["num_head_channels"]):
        self.weights, self.per_head = weights, per_head

    def __call__(self, images, timesteps, text, camera, num_views):
        self.text, self.num_views = text, num_views
        half = self.weights["time_embed.0.weight"].shape[1] // 2
        angles = timesteps[:, None] * torch.exp(-math.log(10000.0) * torch.arange(half) / half)
        self.embedding = self.two_layers("time_embed", torch.cat([angles.cos(), angles.sin()], dim=1))
        if camera is not None:
            self.embedding = self.embedding + self.two_layers("camera_embed", camera)
        kept = []
        for block in range(self.count("input_blocks")):
            images = self.block(f"input_blocks.{block}", images)
            kept.append(images)
        images = self.block("middle_block", images)
        for block in range(self.count("output_blocks")):
            images = self.block(f"output_blocks.{block}", torch.cat([images, kept.pop()], dim=1))
        return self.convolved("out.2", functional.silu(self.normed("out.0", images)))

    def count(self, name):
        return len({key.split(".")[1] for key in self.weights if key.startswith(f"{name}.")})

    def block(self, name, x):
        for part in range(self.count_parts(name)):
            keys = {key.removeprefix(f"{name}.{part}.") for key in self.weights}
            if "in_layers.0.weight" in keys:
                x = self.residual(f"{name}.{part}", x)
            elif "proj_in.weight" in keys:
                x = self.transformer(f"{name}.{part}", x)
            elif "op.weight" in keys:
                x = self.convolved(f"{name}.{part}.op", x, stride=2)
            elif "conv.weight" in keys:
                larger = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
                x = self.convolved(f"{name}.{part}.conv", larger)
            else:
                x = self.convolved(f"{name}.{part}", x)
        return x

    def count_parts(self, name):
        return len({key.removeprefix(f"{name}.").split(".")[0] for key in self.weights if f"{name}." in key})

    def residual(self, name, x):
        inner = self.convolved(f"{name}.in_layers.2", functional.silu(self.normed(f"{name}.in_layers.0", x)))
        shift = self.linear(f"{name}.emb_layers.1", functional.silu(self.embedding))
        inner = self.normed(f"{name}.out_layers.0", inner + shift[:, :, None, None])
        inner = self.convolved(f"{name}.out_layers.3", functional.silu(inner))
        skip = f"{name}.skip_connection"
        return inner + (self.convolved(skip, x, padding=0) if f"{skip}.weight" in self.weights else x)

    def transformer(self, name, x):
        block = f"{name}.transformer_blocks.0"
        tokens = self.normed(f"{name}.norm", x, eps=1e-6).flatten(2).transpose(1, 2)
        tokens = self.linear(f"{name}.proj_in", tokens)
        count, length, side = tokens.shape
        together = self.layer_normed(f"{block}.norm1", tokens).reshape(-1, self.num_views * length, side)
        tokens = tokens + self.attended(f"{block}.attn1", together, together).reshape(count, length, side)
        asking = self.layer_normed(f"{block}.norm2", tokens)
        tokens = tokens + self.attended(f"{block}.attn2", asking, self.text)
        value, gate = self.linear(
            f"{block}.ff.net.0.proj", self.layer_normed(f"{block}.norm3", tokens)
        ).chunk(2, dim=-1)
        tokens = tokens + self.linear(f"{block}.ff.net.2", value * functional.gelu(gate))
        return x + self.linear(f"{name}.proj_out", tokens).transpose(1, 2).reshape(x.shape)

    def attended(self, name, asking, asked):
        heads = asking.shape[-1] // self.per_head
        query, key, value = (
            self.linear(f"{name}.{part}", source).unflatten(-1, (heads, -1)).transpose(1, 2)
            for part, source in (("to_q", asking), ("to_k", asked), ("to_v", asked))
        )
        shares = (query @ key.transpose(-1, -2) / self.per_head**0.5).softmax(dim=-1)
        return self.linear(f"{name}.to_out.0", (shares @ value).transpose(1, 2).flatten(2))

    def two_layers(self, name, x):
        return self.linear(f"{name}.2", functional.silu(self.linear(f"{name}.0", x)))

    def linear(self, name, x):
        return functional.linear(x, *self.of(name))

    def convolved(self, name, x, stride=1, padding=1):
        return functional.conv2d(x, *self.of(name), stride=stride, padding=padding)

    def normed(self, name, x, eps=1e-5):
        return functional.group_norm(x, 32, *self.of(name), eps=eps)

    def layer_normed(self, name, x):
        return functional.layer_norm(x, x.shape[-1:], *self.of(name))

    def of(self, name):
        return self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias")


def around(start=20.0, elevation=15.0):
    return orbit([start + 90.0 * index for index in range(4)], elevation, 2.5, 40.0)


def predicted(prior, noisy, views="joint", cameras=None, branches=("text",), timestep=500):
    timesteps = torch.full((len(noisy),), timestep)
    embedding, cameras = prior.embed("a red dragon", "blurry"), around() if cameras is None else cameras
    return prior.predict_x0(noisy, timesteps, embedding, cameras, ["albedo"] * len(noisy), views, branches)


class TestNetwork:
    """Against the independent forward pass."""

    @pytest.mark.parametrize(
        ("resolutions", "num_res_blocks"), [([1], 2), ([2], 2), ([1, 2], 1), ([2, 4], 1)]
    )
    def test_it_computes_what_the_names_of_its_weights_say(
        self, tmp_path, noisy, resolutions, num_res_blocks
    ):
        factors = [1, 2, 2] if 4 in resolutions else [1, 2]
        changes = {"attention_resolutions": resolutions, "num_res_blocks": num_res_blocks}
        weights = write_network(tmp_path, channel_mult=factors, **changes)
        network = load_multi_view(tmp_path, torch.float32)
        timesteps, text = torch.tensor([20, 500, 900, 999]), torch.randn(4, 5, CONFIG["context_dim"])
        for views, num_views, camera in (("joint", 4, camera_numbers(around())), ("none", 1, None)):
            with torch.no_grad():
                found = network(noisy, timesteps, text, **told_views(network, around(), views, 1)).sample
            expected = Reference(weights)(noisy, timesteps, text, camera, num_views)
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("timestep", [20, 900])
    def test_the_prior_asks_it_with_the_same_cameras_for_all_texts(self, whole, prior, noisy, timestep):
        embedding = prior.embed("a red dragon", "blurry")
        found = predicted(prior, noisy, branches=BRANCHES, timestep=timestep)
        levels = torch.full((4,), timestep)
        for row, x0 in enumerate(found):
            text = embedding.tokens[row].expand(4, -1, -1)
            noise = Reference(whole[1])(noisy, levels, text, camera_numbers(around()), 4)
            expected = schedule.x0_from_noise(noisy, noise, prior.alphas_cumprod, levels)
            unit = prior.alphas_cumprod[timestep].sqrt()
            torch.testing.assert_close(x0 * unit, expected * unit, atol=1e-5, rtol=1e-5)
        assert (found[0] - found[1]).abs().max() > 1e-3

    def test_numbers_of_heads_may_be_given_instead_of_their_width(self, tmp_path, noisy):
        weights = write_network(tmp_path, num_head_channels=-1, num_heads=2, channel_mult=[1, 1])
        network = load_multi_view(tmp_path, torch.float32)
        timesteps, text = torch.tensor([500] * 4), torch.randn(4, 5, CONFIG["context_dim"])
        found = network(noisy, timesteps, text, **told_views(network, around(), "none", 1)).sample
        expected = Reference(weights, per_head=16)(noisy, timesteps, text, None, 1)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)

    def test_half_precision_answers_nearly_the_same(self, whole, prior, noisy):
        rounded = Prior.from_pretrained(str(whole[0]), dtype=torch.bfloat16)
        (exact,), (found,) = predicted(prior, noisy), predicted(rounded, noisy)
        assert 0 < (exact - found).abs().max() < 0.2


class TestCameras:
    """Their 16 numbers."""

    def test_our_front_is_seen_from_their_x(self):
        expected = [[0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
        found = camera_numbers(orbit([0.0], 0.0, 3.0, 40.0)).reshape(4, 4)
        torch.testing.assert_close(found, torch.tensor(expected).float())

    def test_they_are_a_look_at_matrix_with_z_upwards(self):
        for azimuth, elevation in ((0.0, 30.0), (50.0, 10.0), (200.0, 0.0), (300.0, 25.0)):
            a, e = math.radians(azimuth), math.radians(elevation)
            back = torch.tensor([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
            right = torch.linalg.cross(torch.tensor([0.0, 0.0, 1.0]), back)
            right = right / right.norm()
            matrix = torch.eye(4)
            matrix[:3] = torch.stack([right, torch.linalg.cross(back, right), back, back], dim=1)
            found = camera_numbers(orbit([azimuth], elevation, 2.0, 50.0))[0].reshape(4, 4)
            torch.testing.assert_close(found, matrix, atol=1e-6, rtol=0)

    def test_neither_distance_nor_lens_nor_target_is_told(self):
        near = around()
        target = torch.tensor([[0.1, 0.2, -0.3]]).expand(4, -1)
        far = Cameras(near.azimuth_deg, near.elevation_deg, near.distance * 3, near.fov_y_deg / 2, target)
        torch.testing.assert_close(camera_numbers(near), camera_numbers(far))


class TestViews:
    """What the views of a group have to do with each other."""

    def test_views_and_cameras_in_another_order_are_answered_in_that_order(self, prior, noisy):
        order = torch.tensor([2, 0, 3, 1])
        (found,) = predicted(prior, noisy[order], cameras=around()[order])
        (expected,) = predicted(prior, noisy)
        torch.testing.assert_close(found, expected[order], atol=1e-5, rtol=1e-5)

    def test_cameras_count(self, prior, noisy):
        (one,), (other,) = (predicted(prior, noisy, cameras=around(start)) for start in (20.0, 60.0))
        assert (one - other).abs().max() > 1e-3

    @pytest.mark.parametrize(("views", "is_seen"), [("joint", True), ("words", False), ("none", False)])
    def test_a_view_sees_the_others_of_its_group_alone(self, prior, noisy, views, is_seen):
        twice, cameras = torch.cat([noisy, noisy.flip(0)]), around()[torch.arange(8) % 4]
        changed = twice.clone()
        changed[1] += 1.0
        (before,), (after,) = (predicted(prior, each, views, cameras) for each in (twice, changed))
        difference = (after - before).abs().amax((1, 2, 3))
        assert difference[1] > 1e-2
        assert bool((difference[[0, 2, 3]] > 1e-4).all()) == is_seen
        assert difference[4:].max() < 1e-5

    def test_without_cameras_every_image_is_for_itself(self, prior, noisy):
        (four,) = predicted(prior, noisy, "none")
        for index in range(4):
            (one,) = predicted(prior, noisy[index : index + 1], "none", around(77.0)[:1])
            torch.testing.assert_close(one[0], four[index], atol=1e-5, rtol=1e-5)

    def test_one_view_with_a_camera_is_refused(self, prior, noisy):
        with pytest.raises(InputError, match=r"only of views together: set .* to joint or words") as caught:
            predicted(prior, noisy, "camera")
        assert "\n" not in str(caught.value)


def test_what_it_says_of_itself(prior):
    assert (prior.joint_views, prior.image_channels, prior.image_sizes) == (4, 3, (16,))
    assert prior.card.views == ("joint", "words", "blended", "none")
    assert prior.card.prediction == "epsilon"
    cameras = prior.sample_cameras(500, torch.Generator().manual_seed(0), close_up_share=0.5)
    assert torch.equal(cameras.target.abs(), torch.zeros(2000, 3))
    assert 0 <= cameras.elevation_deg.min() < 1 < 29 < cameras.elevation_deg.max() <= 30
    assert 15 <= cameras.fov_y_deg.min() < 16 < 59 < cameras.fov_y_deg.max() <= 60.001
    share = cameras.distance * torch.sin(cameras.fov_y_deg * (math.pi / 360.0))
    assert 0.799 < share.min() < 0.81 < 0.99 < share.max() < 1.001


def test_adapters_learn_renders_with_and_without_cameras(prior, noisy):
    generator, embedding = torch.Generator().manual_seed(1), prior.embed("a red dragon")
    adapted = AdaptedPrior(prior, rank=2, learning_rate=1e-2, generator=generator)
    asked = (torch.full((4,), 500), embedding, around(), ["albedo"] * 4, "joint")
    (before,) = adapted.predict_x0(noisy, *asked)
    torch.testing.assert_close(before, predicted(prior, noisy)[0], atol=1e-5, rtol=1e-5)
    for views in ("joint", "none"):
        adapted.learn(noisy, embedding, around(), ["albedo"] * 4, views, generator)
    assert (adapted.predict_x0(noisy, *asked)[0] - before).abs().max() > 1e-3


def test_a_lora_for_stable_diffusion_fits(whole, prior, noisy, tmp_path):
    network = load_multi_view(whole[0], torch.float32)
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(4)
        targets = ["to_q", "to_v", "conv1"]
        network.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=targets, init_lora_weights=False))
    layers = get_peft_model_state_dict(network)
    StableDiffusionPipeline.save_lora_weights(tmp_path, unet_lora_layers=layers)
    changed = Prior.from_pretrained(
        str(whole[0]), dtype=torch.float32, options=PriorOptions(lora=str(tmp_path))
    )
    (found,), (before,) = predicted(changed, noisy), predicted(prior, noisy)
    assert (found - before).abs().max() > 1e-3
    assert changed.sha256 != prior.sha256


def rewrite(folder, change):
    weights = load_file(folder / UNET)
    change(weights)
    save_file(weights, folder / UNET)


def drop_cameras(weights):
    for name in [name for name in weights if name.startswith("camera_embed")]:
        del weights[name]


DAMAGES = {
    "no cameras": (lambda f: rewrite(f, drop_cameras), "lacks weights .* such as camera_embed.0.bias"),
    "a lost weight": (
        lambda f: rewrite(f, lambda w: w.pop("output_blocks.1.1.conv.weight")),
        "lacks weights .* such as output_blocks.1.1.conv.weight",
    ),
    "a weight too many": (
        lambda f: rewrite(f, lambda w: w.update(extra=torch.zeros(2))),
        "has no place for, such as extra",
    ),
    "diffusers' names": (
        lambda f: rewrite(f, lambda w: w.update({"conv_in.bias": w.pop("input_blocks.0.0.bias")})),
        "lacks weights .* such as input_blocks.0.0.bias",
    ),
    "another shape": (
        lambda f: rewrite(f, lambda w: w.update({"out.2.bias": torch.zeros(5)})),
        r"out.2.bias has the shape \[5\], not \[4\]",
    ),
    "another text encoder": (lambda f: edit(f / "unet/config.json", context_dim=20), "has the shape"),
    "NaN": (lambda f: rewrite(f, lambda w: w["out.2.bias"].fill_(torch.nan)), "not finite"),
    "cut off": (
        lambda f: (f / UNET).write_bytes((f / UNET).read_bytes()[:-99]),
        "not a whole safetensors file",
    ),
    "shown a picture": (lambda f: edit(f / "unet/config.json", ip_dim=16), "shown a picture .ImageDream"),
    "no camera in the configuration": (lambda f: edit(f / "unet/config.json", camera_dim=None), "camera_dim"),
    "another embedding": (lambda f: edit(f / "unet/config.json", use_scale_shift_norm=True), "scale_shift"),
    "no widths": (lambda f: edit(f / "unet/config.json", channel_mult=None), "describes no network"),
    "no heads": (lambda f: edit(f / "unet/config.json", num_head_channels=-1), "no network: .*num_heads"),
    "uneven heads": (lambda f: edit(f / "unet/config.json", num_head_channels=24), "do not fill"),
    "no size": (lambda f: edit(f / "unet/config.json", image_size=None), "image_size is None"),
    "another class": (
        lambda f: edit(f / "unet/config.json", _class_name="MultiViewUNetWrapperModel"),
        "needs a MultiViewUNetModel there",
    ),
    "only pickles": (
        lambda f: (f / UNET).rename((f / UNET).with_suffix(".bin")),
        "a pickle that could run code",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_told_in_one_line(whole, tmp_path, name):
    folder = shutil.copytree(whole[0], tmp_path / "mvdream")
    damage, says = DAMAGES[name]
    damage(folder)
    with pytest.raises(InputError, match=says) as caught:
        Prior.from_pretrained(str(folder), dtype=torch.float32)
    assert "\n" not in str(caught.value)
