"""The contact sheet of two folders: rows of pairs, and gaps where one of a pair is missing."""

from pathlib import Path

import numpy as np
import pytest
from analytic_fields import make_figure
from prior_folders import write_tiny_prior  # noqa: F401 - puts scripts/ on the path

from dream3d.errors import InputError
from dream3d.export.glb import encode_glb
from dream3d.preview import render_looks
from scripts.compare_sheet import AZIMUTH_DEG, Side, file_names, main, row_of
from scripts.sheets import BLACK, RED

LOOKS = ("shaded", "wireframe", "normals")
FIGURES = {"coarse": make_figure(60, 64), "refined": make_figure()}


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Side, Side]:
    """Two folders with one file of the same name, and one more each."""
    for (side, figure), other in zip(FIGURES.items(), ("b.glb", "c.glb"), strict=True):
        (tmp_path / side).mkdir()
        for name in ("a.glb", other):
            (tmp_path / side / name).write_bytes(encode_glb(figure))
    return Side("coarse", tmp_path / "coarse"), Side("refined", tmp_path / "refined", LOOKS)


def test_rows_are_of_pairs_or_of_a_list(sides: tuple[Side, Side], tmp_path: Path) -> None:
    assert file_names(sides, None) == ["a.glb", "b.glb", "c.glb"]
    (tmp_path / "list.txt").write_text("a red mushroom  # one\na chest\n")
    assert file_names(sides, tmp_path / "list.txt") == ["a-red-mushroom.glb", "a-chest.glb"]
    with pytest.raises(InputError, match=r"no \.glb"):
        file_names([Side("empty", tmp_path)], None)


def test_a_row_is_coarse_then_the_looks_of_the_refined_one(sides: tuple[Side, Side]) -> None:
    first, *others = row_of("a.glb", sides, 64)
    assert first.lines == (("a red and blue figure", BLACK), ("coarse, shaded, 60 triangles", BLACK))
    assert [tile.lines[0][0].split(", ")[1] for tile in others] == ["shaded", "wireframe", "normals"]
    pictures = [np.asarray(tile.picture) for tile in (first, *others)]
    expected = render_looks(FIGURES["refined"], LOOKS, 12, 64)[:, round(AZIMUTH_DEG / 30)]
    np.testing.assert_array_equal(pictures[1:], expected)
    assert not np.array_equal(pictures[0], pictures[1])


def test_what_is_missing_leaves_a_gap_that_says_so(sides: tuple[Side, Side]) -> None:
    coarse, *refined = row_of("b.glb", sides, 32)
    assert coarse.picture is not None
    assert [tile.picture for tile in refined] == [None] * 3
    assert refined[0].lines == (("refined: does not exist", RED),)
    first, *shown = row_of("c.glb", sides, 32)
    assert first.picture is None
    assert first.lines == (("a red and blue figure", BLACK), ("coarse: does not exist", RED))
    assert all(tile.picture is not None for tile in shown)


def test_the_sheet_is_written(sides: tuple[Side, Side], tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "sheet.jpg"
    words = [*(str(side.folder) for side in sides), "-o", str(target), "--size", "32", "--abreast", "1"]
    monkeypatch.setattr("sys.argv", ["compare_sheet.py", *words])
    main()
    assert target.read_bytes().startswith(b"\xff\xd8")
