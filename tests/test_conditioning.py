"""What the prior is told about the views: rays, features, words, and where cameras stand."""

import math

import pytest
import torch

from dream3d.cameras import Cameras, orbit
from dream3d.prior import CameraLaw
from dream3d.prior.conditioning import SHADINGS, VIEW_FEATURES, ray_map, view_vector
from dream3d.prior.view_words import view_shares, view_words


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


class TestConditioning:
    """What the network is told about the view."""

    def test_ray_map_is_the_same_for_any_distance_along_the_ray(self):
        near, far = orbit([30.0], 20.0, 2.0, 40.0), orbit([30.0], 20.0, 5.0, 40.0)
        center = ray_map(near, 5)[0, :, 2, 2]  # the central ray passes through the origin
        assert torch.allclose(center, ray_map(far, 5)[0, :, 2, 2], atol=1e-5)
        assert torch.allclose(center[:3], torch.zeros(3), atol=1e-5)

    def test_nearest_points_lie_on_their_rays_and_are_nearest(self):
        cameras = orbit([0.0, 70.0, 200.0], 35.0, 3.0, 40.0)
        nearest, directions = ray_map(cameras, 8)[:, :3], ray_map(cameras, 8)[:, 3:6]
        assert (nearest * directions).sum(1).abs().max() < 1e-5
        to_camera = cameras.positions()[:, :, None, None] - nearest
        off_axis = to_camera - (to_camera * directions).sum(1, keepdim=True) * directions
        assert off_axis.abs().max() < 1e-5

    def test_turning_the_camera_turns_the_rays(self):
        here, there = ray_map(orbit([0.0], 0.0, 3.0, 40.0), 4), ray_map(orbit([90.0], 0.0, 3.0, 40.0), 4)
        turned = torch.stack([here[:, 5], here[:, 4], -here[:, 3]], 1)  # (x, y, z) -> (z, y, -x)
        assert torch.allclose(there[:, 3:6], turned, atol=1e-5)

    def test_view_vector_tells_every_azimuth_and_shading_apart(self):
        azimuths = [15.0 * k for k in range(24)]
        vectors = torch.cat([view_vector(orbit(azimuths, 20.0, 3.0, 40.0), [s] * 24) for s in SHADINGS])
        assert vectors.shape == (96, VIEW_FEATURES)
        distances = torch.cdist(vectors, vectors) + 10 * torch.eye(96)
        assert distances.min() > 0.2

    def test_an_untold_camera_leaves_only_the_shading(self):
        cameras, is_told = orbit([10.0, 200.0], 20.0, 3.0, 40.0), torch.tensor([True, False])
        vector, rays = view_vector(cameras, ["textureless"] * 2, is_told), ray_map(cameras, 4, is_told)
        assert torch.equal(vector[0], view_vector(cameras, ["textureless"] * 2)[0])
        assert torch.equal(vector[1], torch.eye(VIEW_FEATURES)[VIEW_FEATURES - 1])
        assert torch.equal(rays[0], ray_map(cameras, 4)[0])
        assert not rays[1].any()


class TestCameraLaw:
    """The distribution that training and distillation share."""

    def test_views_of_a_group_stand_evenly_around_and_share_the_rest(self, generator):
        cameras = CameraLaw().sample(50, generator)
        azimuth = cameras.azimuth_deg.reshape(50, 4)
        steps = (azimuth - azimuth[:, :1]) % 360
        assert torch.allclose(steps, torch.tensor([0.0, 90.0, 180.0, 270.0]).expand(50, 4), atol=1e-3)
        for shared in (cameras.elevation_deg, cameras.distance, cameras.fov_y_deg):
            assert (shared.reshape(50, 4).std(1) == 0).all()

    def test_ranges_are_filled_and_kept(self, generator):
        law = CameraLaw()
        cameras = law.sample(2000, generator, views_per_group=1)
        for values, (low, high) in (
            (cameras.elevation_deg, law.elevation_deg),
            (cameras.fov_y_deg, law.fov_y_deg),
            (cameras.azimuth_deg, (0.0, 360.0)),
        ):
            assert low <= values.min()
            assert values.max() <= high
            assert values.max() - values.min() > 0.98 * (high - low)

    def test_the_unit_sphere_always_fits_the_picture(self, generator):
        cameras = CameraLaw().sample(500, generator)
        tangent = torch.asin(1.0 / cameras.distance)
        assert (tangent <= cameras.fov_y_deg * math.pi / 360 + 1e-6).all()

    def test_close_ups_are_cut_out_of_views_of_the_whole(self, generator):
        law = CameraLaw()
        cameras = law.sample(4000, generator, views_per_group=2, close_up_share=0.5)
        is_close = cameras.fov_y_deg < law.fov_y_deg[0]
        assert 0.4 < is_close.float().mean() < 0.55  # a few magnify too little to tell
        assert not cameras.target[cameras.fov_y_deg == cameras.fov_y_deg.max()].any()
        half = cameras.distance * torch.tan(
            cameras.fov_y_deg * math.pi / 360
        )  # of what is seen, at the target
        whole = cameras.distance * math.tan(law.fov_y_deg[1] * math.pi / 360)
        assert (cameras.target.norm(dim=1) + half <= whole + 1e-5).all()
        shared = cameras.target.reshape(-1, 2, 3)
        assert torch.equal(shared[:, 0], shared[:, 1])

    def test_a_close_up_of_the_centre_is_the_middle_of_a_larger_picture(self):
        whole = orbit([30.0], 20.0, 3.0, 40.0)
        fov = 2 * math.degrees(math.atan(math.tan(math.radians(20.0)) / 2))
        close = orbit([30.0], 20.0, 3.0, fov)
        assert torch.allclose(
            close.rays(8, 8).directions, whole.rays(16, 16).directions[:, 4:12, 4:12], atol=1e-6
        )


def test_view_words_cut_the_turn_in_quarters():
    azimuths = [0.0, 44.0, 46.0, 134.0, 136.0, 224.0, 226.0, 314.0, 316.0, 720.0]
    words = view_words(orbit(azimuths, 20.0, 3.0, 40.0))
    assert [text.split()[0] for text in words] == [
        *("front", "front", "side", "side", "back", "back", "side", "side", "front", "front")
    ]
    assert view_words(orbit([0.0, 90.0], 45.0, 3.0, 40.0)) == ["overhead view"] * 2


def test_blended_views_go_linearly_from_one_kind_to_the_next():
    azimuths = [0.0, 45.0, 90.0, 150.0, 180.0, 270.0, -45.0]
    front_side_back = [
        *([1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 1 / 3, 2 / 3]),
        *([0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]),
    ]
    turned = view_shares(orbit(azimuths, 0.0, 3.0, 40.0), is_smooth=True)
    torch.testing.assert_close(turned[:, :3], torch.tensor(front_side_back))
    for elevation, above in ((25.0, 0.0), (40.0, 0.5), (55.0, 1.0)):
        raised = view_shares(orbit(azimuths, elevation, 3.0, 40.0), is_smooth=True)
        torch.testing.assert_close(raised[:, 3], torch.full((7,), above))
        torch.testing.assert_close(raised.sum(dim=1), torch.ones(7))


def test_cameras_can_be_selected_and_moved():
    cameras: Cameras = orbit([0.0, 90.0, 180.0], 10.0, 3.0, 40.0)
    assert cameras[1:].azimuth_deg.tolist() == [90.0, 180.0]
    assert len(cameras.to("cpu")) == 3
