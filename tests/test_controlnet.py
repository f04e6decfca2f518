"""ControlNets on top of pipelines: they steer as in diffusers, and are shown the scene as it is now."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionControlNetPipeline, StableDiffusionXLControlNetPipeline
from multi_view_folder import write_multi_view
from pipeline_folders import (
    NO_GUARD,
    copy_of,
    make_controlnet,
    make_pipeline,
    sampled_by_ddim,
    write_pipeline,
)
from prior_folders import write_tiny_prior

from dream3d.cameras import orbit
from dream3d.cli import main
from dream3d.config import PriorOptions
from dream3d.errors import InputError, RunError
from dream3d.optimize.coarse import optimize_coarse
from dream3d.optimize.latent_pictures import LatentPictures
from dream3d.optimize.refine import optimize_refine
from dream3d.prior import Prior
from dream3d.render.control import control_picture
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface
from dream3d.stage_config import CoarseConfig, FieldConfig, GuidanceConfig, RefineConfig

KINDS = ("sd1", "sd2", "sdxl", "lcm")
PROMPT, NEGATIVE, SCALE = "a red dragon", "blurry", 3.0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder and pipeline of every kind, and the folder and the network of a ControlNet for it."""
    root = tmp_path_factory.mktemp("controlnets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        found = {}
        for kind in KINDS:
            pipeline = make_pipeline(root / kind, kind)
            found[kind] = (root / kind, pipeline, root / f"{kind}-control")
            make_controlnet(root / f"{kind}-control", pipeline.unet)
        yield found


def opened(folder, **added):
    return Prior.from_pretrained(str(folder), dtype=torch.float32, options=PriorOptions(**added))


def controlled(folder, control, **added):
    return opened(folder, controlnet=str(control), **added)


def guided(prior, noisy, timestep, scale):
    """x0 under guidance, the view in front."""
    cameras = orbit([0.0] * len(noisy), 0.0, 3.0, 40.0)
    asked = (noisy, torch.full((len(noisy),), timestep), prior.embed(PROMPT, NEGATIVE), cameras)
    text, negative = prior.predict_x0(*asked, ["albedo"] * len(noisy), "words", ("text", "negative"))
    return negative + scale * (text - negative)


def with_control(pipeline, network):
    """diffusers' own pipeline of the same parts."""
    is_large = hasattr(pipeline, "text_encoder_2")
    kind = StableDiffusionXLControlNetPipeline if is_large else StableDiffusionControlNetPipeline
    optional = ("safety_checker", "feature_extractor", "image_encoder")
    parts = {name: part for name, part in pipeline.components.items() if name not in optional}
    extra = {"add_watermarker": False} if is_large else NO_GUARD
    made = kind(controlnet=network, **parts, **extra)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("strength", [1.0, 0.4])
@pytest.mark.parametrize("kind", KINDS)
def test_one_step_of_the_whole_pipeline(made, kind, strength):
    folder, pipeline, control = made[kind]
    prior = controlled(folder, control, controlnet_scale=strength)
    draws = torch.Generator().manual_seed(5)
    noisy, picture = torch.randn(2, 4, 8, 8, generator=draws), torch.rand(2, 3, 16, 16, generator=draws)
    whole, asked, scale = with_control(pipeline, prior.denoiser.control.network), {}, SCALE
    if kind == "lcm":
        asked, scale = {"timesteps": [999], "guidance_scale": 8.5}, 1.0
    else:
        whole = sampled_by_ddim(whole, timestep_spacing="trailing", set_alpha_to_one=True)
        asked = {"num_inference_steps": 1, "guidance_scale": SCALE, "negative_prompt": [NEGATIVE] * 2}
    expected = whole(
        prompt=[f"{PROMPT}, front view"] * 2,
        image=picture,
        latents=noisy,
        controlnet_conditioning_scale=strength,
        output_type="latent",
        **asked,
    ).images
    unit = prior.alphas_cumprod[-1].sqrt() if prior.card.prediction == "epsilon" else 1.0
    found = guided(prior.shown(picture), noisy, 999, scale)

    assert float(((found - expected) * unit).abs().max()) <= 1e-5
    plain = guided(opened(folder), noisy, 999, scale)
    assert torch.equal(guided(prior, noisy, 999, scale), plain)  # before it is shown anything
    assert float(((found - plain) * unit).abs().max()) > 1e-3
    assert prior.sha256 != opened(folder).sha256


def ball(cameras, size=32, radius=0.5):
    """Normals, points and opacity of a ball around the origin, in closed form."""
    rays = cameras.rays(size, size)
    along = -(rays.origins * rays.directions).sum(-1)
    beside = rays.origins.square().sum(-1) - along.square()
    is_hit = beside < radius**2
    distance = along - (radius**2 - beside).clamp_min(0.0).sqrt()
    points = rays.origins + distance[..., None] * rays.directions
    return points / radius, points, is_hit.float()


class TestPictures:
    """What the networks are shown, by the conventions that they were trained with."""

    def test_normals_are_red_to_the_left_green_above_and_blue_in_front(self):
        cameras = orbit([0.0, 70.0, 200.0], 25.0, 3.0, 40.0)
        normals, points, opacity = ball(cameras)
        picture = control_picture("normal", normals, points, opacity, cameras)
        assert picture.shape == (3, 3, 32, 32)
        middle, left, right, above = (picture[:, :, *at] for at in ((15, 15), (15, 9), (15, 22), (9, 15)))
        torch.testing.assert_close(middle, torch.tensor([[0.5, 0.5, 1.0]] * 3), atol=0.03, rtol=0)
        assert (left[:, 0] > 0.8).all()
        assert (right[:, 0] < 0.2).all()
        assert (above[:, 1] > 0.8).all()
        assert torch.equal(picture[:, :, 0, 0], torch.tensor([[0.5, 0.5, 1.0]] * 3))  # nothing there
        # A ball looks the same from everywhere: the frame is the camera's.
        torch.testing.assert_close(picture[0], picture[1], atol=1e-4, rtol=0)

    def test_depth_is_inverse_white_where_nearest_and_black_where_there_is_nothing(self):
        cameras = orbit([0.0, 70.0], 25.0, 3.0, 40.0)
        normals, points, opacity = ball(cameras, size=33)
        picture = control_picture("depth", normals, points, opacity, cameras)
        assert (picture[:, 0] == picture[:, 1]).all()
        assert (picture[:, 0] == picture[:, 2]).all()
        assert picture[0, 0, 16, 16] == 1.0  # 2.5 away
        assert picture[0, 0, 0, 0] == 0.0
        toward = cameras.backward()[:, None, None]
        z = 3.0 - (points * toward).sum(-1)
        torch.testing.assert_close(picture[:, 0], 2.5 / z * opacity)
        half = control_picture("depth", normals, points, 0.5 * opacity, cameras)
        torch.testing.assert_close(half, picture)  # as far as anything is seen at all
        assert not control_picture("depth", normals, points, 0.0 * opacity, cameras).any()


@pytest.mark.parametrize("kind", ["normal", "depth"])
def test_every_step_shows_the_scene_as_it_is(made, kind):
    """In the coarse stage and in the refinement, at whatever size these render."""
    folder, _, control = made["sd1"]
    prior = controlled(folder, control, controlnet_kind=kind)
    seen = []
    prior.denoiser.control.network.register_forward_pre_hook(
        lambda _, __, told: seen.append(told["controlnet_cond"]), with_kwargs=True
    )
    guidance = GuidanceConfig(views="words", opening=0.0)
    small = FieldConfig(num_levels=2, log2_hashmap_size=8, finest_resolution=16)
    coarse = CoarseConfig(num_steps=2, half_size_until=0.5, radiance_field=small, guidance=guidance)
    draws = torch.Generator().manual_seed(0)
    field = optimize_coarse(prior, prior.embed(PROMPT), coarse, draws).field
    surface = TetSurface.from_density(field.density, 10.0, tet_lattice(16))
    refine = RefineConfig(num_steps=2, guidance=guidance, close_up_share=0.0)
    optimize_refine(prior, prior.embed(PROMPT), field, surface, refine, draws)
    assert len(seen) == 4
    nothing = torch.tensor([0.5, 0.5, 1.0] if kind == "normal" else [0.0, 0.0, 0.0])
    for pictures in seen:
        assert pictures.shape == (8, 3, 16, 16)  # two texts, four views each
        assert torch.equal(pictures[:4], pictures[4:])
        assert pictures.min() >= 0.0
        assert pictures.max() <= 1.0
        corners = pictures[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
        torch.testing.assert_close(corners, nothing[None, :, None].expand_as(corners), atol=0.02, rtol=0)
        middle = pictures[:, :, 7:9, 7:9].mean(dim=(2, 3))
        if kind == "normal":
            assert (middle[:, 2] > 0.9).all()  # the ball that everything starts from faces the camera
            assert (pictures[:, 0, 8, 5] > pictures[:, 0, 8, 10] + 0.2).all()
        else:
            assert (middle > 0.9).all()


REFUSED = {
    "nothing there": (lambda _: "nowhere", "no such folder, and no hub id"),
    "not downloaded": (lambda _: "someone/control", "unknown ControlNet 'someone/control'"),
    "a pipeline's UNet": (
        lambda made: made["sd1"][0] / "unet",
        "holds a UNet2DConditionModel, not a ControlNet",
    ),
    "of another size": (
        lambda made: made["wide"],
        "its cross_attention_dim is 24, not 16 .it is for another version",
    ),
    "of SDXL": (lambda made: made["sdxl"][2], "its cross_attention_dim is 32, not 16"),
    "of another VAE": (lambda made: made["deep"], "does not take pictures of 16 pixels in color"),
    "no weights": (lambda made: made["empty"], "missing or empty"),
    "damaged": (lambda made: made["cut off"], "cannot be loaded"),
}


@pytest.fixture(scope="module")
def odd(made, tmp_path_factory):
    """Those folders, and some with something wrong."""
    root, (_, pipeline, control) = tmp_path_factory.mktemp("odd"), made["sd1"]
    make_controlnet(root / "wide", pipeline.unet, cross_attention_dim=24)
    make_controlnet(root / "deep", pipeline.unet, conditioning_embedding_out_channels=(8, 16, 16))
    for name in ("empty", "cut off"):
        weights = copy_of(control, root / name) / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(b"" if name == "empty" else weights.read_bytes()[:-99])
    return made | {name: root / name for name in ("wide", "deep", "empty", "cut off")}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(odd, monkeypatch, tmp_path, name):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    find, says = REFUSED[name]
    with pytest.raises(InputError, match=says) as caught:
        controlled(odd["sd1"][0], find(odd))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("config.json", {"conditioning_embedding_out_channels": 3}, "does not take pictures"),
        (
            "diffusion_pytorch_model.safetensors.index.json",
            {"metadata": {}, "weight_map": {"a": "../b.safetensors"}},
            "names '../b.safetensors', which is not a .safetensors file beside it",
        ),
    ],
)
def test_a_folder_that_leads_elsewhere_or_says_nonsense_is_refused(made, tmp_path, file, changes, says):
    copy = copy_of(made["sd1"][2], tmp_path / "copy")
    known = json.loads((copy / file).read_text()) if (copy / file).is_file() else {}
    (copy / file).write_text(json.dumps(known | changes))
    with pytest.raises(InputError, match=says):
        controlled(made["sd1"][0], copy)


def test_a_network_that_loads_and_does_not_compute_says_so_in_one_line(made, tmp_path):
    copy = copy_of(made["sd1"][2], tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"controlnet_conditioning_channel_order": "x"}))
    prior = controlled(made["sd1"][0], copy).shown(torch.rand(1, 3, 16, 16))
    with pytest.raises(
        RunError, match=r"the network of the prior .* failed: unknown `controlnet_cond"
    ) as caught:
        guided(prior, torch.zeros(1, 4, 8, 8), 500, 1.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["if", "sd3", "mvdream", "built-in"])
def test_priors_that_take_none_say_so(made, tmp_path, kind):
    makers = {"mvdream": write_multi_view, "built-in": write_tiny_prior}
    make = makers.get(kind) or (lambda folder: write_pipeline(folder, kind))
    make(tmp_path / "prior")
    with pytest.raises(InputError, match=r"--controlnet .*takes none"):
        controlled(tmp_path / "prior", made["sd1"][2])


@pytest.mark.usefixtures("work")
def test_the_command_takes_one_and_refuses_what_is_none(made, capfd):
    folder, _, control = made["sd1"]
    shutil.copytree(control, "control")
    words = ["generate", "a red dragon", "--prior", str(folder), "--coarse.guidance.views", "words"]
    words += ["--coarse.num-steps", "3", "--refine.num-steps", "0", "--target-faces", "100"]
    words += ["--texture-size", "64", "--json"]
    assert main([*words, "--controlnet", "control", "--controlnet-kind", "depth"]) == 0
    report = json.loads(capfd.readouterr().out)
    made_by = json.loads(Path(next(name for name in report["files"] if name.endswith(".json"))).read_text())
    assert made_by["settings"]["prior_options"]["controlnet_kind"] == "depth"
    assert made_by["prior_sha256"] == controlled(folder, control).sha256
    assert main([*words, "--controlnet", "elsewhere"]) == 2
    assert capfd.readouterr().err.strip().endswith("no such folder, and no hub id OWNER/NAME")
    assert main([*words, "--controlnet", "control", "--controlnet-scale", "9"]) == 2
    assert "--controlnet-scale must be between 0 and 2" in capfd.readouterr().err


def test_a_field_of_latents_is_refused(made):
    folder, _, control = made["sd1"]
    with pytest.raises(InputError, match="a ControlNet is not shown latents"):
        LatentPictures.of(controlled(folder, control))
