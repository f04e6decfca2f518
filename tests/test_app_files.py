"""Files of finished assets: made again in other formats and sizes, without a run."""

import itertools
import zipfile
from pathlib import Path

import pytest
import trimesh
from analytic_fields import make_figure
from khronos import validate

from dream3d.app.files import MAX_EXPORTS, export
from dream3d.app.jobs import Made
from dream3d.app.limits import ExportOrder, FileFormat
from dream3d.asset import Asset
from dream3d.config import ExportConfig
from dream3d.errors import InputError
from dream3d.export.inspect import inspect

NUMBERS = itertools.count(1)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """An asset as `make` leaves it."""
    folder = tmp_path / "1234"
    folder.mkdir()
    glb = Asset(make_figure()).save(folder / "figure.glb")[0]
    report = {"metrics": {"seconds": 7.0}, "warnings": ["a word was left out"]}
    return Made(glb, folder / "picture.png", folder / "turntable.gif", report)


def order(kind: FileFormat = "glb", faces: int = 300, texture_size: int = 64, **options) -> ExportOrder:
    return ExportOrder(kind, faces, texture_size, ExportConfig(**options))


def test_a_lighter_file_with_levels_is_valid_and_says_what_it_is(made: Made) -> None:
    path = export(made, order(lods=3, height_m=2.0, origin="center"), next(NUMBERS))
    (report,) = validate(path)
    assert [report[key] for key in ("numErrors", "numWarnings", "numInfos", "numHints")] == [0, 0, 0, 0]
    facts = inspect(path)
    assert facts.faces <= 300
    assert facts.watertight
    low, high = facts.bounds_m
    assert (low[1], high[1]) == (pytest.approx(-1.0), pytest.approx(1.0))
    assert facts.provenance["prompt"] == make_figure().metadata["prompt"]
    text = path.with_suffix(".json").read_text()
    assert '"texture_size": [\n    64,\n    64\n  ]' in text
    assert "a word was left out" in text


@pytest.mark.parametrize("kind", ["gltf", "obj"])
def test_a_format_of_several_files_is_one_archive(made: Made, tmp_path: Path, kind: FileFormat) -> None:
    path = export(made, order(kind), next(NUMBERS))
    assert path.name == f"figure_{kind}.zip"
    with zipfile.ZipFile(path) as archive:
        assert all(Path(name).name == name for name in archive.namelist())
        archive.extractall(tmp_path / "out")
    mesh = trimesh.load(tmp_path / "out" / f"figure.{kind}", force="mesh")
    assert isinstance(mesh, trimesh.Trimesh)
    assert 0 < len(mesh.faces) <= 300


def test_only_the_newest_exports_are_kept(made: Made) -> None:
    numbers = (7, 9, 30, 200, 1000)  # between them are exports of other assets
    paths = [export(made, order(), number) for number in numbers]
    assert len(numbers) == MAX_EXPORTS + 1
    assert [path.is_file() for path in paths] == [False, True, True, True, True]


def test_the_asset_itself_stays_as_it_is(made: Made) -> None:
    before = made.glb.read_bytes()
    export(made, order(faces=50), next(NUMBERS))
    assert made.glb.read_bytes() == before
    assert inspect(made.glb).provenance.get("settings") == {"faces": 800}


def test_an_asset_that_was_removed_is_no_surprise(made: Made) -> None:
    made.glb.unlink()
    with pytest.raises(InputError, match="does not exist"):
        export(made, order(), next(NUMBERS))
    assert not list(made.glb.parent.glob("export-*"))
