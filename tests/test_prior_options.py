"""How a prior computes: in which precision, block by block from main memory, compiled. What it says stays."""

import pytest
import torch
from multi_view_folder import write_multi_view
from pipeline_folders import make_controlnet, make_pipeline
from prior_folders import write_tiny_prior

from dream3d.cameras import orbit
from dream3d.cli import main
from dream3d.config import PriorOptions
from dream3d.errors import InputError
from dream3d.prior import Prior
from dream3d.prior.adapted import AdaptedPrior
from dream3d.prior.precision import precision_dtype

KINDS = ("sd1", "sdxl", "sd3", "if")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of several kinds, and of a ControlNet for the first."""
    root = tmp_path_factory.mktemp("options")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        pipelines = {kind: make_pipeline(root / kind, kind) for kind in KINDS}
        make_controlnet(root / "control", pipelines["sd1"].unet)
        yield {name: root / name for name in (*KINDS, "control")}


def opened(folder, **options):
    options = {"precision": "float32"} | options
    return Prior.from_pretrained(str(folder), options=PriorOptions(**options))


def answer(prior):
    """What it believes of noise, and its decoded and encoded picture."""
    draws = torch.Generator().manual_seed(3)
    images = torch.rand(2, 16, 16, 3, generator=draws)
    latents = prior.encode(images)
    noisy = torch.randn(latents.shape, generator=draws)
    asked = (noisy, torch.tensor([400, 400]), prior.embed("a red chair"), orbit([0.0, 9.0], 0.0, 3.0, 40.0))
    return torch.cat([*prior.predict_x0(*asked, ["albedo"] * 2, "words"), latents])


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_says_nearly_the_same(made, kind):
    exact = answer(opened(made[kind]))
    for precision, tolerance in (("float16", 0.01), ("bfloat16", 0.08)):
        prior = opened(made[kind], precision=precision)
        assert prior.dtype == getattr(torch, precision)
        assert {weight.dtype for weight in prior.unet.parameters()} == {prior.dtype}
        found = answer(prior)
        assert found.dtype == torch.float32
        assert 0 < float((found - exact).abs().max()) < tolerance


def test_a_precision_has_one_meaning(made):
    cpu = torch.device("cpu")
    assert opened(made["sd1"], precision="auto").dtype == precision_dtype("auto", cpu)
    assert precision_dtype("auto", torch.device("cuda")) == torch.bfloat16
    asked = Prior.from_pretrained(str(made["sd1"]), dtype=torch.float64, options=PriorOptions())
    assert asked.dtype == torch.float64


@pytest.mark.parametrize("kind", KINDS)
def test_block_by_block_it_says_the_same(made, kind):
    assert torch.equal(answer(opened(made[kind], offload=True)), answer(opened(made[kind])))


def test_a_controlnet_goes_block_by_block_too(made):
    control = {"controlnet": str(made["control"])}
    picture = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    one, other = (opened(made["sd1"], **control, offload=offload).shown(picture) for offload in (True, False))
    assert torch.equal(answer(one), answer(other))


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_to_be_compiled_is_and_can_still_be_copied(made, kind):
    """Compilers take minutes: here they are told to stand aside."""
    prior = opened(made[kind], compile=True)
    assert prior.unet._compiled_call_impl is not None
    assert opened(made[kind]).unet._compiled_call_impl is None
    with torch.compiler.set_stance("force_eager"):
        torch.testing.assert_close(answer(prior), answer(opened(made[kind])), atol=1e-6, rtol=1e-6)
    if kind == "sd1":
        adapted = AdaptedPrior(prior, 2, 1e-3, torch.Generator().manual_seed(0))
        assert adapted.denoiser.unet._compiled_call_impl is None


@pytest.mark.parametrize("name", ["offload", "compile"])
def test_the_built_in_kind_needs_neither(tmp_path, name):
    with pytest.raises(InputError, match=rf"--prior-{name} True: the prior .* takes none; leave it out"):
        opened(write_tiny_prior(tmp_path / "tiny"), **{name: True})


def test_mvdream_does_not_go_block_by_block(tmp_path):
    write_multi_view(tmp_path / "mvdream")
    with pytest.raises(InputError, match="does not go block by block"):
        opened(tmp_path / "mvdream", offload=True)


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("command", ["generate", "refine"])
def test_methods_that_copy_the_network_refuse_to_offload_it(made, capfd, command, tmp_path):
    (tmp_path / "box.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    words = {
        "generate": ["a chair", "--guidance", "vsd"],
        "refine": [str(tmp_path / "box.obj"), "-p", "a chair"],
    }
    words["refine"] += ["--paint.guidance.method", "esd"]
    assert main([command, *words[command], "--prior", str(made["sd1"]), "--prior-offload", "True"]) == 2
    assert "which --prior-offload does not keep together" in capfd.readouterr().err
