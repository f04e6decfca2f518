"""Which faces meet at which edge."""

import numpy as np
import pytest
import torch
import trimesh

from dream3d.errors import InputError
from dream3d.ops.antialias import build_edge_topology, same_positions


def ints(*rows: list[int]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.int32)


def test_two_faces_know_each_other(device: torch.device) -> None:
    # the shared edge is 1 2: edge 1 of face 0 and, whatever the winding of face 1, its edge 0
    for second in ([2, 1, 3], [1, 2, 3]):
        neighbors = build_edge_topology(ints([0, 1, 2], second).to(device), 4).neighbors
        assert neighbors.device.type == device.type
        assert neighbors.dtype == torch.int32
        assert neighbors.tolist() == [[-1, 3, -1], [1, -1, -1]]


@pytest.mark.parametrize("make", [trimesh.creation.icosphere, trimesh.creation.box, trimesh.creation.torus])
def test_closed_mesh_against_trimesh(make) -> None:
    mesh = make(0.7, 0.2) if make is trimesh.creation.torus else make()
    neighbors = build_edge_topology(torch.tensor(mesh.faces).int(), len(mesh.vertices)).neighbors
    half_edge = torch.arange(neighbors.numel())
    assert (neighbors >= 0).all()
    twin = neighbors.flatten().long()
    assert torch.equal(twin[twin], half_edge)
    found = np.unique(np.sort(np.stack([half_edge // 3, twin // 3], 1), axis=1), axis=0)
    assert np.array_equal(found, np.unique(np.sort(mesh.face_adjacency, axis=1), axis=0))


def test_edges_without_a_neighbor() -> None:
    fan = ints([0, 1, 2], [0, 1, 3], [0, 1, 4])  # three faces at one edge
    assert (build_edge_topology(fan, 5).neighbors == -1).all()
    needle = ints([0, 1, 2], [1, 2, 2], [2, 1, 3])  # the one in the middle has no edges: the others meet
    assert build_edge_topology(needle, 4).neighbors.tolist() == [[-1, 6, -1], [-1, -1, -1], [1, -1, -1]]
    assert build_edge_topology(torch.zeros((0, 3), dtype=torch.int32), 0).neighbors.shape == (0, 3)


def test_doubled_vertices_are_one() -> None:
    faces = ints([0, 1, 2], [4, 3, 5])  # 3 and 4 lie on 1 and 2
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, -0.0], [0, 1, 0], [1, 1, 0]])
    same = same_positions(vertices)
    assert same.tolist() == [0, 1, 2, 1, 2, 5]
    assert (build_edge_topology(faces, 6).neighbors == -1).all()
    assert build_edge_topology(faces, 6, same).neighbors.tolist() == [[-1, 3, -1], [1, -1, -1]]
    collapsed = torch.tensor([0, 1, 1, 3, 4, 5], dtype=torch.int32)  # face 0 becomes a line
    assert (build_edge_topology(faces, 6, collapsed).neighbors == -1).all()
    assert same_positions(torch.zeros(0, 3)).shape == (0,)


def test_vertex_numbers_near_the_limit() -> None:
    high = 2**31 - 2
    neighbors = build_edge_topology(ints([high, high - 1, 0], [high - 1, high, 1]), 2**31 - 1).neighbors
    assert neighbors.tolist() == [[3, -1, -1], [0, -1, -1]]


def test_refusals() -> None:
    faces = ints([0, 1, 2])
    with pytest.raises(InputError, match=r"\[T, 3\]"):
        build_edge_topology(torch.zeros(4, dtype=torch.int32), 3)
    with pytest.raises(TypeError, match=r"\.int\(\)"):
        build_edge_topology(faces.long(), 3)
    with pytest.raises(InputError, match="0 to 2, but there are 2"):
        build_edge_topology(faces, 2)
    with pytest.raises(InputError, match=r"same_vertex must be \[3\]"):
        build_edge_topology(faces, 3, torch.zeros(2, dtype=torch.int32))
    with pytest.raises(InputError, match="same_vertex name vertices"):
        build_edge_topology(faces, 3, torch.full((3,), 3, dtype=torch.int32))
    with pytest.raises(TypeError, match="same_vertex"):
        build_edge_topology(faces, 3, torch.zeros(3))
    with pytest.raises(InputError, match="meta"):
        build_edge_topology(faces, 3, torch.zeros(3, dtype=torch.int32, device="meta"))
    with pytest.raises(InputError, match=r"\[V, 3\]"):
        same_positions(torch.zeros(3))
