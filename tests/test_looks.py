from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from dream3d.cameras import orbit
from dream3d.errors import InputError
from dream3d.mesh import Material, Mesh, TexturedMesh
from dream3d.preview import ELEVATION_DEG, FIELD_OF_VIEW_DEG, LOOKS, MARGIN, render_looks
from dream3d.render.looks import BACKDROP_SRGB

BACKDROP = round(BACKDROP_SRGB * 255)
GRAY = Material(np.full((4, 4, 3), 128, np.uint8))


def camera(azimuth: float = 0.0, elevation: float = ELEVATION_DEG):
    """The camera that a preview takes."""
    distance = MARGIN / np.sin(np.radians(FIELD_OF_VIEW_DEG) / 2)
    return orbit([azimuth], elevation, float(distance), FIELD_OF_VIEW_DEG)


def sphere(subdivisions: int = 5) -> TexturedMesh:
    shape = trimesh.creation.icosphere(subdivisions=subdivisions)
    vertices = np.asarray(shape.vertices, np.float32)
    return TexturedMesh(Mesh(vertices, np.asarray(shape.faces, np.int32), vertices), GRAY)


def quad(color=(200, 30, 77), size: int = 8) -> TexturedMesh:
    """A square that faces the front, with its texture upright on it."""
    vertices = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    normals = np.tile(np.float32([0, 0, 1]), (4, 1))
    uvs = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    return TexturedMesh(
        Mesh(vertices, faces, normals, uvs), Material(np.full((size, size, 3), color, np.uint8))
    )


def picture(asset: TexturedMesh, look, size: int = 64, **options) -> np.ndarray:
    """The front view of one look, [size, size, 3]."""
    return render_looks(asset, (look,), 1, size, **options)[0, 0]


def test_a_sphere_shows_its_normals():
    """Where the ray of a pixel meets the unit sphere, the normal is the point: in the camera's frame."""
    size, view = 96, camera()
    found = picture(sphere(4), "normals", size, supersample=1) / 255.0
    rays = view.rays(size, size)
    origins, directions = rays.origins[0].double(), rays.directions[0].double()
    along = -(origins * directions).sum(-1)
    inside = along**2 - (origins.square().sum(-1) - 1.0)
    is_clear = inside > 0.05  # not at the silhouette
    points = origins + (along - inside.clamp_min(0.0).sqrt())[..., None] * directions
    expected = 0.5 + 0.5 * points @ view.c2w()[0, :3, :3].double()
    assert is_clear.sum() > 4000
    assert (torch.from_numpy(found) - expected).abs()[is_clear].max() < 0.006  # one and a half steps


@pytest.mark.parametrize("color", [(200, 30, 77), (0, 0, 0), (255, 255, 255), (1, 128, 254)])
def test_base_color_survives_exactly(color):
    found = picture(quad(color), "color", elevation_deg=0.0)
    middle = found[20:44, 20:44]
    assert (middle == color).all()
    assert (found[0] == BACKDROP).all()


def test_white_stays_within_white_and_black_is_not_gray():
    white = picture(sphere_of(255), "shaded")[16:48, 16:48].astype(int)
    assert (white == 255).mean() < 0.15
    assert white.min() > 90
    assert picture(sphere_of(0), "shaded")[16:48, 16:48].max() < 80  # highlights only


def sphere_of(gray: int) -> TexturedMesh:
    plain = sphere(3)
    return replace(plain, mesh=replace(plain.mesh, colors=np.full_like(plain.mesh.vertices, gray / 255.0)))


def test_lines_lie_on_projected_edges():
    """Every dark pixel of a cube's wireframe is on an edge, and every edge that is seen is drawn."""
    size = 128
    cube = trimesh.creation.box((2, 2, 2))
    mesh = Mesh(np.asarray(cube.vertices, np.float32), np.asarray(cube.faces, np.int32))
    found = picture(TexturedMesh(mesh, GRAY), "wireframe", size).astype(int)
    view = camera()
    corners = torch.from_numpy(mesh.vertices / np.float32(np.sqrt(3)))
    clip = torch.cat([corners, torch.ones(len(corners), 1)], dim=1) @ view.world_to_clip()[0].T
    screen = ((clip[:, :2] / clip[:, 3:]) * torch.tensor([0.5, -0.5]) + 0.5).numpy() * size
    normals = np.asarray(cube.face_normals)
    toward = view.positions()[0].numpy() - cube.triangles_center / np.sqrt(3)
    seen = (normals * toward).sum(1) > 0
    edges = np.concatenate([mesh.faces[seen][:, [a, (a + 1) % 3]] for a in range(3)])
    rows, columns = np.nonzero(found.max(axis=-1) < 105)
    dark = np.stack([columns, rows], axis=1) + 0.5
    a, b = screen[edges[:, 0]], screen[edges[:, 1]]
    share = ((dark[:, None] - a) * (b - a)).sum(-1) / ((b - a) ** 2).sum(-1)
    nearest = a + share.clip(0, 1)[..., None] * (b - a)
    assert len(dark) > 200
    assert np.linalg.norm(dark[:, None] - nearest, axis=-1).min(axis=1).max() < 1.2
    for start, end in zip(a, b, strict=True):
        is_outline = not (np.isclose(a, end) & np.isclose(b, start)).all(1).any()
        for place in np.linspace(start, end, 9)[1:-1]:
            column, row = np.floor(place).astype(int)
            around = found[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            # Of an outline the one triangle that is seen draws its half.
            assert around.max(axis=-1).min() < (178 if is_outline else 125)


def test_a_wireframe_culls_backs_and_the_other_looks_do_not():
    away = replace(quad().mesh, faces=quad().mesh.faces[:, ::-1].copy(), normals=None)
    asset = replace(quad(), mesh=away)
    assert (picture(asset, "wireframe", elevation_deg=0.0)[20:40, 20:44] == BACKDROP).all()
    assert (picture(asset, "color", elevation_deg=0.0)[20:44, 20:44] == (200, 30, 77)).all()
    assert (
        picture(asset, "shaded", elevation_deg=0.0)[32, 32].max() > 100
    )  # lit from the side it is seen from


def test_a_normal_map_bends_normals_up_and_right():
    """+X of the map is right in the picture and +Y is up, with or without tangents, mirrored or not."""
    tilt = np.array([0.6, 0.0, 0.8]), np.array([0.0, 0.6, 0.8])
    for vector in tilt:
        texel = np.round((0.5 + 0.5 * vector) * 255).astype(np.uint8)
        bumpy = replace(quad(), material=replace(quad().material, normal_map=np.tile(texel, (8, 8, 1))))
        expected = (0.5 + 0.5 * vector) * 255
        found = picture(bumpy, "normals", elevation_deg=0.0)[32, 32]
        np.testing.assert_allclose(found, expected, atol=1.6)
        tangents = np.tile(np.float32([1, 0, 0, 1]), (4, 1))
        given = replace(bumpy, mesh=replace(bumpy.mesh, tangents=tangents))
        np.testing.assert_allclose(picture(given, "normals", elevation_deg=0.0)[32, 32], expected, atol=1.6)
        mirrored = replace(bumpy, mesh=replace(bumpy.mesh, uvs=bumpy.mesh.uvs * [-1, 1] + np.float32([1, 0])))
        flipped = (0.5 + 0.5 * vector * [-1, 1, 1]) * 255  # right in the texture is left in the world
        np.testing.assert_allclose(picture(mirrored, "normals", elevation_deg=0.0)[32, 32], flipped, atol=1.6)


def test_roughness_metal_and_occlusion_of_a_texture_count():
    color = quad((200, 120, 30)).material.base_color_srgb

    def shown(material: Material) -> np.ndarray:
        return picture(replace(quad(), material=material), "shaded")[32, 32].astype(int)

    def with_orm(*values: int) -> np.ndarray:
        return shown(Material(color, orm=np.full((8, 8, 3), values, np.uint8)))

    assert np.abs(with_orm(255, 204, 0) - shown(Material(color, 0.0, 0.8))).max() <= 1
    assert np.abs(with_orm(255, 102, 255) - shown(Material(color, 1.0, 0.4))).max() <= 1
    assert (with_orm(100, 204, 0) < with_orm(255, 204, 0)).all()
    assert np.abs(with_orm(255, 204, 255) - with_orm(255, 204, 0)).max() > 5
    assert np.abs(with_orm(255, 40, 255) - with_orm(255, 204, 255)).max() > 5


@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e6, 1e15])
def test_any_scale_looks_the_same(factor):
    small = sphere(2)
    scaled = replace(small, mesh=replace(small.mesh, vertices=small.mesh.vertices * np.float32(factor)))
    for look in LOOKS:
        difference = picture(scaled, look).astype(int) - picture(small, look)
        assert np.abs(difference).mean() < 0.2


def test_damage_stays_where_it_is():
    """Triangles at NaN and without area vanish; NaN in normals, UVs and colors spoils no other pixel."""
    whole = quad()
    vertices = np.concatenate([whole.mesh.vertices, [[np.nan, 0, 0], [0, 0, 0]]]).astype(np.float32)
    faces = np.concatenate([whole.mesh.faces, [[0, 1, 4], [5, 5, 5], [0, 0, 1]]]).astype(np.int32)

    def extend(values: np.ndarray, fill: float) -> np.ndarray:
        return np.concatenate([values, np.full((2, values.shape[1]), fill)]).astype(np.float32)

    mesh = Mesh(vertices, faces, extend(whole.mesh.normals, np.nan), extend(whole.mesh.uvs, np.inf))
    for look in LOOKS:
        damaged = picture(TexturedMesh(mesh, whole.material), look)
        np.testing.assert_array_equal(damaged, picture(whole, look))
    blind = replace(whole.mesh, normals=np.full_like(whole.mesh.normals, np.nan))
    np.testing.assert_array_equal(picture(replace(whole, mesh=blind), "shaded"), picture(whole, "shaded"))


def test_without_texture_or_colors_it_is_gray():
    plain = replace(quad(), mesh=replace(quad().mesh, uvs=None))
    assert (picture(plain, "color", elevation_deg=0.0)[20:44, 20:44] == 188).all()  # linear 0.5


@pytest.mark.parametrize(
    "mesh",
    [
        Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32)),
        Mesh(np.full((3, 3), np.nan, np.float32), np.array([[0, 1, 2]], np.int32)),
        Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)),
    ],
)
def test_nothing_to_show_is_refused(mesh):
    with pytest.raises(InputError, match="no extent"):
        picture(TexturedMesh(mesh, GRAY), "shaded")


def test_a_line_of_no_area_is_an_empty_picture():
    line = Mesh(np.array([[-1, 0, 0], [0, 0, 0], [1, 0, 0]], np.float32), np.array([[0, 1, 2]], np.int32))
    for look in LOOKS:
        assert picture(TexturedMesh(line, GRAY), look, elevation_deg=0.0).max() <= BACKDROP


def test_pictures_are_the_same_every_time():
    first, second = (render_looks(sphere(2), LOOKS, 2, 40) for _ in range(2))
    np.testing.assert_array_equal(first, second)
