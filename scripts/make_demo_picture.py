"""Photograph the demo while a run goes on and when it is done: assets/gallery/demo.png.

python scripts/make_demo_picture.py [-o FILE.png] [--prompt TEXT] [--seed N] [options of `dream3d demo`]
"""

import argparse
import io
import tempfile
from pathlib import Path
from typing import Any

from demo_server import DemoServer, browser
from PIL import Image

WIDTH, HEIGHT = 1180, 900
GAP = 24
PATIENCE_MS = 1_800_000
COLORS = 224  # of the file: a page has few
MIN_COLORS = 200  # of the viewer, when there is more in it than its backdrop


def photograph(url: str, prompt: str, seed: int) -> list[Image.Image]:
    """The page at three quarters of the first stage, and with the result."""
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(url)
        page.get_by_text("More settings").click()
        page.get_by_label("A new seed each time").uncheck()
        page.get_by_label("Seed", exact=True).fill(str(seed))
        page.get_by_text("More settings").click()
        page.get_by_label("Prompt", exact=True).fill(prompt)
        page.get_by_role("button", name="Generate").click()
        page.wait_for_function(
            "document.querySelector('.d3-stages .now')?.textContent == 'Shape' &&"
            "document.querySelector('.d3-bar')?.getAttribute('aria-valuenow') >= 75 &&"
            "document.querySelector('.d3-frame img')"
        )
        pictures = [_shot(page, ".d3-card")]
        page.locator('.d3-card[data-state="done"]').wait_for()
        page.wait_for_function("document.querySelector('canvas')?.width > 100")
        page.locator("#assets img").wait_for()
        while len(_image(page.locator("canvas").screenshot()).getcolors(1 << 20) or ()) < MIN_COLORS:
            page.wait_for_timeout(500)  # until the viewer has drawn the model
        pictures.append(_shot(page, "#assets"))
        return pictures


def _shot(page: Any, last: str) -> Image.Image:
    """The page down to an element, and to the form beside it."""
    bottom = max(
        page.locator(part).last.evaluate("part => part.getBoundingClientRect().bottom + scrollY")
        for part in (last, ".gr-accordion:visible")
    )
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": bottom + GAP}
    return _image(page.screenshot(full_page=True, clip=clip))


def _image(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def main() -> None:
    """Start a server, take both pictures, write them below each other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("assets/gallery/demo.png"))
    parser.add_argument("--prompt", default="a red mushroom")
    parser.add_argument("--seed", type=int, default=7)
    asked, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="dream3d-picture-") as folder:
        server = DemoServer.start(Path(folder), *options)
        try:
            pictures = photograph(server.url, asked.prompt, asked.seed)
        finally:
            server.stop()
    height = sum(picture.height for picture in pictures) + GAP
    sheet = Image.new("RGB", (WIDTH, height), (203, 213, 225))
    sheet.paste(pictures[0], (0, 0))
    sheet.paste(pictures[1], (0, pictures[0].height + GAP))
    sheet.quantize(COLORS, dither=Image.Dither.NONE).save(asked.output, optimize=True)
    print(f"{asked.output}: {sheet.size}, {asked.output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
