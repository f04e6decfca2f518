"""Fields of latents (Latent-NeRF): no encoder first, then colors by a linear layer that was fitted to it."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from pipeline_folders import write_pipeline
from prior_folders import write_tiny_prior
from torch import Tensor

from dream3d.config import Config
from dream3d.errors import InputError, StoppedError
from dream3d.events import ignore
from dream3d.guidance.guide import Guide, Shown
from dream3d.optimize.coarse import optimize_coarse
from dream3d.optimize.latent_pictures import LatentPictures
from dream3d.prior import Prior
from dream3d.run_folder import open_run
from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import CoarseConfig, FieldConfig, GuidanceConfig, RefineConfig
from dream3d.stages import distill

FIELD = FieldConfig(num_levels=4, log2_hashmap_size=10, finest_resolution=24, hidden_size=16)
GUIDANCE = GuidanceConfig(views="none", opening=0.0, scale=1.0, scale_at_noise=1.0, rescale=0.0)
CONFIG = CoarseConfig(
    num_steps=4, latent_share=0.5, radiance_field=FIELD, guidance=GUIDANCE, shaded_share=0.0
)
MIX = torch.tensor(
    [[0.9, 0.3, -0.2], [-0.5, 0.8, 0.1], [0.2, -0.6, 1.1], [0.4, 0.4, -0.7]]
)  # colors to latents
SHIFT = torch.tensor([0.3, -0.2, 0.1, 0.5])


@dataclass(frozen=True)
class LinearCodec:
    """Latents of single pixels, by a known matrix, at half the size; whoever encodes is counted."""

    calls: list[int]
    has_pixel_latents: bool = False

    def encode(self, images: Tensor) -> Tensor:
        self.calls.append(len(images))
        small = torch.nn.functional.avg_pool2d(images.permute(0, 3, 1, 2), 2)
        return torch.einsum("ck,bkhw->bchw", MIX, small) + SHIFT[:, None, None]

    def decode(self, latents: Tensor) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class PlainBelief:
    """Believes in one plain picture, whatever it is shown."""

    latents: Tensor  # [c]
    unet: None = None

    def predict_x0(self, noisy, timesteps, embedding, cameras, shading, views, branches):  # noqa: ARG002
        return (self.latents[None, :, None, None].expand_as(noisy),) * len(branches)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("latent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield write_pipeline(root / "sd", "sd1")


@pytest.fixture
def prior(folder):
    opened = Prior.from_pretrained(str(folder), dtype=torch.float32)
    return replace(opened, codec=LinearCodec([]))


def test_both_maps_are_fitted_to_the_encoder(prior):
    pictures = LatentPictures.of(prior)
    torch.testing.assert_close(
        pictures.inverse, torch.cat([MIX, SHIFT[:, None]], dim=1), atol=1e-5, rtol=1e-5
    )
    colors = torch.rand(50, 3, generator=torch.Generator().manual_seed(2))
    latents = pictures.latents_of(colors)
    torch.testing.assert_close(latents, colors @ MIX.T + SHIFT, atol=1e-5, rtol=1e-5)
    back = torch.sigmoid(latents @ pictures.layer[:, :-1].T + pictures.layer[:, -1])
    assert float((back - colors).abs().mean()) < 0.05  # a sigmoid is not a line
    assert torch.equal(pictures.layer, LatentPictures.of(prior).layer)
    assert (pictures.image_size, pictures.image_sizes) == (8, (8,))


def test_a_field_of_latents_has_colors_by_its_layer(prior):
    layer = LatentPictures.of(prior).layer
    field = RadianceField(FIELD, torch.Generator().manual_seed(1), layer)
    points = 2.0 * torch.rand(64, 3, generator=torch.Generator().manual_seed(2)) - 1.0
    density, latents = field.density_and_latents(points)
    same, albedo = field.density_and_albedo(points)
    assert latents.shape == (64, 4)
    assert torch.equal(density, same)
    torch.testing.assert_close(albedo, torch.sigmoid(latents @ layer[:, :-1].T + layer[:, -1]))
    assert torch.equal(field.albedo_srgb(points), albedo)
    albedo.sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in field.network_parameters())


def test_the_gradient_is_that_of_the_latents_themselves(prior):
    belief = torch.tensor([1.0, -2.0, 0.5, 3.0])
    known = replace(prior, denoiser=PlainBelief(belief))
    pictures = LatentPictures.of(known)
    images = torch.randn(2, 8, 8, 4, generator=torch.Generator().manual_seed(3))
    cameras = prior.sample_cameras(1, torch.Generator().manual_seed(0))[:2]
    shown = Shown(images, cameras, "albedo", torch.zeros(2, 8, 8, 3), torch.ones(2, 8, 8))
    guide = Guide(known, prior.embed("a chair"), GUIDANCE, torch.Generator().manual_seed(0))
    known.codec.calls.clear()
    found = guide.gradient(shown, 500, prior=pictures).gradient
    torch.testing.assert_close(found, (images - belief) / 2)  # a mean over two images
    assert known.codec.calls == []


def test_what_the_prior_believes_in_comes_out_as_its_color(prior):
    color = torch.tensor([0.8, 0.3, 0.2])
    known = replace(prior, denoiser=PlainBelief(color @ MIX.T + SHIFT))
    config = replace(CONFIG, num_steps=40, latent_share=1.0, entropy_weight=0.0, half_size_until=0.0)
    draws = torch.Generator().manual_seed(0)
    result = optimize_coarse(known, known.embed("a chair"), config, draws)
    points = 0.3 * torch.rand(200, 3, generator=draws) - 0.15
    with torch.no_grad():
        _, latents = result.field.density_and_latents(points)
        albedo = result.field.albedo_srgb(points)
    # Some points are inside, where nobody has seen them.
    assert float((latents - (color @ MIX.T + SHIFT)).abs().median()) < 0.05
    assert float((albedo - color).abs().median()) < 0.08


def test_the_encoder_is_asked_from_the_middle_on(prior):
    steps: list[int] = []
    draws = torch.Generator().manual_seed(0)
    optimize_coarse(
        prior, prior.embed("a chair"), CONFIG, draws, lambda _: steps.append(len(prior.codec.calls))
    )
    fit, *after = [steps[0], *steps[1:]]
    assert [count - fit for count in after] == [0, 1, 2]


def stopped_and_continued(prior, config, path: Path):
    def stop(_) -> None:
        raise StoppedError

    for _ in range(20):
        try:
            with open_run(path) as run:
                return distill(prior, prior.embed("a chair"), config, "cpu", stop, run)
        except StoppedError:
            pass
    raise AssertionError("the run makes no progress")


def test_a_run_can_be_continued_before_and_after_it(prior, tmp_path):
    refine = RefineConfig(num_steps=2, lattice_resolution=12, guidance=GUIDANCE)
    config = Config(coarse=replace(CONFIG, occupancy_resolution=16), refine=refine)
    straight = distill(prior, prior.embed("a chair"), config, "cpu", ignore, None)
    resumed = stopped_and_continued(prior, config, tmp_path / "run")
    first, second = straight.field.state_dict(), resumed.field.state_dict()
    assert "latent_layer" in first
    assert {name for name in first if not torch.equal(first[name], second[name])} == set()
    meshes = [run.shape.detached_mesh() for run in (straight, resumed)]
    assert (meshes[0].vertices == meshes[1].vertices).all()


def test_priors_without_latents_that_a_field_can_hold_are_refused(prior, tmp_path):
    built_in = Prior.from_pretrained(str(write_tiny_prior(tmp_path / "tiny")))
    wide = replace(prior, card=replace(prior.card, latent_channels=16))
    for odd, says in ((built_in, "needs a prior with a VAE"), (wide, "holds 7 latents, this prior has 16")):
        with pytest.raises(InputError, match=says) as caught:
            optimize_coarse(odd, None, CONFIG, torch.Generator().manual_seed(0))
        assert "\n" not in str(caught.value)
