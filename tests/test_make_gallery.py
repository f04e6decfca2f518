import io
from pathlib import Path

import pytest
from PIL import Image
from prior_folders import write_tiny_prior  # noqa: F401 - puts scripts/ on the path

from dream3d.evaluate.rows import Row
from scripts.half_table import half_of, half_table
from scripts.make_gallery import captions, paint_sheet
from scripts.sheets import BLACK, RED, Tile, contact_sheet, encode_jpeg

SEEN, HELD_OUT = "a blue mushroom", "a purple mushroom"


def row(prompt: str, seed: int, iou: float, kind: str = "asset") -> Row:
    return Row(f"{prompt}{seed}{kind}", kind, prompt, seed, metrics={"silhouette_iou": iou})  # pyright: ignore


def failed(prompt: str) -> Row:
    return Row(prompt, "asset", prompt, 1, error="the field came out empty", blame="run")


def test_halves() -> None:
    prompts = (SEEN, HELD_OUT, "a zeppelin", None)
    assert [half_of(prompt) for prompt in prompts] == ["seen", "held out", "", ""]


def test_halves_and_kinds_stand_apart_and_failures_count() -> None:
    rows = [row(SEEN, 0, 0.8), failed(SEEN), row(HELD_OUT, 0, 0.7), row(SEEN, 0, 1.0, "ground truth")]
    assert half_table(rows).splitlines() == [
        "| kind | prompts | rows | failed | IoU |",
        "| --- | --- | ---: | ---: | ---: |",
        "| asset | seen | 2 | 1 | 0.400 |",
        "| asset | held out | 1 | 0 | 0.700 |",
        "| ground truth | seen | 1 | 0 | 1.000 |",
    ]


def test_captions_tell_the_numbers_or_what_went_wrong() -> None:
    assert captions(row(HELD_OUT, 3, 0.75)) == (
        ("a purple mushroom / seed 3 (held out)", BLACK),
        ("IoU 0.750", BLACK),
    )
    assert captions(failed(SEEN))[1] == ("failed: the field came out empty", RED)


def test_failures_keep_their_place_on_the_sheet(tmp_path: Path) -> None:
    Image.new("RGB", (1024, 128), (0, 0, 255)).save(tmp_path / "a.png")
    made = Row("a", "asset", SEEN, 0, picture="a.png")
    picture = paint_sheet([failed(SEEN), made, row(SEEN, 0, 1.0, "sphere")], tmp_path)
    width, height = picture.size
    assert picture.getpixel((100, 60)) == (255, 255, 255)
    assert picture.getpixel((width // 2 + 100, 60)) == (0, 0, 255)
    assert height < 200  # one line: calibration is not painted


@pytest.mark.parametrize(("count", "size"), [(1, (208, 68)), (3, (208, 136))])
def test_a_sheet_has_whole_rows_of_equal_tiles(count: int, size: tuple[int, int]) -> None:
    tiles = [Tile(Image.new("RGB", (400, 200), "red"), (("x" * 99, BLACK),))] * count
    sheet = contact_sheet(tiles, 2, 100, 50)
    assert sheet.size == size
    assert sheet.getpixel((50, 25)) == (255, 0, 0)
    assert sheet.getpixel((102, 60)) == (255, 255, 255)  # long text ends with its tile
    assert Image.open(io.BytesIO(encode_jpeg(sheet))).size == size
