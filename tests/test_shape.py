"""Shapes put together: triangles and colors stay those of each thing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from dream3d.extract.mesh import Surfaces
from dream3d.extract.normals import add_normals
from dream3d.extract.solid import find_flaw
from dream3d.mesh import FRAME_RADIUS, Mesh, fit_sphere
from dream3d.props.shapes import box, sphere
from dream3d.shape import Shape, join_shapes
from dream3d.things.arrange import GAP, OVERHANG
from dream3d.things.relations import RELATIONS, Join, Relation


@dataclass(frozen=True)
class Painted:
    """Colors that tell thing and place, and a density that falls with the height."""

    red: float

    def density(self, points: Tensor) -> Tensor:
        return (points[:, 1] * -3.0).exp()

    def albedo_srgb(self, points: Tensor) -> Tensor:
        return torch.cat([torch.full_like(points[:, :1], self.red), 0.5 + 0.5 * points[:, 1:]], dim=1)


def shape_of_solid(solid, red: float) -> Shape:
    mesh = fit_sphere(Mesh(solid.vertices.astype(np.float32), solid.faces.astype(np.int32)), FRAME_RADIUS)
    return Shape(Surfaces(add_normals(mesh, 30.0), add_normals(mesh, 180.0)), Painted(red))


FIRST, SECOND = shape_of_solid(sphere(1.0), 0.25), shape_of_solid(box(1, 0.6, 0.8), 0.75)


def parts(mesh: Mesh, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the first and of the second thing."""
    return mesh.vertices[:count].astype(np.float64), mesh.vertices[count:].astype(np.float64)


def put_together(
    shapes: Sequence[Shape], joins: Sequence[Join], sizes: Sequence[float] = (1.0,) * 3
) -> Shape:
    """As `join_shapes`, of the usual sizes."""
    return join_shapes(shapes, joins, sizes[: len(shapes)])


@pytest.mark.parametrize("relation", RELATIONS)
def test_each_thing_keeps_its_form_and_both_fill_the_scene(relation: Relation) -> None:
    shape = put_together((FIRST, SECOND), [Join(relation, False)])
    mesh = shape.surfaces.mesh
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(FRAME_RADIUS, abs=1e-5)
    assert mesh.vertices.min(axis=0) == pytest.approx(-mesh.vertices.max(axis=0), abs=1e-5)
    pieces = parts(mesh, len(FIRST.surfaces.mesh.vertices))
    for piece, own in zip(pieces, (FIRST, SECOND), strict=True):
        before = own.surfaces.mesh.vertices.astype(np.float64)
        scale = np.ptp(piece[:, 1]) / np.ptp(before[:, 1])
        np.testing.assert_allclose(piece - piece.mean(0), scale * (before - before.mean(0)), atol=1e-5)
    count = len(FIRST.surfaces.mesh.faces)
    np.testing.assert_array_equal(mesh.faces[:count], FIRST.surfaces.mesh.faces)
    assert mesh.faces[count:].min() == len(FIRST.surfaces.mesh.vertices)
    assert mesh.normals is not None
    assert len(mesh.normals) == len(mesh.vertices)


def test_the_relation_is_seen_in_the_boxes() -> None:
    axes: dict[Relation, int] = {"on": 1, "next to": 0, "in front of": 2}
    for relation, axis in axes.items():
        first, second = parts(
            put_together((FIRST, SECOND), [Join(relation, False)]).surfaces.mesh,
            len(FIRST.surfaces.mesh.vertices),
        )
        if relation == "on":
            assert first[:, axis].min() == pytest.approx(second[:, axis].max(), abs=1e-5)
            assert np.ptp(first[:, 0]) <= OVERHANG * np.ptp(second[:, 0]) + 1e-6
        else:
            before, behind = (first, second) if relation == "next to" else (second, first)
            gap = behind[:, axis].min() - before[:, axis].max()
            assert 0 < gap < GAP
            assert first[:, 1].min() == pytest.approx(second[:, 1].min(), abs=1e-5)


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_point_has_the_color_and_the_optical_depth_of_its_own_thing(relation: Relation) -> None:
    shape = put_together((FIRST, SECOND), [Join(relation, False)])
    count = len(FIRST.surfaces.dense.vertices)
    pieces = parts(shape.surfaces.dense, count)
    for piece, own in zip(pieces, (FIRST, SECOND), strict=True):
        before = own.surfaces.dense.vertices
        height = before[:, 1].max() if own is SECOND else before[:, 1].min()
        is_free = np.abs(before[:, 1] - height) > 1e-3  # where both touch, either may be nearest
        points = torch.from_numpy(piece[is_free]).float()
        there = torch.from_numpy(before[is_free])
        torch.testing.assert_close(
            shape.colors.albedo_srgb(points), own.colors.albedo_srgb(there), atol=1e-4, rtol=0
        )
        unit = np.ptp(piece[:, 1]) / np.ptp(before[:, 1])
        expected = own.colors.density(there)  # per its own length
        torch.testing.assert_close(shape.colors.density(points) * unit, expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize("relation", RELATIONS)
def test_solids_stay_solids(relation: Relation) -> None:
    pytest.importorskip("manifold3d")
    shape = put_together((FIRST, SECOND), [Join(relation, False)])
    assert find_flaw(shape.surfaces.mesh) == ""


def test_the_inverse_relation_swaps_the_two() -> None:
    over = put_together((FIRST, SECOND), [Join("on", False)]).surfaces.mesh.vertices
    under = put_together((SECOND, FIRST), [Join("on", True)]).surfaces.mesh.vertices
    count = len(FIRST.surfaces.mesh.vertices)
    np.testing.assert_allclose(np.roll(under, count, axis=0), over, atol=1e-6)


def test_a_third_thing_stands_to_both_before_it() -> None:
    shape = put_together((FIRST, SECOND, FIRST), [Join("on", False), Join("next to", False)])
    ball, box_size = (len(one.surfaces.mesh.vertices) for one in (FIRST, SECOND))
    above, below, beside = np.split(shape.surfaces.mesh.vertices.astype(np.float64), [ball, ball + box_size])
    assert above[:, 1].min() == pytest.approx(below[:, 1].max(), abs=1e-5)
    assert beside[:, 1].min() == pytest.approx(below[:, 1].min(), abs=1e-5)
    assert beside[:, 0].min() > max(above[:, 0].max(), below[:, 0].max())
    assert np.ptp(beside[:, 1]) / np.ptp(below[:, 1]) == pytest.approx(  # no smaller than in a pair
        np.ptp(FIRST.surfaces.mesh.vertices[:, 1]) / np.ptp(SECOND.surfaces.mesh.vertices[:, 1]), rel=1e-4
    )
    farthest = [above[above[:, 1].argmax()], below[below[:, 1].argmin()], beside[beside[:, 0].argmax()]]
    reds = shape.colors.albedo_srgb(torch.from_numpy(np.stack(farthest)).float())[:, 0].tolist()
    assert reds == [0.25, 0.75, 0.25]


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_small_thing_stands_as_the_usual_one_does_but_smaller(relation: Relation, is_first: bool) -> None:
    """Beside what keeps its size; what is on a small thing shrinks with it."""
    ratios = []
    for size in (1.0, 0.5):
        sizes = (size, 1.0) if is_first else (1.0, size)
        mesh = put_together((FIRST, SECOND), [Join(relation, False)], sizes).surfaces.mesh
        first, second = parts(mesh, len(FIRST.surfaces.mesh.vertices))
        ratios.append(np.ptp(first, axis=0) / np.ptp(second, axis=0))
        if relation == "on":
            assert first[:, 1].min() == pytest.approx(second[:, 1].max(), abs=1e-5)
        else:
            assert first[:, 1].min() == pytest.approx(second[:, 1].min(), abs=1e-5)
    change = 0.5 if is_first else 1.0 if relation == "on" else 2.0
    np.testing.assert_allclose(ratios[1], change * ratios[0], rtol=1e-5)
