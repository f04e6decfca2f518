import numpy as np
import pytest
from analytic_fields import make_figure
from mikktspace import corner_tangents

from dream3d.extract.tangents import add_tangents
from dream3d.mesh import Mesh

SQUARE = np.array([[0, 2, 1], [0, 3, 2]], np.int32)  # counter-clockwise over top left, top right, ...


def square(uvs: list[list[float]]) -> Mesh:
    """In the plane z = 0, facing +Z; corners top left, top right, bottom right, bottom left."""
    vertices = np.array([[-1, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]], np.float32)
    return Mesh(vertices, SQUARE, np.tile(np.float32([0, 0, 1]), (4, 1)), np.array(uvs, np.float32))


def wavy(rng: np.random.Generator, size: int = 7) -> Mesh:
    """A bumpy sheet in random face order; its UVs mirror some of the faces and flatten others."""
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2)
    vertices = np.concatenate([grid, rng.normal(size=(len(grid), 1)) * 0.3], axis=1).astype(np.float32)
    corner = (np.arange(size - 1)[:, None] * size + np.arange(size - 1)).reshape(-1)
    upper = np.stack([corner, corner + 1, corner + size + 1], axis=1)
    lower = np.stack([corner, corner + size + 1, corner + size], axis=1)
    faces = rng.permutation(np.concatenate([upper, lower])).astype(np.int32)
    uvs = ((grid + rng.integers(-1, 2, grid.shape)) / 4).astype(np.float32)  # sixteenths are exact
    normals = rng.normal(size=vertices.shape) * 0.2 + [0, 0, 1]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Mesh(vertices, faces, normals.astype(np.float32), uvs)


def by_corner(mesh: Mesh) -> np.ndarray:
    """Tangents at the corners of each face, [T, 3, 4]."""
    assert mesh.tangents is not None
    return mesh.tangents[mesh.faces]


def assert_same_surface(before: Mesh, after: Mesh) -> None:
    for name in ("vertices", "normals", "uvs"):
        np.testing.assert_array_equal(getattr(before, name)[before.faces], getattr(after, name)[after.faces])


def assert_frames(mesh: Mesh) -> None:
    """Unit tangents in the plane of the normal, a sign of one, one of it per triangle."""
    tangents = mesh.tangents
    assert tangents is not None
    assert tangents.dtype == np.float32
    assert tangents.shape == (len(mesh.vertices), 4)
    np.testing.assert_allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.sum(tangents[:, :3] * mesh.normals, axis=1), 0, atol=1e-6)
    assert set(np.unique(tangents[:, 3])) <= {-1.0, 1.0}


@pytest.mark.parametrize(
    ("uvs", "expected"),
    [
        ([[0, 0], [1, 0], [1, 1], [0, 1]], [1, 0, 0, 1]),  # as it lies in the picture: +X right, +Y up
        ([[1, 0], [0, 0], [0, 1], [1, 1]], [-1, 0, 0, -1]),  # mirrored
        ([[0, 1], [1, 1], [1, 0], [0, 0]], [1, 0, 0, -1]),  # upside down
        ([[0, 1], [0, 0], [1, 0], [1, 1]], [0, -1, 0, 1]),  # turned by a quarter
        ([[0.2, 0.2], [0.3, 0.2], [0.3, 0.9], [0.2, 0.9]], [1, 0, 0, 1]),  # stretched
    ],
)
def test_a_square_has_the_tangent_that_its_picture_says(uvs, expected):
    mesh = add_tangents(square(uvs))
    assert len(mesh.vertices) == 4
    np.testing.assert_allclose(mesh.tangents, np.tile(expected, (4, 1)), atol=1e-6)
    # sign * cross(normal, tangent) points where the picture's rows come from: against v.
    bitangent = mesh.tangents[0, 3] * np.cross(mesh.normals[0], mesh.tangents[0, :3])
    up = (mesh.vertices[1] - mesh.vertices[2]) * (uvs[2][1] - uvs[1][1])
    up = up + (mesh.vertices[0] - mesh.vertices[1]) * (uvs[1][1] - uvs[0][1])
    np.testing.assert_allclose(bitangent, up / np.linalg.norm(up), atol=1e-6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_tangents_of_a_cylinder_run_around_it(mirrored):
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 49), [1.0, -1.0], indexing="ij")
    normals = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=-1).reshape(-1, 3)
    vertices = normals + np.stack([0 * height, height, 0 * height], axis=-1).reshape(-1, 3)
    u = angle / (2 * np.pi)
    uvs = np.stack([1 - u if mirrored else u, (1 - height) / 2], axis=-1).reshape(-1, 2)
    start = 2 * np.arange(48)
    faces = np.concatenate(
        [np.stack([start, start + 1, start + 2], 1), np.stack([start + 1, start + 3, start + 2], 1)]
    )
    mesh = add_tangents(
        Mesh(*(a.astype(t) for a, t in zip((vertices, faces, normals, uvs), "fiff", strict=True)))
    )
    around = np.stack([np.cos(angle), 0 * angle, -np.sin(angle)], axis=-1).reshape(-1, 3)
    sign = -1.0 if mirrored else 1.0
    inner = slice(2, -2)  # at the seam, a triangle on one side only pulls the mean
    np.testing.assert_allclose(mesh.tangents[inner, :3], sign * around[inner], atol=1e-3)
    np.testing.assert_array_equal(mesh.tangents[:, 3], sign)
    assert len(mesh.vertices) == len(vertices)


def test_a_mirror_axis_in_the_atlas_splits_its_vertices():
    """Two halves share the texels: on the axis each has its own frame."""
    vertices = np.array([[x, y, 0] for y in (1, -1) for x in (-1, 0, 1)], np.float32)
    uvs = np.array([[abs(x), 0 if y > 0 else 1] for x, y, _ in vertices], np.float32)
    faces = np.array([[0, 3, 4], [0, 4, 1], [1, 4, 5], [1, 5, 2]], np.int32)
    before = Mesh(vertices, faces, np.tile(np.float32([0, 0, 1]), (6, 1)), uvs)
    mesh = add_tangents(before)
    assert len(mesh.vertices) == 8
    assert_same_surface(before, mesh)
    expected = np.array([[[-1, 0, 0, -1]] * 3] * 2 + [[[1, 0, 0, 1]] * 3] * 2)
    np.testing.assert_allclose(by_corner(mesh), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_a_slow_independent_implementation(seed):
    before = wavy(np.random.default_rng(seed))
    mesh = add_tangents(before)
    assert_same_surface(before, mesh)
    assert_frames(mesh)
    expected = corner_tangents(before)
    told = ~np.isnan(expected).any(axis=2)
    assert told.mean() > 0.9
    assert 0.1 < (expected[told][:, 3] > 0).mean() < 0.9  # both kinds are there
    np.testing.assert_allclose(by_corner(mesh)[told], expected[told], atol=2e-6)


def test_agrees_on_a_generated_asset():
    figure = make_figure(target_faces=400, texture_size=128).mesh
    mesh = add_tangents(figure)
    assert_same_surface(figure, mesh)
    assert_frames(mesh)
    np.testing.assert_allclose(by_corner(mesh), corner_tangents(figure), atol=1e-5)


def test_faces_without_area_take_the_tangents_around_them():
    """A line as a face copies its neighbours; a face that is a point in the atlas joins their groups."""
    vertices = np.array([[-1, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0], [3, 0, 0]], np.float32)
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [1, 0.5]], np.float32)
    faces = np.concatenate([SQUARE, [[1, 2, 2], [1, 2, 4]]]).astype(np.int32)
    before = Mesh(vertices, faces, np.tile(np.float32([0, 0, 1]), (5, 1)), uvs)
    mesh = add_tangents(before)
    assert_frames(mesh)
    assert_same_surface(before, mesh)
    np.testing.assert_allclose(by_corner(mesh)[:3], np.tile([1, 0, 0, 1], (3, 3, 1)), atol=1e-6)
    np.testing.assert_allclose(by_corner(mesh)[3, :2], np.tile([1, 0, 0, 1], (2, 1)), atol=1e-6)


def test_without_any_area_in_the_atlas_frames_are_still_frames():
    mesh = add_tangents(square([[0.5, 0.5]] * 4))
    assert_frames(mesh)
    upwards = Mesh(
        np.eye(3, dtype=np.float32),
        SQUARE[:1],
        np.tile(np.float32([1, 0, 0]), (3, 1)),
        np.zeros((3, 2), "f4"),
    )
    assert_frames(add_tangents(upwards))


def test_an_edge_of_many_faces_does_no_harm():
    vertices = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1]], np.float32)
    faces = np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4], [0, 1, 3]], np.int32)
    uvs = vertices[:, :2] + vertices[:, 2:]
    mesh = add_tangents(Mesh(vertices, faces, np.tile(np.float32([0, 0.6, 0.8]), (5, 1)), uvs))
    assert_frames(mesh)


def test_turning_the_mesh_turns_the_tangents():
    before = wavy(np.random.default_rng(9))
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    turned = Mesh(
        (before.vertices @ turn.T).astype(np.float32),
        before.faces,
        (before.normals @ turn.T).astype(np.float32),
        before.uvs,
    )
    one, two = by_corner(add_tangents(before)), by_corner(add_tangents(turned))
    told = ~np.isnan(corner_tangents(before)).any(axis=2)
    np.testing.assert_allclose(one[told][:, :3] @ turn.T, two[told][:, :3], atol=1e-4)
    np.testing.assert_array_equal(one[..., 3], two[..., 3])


def test_a_mesh_without_uvs_is_refused():
    with pytest.raises(ValueError, match="unwrap"):
        add_tangents(Mesh(np.eye(3, dtype=np.float32), SQUARE[:1]))
