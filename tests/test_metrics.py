"""Metrics against closed forms and brute force, and the order in which calibration assets must come out."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.distance import cdist

from dream3d.errors import InputError
from dream3d.mesh import FRAME_RADIUS, Material, Mesh, TexturedMesh
from dream3d.metrics.calibration import calibration_assets
from dream3d.metrics.ground_truth import (
    FamilyJudge,
    chamfer_distance,
    compare,
    make_instances,
    saturation,
    silhouette_iou,
    untextured,
)
from dream3d.metrics.surface import surface_facts
from dream3d.metrics.views import POINT_SPACING, in_frame, look
from dream3d.props import parse_caption


def as_mesh(shape: trimesh.Trimesh, color: tuple[float, float, float] = (1.0, 0.0, 0.0)) -> Mesh:
    vertices = np.asarray(shape.vertices, np.float32)
    colors = np.broadcast_to(np.array(color, np.float32), vertices.shape).copy()
    return Mesh(vertices, np.asarray(shape.faces, np.int32), colors=colors)


def cube(size: float = 1.0, at: float = 0.0) -> trimesh.Trimesh:
    shape = trimesh.creation.box((size, size, size))
    return shape.apply_translation((at, 0.0, 0.0))


def without_faces(shape: trimesh.Trimesh, count: int) -> trimesh.Trimesh:
    return trimesh.Trimesh(shape.vertices, shape.faces[count:], process=False)


class TestSurface:
    def test_a_cube_is_closed_and_in_one_piece(self) -> None:
        facts = surface_facts(as_mesh(cube()))
        assert (facts.faces, facts.floaters, facts.floater_area) == (12, 0, 0.0)
        assert (facts.watertight, facts.boundary_edges) == (True, 0)

    def test_seams_are_no_holes(self) -> None:
        shape = cube()
        split = trimesh.Trimesh(shape.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False)
        facts = surface_facts(as_mesh(split))
        assert (facts.floaters, facts.watertight, facts.boundary_edges) == (0, True, 0)

    def test_two_cubes_and_a_crumb(self) -> None:
        shapes = [cube(2.0), cube(1.0, at=5.0), cube(0.5, at=9.0)]
        facts = surface_facts(as_mesh(trimesh.util.concatenate(shapes)))
        assert facts.floaters == 2
        assert facts.floater_area == pytest.approx((6 + 1.5) / (24 + 6 + 1.5))
        assert facts.watertight
        of_two = surface_facts(as_mesh(trimesh.util.concatenate(shapes)), num_things=2)
        assert of_two.floaters == 1
        assert of_two.floater_area == pytest.approx(1.5 / (24 + 6 + 1.5))
        assert surface_facts(as_mesh(cube()), num_things=2).floaters == 0  # both in one piece

    def test_an_open_box_has_a_rim_of_four_edges(self) -> None:
        shape = cube()
        top = np.argsort(-shape.triangles_center[:, 1])
        box = trimesh.Trimesh(shape.vertices, shape.faces[top[2:]], process=False)
        facts = surface_facts(as_mesh(box))
        assert (facts.watertight, facts.boundary_edges, facts.floaters) == (False, 4, 0)

    def test_a_single_triangle_and_a_mesh_without_area(self) -> None:
        facts = surface_facts(as_mesh(trimesh.Trimesh(np.eye(3), [[0, 1, 2]], process=False)))
        assert (facts.boundary_edges, facts.watertight) == (3, False)
        line = Mesh(np.eye(3, dtype=np.float32), np.zeros((7, 3), np.int32))
        facts = surface_facts(line)
        assert (facts.faces, facts.floaters, facts.watertight, facts.boundary_edges) == (7, 0, False, 0)

    def test_open_edges_are_those_that_trimesh_counts(self) -> None:
        shape = without_faces(trimesh.creation.icosphere(subdivisions=2), 17)
        ends, uses = np.unique(np.sort(shape.edges, axis=1), axis=0, return_counts=True)
        assert len(ends) == len(shape.edges_unique)
        assert surface_facts(as_mesh(shape)).boundary_edges == (uses == 1).sum()


def test_a_scene_of_two_props_has_calibration_rows_too() -> None:
    assert list(calibration_assets("a candle on a barrel")) == ["ground truth", "wrong family", "sphere"]


class TestFrame:
    def test_unit_and_place_do_not_matter_but_the_turn_does(self) -> None:
        chair = untextured(calibration_assets("a blue chair")["ground truth"].mesh)
        moved = replace(chair, mesh=replace(chair.mesh, vertices=chair.mesh.vertices * 40 + [3, 9, -2]))
        turned = replace(chair, mesh=replace(chair.mesh, vertices=chair.mesh.vertices * [-1, 1, -1]))
        first, second, third = (look(in_frame(asset)) for asset in (chair, moved, turned))
        assert silhouette_iou(first.mask, second.mask) > 0.999
        assert silhouette_iou(first.mask, third.mask) < 0.9

    def test_the_farthest_vertex_touches_the_frame(self) -> None:
        framed = in_frame(untextured(as_mesh(cube(7.0, at=3.0))))
        assert np.linalg.norm(framed.mesh.vertices, axis=1) == pytest.approx(FRAME_RADIUS, rel=1e-6)

    @pytest.mark.parametrize("scale", [0.0, 1e-12, 1e20])
    def test_impossible_sizes_are_refused(self, scale: float) -> None:
        with pytest.raises(InputError, match="cannot be measured"):
            in_frame(untextured(as_mesh(cube(scale))))

    def test_points_lie_on_the_surface_and_evenly(self) -> None:
        points = look(in_frame(untextured(as_mesh(trimesh.creation.icosphere(subdivisions=5))))).points
        assert np.linalg.norm(points, axis=1) == pytest.approx(FRAME_RADIUS, abs=2e-3)
        cells = np.unique(np.floor(points / POINT_SPACING), axis=0)
        assert len(cells) == len(points)

    def test_a_texture_gives_the_colors(self) -> None:
        shape = as_mesh(cube())
        uvs = np.full((8, 2), 0.5, np.float32)
        texture = Material(np.full((4, 4, 3), (255, 128, 0), np.uint8))
        views = look(in_frame(TexturedMesh(replace(shape, colors=None, uvs=uvs), texture)))
        seen = views.color_srgb[views.mask]
        assert torch.allclose(seen, torch.tensor([1.0, 128 / 255, 0.0]).expand_as(seen), atol=1e-3)
        assert saturation(views) == pytest.approx(1.0, abs=1e-3)


class TestIou:
    def test_identical_and_disjoint(self) -> None:
        mask = torch.zeros(2, 4, 4, dtype=torch.bool)
        mask[:, :2] = True
        assert silhouette_iou(mask, mask) == 1.0
        assert silhouette_iou(mask, ~mask) == 0.0

    def test_mean_over_the_views(self) -> None:
        one, other = torch.zeros(2, 4, 4, dtype=torch.bool), torch.zeros(2, 4, 4, dtype=torch.bool)
        one[0, :2], other[0, 1:3] = True, True  # 4 of 12
        one[1, 0], other[1, :2] = True, True  # 4 of 8
        assert silhouette_iou(one, other) == pytest.approx((1 / 3 + 1 / 2) / 2)


class TestChamfer:
    def test_brute_force(self) -> None:
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(300, 3)), rng.normal(size=(170, 3)) + 0.3
        table = cdist(a, b)
        expected = 0.5 * (table.min(axis=1).mean() + table.min(axis=0).mean())
        assert chamfer_distance(a, b) == pytest.approx(expected, rel=1e-12)
        assert chamfer_distance(b, a) == pytest.approx(expected, rel=1e-12)
        assert chamfer_distance(a, a) == 0.0

    def test_a_point_from_a_point(self) -> None:
        assert chamfer_distance(np.zeros((1, 3)), np.array([[3.0, 4.0, 0.0]])) == 5.0

    def test_concentric_spheres_are_their_radii_apart(self) -> None:
        sphere = np.asarray(trimesh.creation.icosphere(subdivisions=5).vertices)
        assert chamfer_distance(sphere, 1.2 * sphere) == pytest.approx(0.2, rel=1e-6)

    def test_a_shifted_sphere(self) -> None:
        # A point p is | |p - d| - 1 | = |d cos t| away from a unit sphere shifted by d: d / 2 on average.
        sphere = np.asarray(trimesh.creation.icosphere(subdivisions=6).vertices)
        distance = chamfer_distance(sphere, sphere + np.array([0.0, 0.2, 0.0]))
        assert distance == pytest.approx(0.1, rel=0.05)


@pytest.fixture(scope="module")
def judge() -> FamilyJudge:
    return FamilyJudge()


class TestFamily:
    def test_an_instance_is_its_own_nearest(self) -> None:
        spec = parse_caption("a red mushroom")
        assert spec is not None
        instances = make_instances(spec)
        found = compare(look(instances.assets[5]), instances)
        assert found.silhouette_iou == 1.0
        assert (found.color_error, found.saturation_excess, found.chamfer) == (0.0, 0.0, 0.0)

    @pytest.mark.parametrize("prompt", ["a blue chair", "a red mushroom", "a house with a blue roof"])
    def test_truth_beats_the_wrong_family_which_beats_nothing(self, judge: FamilyJudge, prompt: str) -> None:
        scores = {}
        for kind, asset in calibration_assets(prompt).items():
            framed = in_frame(asset)
            scores[kind] = judge(framed, prompt, look(framed))
        truth = scores.pop("ground truth")
        assert truth["silhouette_iou"] > 0.95
        assert truth["chamfer"] < 0.03
        for other in scores.values():
            assert truth["silhouette_iou"] > other["silhouette_iou"] + 0.2
            assert truth["color_error"] < other["color_error"] - 0.1
            assert truth["chamfer"] < 0.3 * other["chamfer"]
        assert abs(truth["saturation_excess"]) < 0.05
        assert scores["sphere"]["saturation"] == pytest.approx(0.0, abs=1e-6)

    def test_the_wrong_color_costs_color_only(self, judge: FamilyJudge) -> None:
        red = in_frame(calibration_assets("a red mushroom")["ground truth"])
        blue = in_frame(calibration_assets("a blue mushroom")["ground truth"])
        right, wrong = (judge(asset, "a red mushroom", look(asset)) for asset in (red, blue))
        assert wrong["color_error"] > right["color_error"] + 0.1
        assert wrong["silhouette_iou"] == pytest.approx(right["silhouette_iou"], abs=0.01)

    def test_a_prompt_of_no_family_gives_blanks(self, judge: FamilyJudge) -> None:
        asset = in_frame(untextured(as_mesh(cube())))
        assert judge(asset, "a zeppelin", look(asset)) == {}
        assert judge(asset, None, look(asset)) == {}
        assert calibration_assets("a zeppelin") == {}

    def test_what_cannot_be_seen_is_far_from_everything(self) -> None:
        spec = parse_caption("a crate")
        assert spec is not None
        nothing = Mesh(np.eye(3, dtype=np.float32), np.zeros((3, 3), np.int32))
        found = compare(look(untextured(nothing)), make_instances(spec))
        assert (found.silhouette_iou, found.color_error) == (0.0, 1.0)
        assert math.isinf(found.chamfer)

    def test_the_same_asset_always_scores_the_same(self) -> None:
        asset = in_frame(calibration_assets("a crate")["wrong family"])
        first, second = (FamilyJudge()(asset, "a crate", look(asset)) for _ in range(2))
        assert first == second
