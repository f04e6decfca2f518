"""What the page does when something happens. All that these know of a visitor is its cookie."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from dream3d.app import pieces
from dream3d.app.files import export
from dream3d.app.jobs import Made
from dream3d.app.limits import EXPORT_FORM, ORDER_FORM, Limits, read_export, read_order
from dream3d.app.visitors import Visitor, Visitors
from dream3d.config import Config
from dream3d.errors import InputError, RunError
from dream3d.inputs import MAX_PROMPT_LENGTH
from dream3d.prior import Prior
from dream3d.prior.vocabulary import Vocabulary

RELOAD = "the page was closed for too long, or the server was started again: reload the page"
GONE = "this asset is not kept any more: generate it again"
BUSY_SECONDS, IDLE_SECONDS = 1.0, 4.0  # between two looks of the page


@dataclass(frozen=True)
class Shown:
    """What a tab shows, so that only what changes is sent to it."""

    card: str = ""
    assets: tuple[str, ...] = ()  # of the gallery
    asset: str = ""  # in the viewer


@dataclass(frozen=True)
class View:
    """The parts of the page that follow a visitor's runs and assets: components, or what becomes of them."""

    card: Any
    stop: Any
    timer: Any
    viewer: Any
    turntable: Any
    facts: Any
    download: Any
    faces: Any
    file: Any
    gallery: Any
    shown: Any

    def parts(self) -> list[Any]:
        """All of them, in the order in which Gradio takes them."""
        return [getattr(self, part.name) for part in fields(self)]


class Handlers:
    """The demo's side of every button."""

    def __init__(
        self, settings: Config, limits: Limits, prior: Prior, visitors: Visitors, cookie: str
    ) -> None:
        self.settings = settings
        self.limits = limits
        self.prior = prior
        self.visitors = visitors
        self.cookie = cookie
        self._numbers = itertools.count(1)  # of exports

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What the prior knows; None if it reads every word."""
        return getattr(self.prior.card, "vocabulary", None)

    def order(self, request: gr.Request, *values: object) -> tuple[Any, Any]:
        """Put a run into the queue: a notice, and the seed that was drawn."""
        visitor = self._visitor(request)
        if visitor is None:
            return pieces.notice(RELOAD), gr.skip()
        try:
            order = read_order(dict(zip(ORDER_FORM, values, strict=True)), self.settings, self.limits)
            self._check_words(order.prompt)
            self.visitors.submit(visitor, order)
        except InputError as error:
            return pieces.notice(str(error)), gr.skip()
        return "", order.config.seed

    def stop(self, request: gr.Request) -> None:
        """Stop the visitor's oldest run that is not finished."""
        visitor = self._visitor(request)
        for job in visitor.open_jobs[:1] if visitor else []:
            job.stop()

    def refresh(self, request: gr.Request, shown: Shown) -> list[Any]:
        """Show what is new."""
        visitor = self._visitor(request)
        if visitor is None:
            return _nothing_new(card=pieces.notice(RELOAD)).parts()
        assets = visitor.assets
        ids = tuple(made.id for made in assets)
        # The newest asset is shown when it is done, and when the one that was looked at is gone.
        asset = shown.asset if shown.asset in ids and ids[:1] == shown.assets[:1] else (ids or ("",))[0]
        return self._view(visitor, assets, shown, asset).parts()

    def choose(self, request: gr.Request, event: gr.SelectData, shown: Shown) -> list[Any]:
        """Show the asset that was picked in the gallery."""
        visitor, index = self._visitor(request), event.index
        if visitor is None or not isinstance(index, int) or not 0 <= index < len(shown.assets):
            return _nothing_new().parts()
        made = visitor.find_asset(shown.assets[index])
        return self._view(visitor, visitor.assets, shown, made.id if made else shown.asset).parts()

    def hint(self, prompt: object) -> str:
        """What the prior does not know of a prompt that is being typed."""
        if not isinstance(prompt, str) or len(prompt) > MAX_PROMPT_LENGTH:
            return ""
        return pieces.hint(self.prior.unknown_words(prompt), f"the prior {self.prior.name!r}")

    def export(self, request: gr.Request, shown: Shown, *values: object) -> tuple[Any, Any]:
        """Make a file of the asset that is shown: a notice, and the file."""
        visitor = self._visitor(request)
        made = visitor.find_asset(shown.asset) if visitor else None
        if visitor is None or made is None:
            return pieces.notice(GONE), gr.skip()
        try:
            order = read_export(dict(zip(EXPORT_FORM, values, strict=True)), self.limits)
            with self.visitors.exporting(visitor):
                path = export(made, order, next(self._numbers))
        except (InputError, RunError) as error:
            return pieces.notice(str(error)), gr.skip()
        except FileNotFoundError:  # removed meanwhile
            return pieces.notice(GONE), gr.skip()
        except OSError as error:
            return pieces.notice(f"the file cannot be written: {error.strerror}"), gr.skip()
        size = path.stat().st_size / 1e6
        label = f"Download {path.name} ({size:.1f} MB)"
        return "", gr.DownloadButton(label, value=path, visible=True)

    def _visitor(self, request: gr.Request) -> Visitor | None:
        return self.visitors.find(request.cookies.get(self.cookie))

    def _check_words(self, prompt: str) -> None:
        """Refuse at once what names nothing to the prior, not only when its turn comes."""
        words = self.vocabulary
        if words is not None and not words.names_thing(prompt):
            raise InputError(f"the prior {self.prior.name!r} knows no such thing; see below what it knows")

    def _view(self, visitor: Visitor, assets: Sequence[Made], shown: Shown, asset: str) -> View:
        card = self._card(visitor)
        ids = tuple(made.id for made in assets)
        is_busy = bool(visitor.open_jobs)
        changes: dict[str, Any] = {
            "stop": gr.Button(interactive=is_busy),
            "timer": gr.Timer(BUSY_SECONDS if is_busy else IDLE_SECONDS),
            "shown": Shown(card, ids, asset),
        }
        if card != shown.card:
            changes["card"] = card
        if ids != shown.assets:
            entries = [(str(made.picture), made.report["prompt"]) for made in assets]
            changes["gallery"] = gr.Gallery(entries, visible=bool(entries), selected_index=None)
        if asset != shown.asset:
            changes |= _result(visitor.find_asset(asset))
        return _nothing_new(**changes)

    def _card(self, visitor: Visitor) -> str:
        """The run that goes on, or the newest one."""
        now = time.monotonic()
        jobs = visitor.open_jobs
        for job in jobs:
            job.seen = now
        job = jobs[0] if jobs else visitor.jobs[-1] if visitor.jobs else None
        if job is None:
            return pieces.WELCOME
        return pieces.card(job, self.visitors.place(job), max(0, len(jobs) - 1))


def _nothing_new(**changes: Any) -> View:
    """A view in which nothing changes but what is given."""
    return View(**{part.name: changes.get(part.name, gr.skip()) for part in fields(View)})


def _result(made: Made | None) -> dict[str, Any]:
    """The parts of a view that show an asset; None hides them."""
    if made is None:
        return {"viewer": None, "turntable": None, "facts": "", "download": None}
    faces = int(made.report["faces"])
    return {
        "viewer": str(made.glb),
        "turntable": str(made.turntable),
        "facts": pieces.facts(made.report),
        "download": gr.DownloadButton(f"Download {made.glb.name}", value=str(made.glb)),
        "faces": gr.Slider(maximum=faces, value=faces),
        "file": gr.DownloadButton(visible=False),
    }
