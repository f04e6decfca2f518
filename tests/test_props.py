"""Families: a consistent catalogue, well-formed meshes in a canonical pose, and an unbroken hold-out."""

from collections import Counter

import numpy as np
import pytest

from dream3d.mesh import Mesh
from dream3d.props import (
    COLORS,
    FAMILIES,
    held_out_colors,
    is_held_out,
    make_prop,
    prop_spec,
    sample_prop,
    sample_spec,
)
from dream3d.props.captions import SIZES
from dream3d.props.catalogue import CATALOGUE, THEMES
from dream3d.props.family import FULL_TURN, ROUND, Vary
from dream3d.props.palette import SPELLINGS

# Parts that sit on the front of whatever has them.
FRONT_PARTS = {
    "door",
    "gate",
    "entrance",
    "beak",
    "nose",
    "snout",
    "muzzle",
    "lock",
    "lights",
    "belly",
    "screen",
}


def front_view(mesh: Mesh, turn_deg: float, size: int = 20) -> np.ndarray:
    """What a distant camera in front, 20 degrees up, sees of the turned mesh: [size, size, RGB + mask]."""
    rng = np.random.default_rng(0)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = rng.choice(len(areas), 40_000, p=areas / areas.sum())
    weights = rng.dirichlet((1, 1, 1), len(chosen))
    points = np.einsum("nk,nkc->nc", weights, corners[chosen])
    assert mesh.colors is not None
    colors = mesh.colors[mesh.faces[chosen, 0]]
    angle = np.radians(turn_deg)
    x = points[:, 0] * np.cos(angle) + points[:, 2] * np.sin(angle)
    z = points[:, 2] * np.cos(angle) - points[:, 0] * np.sin(angle)
    up, towards = (points[:, 1:2] * ((0.94, 0.34),) + z[:, None] * ((-0.34, 0.94),)).T
    columns, rows = (np.floor((c + 0.91) / 1.82 * size).astype(int) for c in (x, up))
    image = np.zeros((size, size, 4))
    order = np.argsort(towards)  # later writes win, so the nearest sample stays
    image[rows[order], columns[order]] = np.c_[colors, np.ones(len(colors))][order]
    return image


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """How far two views are apart where either is covered, after blurring to 5 x 5 cells."""
    a, b = (view.reshape(5, 4, 5, 4, 4).mean(axis=(1, 3)) for view in (a, b))
    covered = (a[..., 3] + b[..., 3]) > 0.1
    return float(np.abs(a - b).max(axis=-1)[covered].mean())


def test_the_catalogue_is_consistent() -> None:
    assert len(CATALOGUE) == sum(len(theme) for theme in THEMES)
    nouns = Counter(noun for family in CATALOGUE.values() for noun in family.nouns)
    assert max(nouns.values()) == 1
    assert not set(nouns) & (set(COLORS) | set(SPELLINGS) | set(SIZES))
    for family in CATALOGUE.values():
        names = [name for part in family.parts for name in part.names]
        assert len(names) == len(set(names))
        assert len(names) >= 2
        assert not set(names) & set(family.nouns)
        assert all(part.color in COLORS for part in family.parts)
    assert len(FAMILIES) >= 40
    assert sum(not family.symmetric for family in FAMILIES.values()) >= 18


@pytest.mark.parametrize("name", FAMILIES)
def test_meshes_are_normalised_and_well_formed(name: str) -> None:
    for seed, size in zip(range(5), (None, *SIZES), strict=True):
        mesh = make_prop(prop_spec(name, size=size), np.random.default_rng(seed)).mesh
        assert mesh.normals is not None
        assert mesh.colors is not None
        assert mesh.vertices.dtype == mesh.normals.dtype == mesh.colors.dtype == np.float32
        assert mesh.faces.dtype == np.int32
        assert mesh.faces.min() == 0
        assert mesh.faces.max() == len(mesh.vertices) - 1
        assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(0.9, abs=1e-5)
        assert np.abs(mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)).max() < 1e-5
        assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-5)
        assert mesh.colors.min() >= 0
        assert mesh.colors.max() <= 1
        assert len(mesh.faces) <= 2500


@pytest.mark.parametrize("name", FAMILIES)
def test_the_declared_turn_is_the_true_one(name: str) -> None:
    family = FAMILIES[name]
    mesh = make_prop(prop_spec(name), np.random.default_rng(3)).mesh
    views = {turn: front_view(mesh, turn) for turn in (0, 20, 90, 180)}
    if family.turn == FULL_TURN:
        assert min(difference(views[0], views[90]), difference(views[0], views[180])) > 0.045
    elif family.turn == ROUND:
        assert (
            max(difference(views[0], views[turn]) for turn in (20, 90, 180)) < 0.2
        )  # spots and lobes may move
    else:
        assert difference(views[0], views[family.turn]) < 0.13


@pytest.mark.parametrize(
    "name", [n for n, f in CATALOGUE.items() if f.turn and FRONT_PARTS & set(f.default_colors)]
)
def test_what_belongs_on_the_front_is_on_the_front(name: str) -> None:
    build = CATALOGUE[name].build(Vary(np.random.default_rng(0)))
    middle = np.concatenate([solid.vertices for _, solid in build])[:, 2]
    front = np.concatenate([solid.vertices for part, solid in build if part in FRONT_PARTS])[:, 2]
    assert front.mean() > (middle.min() + middle.max()) / 2


@pytest.mark.parametrize("name", FAMILIES)
def test_size_words_change_the_aspect(name: str) -> None:
    def aspect(size: str | None) -> float:
        mesh = make_prop(prop_spec(name, size=size), np.random.default_rng(0)).mesh
        width, height, _ = np.ptp(mesh.vertices, axis=0)
        return float(height / width)

    plain = aspect(None)
    assert aspect("tall") / plain == pytest.approx(1.4, rel=1e-4)
    assert plain / aspect("short") > 1.3
    assert plain / aspect("wide") == pytest.approx(1.4, rel=1e-4)
    assert aspect("slim") / plain > 1.3


def test_the_same_seed_gives_the_same_prop() -> None:
    for seed in range(20):
        first, second = (sample_prop(np.random.default_rng(seed)) for _ in range(2))
        assert first.caption == second.caption
        assert first.spec == second.spec
        for field in ("vertices", "faces", "normals", "colors"):
            assert np.array_equal(getattr(first.mesh, field), getattr(second.mesh, field))


def test_held_out_pairs_are_never_sampled_and_everything_else_is() -> None:
    rng = np.random.default_rng(0)
    names = list(FAMILIES)
    pairs = Counter()
    for index in range(40_000):
        family = names[index % len(names)]
        pairs[family, sample_spec(rng, family).colors[FAMILIES[family].parts[0].name]] += 1
    assert not any(is_held_out(*pair) for pair in pairs)
    assert set(pairs) == {(f, c) for f in names for c in COLORS if not is_held_out(f, c)}


def test_the_hold_out_is_an_eighth_and_spares_natural_colors_and_no_color_suffers() -> None:
    for name, family in FAMILIES.items():
        assert len(held_out_colors(name)) == len(COLORS) // 8
        assert family.parts[0].color not in held_out_colors(name)
    suffering = Counter(color for name in FAMILIES for color in held_out_colors(name))
    assert max(suffering.values()) < 0.4 * len(FAMILIES)


def test_held_out_pairs_come_when_asked_for() -> None:
    rng = np.random.default_rng(0)
    drawn = {sample_spec(rng, "duck", allow_held_out=True).colors["body"] for _ in range(500)}
    assert drawn == set(COLORS)


def test_a_family_can_be_asked_for_and_an_unknown_one_is_refused() -> None:
    rng = np.random.default_rng(0)
    assert sample_prop(rng, "duck").spec.family == "duck"
    with pytest.raises(KeyError):
        sample_prop(rng, "dragon")
