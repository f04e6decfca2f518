"""Solids: proven by an independent library, repaired where they are not, refused where that is impossible."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from analytic_fields import FIGURE, make_figure
from khronos import validate

from dream3d.asset import Asset
from dream3d.config import ExportConfig, ExtractConfig
from dream3d.errors import InputError, RunError
from dream3d.export.load import load_glb
from dream3d.extract.mesh import Surfaces, extract_surfaces
from dream3d.extract.solid import close_surfaces, count_pinches, find_flaw
from dream3d.extract.topology import is_watertight, weld
from dream3d.extract.unwrap import unwrap
from dream3d.mesh import Mesh

manifold3d = pytest.importorskip("manifold3d")


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.float32(shape.vertices), np.int32(shape.faces))


def box_at(x: float, y: float = 0.0, z: float = 0.0) -> trimesh.Trimesh:
    return trimesh.creation.box((1, 1, 1), trimesh.transformations.translation_matrix((x, y, z)))


def joined(*shapes: trimesh.Trimesh) -> Mesh:
    """Pieces in one mesh, vertices at the same position merged."""
    mesh = mesh_of(trimesh.util.concatenate(list(shapes)))
    return Mesh(*weld(mesh.vertices, mesh.faces))


def manifold_status(mesh: Mesh) -> tuple[str, float]:
    """What manifold3d says of a mesh, and its volume."""
    vertices, faces = weld(mesh.vertices, mesh.faces)
    solid = manifold3d.Manifold(manifold3d.Mesh(np.float32(vertices), np.uint32(faces)))
    return solid.status().name, solid.volume()


def gyroid(points: torch.Tensor) -> torch.Tensor:
    """A ball of thin curved walls: hard to reduce."""
    s, c = (14 * points).sin(), (14 * points).cos()
    walls = (s * c[:, [1, 2, 0]]).sum(dim=1).abs()
    return 60 * torch.sigmoid(40 * (0.25 - walls)) * (points.norm(dim=1) < 0.85)


BALL = trimesh.creation.icosphere(subdivisions=2)
CORNERS = joined(box_at(0), box_at(1, 1, 1))  # two cubes that share one corner
EDGES = joined(box_at(0), box_at(1, 1, 0))  # two cubes that share one edge


@pytest.mark.parametrize(
    ("mesh", "says"),
    [
        (mesh_of(BALL), ""),
        (joined(box_at(0), box_at(3)), ""),
        (mesh_of(trimesh.creation.torus(0.6, 0.2)), ""),
        (make_figure().mesh, ""),  # split along seams and creases
        (replace(mesh_of(BALL), faces=np.int32(BALL.faces[1:])), "3 of its edges do not join two faces"),
        (replace(mesh_of(BALL), faces=np.int32(BALL.faces[:, ::-1])), "inside out"),
        (EDGES, "4 of its edges do not join two faces"),  # one edge, twice in each direction
        (CORNERS, "1 of its vertices join surfaces that share no edge there"),
    ],
)
def test_flaws_are_named(mesh: Mesh, says: str) -> None:
    found = find_flaw(mesh)
    assert says in found
    assert bool(says) == bool(found)


def test_a_pinch_is_an_extra_fan() -> None:
    """A fan more than vertices; the edges alone do not show it."""
    assert is_watertight(CORNERS.faces)
    assert count_pinches(CORNERS.faces) == 1
    assert count_pinches(np.int32(BALL.faces)) == 0
    ring = joined(*(box_at(x, y, x) for x, y in ((0, 0), (1, 1), (2, 0), (3, 1))))
    assert count_pinches(ring.faces) == 3


def test_a_sound_mesh_stays_as_it_is() -> None:
    config = ExtractConfig(target_faces=600, resolution=48)
    surfaces = extract_surfaces(FIGURE, config)
    assert close_surfaces(surfaces, config) is surfaces


@pytest.mark.parametrize("damage", ["hole", "flipped", "pinched", "empty of sense"])
def test_damage_is_repaired_from_the_dense_surface(damage: str) -> None:
    config = ExtractConfig(target_faces=500, resolution=48)
    sound = extract_surfaces(FIGURE, config)
    dense = Mesh(*weld(sound.dense.vertices, sound.dense.faces))
    faces = {
        "hole": sound.mesh.faces[3:],
        "flipped": np.concatenate([sound.mesh.faces[:1, ::-1], sound.mesh.faces[1:]]),
        "pinched": sound.mesh.faces % 50,
        "empty of sense": sound.mesh.faces[:1],
    }[damage]
    closed = close_surfaces(Surfaces(replace(sound.mesh, faces=faces), sound.dense), config).mesh
    assert len(closed.faces) <= 500
    assert closed.normals is not None
    status, volume = manifold_status(closed)
    assert status == "NoError"
    assert volume == pytest.approx(manifold_status(dense)[1], rel=0.02)
    shape = trimesh.Trimesh(*weld(closed.vertices, closed.faces), process=False)
    assert shape.is_volume
    distance = trimesh.proximity.closest_point(trimesh.Trimesh(dense.vertices, dense.faces), shape.vertices)[
        1
    ]
    assert distance.max() < 0.02
    unwrapped = unwrap(closed, 128, 2)
    assert find_flaw(unwrapped) == ""


def test_sheets_that_touch_in_a_point_are_pulled_apart() -> None:
    """As when two walls of a reduced mesh meet: the edges do not tell, and a weld would join them again."""
    pinched = Surfaces(CORNERS, CORNERS)
    closed = close_surfaces(pinched, ExtractConfig(target_faces=24, crease_angle_deg=60.0)).mesh
    assert find_flaw(closed) == ""
    vertices, faces = weld(closed.vertices, closed.faces)
    assert (len(vertices), len(faces)) == (16, 24)
    assert manifold_status(closed) == ("NoError", pytest.approx(2.0, rel=2e-3))
    np.testing.assert_allclose(vertices.min(axis=0), -0.5, atol=2e-3)
    np.testing.assert_allclose(vertices.max(axis=0), 1.5, atol=2e-3)


def test_what_cannot_be_closed_is_refused_in_one_line() -> None:
    config = ExtractConfig(target_faces=200, resolution=64)
    surfaces = extract_surfaces(gyroid, config)
    with pytest.raises(RunError, match=r"200 faces.*--target-faces") as error:
        close_surfaces(surfaces, config)
    assert "\n" not in str(error.value)
    ball = mesh_of(BALL)
    open_dense = Surfaces(replace(ball, faces=ball.faces[1:]), replace(ball, faces=ball.faces[1:]))
    with pytest.raises(RunError, match="no closed surface"):
        close_surfaces(open_dense, config)


@pytest.mark.parametrize("ending", ["glb", "obj"])
def test_every_level_in_the_file_is_a_solid(tmp_path, ending: str) -> None:
    """With the numbers of the file: metres in float32, seams welded by position alone."""
    asset = Asset(make_figure(), ExportConfig(require_watertight=True))
    levels = 1 if ending == "obj" else 3
    path = asset.save(tmp_path / f"a.{ending}", lods=levels, height=0.013)[0]
    said = json.loads(path.with_suffix(".json").read_text())
    assert (said["require_watertight"], said["watertight"]) == (True, True)
    if ending == "obj":
        shapes = [trimesh.load(path, process=False, force="mesh")]
    else:
        contents = load_glb(path)
        shapes = [
            trimesh.Trimesh(part.mesh.vertices, part.mesh.faces, process=False)
            for part in (*contents.parts, *contents.lods)
        ]
        assert validate(path)[0]["numErrors"] == 0
    assert len(shapes) == levels
    for shape in shapes:
        bare = Mesh(np.float32(shape.vertices), np.int32(shape.faces))
        assert manifold_status(bare)[0] == "NoError"
        solid = trimesh.Trimesh(*weld(bare.vertices, bare.faces), process=False)
        assert solid.is_volume


def test_an_open_mesh_is_not_written(tmp_path) -> None:
    made = make_figure()
    cut = replace(made, mesh=replace(made.mesh, faces=made.mesh.faces[1:]))
    said = json.loads(Asset(cut).save(tmp_path / "open.glb")[1].read_text())
    assert (said["require_watertight"], said["watertight"]) == (False, False)
    with pytest.raises(RunError, match="a_red_and_blue_figure is not watertight, 3 of its edges") as error:
        Asset(cut).save(tmp_path / "a.glb", watertight=True)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "a.glb").exists()


def test_without_the_library_it_is_refused_in_one_line(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "manifold3d", None)
    with pytest.raises(InputError, match=r"pip install 'dream3d\[watertight\]'"):
        Asset(make_figure()).save(tmp_path / "a.glb", watertight=True)
    assert list(tmp_path.iterdir()) == []
    Asset(make_figure()).save(tmp_path / "a.glb", watertight=False)
