"""Two props in a relation: contact without overlap, on common ground, inside the unit scene."""

import numpy as np
import pytest

from dream3d.mesh import Mesh
from dream3d.props import FAMILIES, RELATIONS, SceneSpec, make_prop, parse_caption, prop_spec
from dream3d.props.body import Body
from dream3d.props.shapes import Solid, box, prism_roof
from dream3d.things.arrange import GAP, arrange, top_height

SUPPORTS = [name for name, family in FAMILIES.items() if family.stand is not None]
THINGS = ("candle", "duck", "car", "bottle", "sword", "airplane")


def body_of(solid: Solid) -> Body:
    """A bare body of radius 1."""
    faces, vertices = len(solid.faces), len(solid.vertices)
    paint = (np.zeros(faces, np.int32), np.zeros(vertices, np.int32))
    return Body(solid.vertices, solid.normals, solid.faces, *paint, ()).fitted(1.0)


def split(spec: SceneSpec, mesh: Mesh, paint_of_face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vertices of the first and of the second prop."""
    is_first = paint_of_face < len(spec.first.finishes)
    return tuple(mesh.vertices[np.unique(mesh.faces[chosen])] for chosen in (is_first, ~is_first))


def test_heights_of_known_shapes() -> None:
    cube = body_of(box(2, 2, 2))
    low, high = np.array((-0.2, -0.2)), np.array((0.2, 0.2))
    assert top_height(cube, low, high) == pytest.approx(1 / 3**0.5)
    roof = prism_roof(2, 1, 2)  # its ridge runs along z at height 1
    bare = Body(roof.vertices, roof.normals, roof.faces, *np.zeros((2, 1), np.int32), ())
    assert top_height(bare, np.array((-0.3, -0.1)), np.array((0.3, 0.1))) == pytest.approx(1.0)
    assert top_height(bare, np.array((0.3, -0.1)), np.array((0.6, 0.1))) == pytest.approx(0.7)


def test_a_cube_on_a_cube_touches_its_top_in_the_middle() -> None:
    cube = body_of(box(1, 1, 1))
    first, second = arrange(cube, "on", cube, (0.0, 1.0))
    assert first.low[1] == pytest.approx(second.high[1])
    assert (first.low + first.high)[[0, 2]] == pytest.approx((second.low + second.high)[[0, 2]], abs=1e-9)
    assert np.ptp(first.vertices[:, 0]) == pytest.approx(0.75 * np.ptp(second.vertices[:, 0]))
    half, _ = arrange(cube, "on", cube, (0.0, 1.0), size=0.5)
    assert np.ptp(half.vertices[:, 1]) == pytest.approx(0.5 * np.ptp(first.vertices[:, 1]))


def test_only_the_stand_is_stood_on() -> None:
    cube = body_of(box(1, 1, 1))
    first, second = arrange(cube, "on", cube, (0.5, 1.0))
    middle = second.low[2] + 0.75 * np.ptp(second.vertices[:, 2])
    assert (first.low[2] + first.high[2]) / 2 == pytest.approx(middle)
    assert first.low[2] >= second.low[2] + 0.5 * np.ptp(second.vertices[:, 2])


@pytest.mark.parametrize("support", SUPPORTS)
def test_what_stands_on_something_touches_it_and_rises_above_it(support: str) -> None:
    for index, thing in enumerate(THINGS):
        if thing == support:
            continue
        spec = SceneSpec(prop_spec(thing), "on", prop_spec(support))
        prop = make_prop(spec, np.random.default_rng(index))
        first, second = split(spec, prop.mesh, prop.paint_of_face)
        low, high = first.min(axis=0), first.max(axis=0)
        assert second[:, 1].min() < low[1] < second[:, 1].max() + 1e-5
        assert high[1] > low[1] + 0.2
        # No vertex of the support is inside the lowest slab of what stands on it.
        slab = first[first[:, 1] < low[1] + 0.02]
        above = second[second[:, 1] > low[1] + 1e-3][:, [0, 2]]
        inner_low, inner_high = slab.min(axis=0)[[0, 2]] + 0.03, slab.max(axis=0)[[0, 2]] - 0.03
        assert not ((above > inner_low) & (above < inner_high)).all(axis=1).any()


@pytest.mark.parametrize(("relation", "axis", "sign"), [("next to", 0, 1), ("in front of", 2, -1)])
def test_neighbours_are_apart_on_common_ground(relation: str, axis: int, sign: int) -> None:
    names = list(FAMILIES)
    for index in range(0, len(names), 5):
        pair = names[index], names[index - 3]
        spec = SceneSpec(prop_spec(pair[0]), relation, prop_spec(pair[1]))  # pyright: ignore
        prop = make_prop(spec, np.random.default_rng(index))
        first, second = split(spec, prop.mesh, prop.paint_of_face)
        before, behind = (first, second) if sign > 0 else (second, first)
        gap = behind[:, axis].min() - before[:, axis].max()
        assert 0.2 * GAP < gap <= GAP
        assert first[:, 1].min() == pytest.approx(second[:, 1].min(), abs=1e-5)


@pytest.mark.parametrize("relation", RELATIONS)
def test_scenes_fill_the_unit_scene_and_small_things_are_smaller(relation: str) -> None:
    def first_height(text: str) -> float:
        spec = parse_caption(text)
        assert isinstance(spec, SceneSpec)
        prop = make_prop(spec, np.random.default_rng(0))
        vertices = prop.mesh.vertices
        assert np.linalg.norm(vertices, axis=1).max() == pytest.approx(0.9, abs=1e-5)
        assert prop.caption
        assert len(prop.paint_of_face) == len(prop.mesh.faces)
        assert set(prop.paint_of_face) == set(range(len(prop.paints)))
        first, second = split(spec, prop.mesh, prop.paint_of_face)
        return float(np.ptp(first[:, 1]) / np.ptp(second[:, 1]))

    usual, small = (first_height(f"a {size} candle {relation} a barrel") for size in ("", "small"))
    assert small == pytest.approx(0.6 * usual, rel=0.1)  # proportions vary with the seed's other draws


def test_the_same_seed_gives_the_same_scene_and_words_do_not_move_it() -> None:
    spec = parse_caption("a striped mug on a wooden table")
    assert spec is not None
    meshes = [make_prop(spec, np.random.default_rng(5)).mesh for _ in range(2)]
    assert np.array_equal(meshes[0].vertices, meshes[1].vertices)
