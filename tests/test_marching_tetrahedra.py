"""Marching tetrahedra by hand, on known shapes, for any signs, and what it refuses."""

import math

import numpy as np
import pytest
import torch
import trimesh
from analytic_fields import ball, torus
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from tet_scenes import (
    SINGLE_TET,
    UNIT_TET,
    area_and_volume,
    face_normals,
    lattice_of,
    march_on,
    random_signs,
    surface_of,
)

from dream3d.errors import InputError
from dream3d.extract.topology import euler_characteristic, is_watertight
from dream3d.ops.marching_tetrahedra import (
    edge_crossings,
    marching_tetrahedra,
    marching_tetrahedra_reference,
    surface_topology,
)

CPU = torch.device("cpu")


class TestByHand:
    def test_one_corner(self, device: torch.device) -> None:
        vertices, faces = march_on(device, UNIT_TET, torch.tensor([-1.0, 1.0, 3.0, 0.25]), SINGLE_TET)
        torch.testing.assert_close(vertices, torch.diag(torch.tensor([0.5, 0.25, 0.8])))
        assert faces.tolist() == [[0, 1, 2]]
        assert face_normals(vertices, faces).min() > 0  # away from the origin, which is inside

    def test_two_corners(self, device: torch.device) -> None:
        vertices, faces = march_on(device, UNIT_TET, torch.tensor([-1.0, -1.0, 1.0, 1.0]), SINGLE_TET)
        expected = [[0, 0.5, 0], [0, 0, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5]]
        torch.testing.assert_close(vertices, torch.tensor(expected))
        normals = face_normals(vertices, faces)
        torch.testing.assert_close(normals, torch.tensor([[0, 0.25, 0.25]] * 2))  # away from the x axis

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_no_sign_changes(self, device: torch.device, sign: float) -> None:
        sdf = sign * torch.ones(4)
        vertices, faces = march_on(device, UNIT_TET, sdf, SINGLE_TET)
        assert (vertices.shape, faces.shape) == ((0, 3), (0, 3))
        assert (vertices.dtype, faces.dtype) == (torch.float32, torch.int32)

    def test_zero_is_outside(self, device: torch.device) -> None:
        assert len(march_on(device, UNIT_TET, torch.tensor([0.0, -0.0, 1.0, 2.0]), SINGLE_TET)[1]) == 0
        sdf = torch.tensor([-1.0, 0.0, -0.0, 1.0])
        vertices, faces = march_on(device, UNIT_TET, sdf, SINGLE_TET)
        assert vertices.tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.5]]
        assert faces.tolist() == [[0, 1, 2]]

    def test_neighbours_share_vertices(self, device: torch.device) -> None:
        """Two tetrahedra with a common face: the surface goes on without a seam."""
        points = torch.cat([UNIT_TET, torch.ones(1, 3)])
        tets = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]], dtype=torch.int32)
        vertices, faces = march_on(device, points, torch.tensor([1.0, -1.0, 1.0, 1.0, 1.0]), tets)
        assert len(vertices) == 4
        assert len(faces) == 2
        assert len(set(faces[0].tolist()) & set(faces[1].tolist())) == 2

    def test_twin_agrees_on_every_case(self, device: torch.device) -> None:
        for case in range(16):
            sdf = torch.tensor([-1.0 if case >> i & 1 else 2.0 for i in range(4)])
            for order in ([0, 1, 2, 3], [1, 0, 3, 2], [2, 0, 1, 3], [3, 1, 0, 2]):
                tet = torch.tensor([order], dtype=torch.int32)
                vertices, faces = march_on(device, UNIT_TET, sdf, tet)
                expected = marching_tetrahedra_reference(UNIT_TET, sdf, tet)
                assert torch.equal(faces, expected[1])
                torch.testing.assert_close(vertices, expected[0])


class TestShapes:
    @pytest.mark.parametrize(("shape", "euler"), [(ball((0.1, 0, 0.05), 0.7), 2), (torus(0.6, 0.25), 0)])
    def test_closed_and_of_the_right_genus(self, device: torch.device, shape, euler: int) -> None:
        vertices, faces = surface_of(shape, 12, device)
        assert is_watertight(faces.numpy())
        assert euler_characteristic(faces.numpy()) == euler
        mesh = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False)  # an independent opinion
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.euler_number == euler
        assert len(mesh.split()) == 1

    @pytest.mark.parametrize("shape", [ball((0.1, 0, 0.05), 0.7), torus(0.6, 0.25)])
    def test_normals_face_outwards(self, device: torch.device, shape) -> None:
        """Along the normal of every face that is not a sliver the distance grows."""
        vertices, faces = surface_of(shape, 20, device)
        normals = face_normals(vertices, faces)
        normals = normals[(large := normals.norm(dim=1) > 1e-6)]
        middles = vertices[faces[large].long()].mean(1)
        unit = torch.nn.functional.normalize(normals, dim=1)
        slope = (shape(middles + 1e-4 * unit) - shape(middles)) / 1e-4
        assert slope.min() > 0.5
        assert slope.mean() > 0.99

    @pytest.mark.parametrize(
        ("shape", "area", "volume"),
        [
            (ball((0, 0, 0), 0.7), 4 * math.pi * 0.7**2, 4 / 3 * math.pi * 0.7**3),
            (torus(0.6, 0.25), 4 * math.pi**2 * 0.6 * 0.25, 2 * math.pi**2 * 0.6 * 0.25**2),
        ],
    )
    def test_area_and_volume_converge_with_the_square_of_the_cell(
        self, device: torch.device, shape, area: float, volume: float
    ) -> None:
        errors = []
        for resolution in (12, 24, 48):
            actual = area_and_volume(*surface_of(shape, resolution, device))
            errors.append([abs(actual[0] / area - 1), abs(actual[1] / volume - 1)])
        assert max(errors[-1]) < 0.006
        orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
        assert orders.min() > 1.8
        assert orders.max() < 2.3

    def test_surface_is_a_cut_through_the_plane(self, device: torch.device) -> None:
        """A linear distance is met exactly."""
        lattice = lattice_of(6)
        normal = torch.tensor([2.0, -1.0, 0.5])
        sdf = lattice.vertices @ normal - 0.3
        vertices, faces = march_on(device, lattice.vertices, sdf, lattice.tets)
        torch.testing.assert_close(vertices @ normal, torch.full((len(vertices),), 0.3), atol=1e-6, rtol=0)
        directions = torch.nn.functional.normalize(face_normals(vertices.double(), faces), dim=1)
        expected = torch.nn.functional.normalize(normal.double(), dim=0)
        torch.testing.assert_close(directions, expected.expand_as(directions), atol=1e-3, rtol=0)


class TestAnySigns:
    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 2**31), share=st.floats(0.02, 0.98), resolution=st.integers(2, 5))
    def test_closed_manifold(self, seed: int, share: float, resolution: int) -> None:
        """Where the walls are outside, for any signs: each edge has two faces and each vertex one fan."""
        lattice = lattice_of(resolution)
        vertices, faces = march_on(CPU, lattice.vertices, random_signs(lattice, seed, share), lattice.tets)
        if len(faces) == 0:
            return
        assert is_watertight(faces.numpy())
        assert torch.equal(faces.unique(), torch.arange(len(vertices), dtype=torch.int32))
        assert _number_of_fans(faces.numpy()) == len(vertices)
        assert area_and_volume(vertices.double(), faces)[1] > 0

    def test_open_only_at_the_walls(self) -> None:
        lattice = lattice_of(4)
        vertices, faces = march_on(CPU, lattice.vertices, lattice.vertices[:, 0] - 0.1, lattice.tets)
        assert not is_watertight(faces.numpy())
        edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(1).values
        unique, counts = edges.unique(dim=0, return_counts=True)
        rim = vertices[unique[counts == 1].long()]
        assert (rim[..., 1:].abs().amax(-1) == 1).all()


def _number_of_fans(faces: np.ndarray) -> int:
    """Pieces of {(face, its vertex)} when faces across an edge are joined at both of its ends."""
    mesh = trimesh.Trimesh(np.zeros((faces.max() + 1, 3)), faces, process=False)
    adjacency, shared = mesh.face_adjacency, mesh.face_adjacency_edges  # [E, 2] each

    def corner(face: np.ndarray, vertex: np.ndarray) -> np.ndarray:
        return 3 * face + (faces[face] == vertex[:, None]).argmax(1)

    rows = np.concatenate([corner(adjacency[:, 0], shared[:, end]) for end in (0, 1)])
    columns = np.concatenate([corner(adjacency[:, 1], shared[:, end]) for end in (0, 1)])
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(faces.size, faces.size))
    return connected_components(graph, directed=False)[0]


class TestArguments:
    def test_nothing(self, device: torch.device) -> None:
        no_tets = torch.zeros(0, 4, dtype=torch.int32)
        for points in (UNIT_TET, torch.zeros(0, 3)):
            vertices, faces = march_on(device, points, torch.ones(len(points)), no_tets)
            assert (vertices.shape, faces.shape) == ((0, 3), (0, 3))

    def test_an_empty_surface_has_a_gradient_of_zero(self) -> None:
        sdf = torch.ones(4, requires_grad=True)
        marching_tetrahedra(UNIT_TET, sdf, SINGLE_TET)[0].sum().backward()
        assert torch.equal(sdf.grad, torch.zeros(4))

    def test_strides_do_not_matter(self, device: torch.device) -> None:
        lattice = lattice_of(3)
        sdf = random_signs(lattice, 1)
        expected = march_on(device, lattice.vertices, sdf, lattice.tets)
        strided = [
            torch.stack([values, values], -1)[..., 0] for values in (lattice.vertices, sdf, lattice.tets)
        ]
        assert not any(values.is_contiguous() for values in strided)
        vertices, faces = march_on(device, *strided)
        assert torch.equal(vertices, expected[0])
        assert torch.equal(faces, expected[1])

    @pytest.mark.parametrize("backend", ["cpu", "reference"])
    @pytest.mark.parametrize("bad", [-1, 4, 2**31 - 1])
    def test_indices_out_of_range(self, backend, bad: int) -> None:
        tets = torch.cat([SINGLE_TET.expand(40, 4), torch.tensor([[0, 1, bad, 3]], dtype=torch.int32)])
        with pytest.raises(InputError, match="outside of the 4"):
            marching_tetrahedra(UNIT_TET, torch.ones(4), tets, backend=backend)

    @pytest.mark.parametrize("backend", ["cpu", "reference"])
    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_distances_that_are_not_finite(self, backend, bad: float) -> None:
        sdf = torch.tensor([1.0, -1.0, bad, 1.0])
        with pytest.raises(InputError, match="NaN or infinite"):
            marching_tetrahedra(UNIT_TET, sdf, SINGLE_TET, backend=backend)

    @pytest.mark.gpu
    def test_the_device_refuses_the_same(self) -> None:
        for sdf, tets in ((torch.full((4,), math.nan), SINGLE_TET), (torch.ones(4), SINGLE_TET + 1)):
            with pytest.raises(InputError, match=r"NaN or infinite|outside of the 4"):
                march_on(torch.device("cuda"), UNIT_TET, sdf, tets)

    def test_refusals(self) -> None:
        good = {"vertices": UNIT_TET, "sdf": torch.ones(4), "tets": SINGLE_TET}
        for change, message in (
            ({"vertices": UNIT_TET[:, :2]}, r"vertices must have shape \[4, 3\]"),
            ({"vertices": UNIT_TET[:3]}, r"vertices must have shape \[4, 3\]"),
            ({"vertices": UNIT_TET.double()}, "vertices must be float32"),
            ({"vertices": UNIT_TET.to("meta")}, "vertices is on meta"),
            ({"sdf": torch.ones(4, 1)}, r"sdf must have shape \[any\]"),
            ({"sdf": torch.tensor(1.0)}, r"sdf must have shape \[any\]"),
            ({"sdf": torch.ones(4).double(), "vertices": UNIT_TET.double()}, "sdf must be float32"),
            ({"tets": SINGLE_TET[:, :3]}, r"tets must have shape \[any, 4\]"),
            ({"tets": SINGLE_TET.long()}, "tets must be int32"),
            ({"tets": SINGLE_TET.to("meta")}, "tets is on meta"),
            ({"min_difference": 0.0}, "min_difference must be positive"),
            ({"min_difference": math.nan}, "min_difference must be positive"),
            ({"backend": "opencl"}, "backend must be"),
        ):
            with pytest.raises(InputError, match=message):
                marching_tetrahedra(**{**good, "backend": "cpu", **change})

    def test_opcheck(self, device: torch.device) -> None:
        lattice = lattice_of(2)
        arguments = (random_signs(lattice, 2).to(device), lattice.tets.to(device))
        torch.library.opcheck(torch.ops.dream3d.marching_tetrahedra.default, arguments)

    def test_topology_alone(self) -> None:
        """Edges are sorted, cross the surface, and their crossings are the vertices."""
        lattice = lattice_of(4)
        sdf = random_signs(lattice, 4)
        edges, faces = surface_topology(sdf, lattice.tets)
        vertices, same_faces = marching_tetrahedra(lattice.vertices, sdf, lattice.tets)
        assert torch.equal(faces, same_faces)
        assert torch.equal(edge_crossings(lattice.vertices, sdf, edges), vertices)
        crossing = (sdf[lattice.edges.long()] < 0).sum(1) == 1
        expected = lattice.edges[crossing]
        order = (expected[:, 0].long() * len(sdf) + expected[:, 1]).argsort()
        assert torch.equal(edges, expected[order])
