"""The papers' recipes: settings of ours, each run on a latent model of the kind it is for."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from multi_view_folder import write_multi_view
from pipeline_folders import KINDS, write_pipeline

from dream3d.cli import Generate
from dream3d.config import Config, generate_guidance
from dream3d.extract.isosurface import density_threshold
from dream3d.optimize.coarse import optimize_coarse
from dream3d.optimize.refine import optimize_refine
from dream3d.overlays import overlay_names, parse
from dream3d.prior import Prior
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface

KIND = KINDS[0]
EFFORTS = ("draft", "standard")
RECIPES = [name for name in overlay_names() if name not in EFFORTS]
METHODS = {
    "prolificdreamer": "vsd",
    "luciddreamer": "ism",
    **{name: name for name in ("csd", "nfsd", "sdi", "cfd", "consistent3d")},
}


@cache
def settings(name: str) -> Config:
    return parse(Generate, ["a house", "--config", name], "dream3d generate").settings


@pytest.fixture(scope="module")
def priors(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        write_multi_view(root / "mvdream")
        folders = {KIND: write_pipeline(root / "sd", KIND), "mvdream": root / "mvdream"}
        yield {name: Prior.from_pretrained(str(folder)) for name, folder in folders.items()}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_of_its_method(name):
    guidance = next(iter(generate_guidance(settings(name)).values()))
    assert guidance.method == METHODS.get(name, "sds")
    assert guidance.views == ("joint" if name == "mvdream" else "words")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_on_a_latent_model(name, priors):
    prior = priors["mvdream" if name == "mvdream" else KIND]
    coarse, refine = settings(name).coarse, settings(name).refine
    small = replace(coarse.radiance_field, num_levels=2, log2_hashmap_size=8, finest_resolution=16)
    steps = min(coarse.num_steps, 2)
    brief = replace(coarse, num_steps=steps, num_views=4, radiance_field=small, half_size_until=0.0)
    events: list[int] = []
    negative = "blurry" if settings(name).negative_prompt else ""  # the tiny tokenizer spells words
    embedding, generator = prior.embed("a house", negative), torch.Generator().manual_seed(0)
    result = optimize_coarse(prior, embedding, brief, generator, lambda event: events.append(event.step))
    assert events == list(range(1, steps + 1))
    evaluations = result.stats.prior_evaluations
    if refine.num_steps:
        brief = replace(refine, num_steps=2, num_views=4, lattice_resolution=16, shape_until=0.5)
        threshold = density_threshold(result.field.density, 32)
        surface = TetSurface.from_density(result.field.density, threshold, tet_lattice(16))
        refined = optimize_refine(prior, embedding, result.field, surface, brief, generator)
        assert np.isfinite(refined.mesh.vertices).all()
        evaluations += refined.prior_evaluations
    assert all(bool(value.isfinite().all()) for value in result.field.state_dict().values())
    assert evaluations >= 2 * 2 * 4
