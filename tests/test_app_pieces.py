"""Pieces of the page: what they say, and that nobody can put a tag into them."""

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dream3d.app import pieces
from dream3d.app.jobs import Job
from dream3d.app.limits import Order
from dream3d.config import Config
from dream3d.events import Event
from dream3d.prior.vocabulary import Vocabulary
from dream3d.stage_config import RefineConfig

HOSTILE = "<script>alert('1')</script>\"'><img src=x onerror=alert(1)> &lt; {{x}} ${x}"


class Reader(HTMLParser):
    """Tags and text of a piece, as a browser takes them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def job(prompt: str = "a red mushroom", refine_steps: int = 0) -> Job:
    return Job(Order(prompt, Config(refine=RefineConfig(num_steps=refine_steps))), Path("folder"))


def hostile_pieces() -> list[str]:
    failed, words = job(HOSTILE), (HOSTILE,)
    failed.end("failed", HOSTILE)
    report = {
        "prompt": HOSTILE,
        "faces": 5000,
        "texture_size": [512, 512],
        "watertight": True,
        "seed": 1,
        "metrics": {"seconds": 61.0},
        "warnings": [HOSTILE],
    }
    return [
        pieces.notice(HOSTILE),
        pieces.card(job(HOSTILE), 2, 1),
        pieces.card(failed, 0, 0),
        pieces.hint({HOSTILE: [HOSTILE]}, HOSTILE),
        pieces.facts(report),
        pieces.vocabulary(Vocabulary(words, words, words, words, words)),
    ]


@pytest.mark.parametrize("html", hostile_pieces())
def test_hostile_text_stays_text(html: str) -> None:
    read = Reader(html)
    assert HOSTILE in read.text
    assert not {"script", "img", "a", "iframe"} & set(read.tags)
    assert not [name for name in read.attributes if name.startswith("on")]


def test_nothing_to_say_is_nothing_to_see() -> None:
    assert pieces.notice("") == pieces.hint({}, "props") == ""


def test_a_waiting_run_says_who_goes_first() -> None:
    said = [Reader(pieces.card(job(), place, 0)).text for place in range(3)]
    assert [text.removeprefix("No picture yet" + "a red mushroom") for text in said] == [
        "Starting.",
        "Next in the queue.",
        "In the queue: 2 runs go first.",
    ]
    assert "1 more of your runs wait behind it" in pieces.card(job(), 0, 1)


def test_a_run_shows_its_picture_stages_steps_and_the_time_that_is_left() -> None:
    one = job(refine_steps=10)
    assert one.start()
    one.report(Event("prior", 1, 1))
    one.report(Event("coarse", 100, 400))
    one.picture = b"jpeg"
    one.began = time.monotonic() - 30.0
    html = pieces.card(one, 0, 0)
    assert re.findall(r'<li class="(\w+)">(\w+)<', html) == [
        ("past", "Prompt"),
        ("now", "Shape"),
        ("next", "Refine"),
        ("next", "Mesh"),
        ("next", "Texture"),
        ("next", "Files"),
    ]
    assert 'aria-valuenow="25"' in html
    assert "Shape step 100 of 400" in Reader(html).text
    assert re.search(r"about 1:[23]\d left", html)
    assert 'src="data:image/jpeg;base64,anBlZw=="' in html
    assert ">Refine<" not in pieces.card(started(), 0, 0)


def started() -> Job:
    one = job()
    assert one.start()
    one.report(Event("bake", 0, 1))
    return one


def test_an_ended_run_says_how() -> None:
    done, stopped = started(), started()
    done.end("done")
    stopped.stop()
    assert "Done in 0:00" in pieces.card(done, 0, 0)
    assert "Stopped, nothing was kept" in pieces.card(stopped, 0, 0)
    assert "<img" not in pieces.card(done, 0, 0)


def test_a_prior_without_a_vocabulary_says_so() -> None:
    assert "reads every word" in pieces.vocabulary(None)
