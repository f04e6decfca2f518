"""Finishes: closed forms of the patterns, invariants of all looks, and that they can be told apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prop_specs import finishes

from dream3d.props import MATERIALS, PATTERNS, Finish, Paint, base_color, make_prop, prop_spec
from dream3d.props.finish import (
    BRICK_SIZE,
    CHECK_SIDE,
    SPOT_PITCH,
    SPOT_RADIUS,
    STRIPE_PERIOD,
    mix_paint,
)

RED_WHITE = Paint((1.0, 0.0, 0.0), (1.0, 1.0, 1.0), None, None)
UP, FRONT, SIDE = (torch.eye(3)[k] for k in (1, 2, 0))


def is_second(paint: Paint, positions: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
    """Where a red and white pattern is white, [N]."""
    return base_color(paint, positions, normal.expand(len(positions), 3))[:, 1] == 1.0


def plane(count: int = 400, extent: float = 2.0) -> torch.Tensor:
    """Points [count^2, 3] on z = 0.3."""
    line = (torch.arange(count) + 0.5) / count * extent
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y, torch.full_like(x, 0.3)], dim=-1).reshape(-1, 3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_stripes_alternate_along_their_axis(axis: int) -> None:
    paint = replace(RED_WHITE, pattern="striped", axis=axis, origin=(0.1, 0.1, 0.1))
    centers = 0.1 + STRIPE_PERIOD * (torch.arange(8) / 2 + 0.25)
    positions = torch.rand(8, 3, generator=torch.Generator().manual_seed(0))
    positions[:, axis] = centers
    assert is_second(paint, positions, UP).tolist() == [False, True] * 4


@pytest.mark.parametrize(("normal", "across", "up"), [(FRONT, 0, 1), (SIDE, 2, 1), (UP, 0, 2)])
def test_checks_are_squares_on_every_side_of_a_box(normal: torch.Tensor, across: int, up: int) -> None:
    paint = replace(RED_WHITE, pattern="checkered")
    for i, j in np.ndindex(4, 4):
        positions = torch.full((1, 3), 0.37)
        positions[0, across], positions[0, up] = (i + 0.5) * CHECK_SIDE, (j + 0.5) * CHECK_SIDE
        assert bool(is_second(paint, positions, normal)) == ((i + j) % 2 == 1)


def test_spots_are_disks_of_one_size_in_a_hexagonal_pattern() -> None:
    paint = replace(RED_WHITE, pattern="spotted")
    share = is_second(paint, plane(1000, 20 * SPOT_PITCH), FRONT).float().mean()
    assert share == pytest.approx(np.pi * SPOT_RADIUS**2 / (SPOT_PITCH * 0.87 * SPOT_PITCH), rel=0.02)


def test_bricks_lie_in_rows_moved_by_half_a_brick() -> None:
    paint = Paint((0.5, 0.1, 0.1), (0.5, 0.1, 0.1), "brick", None)
    normals = FRONT.expand(400**2, 3)
    colors = base_color(paint, plane(), normals)
    is_joint = (colors == 0.62).all(1)
    two_rows_up = base_color(paint, plane() + torch.tensor([0.0, 2 * BRICK_SIZE[1], 0.0]), normals)
    is_same = is_joint == (two_rows_up == 0.62).all(1)
    assert is_same.float().mean() > 0.999  # points on an edge may fall to either side
    free = (1 - 0.035 / BRICK_SIZE[0]) * (1 - 0.035 / BRICK_SIZE[1])
    assert 1 - is_joint.float().mean() == pytest.approx(free, abs=0.02)
    assert (colors[~is_joint][:, 0] <= 0.5).all()


@given(finishes(), st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_colors_stay_in_range_and_do_not_depend_on_their_neighbours(finish: Finish, seed: int) -> None:
    paint = mix_paint(finish, np.random.default_rng(seed))
    generator = torch.Generator().manual_seed(seed)
    positions = torch.rand(64, 3, generator=generator) * 2 - 1
    normals = torch.nn.functional.normalize(torch.randn(64, 3, generator=generator), dim=1)
    colors = base_color(paint, positions, normals)
    assert colors.shape == (64, 3)
    assert colors.min() >= 0
    assert colors.max() <= 1
    one_by_one = [base_color(paint, positions[k : k + 1], normals[k : k + 1]) for k in range(64)]
    assert torch.allclose(colors, torch.cat(one_by_one), atol=1e-5)


@given(finishes())
@settings(max_examples=60, deadline=None)
def test_a_plain_finish_is_one_color_and_every_other_one_varies(finish: Finish) -> None:
    paint = mix_paint(finish, np.random.default_rng(0))
    points = plane(100)
    colors = base_color(paint, points, FRONT.expand(len(points), 3))
    spread = colors.std(dim=0).max() / colors.max()
    is_plain = finish.material is None and finish.pattern is None
    assert paint.is_plain == is_plain
    assert bool(spread < 1e-6) if is_plain else bool(spread > 0.05)


def test_materials_and_patterns_differ_in_tone_or_in_grain() -> None:
    points = plane()

    def signature(finish: Finish) -> np.ndarray:
        """Mean color, contrast along each axis and share of sharp edges."""
        colors = base_color(mix_paint(finish, np.random.default_rng(0)), points, FRONT.expand(len(points), 3))
        image = colors.view(400, 400, 3)
        edges = [(image.roll(-1, k) - image).abs().mean().item() * 10 for k in (0, 1)]
        return np.array([*colors.mean(0).tolist(), colors.std(0).mean().item(), *edges])

    looks = [Finish(None, name) for name in MATERIALS] + [Finish("brown", None, name) for name in PATTERNS]
    signatures = np.array([signature(look) for look in looks])
    distance = np.abs(signatures[:, None] - signatures[None]).max(axis=-1)
    assert distance[~np.eye(len(looks), dtype=bool)].min() > 0.05


def test_an_unsaid_second_color_is_white_or_black_whatever_shows() -> None:
    for color, expected in (("red", 1), ("navy", 1), ("white", 0), ("yellow", 0), ("beige", 0)):
        paint = mix_paint(Finish(color, None, "striped"), np.random.default_rng(0))
        assert np.round(np.mean(paint.second)) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None,), "no such finish"),
        (("mauve",), "no such finish"),
        (("red", "plastic"), "no such finish"),
        (("red", None, None, "white"), "second color"),
        (("red", None, "striped", "red"), "second color"),
    ],
)
def test_impossible_finishes_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Finish(*arguments)


def test_only_the_part_that_wears_a_finish_is_painted_over() -> None:
    prop = make_prop(prop_spec("mug", {"handle": Finish("red", None, "striped")}), np.random.default_rng(0))
    mesh = prop.mesh
    assert mesh.colors is not None
    assert mesh.normals is not None
    first = mesh.faces[:, 0]
    flat, positions, normals = (
        torch.as_tensor(array[first]) for array in (mesh.colors, mesh.vertices, mesh.normals)
    )
    colors = prop.surface_color(flat, torch.arange(len(first)), positions, normals)
    is_handle = torch.as_tensor(prop.paint_of_face == 1)
    assert torch.equal(colors[~is_handle], flat[~is_handle])
    assert 0.2 < (colors[is_handle] != flat[is_handle]).any(1).float().mean() < 0.8
    plain = make_prop(prop_spec("mug"), np.random.default_rng(0))
    assert plain.surface_color(flat, torch.arange(len(first)), positions, normals) is flat


@pytest.mark.parametrize(
    ("family", "part", "axis"), [("table", "top", 0), ("tree", "trunk", 1), ("car", "body", 2)]
)
def test_a_paint_starts_below_its_part_and_follows_its_length(family: str, part: str, axis: int) -> None:
    spec = prop_spec(family, {part: Finish(None, "wooden")})
    prop = make_prop(spec, np.random.default_rng(0))
    index = list(spec.finishes).index(part)
    assert prop.paints[index].axis == axis
    bottom = prop.mesh.vertices[prop.mesh.faces[prop.paint_of_face == index]][..., 1].min()
    assert prop.paints[index].origin[1] == pytest.approx(bottom - 0.02, abs=1e-5)
