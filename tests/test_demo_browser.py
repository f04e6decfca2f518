"""The demo as people meet it: a real server, a real browser."""

import re
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from khronos import validate

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from demo_server import TINY, DemoServer, browser, find_chromium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="chromium is not installed: the page was not tested"),
]
pytest.importorskip("gradio")
playwright = pytest.importorskip("playwright.sync_api")

PATIENCE_MS = 60_000  # for what must happen, on a machine that has other work
LONG = "1000"  # steps of a run that is there to be stopped


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    demo = DemoServer.start(tmp_path_factory.mktemp("demo"), *TINY)
    yield demo
    demo.process.kill()
    demo.process.wait()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as one:
        yield one


class Visit:
    """A visitor with a browser of its own, and all that its pages did."""

    def __init__(self, chromium: Any, url: str) -> None:
        self.url = url
        self.context = chromium.new_context(accept_downloads=True)
        self.context.set_default_timeout(PATIENCE_MS)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page = self.open()

    def open(self) -> Any:
        """One more tab."""
        page = self.context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(self.url)
        page.get_by_role("button", name="Generate").wait_for()
        return page

    def _note(self, message: Any) -> None:
        # Software rendering is slow to read back, and Chromium says so; the page is not to blame.
        if message.type in ("error", "warning") and "GPU stall due to ReadPixels" not in message.text:
            self.complaints.append(message.text)

    def generate(self, prompt: str, steps: str | None = None) -> None:
        """Fill in the form and press the button."""
        if steps:
            self.page.get_by_text("More settings").click()
            fill_number(self.page, "Steps", steps)
            self.page.get_by_text("More settings").click()
        self.page.get_by_label("Prompt", exact=True).fill(prompt)
        self.page.get_by_role("button", name="Generate").click()

    def wait_for(self, state: str, page: Any = None) -> Any:
        """The card of a run in that state."""
        card = (page or self.page).locator(f'.d3-card[data-state="{state}"]')
        card.wait_for()
        return card

    def close(self) -> None:
        """Leave. Nothing may have been asked of another machine, nothing may have gone wrong."""
        self.context.close()
        strangers = [url for url in self.requests if not url.startswith((f"{self.url}/", "blob:", "data:"))]
        assert strangers == []
        assert self.complaints == []


@pytest.fixture
def visit(chromium: Any, server: DemoServer) -> Iterator[Visit]:
    one = Visit(chromium, server.url)
    yield one
    one.close()


@pytest.fixture
def other(chromium: Any, server: DemoServer) -> Iterator[Visit]:
    one = Visit(chromium, server.url)
    yield one
    one.close()


def fill_number(page: Any, label: str, number: str) -> None:
    """Fill in a slider's number in a part of the form that has just been opened.

    Gradio makes such a part when it is opened, and may set its values once more some milliseconds after they
    can be filled in: sooner than a person could, not sooner than a test.
    """
    field = page.get_by_label(f"number input for {label}", exact=True)
    for _ in range(20):
        field.fill(number)
        page.wait_for_timeout(250)
        if field.input_value() == number:
            return
    raise AssertionError(f"{label} does not stay {number}")


def download(page: Any, name: str | re.Pattern[str], folder: Path) -> Path:
    """Press a download button; the file."""
    with page.expect_download(timeout=PATIENCE_MS) as waiting:
        page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name)).first.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def assert_valid(glb: Path) -> None:
    (report,) = validate(glb)
    assert [report[key] for key in ("numErrors", "numWarnings", "numInfos", "numHints")] == [0, 0, 0, 0]


def test_generate_watch_look_download_and_export(visit: Visit, chromium: Any, tmp_path: Path) -> None:
    page = visit.page
    page.get_by_role("button", name="a yellow duck").click()
    assert page.get_by_label("Prompt", exact=True).input_value() == "a yellow duck"
    visit.generate("a red mushroom mushrom", steps="40")
    page.locator(".d3-hint", has_text="nearest known: mushroom").wait_for()
    card = visit.wait_for("running")
    # The line goes with its stage, which may end before the next look; the picture stays until the run ends.
    line = card.locator(".d3-line", has_text=re.compile(r"Shape step \d+ of 40.*left"))
    line.wait_for(timeout=180_000)  # the prior is loaded before it, on a machine that may be busy
    card.locator("img").wait_for()  # the scene as it is
    visit.wait_for("done")
    page.locator(".d3-facts", has_text="400 faces · 64 px texture").wait_for()
    page.wait_for_function("document.querySelector('canvas')?.width > 100")
    assert (
        page.locator(".d3-turntable img").evaluate("image => image.decode().then(() => image.naturalWidth)")
        == 256
    )
    glb = download(page, re.compile(r"^Download a_red_mushroom_mushrom\.glb$"), tmp_path)
    assert_valid(glb)
    page.get_by_text("Export: other formats").click()
    fill_number(page, "Faces", "100")
    page.get_by_label("Format").click()
    page.get_by_role("option", name="obj").click()
    page.get_by_role("button", name="Make the file").click()
    archive = download(page, re.compile(r"^Download a_red_mushroom_mushrom_obj\.zip \("), tmp_path)
    with zipfile.ZipFile(archive) as files:
        text = files.read("a_red_mushroom_mushrom.obj").decode()
    assert 50 <= text.count("\nf ") <= 100
    page.set_viewport_size({"width": 390, "height": 844})  # of a phone: it need not be scrolled sideways
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    # The file is this visitor's: neither another one nor nobody gets it.
    stranger = chromium.new_context()
    assert stranger.request.get(visit.url).ok
    (url,) = {url for url in visit.requests if url.endswith("/a_red_mushroom_mushrom.glb")}
    assert visit.context.request.get(url).body() == glb.read_bytes()
    assert stranger.request.get(url).status == 404
    stranger.close()
    visit.context.clear_cookies()
    assert visit.context.request.get(url).status == 403


def test_stop_then_generate_again_and_others_wait_their_turn(visit: Visit, other: Visit) -> None:
    visit.generate("a blue chair", steps=LONG)
    visit.wait_for("running")
    hostile = "<img src=x onerror=alert(1)> {{7*7}} ${7*7} a snowman \N{MUSHROOM} &amp; </div><script>"
    other.generate(hostile)
    card = other.wait_for("waiting")
    assert card.locator("h3").text_content() == hostile
    assert "Next in the queue" in card.text_content()
    assert other.page.locator("img[src='x']").count() == 0
    visit.page.get_by_role("button", name="Stop").click()
    visit.wait_for("stopped")
    other.wait_for("done")
    assert other.page.locator(".d3-facts h3").text_content() == hostile
    visit.generate("a wooden chest", steps="8")
    visit.wait_for("done")
    assert visit.page.locator(".d3-facts h3").text_content() == "a wooden chest"
    visit.page.locator("#assets img").wait_for()
    assert visit.page.locator("#assets img").count() == 1  # one's own, and not that of the other


def test_a_reload_and_a_second_tab_show_the_run_that_goes_on(visit: Visit) -> None:
    visit.generate("a golden crown", steps=LONG)
    visit.wait_for("running")
    visit.page.reload()
    visit.wait_for("running")
    tab = visit.open()
    visit.wait_for("running", tab)
    tab.get_by_role("button", name="Stop").click()
    visit.wait_for("stopped")
    visit.wait_for("stopped", tab)


def test_what_cannot_be_made_is_said_in_one_line(visit: Visit) -> None:
    for prompt, says in (
        ("", "the prompt is empty"),
        ("qwertz uiop", "knows no such thing"),
        ("a red mushrom", "knows no such thing"),
    ):
        visit.generate(prompt)
        visit.page.locator('.d3-notice[role="alert"]', has_text=says).wait_for()
    visit.page.get_by_label("Prompt", exact=True).fill("x" * 1000)
    assert len(visit.page.get_by_label("Prompt", exact=True).input_value()) == 300
    visit.context.clear_cookies()  # or the server was started again, and knows nobody
    visit.generate("a red mushroom")
    visit.page.locator('.d3-notice[role="alert"]', has_text="reload the page").first.wait_for()


def test_ctrl_c_during_a_run_leaves_nothing(visit: Visit, server: DemoServer) -> None:
    """The last one: the server is gone after it."""
    visit.generate("a red mushroom", steps=LONG)
    visit.wait_for("running")
    assert len(list(server.files.glob("dream3d*"))) == 1
    visit.page.goto("about:blank")  # it would complain about a server that is gone
    assert server.stop(signal.SIGINT) == 0
    assert list(server.files.glob("dream3d*")) == []
    assert server.log.read_text() == "stopping\n"
