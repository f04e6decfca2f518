"""What assets are made of: read by the prior, spread over the atlas, packed for engines."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from prior_folders import answering, write_tiny_prior

from dream3d.detail.substance import (
    SHINE,
    SUBSTANCES,
    Readings,
    Substances,
    bake_substance,
    packed_orm,
    reading_cameras,
    spread,
    substance,
)
from dream3d.errors import InputError
from dream3d.extract.unwrap import unwrap
from dream3d.prior import Prior
from dream3d.prior.cell_reader import CELL, CellReader, load_reader, save_reader
from dream3d.props import FAMILIES, Finish, make_prop, prop_spec
from dream3d.props.finish import MATERIALS

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from prior_labels import NATURALS

METAL, GLASS = SUBSTANCES.index("metal"), SUBSTANCES.index("glass")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return Prior.from_pretrained(str(write_tiny_prior(tmp_path_factory.mktemp("prior") / "tiny")))


def test_every_material_of_the_props_shines_in_its_way():
    assert set(SHINE) == set(MATERIALS)
    assert all(0 <= value <= 1 for pair in SHINE.values() for value in pair)
    made_of = {part.made_of for family in FAMILIES.values() for part in family.parts if part.made_of}
    assert made_of == {"metal", "glass"}


@pytest.mark.parametrize(
    ("read", "said", "expected"),
    [
        (("sword", "blade", "gray", "none"), "a sword", "metal"),  # naturally
        (("sword", "blade", "red", "none"), "a sword with a red blade", "plain"),  # painted
        (("sword", "blade", "beige", "none"), "a sword", "metal"),  # nobody asked for paint
        (("sword", "blade", "gray", "wooden"), "a wooden sword", "wooden"),
        (("bottle", "glass", "pink", "none"), "a pink bottle", "glass"),  # stained glass is glass
        (("burger", "bun", "golden", "none"), "a burger", "plain"),  # golden brown
        (("duck", "body", "golden", "none"), "a golden duck", "metal"),
        (("duck", "body", "golden", "none"), "a duck of gold", "metal"),
        (("duck", "body", "golden", "none"), "a duck", "plain"),
        (("duck", "body", "yellow", "none"), "a golden duck", "plain"),
        (("none", "blade", "gray", "none"), "a sword", "plain"),
        (("dragon", "scale", "green", "none"), "a dragon", "plain"),  # another prior's words
    ],
)
def test_substances_of_parts(read, said, expected):
    assert substance(NATURALS, frozenset(said.split()), *read) == expected


def test_texels_follow_what_is_near_in_place_and_in_color():
    """A band two cells wide around a barrel of wood: its few readings win where the color is theirs."""
    y, x = torch.meshgrid(torch.arange(20) * 0.06, torch.arange(20) * 0.06, indexing="ij")
    read_at = torch.stack([x, y, torch.zeros_like(x)], dim=-1).reshape(-1, 3)

    def is_band(places):
        return (places[:, 1] > 0.5) & (places[:, 1] < 0.62)

    def color(places):
        return torch.where(
            is_band(places)[:, None], torch.tensor([0.6, 0.6, 0.6]), torch.tensor([0.5, 0.3, 0.1])
        )

    readings = Readings(read_at, color(read_at), is_band(read_at).long() * METAL)
    texels = torch.rand(5000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.1, 1.1, 0.0])
    found = spread(readings, texels, color(texels))
    np.testing.assert_array_equal(found == METAL, is_band(texels).numpy())
    gray = torch.full_like(texels, 0.5)
    without = spread(replace(readings, colors=torch.full_like(read_at, 0.5)), texels, gray)
    assert (without[is_band(texels).numpy()] == METAL).mean() < 0.7


def test_scattered_misreadings_are_not_believed():
    rng = torch.Generator().manual_seed(0)
    places, colors = torch.rand(3000, 3, generator=rng), torch.full((3000, 3), 0.5)
    scattered = (torch.rand(3000, generator=rng) < 0.4).long() * METAL
    assert not spread(Readings(places, colors, scattered), places, colors).any()
    solid = (places[:, 0] < 0.2).long() * METAL
    found = spread(Readings(places, colors, solid), places, colors)
    assert 0.15 < (found == METAL).mean() < 0.25


def test_one_picture_holds_all_three():
    covered = np.zeros((4, 4), bool)
    covered[1:3, 1:3] = True
    index = np.array([0, METAL, GLASS, 0], np.int32)
    occlusion = np.full((4, 4), 0.5, np.float32)
    orm = packed_orm(occlusion, Substances(index, covered), 0.0, 0.8, 4)
    metallic, roughness = SHINE["metal"]
    assert orm[1, 1].tolist() == [128, 204, 0]
    assert orm[1, 2].tolist() == [128, round(255 * roughness), round(255 * metallic)]
    assert orm[2, 1].tolist() == [128, round(255 * SHINE["glass"][1]), 0]
    assert orm[0, 3].tolist() == orm[1, 2].tolist()  # outside of the charts the nearest one goes on
    assert (packed_orm(None, None, 1.0, 0.25, 2) == [255, 64, 255]).all()


def test_a_large_atlas_gets_its_substances_in_blocks(tiny, monkeypatch):
    monkeypatch.setattr("dream3d.detail.substance.MAX_SIZE", 64)
    metallic = replace(tiny, reader=answering(tiny, "metal"))
    mesh = unwrap(make_prop(prop_spec("mushroom", {}), np.random.default_rng(0)).mesh, 256, 2)
    texture = np.full((256, 256, 3), 90, np.uint8)
    found = bake_substance(mesh, texture, metallic, tiny.embed("a red mushroom"))
    assert found.covered.shape == (64, 64)
    orm = packed_orm(None, found, 0.0, 0.8, 256)
    assert orm.shape == (256, 256, 3)
    assert (orm == [255, round(255 * SHINE["metal"][1]), 255]).all()


def test_a_prior_reads_every_cell_of_a_picture(tiny):
    embedding = tiny.embed("a red mushroom")
    pictures = torch.zeros(12, 32, 32, 4)
    told = tiny.read_cells(pictures, 250, embedding, reading_cameras(), torch.Generator().manual_seed(0))
    assert set(told) == set(tiny.reader.answers)
    for question, words in tiny.reader.answers.items():
        assert told[question].shape == (12, 32 // CELL, 32 // CELL, len(words))
        torch.testing.assert_close(told[question].sum(-1), torch.ones(12, 32 // CELL, 32 // CELL))


def test_an_atlas_is_of_what_the_prior_answers_everywhere(tiny):
    prop = make_prop(prop_spec("mushroom", {"cap": Finish("blue")}), np.random.default_rng(0))
    mesh = unwrap(prop.mesh, 64, 2)
    texture, embedding = np.full((64, 64, 3), 90, np.uint8), tiny.embed("a red mushroom")
    assert bake_substance(mesh, texture, replace(tiny, reader=answering(tiny, "none")), embedding) is None
    found = bake_substance(mesh, texture, replace(tiny, reader=answering(tiny, "metal")), embedding)
    assert (found.index == METAL).all()
    assert found.covered.sum() == len(found.index) > 1000


def test_a_prior_that_cannot_read_leaves_all_plain_and_says_so_when_it_is_asked(tiny):
    prop = make_prop(prop_spec("mushroom", {}), np.random.default_rng(0))
    mesh, texture = unwrap(prop.mesh, 64, 2), np.full((64, 64, 3), 90, np.uint8)
    embedding = tiny.embed("a red mushroom")
    blind = replace(tiny, reader=None)
    assert bake_substance(mesh, texture, blind, embedding) is None
    with pytest.raises(InputError, match="was not taught to tell what it sees"):
        blind.read_cells(
            torch.zeros(12, 32, 32, 4), 250, embedding, reading_cameras(), torch.Generator().manual_seed(0)
        )
    lacking = replace(tiny, reader=CellReader(16, {"part": ("cap", "stem")}, {}))
    assert bake_substance(mesh, texture, lacking, embedding) is None


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors"])
def test_a_damaged_reader_is_named(tmp_path, damage):
    folder = write_tiny_prior(tmp_path / "tiny")
    (folder / "cell_reader" / damage).write_bytes(b"{")
    with pytest.raises(InputError, match="cell_reader cannot be loaded"):
        Prior.from_pretrained(str(folder))


def test_a_reader_comes_back_from_its_folder(tmp_path):
    naturals = {("sword", "blade"): ("gray", "metal")}
    reader = CellReader(8, {"part": ("a", "b", "c"), "color": ("d",)}, naturals)
    save_reader(reader, tmp_path)
    again = load_reader(tmp_path)
    assert again.answers == reader.answers
    assert again.naturals == naturals
    features = torch.randn(2, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    for question, scores in reader(features).items():
        torch.testing.assert_close(again(features)[question], scores, atol=0.02, rtol=0.02)
    assert load_reader(tmp_path / "elsewhere") is None
