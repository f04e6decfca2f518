"""Primitives have their volume and keep it when moved; every solid of a prop is closed and outward."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solids import assert_closed_and_outward, volume

from dream3d.props import FAMILIES
from dream3d.props.family import Vary
from dream3d.props.shapes import (
    Solid,
    beveled_box,
    box,
    cylinder,
    ellipsoid,
    extrude,
    frustum,
    lathe,
    prism_roof,
    rock,
    torus,
    tube,
)

SEEDS = (0, 1, 2)


@pytest.mark.parametrize(
    ("solid", "expected"),
    [
        (box(2, 3, 4), 24.0),
        (prism_roof(2, 3, 4), 12.0),
        (beveled_box(2, 3, 4, 1e-6), 24.0),
        (extrude(((0, 0), (2, 0), (2, 2), (1, 1), (0, 2)), 3), 9.0),  # a notched square
        (extrude(((0, 0), (3, 0), (3, 1), (1, 1), (1, 3), (0, 3)), 1), 5.0),  # an L
        (frustum(1, 1, 2, sides=4, faceted=True), 4.0),  # corners at radius 1: a square of side sqrt(2)
    ],
)
def test_polyhedra_have_their_exact_volume(solid: Solid, expected: float) -> None:
    assert volume(solid) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("solid", "expected"),
    [
        (cylinder(1, 2, 128), 2 * np.pi),
        (frustum(2, 1, 3, 128), np.pi * 7),
        (ellipsoid(1, 2, 3, 128), 8 * np.pi),
        (torus(2, 0.5, 128, 128), 2 * np.pi**2 * 2 * 0.25),
        (tube(tuple((0, 0.1 * k, 0) for k in range(11)), 1.0, 128), np.pi),
        (lathe(((1, 0), (1, 1), (0.5, 1), (0.5, 0.5)), 128), np.pi * (1 - 0.125)),  # a cup
    ],
)
def test_round_solids_converge_to_their_volume(solid: Solid, expected: float) -> None:
    assert volume(solid) == pytest.approx(expected, rel=3e-3)


def test_sphere_normals_are_radial_and_box_edges_are_sharp() -> None:
    ball = ellipsoid(1, 1, 1, 64)
    cosines = np.einsum("vc,vc->v", ball.vertices, ball.normals) / np.linalg.norm(ball.normals, axis=1)
    assert cosines.min() > 0.999
    assert np.allclose(np.abs(box(1, 1, 1).normals).max(axis=1), 1.0)
    assert len(np.unique(beveled_box(1, 1, 1, 0.1).normals.round(6), axis=0)) == 26


@given(
    st.tuples(*[st.floats(0.6, 1.6)] * 3),
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_moving_a_solid_keeps_it_outward_and_scales_its_volume(
    scale: tuple[float, float, float], angles: tuple[float, float, float], mirror: bool
) -> None:
    solid = lathe(((0.5, 0), (0.3, 0.4), (0.6, 1.0)), 7).at(0.3, -0.2, 0.5)
    moved = solid.rolled(angles[0]).scaled(*scale).pitched(angles[1]).yawed(angles[2])
    moved = moved.mirrored() if mirror else moved
    assert_closed_and_outward(moved)
    assert volume(moved) == pytest.approx(volume(solid) * np.prod(scale))


def test_turns_follow_the_documented_directions() -> None:
    point = Solid(np.eye(3), np.eye(3), np.zeros((0, 3), np.int32))
    x, y, z = np.eye(3)
    assert np.allclose(point.pitched(90).vertices, [x, z, -y])
    assert np.allclose(point.yawed(90).vertices, [-z, y, x])
    assert np.allclose(point.rolled(90).vertices, [y, -x, z])


def test_an_outline_that_crosses_itself_or_runs_clockwise_is_refused() -> None:
    with pytest.raises(ValueError, match="counter-clockwise"):
        extrude(((0, 0), (0, 2), (2, 2), (2, 0)), 1)


def test_rocks_differ_by_seed_and_stay_closed() -> None:
    rocks = [rock(np.random.default_rng(seed), subdivisions=2) for seed in SEEDS]
    for solid in rocks:
        assert_closed_and_outward(solid)
    assert not np.allclose(rocks[0].vertices, rocks[1].vertices)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_solid_of_a_family_is_closed_and_outward(name: str) -> None:
    family = FAMILIES[name]
    for seed in SEEDS:
        build = family.build(Vary(np.random.default_rng(seed)))
        assert {part for part, _ in build} == {part.name for part in family.parts}
        for _, solid in build:
            assert_closed_and_outward(solid)
