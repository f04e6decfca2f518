"""Props: closed outward solids, a canonical pose, parts in their colors."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solids import assert_closed_and_outward

from dream3d.mesh import Mesh
from dream3d.props import (
    COLORS,
    FAMILIES,
    SIZES,
    PropSpec,
    make_prop,
    parse_caption,
    parsing,
    prop_spec,
    sample_prop,
)
from dream3d.props.catalogue import THEMES
from dream3d.props.family import FULL_TURN, QUARTER_TURN, ROUND, Family, Vary
from dream3d.props.palette import SPELLINGS, SRGB

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


def plain_specs() -> st.SearchStrategy[PropSpec]:
    """Any family with any colors and size."""
    return st.sampled_from(list(FAMILIES)).flatmap(
        lambda name: st.builds(
            prop_spec,
            st.just(name),
            st.fixed_dictionaries({part.name: st.sampled_from(COLORS) for part in FAMILIES[name].parts}),
            st.sampled_from((None, *SIZES)),
        )
    )


def test_the_catalogue_is_consistent() -> None:
    assert len(FAMILIES) == sum(len(theme) for theme in THEMES)
    nouns = Counter(noun for family in FAMILIES.values() for noun in family.nouns)
    assert max(nouns.values()) == 1
    assert not set(nouns) & (set(COLORS) | set(SPELLINGS) | set(SIZES))
    for family in FAMILIES.values():
        names = [name for part in family.parts for name in part.names]
        assert len(names) == len(set(names))
        assert len(names) >= 2
        assert not set(names) & set(family.nouns)
        assert all(part.color in COLORS for part in family.parts)
        assert set(family.optional + family.extra) <= {part.name for part in family.parts[1:]}
        assert not set(family.optional) & set(family.extra)
        assert 2 <= len(family.default_colors) <= 5
    assert len(FAMILIES) >= 127


@pytest.mark.parametrize("name", FAMILIES)
def test_meshes_are_normalised_and_well_formed(name: str) -> None:
    for seed, size in enumerate((None, *SIZES)):
        mesh = make_prop(prop_spec(name, size=size), np.random.default_rng(seed)).mesh
        assert mesh.normals is not None
        assert mesh.colors is not None
        assert mesh.vertices.dtype == mesh.normals.dtype == mesh.colors.dtype == np.float32
        assert mesh.faces.dtype == np.int32
        assert mesh.faces.min() == 0
        assert mesh.faces.max() == len(mesh.vertices) - 1
        radius = 0.54 if size == "small" else 0.9
        assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(radius, abs=1e-5)
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
    "name", [n for n, f in FAMILIES.items() if f.turn and FRONT_PARTS & set(f.default_colors)]
)
def test_what_belongs_on_the_front_is_on_the_front(name: str) -> None:
    build = FAMILIES[name].build(Vary(np.random.default_rng(0)))
    middle = np.concatenate([solid.vertices for _, solid in build])[:, 2]
    front = np.concatenate([solid.vertices for part, solid in build if part in FRONT_PARTS])[:, 2]
    assert front.mean() > (middle.min() + middle.max()) / 2


@pytest.mark.parametrize("name", FAMILIES)
def test_size_words_scale_the_axes_they_name(name: str) -> None:
    def extent(size: str | None) -> np.ndarray:
        mesh = make_prop(prop_spec(name, size=size), np.random.default_rng(0)).mesh
        return np.ptp(mesh.vertices, axis=0)

    is_round = FAMILIES[name].turn <= QUARTER_TURN
    factors = {
        "tall": (1, 1.4, 1),
        "short": (1, 0.68, 1),
        "wide": (1.4, 1, 1.4 if is_round else 1),
        "slim": (0.68, 1, 0.68 if is_round else 1),
        "fat": (1.35, 1, 1.35),
        "long": (1, 1, 1.5),
    }
    assert {*factors, "small"} == set(SIZES)
    for size, factor in factors.items():
        change = extent(size) / extent(None)
        assert change / change.mean() == pytest.approx(np.array(factor) / np.mean(factor), rel=1e-4)
    assert extent("small") == pytest.approx(0.6 * extent(None), rel=1e-4)


def test_the_family_of_the_contributing_guide_works(monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()
    section = guide.split("## Adding a prop family")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    family = names["BIRDHOUSE"]
    assert isinstance(family, Family)
    build = family.build(Vary(np.random.default_rng(0)))
    assert {part for part, _ in build} == {part.name for part in family.parts}
    for _, solid in build:
        assert_closed_and_outward(solid)
    monkeypatch.setitem(FAMILIES, family.name, family)
    parsing._nouns.cache_clear()
    for text in re.findall(r'"(a [^"]*birdhouse[^"]*)"', section):
        spec = parse_caption(text)
        assert isinstance(spec, PropSpec)
        assert spec.family == "birdhouse"
        assert make_prop(spec, np.random.default_rng(0)).mesh.faces.size > 0
    monkeypatch.undo()
    parsing._nouns.cache_clear()


@given(plain_specs())
@settings(max_examples=60, deadline=None)
def test_each_part_wears_its_color(spec: PropSpec) -> None:
    mesh = make_prop(spec, np.random.default_rng(0)).mesh
    counts = [
        (part, len(solid.vertices))
        for part, solid in FAMILIES[spec.family].build(Vary(np.random.default_rng(0)))
        if part in spec.finishes
    ]
    assert mesh.colors is not None
    srgb = np.where(mesh.colors <= 0.0031308, 12.92 * mesh.colors, 1.055 * mesh.colors ** (1 / 2.4) - 0.055)
    start = 0
    for part, count in counts:
        shade = srgb[start : start + count]
        distances = {word: np.abs(shade - np.array(value) / 255).max() for word, value in SRGB.items()}
        assert min(distances, key=lambda word: float(distances[word])) == spec.colors[part]
        start += count
    assert start == len(mesh.vertices)


def test_the_same_seed_gives_the_same_prop() -> None:
    for seed in range(20):
        first, second = (sample_prop(np.random.default_rng(seed)) for _ in range(2))
        assert first.caption == second.caption
        assert first.spec == second.spec
        for field in ("vertices", "faces", "normals", "colors"):
            assert np.array_equal(getattr(first.mesh, field), getattr(second.mesh, field))


def test_a_family_can_be_asked_for_and_an_unknown_one_is_refused() -> None:
    rng = np.random.default_rng(0)
    assert sample_prop(rng, "duck").spec.family == "duck"
    with pytest.raises(KeyError):
        sample_prop(rng, "dragon")
