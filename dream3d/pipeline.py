"""A prior that stays loaded, and runs that are driven from outside, step by step."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dream3d.asset import Asset
from dream3d.config import Config, PriorOptions, given_mesh_settings
from dream3d.errors import StoppedError
from dream3d.events import Event, OnEvent, ignore
from dream3d.finish import choose_device
from dream3d.generate import generate
from dream3d.mesh import TexturedMesh
from dream3d.prior import Prior
from dream3d.refine import refine


@dataclass(frozen=True)
class Pipeline:
    """Makes one asset after another with one prior.

        pipeline = dream3d.Pipeline.from_pretrained("props")
        settings = dream3d.load_config("draft")
        for prompt in ("a red mushroom", "a blue chair"):
            pipeline.generate(prompt, settings).save(f"{prompt}.glb")

    Its prior and device take the place of those in the settings. One thread at a time can use it.
    """

    prior: Prior
    name: str  # what the prior was opened by
    options: PriorOptions = field(default_factory=PriorOptions)

    @classmethod
    def from_pretrained(
        cls, prior: str = "props", device: str = "auto", options: PriorOptions | None = None
    ) -> "Pipeline":
        """Load a prior: `props`, a diffusers folder, or a hub id whose files are on this machine.

        Args:
            prior: Which.
            device: "auto", "cpu" or "cuda".
            options: What is added to it, such as a LoRA.

        Raises:
            InputError: It is missing or damaged, or the device is not there.
        """
        options = options or PriorOptions()
        return cls(Prior.from_pretrained(prior, choose_device(device), options=options), prior, options)

    def generate(
        self,
        prompt: str,
        config: Config | None = None,
        on_event: OnEvent = ignore,
        run_dir: str | Path | None = None,
    ) -> Asset:
        """As `dream3d.generate`."""
        return generate(prompt, self._settings(config or Config()), on_event, self.prior, run_dir)

    def refine(self, model: TexturedMesh, prompt: str, config: Config | None = None, **options: Any) -> Asset:
        """As `dream3d.refine`, with its other options."""
        settings = self._settings(config or given_mesh_settings())
        return refine(model, prompt, settings, prior=self.prior, **options)

    def start(self, prompt: str, config: Config | None = None, run_dir: str | Path | None = None) -> "Run":
        """A run of `generate` that goes on while its events are asked for."""
        return Run(lambda on_event: self.generate(prompt, config, on_event, run_dir))

    def _settings(self, config: Config) -> Config:
        """The settings as they will be true of the run."""
        device = "cuda" if self.prior.device.type == "cuda" else "cpu"
        return replace(config, prior=self.name, prior_options=self.options, device=device)


class Run:
    """A run that goes on for as long as somebody asks for its next event.

        pipeline = dream3d.Pipeline.from_pretrained("props")
        run = pipeline.start("a red mushroom", dream3d.load_config("draft"))
        pictures = []
        for event in run:
            if event.moment and event.step % 5 == 0:
                pictures.append(event.moment.preview(azimuth_deg=6.0 * event.step))
            if len(pictures) == 100:
                run.stop()
        if run.asset is not None:
            run.asset.save("mushroom.glb")

    Between two events nothing happens: not asking is a pause. An event's `moment` holds until the next one.
    The work is done in a thread of its own, a step at a time. `stop` may be called from any thread.

    Attributes:
        asset: The result; None before the end, and of a run that was stopped.
    """

    def __init__(self, work: Callable[[OnEvent], Asset]) -> None:
        """Prepare a run.

        Args:
            work: Makes the asset and tells its events.
        """
        self.asset: Asset | None = None
        self._turns = _Turns(work)

    def __iter__(self) -> "Run":
        return self

    def __next__(self) -> Event:
        """Go on to the next event.

        Raises:
            StopIteration: The run is over.
            InputError: As the work raised it, and likewise `RunError`.
        """
        event = self._turns.next_event()
        if event is None:
            self.asset = self._turns.result()
            raise StopIteration
        return event

    def stop(self) -> None:
        """End the run where it stands, and wait until it has; a run folder keeps its state."""
        self._turns.stop()

    def __del__(self) -> None:
        self._turns.ask_to_stop()  # nobody will ask for its events any more


class _Turns:
    """Lets the thread that works and the one that asks take turns."""

    def __init__(self, work: Callable[[OnEvent], Asset]) -> None:
        self._work = work
        self._thread = threading.Thread(target=self._run, name="dream3d run", daemon=True)
        self._go = threading.Semaphore(0)  # the worker's turn
        self._told = threading.Semaphore(0)  # an event is there, or the end
        self._event: Event | None = None
        self._asset: Asset | None = None
        self._error: BaseException | None = None
        self._is_started = self._is_awaited = self._is_stopping = self._is_over = False

    def next_event(self) -> Event | None:
        """Let the worker do a step; its event, or None at the end."""
        if self._is_over or (self._is_stopping and not self._is_started):
            return None
        if not self._is_awaited:  # else an interruption ended the wait for the event that was asked for
            self._is_awaited = True
            if self._is_started:
                self._go.release()
            else:
                self._is_started = True
                self._thread.start()
        self._told.acquire()
        self._is_awaited = False
        return self._event

    def result(self) -> Asset | None:
        """What the worker made; what it raised is raised, once."""
        error, self._error = self._error, None
        if error is not None and not isinstance(error, StoppedError):
            raise error
        return self._asset

    def ask_to_stop(self) -> None:
        """Let the worker end at its next event."""
        self._is_stopping = True
        self._go.release()

    def stop(self) -> None:
        """As `ask_to_stop`, and wait."""
        self.ask_to_stop()
        if self._is_started:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._asset = self._work(self._tell)
        except BaseException as error:
            self._error = error
        self._event, self._is_over = None, True
        self._told.release()

    def _tell(self, event: Event) -> None:
        if not self._is_stopping:
            self._event = event
            self._told.release()
            self._go.acquire()
        if self._is_stopping:
            raise StoppedError
