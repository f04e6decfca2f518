"""What one worker does, the same in every engine: asset after asset, with the last prior kept loaded."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dream3d.asset import Asset
from dream3d.batch.messages import Failed, Heard, Made, Task
from dream3d.config import PriorOptions
from dream3d.errors import BusyError, DiskError, InputError, RunError, is_out_of_memory
from dream3d.evaluate.memory import PeakMemory
from dream3d.events import Event, OnEvent
from dream3d.finish import choose_device
from dream3d.generate import generate
from dream3d.prior import Prior

SECONDS_BETWEEN_SIGNS = 1.0

Tell = Callable[[Heard], None]


class Worker:
    """Makes assets. It writes none of them: whoever holds the claim on an item does."""

    def __init__(self) -> None:
        self._opened: tuple[str, str, PriorOptions] | None = None
        self._prior: Prior | None = None

    def work(self, task: Task, tell: Tell) -> Made | Failed:
        """Make one asset.

        Args:
            task: What to make.
            tell: Called about once a second while there is progress.

        Returns:
            The files, or why there are none. Nothing is raised but what ends the process.
        """
        try:
            return Made(self._make(task, _spaced(tell)))
        except BusyError as error:  # whoever was thought to be gone is not yet
            return Failed(_one_line(error), is_final=False, keeps_run=True)
        except InputError as error:
            return Failed(_one_line(error), is_final=True)
        except DiskError as error:
            return Failed(_one_line(error), is_final=False, is_disk=True)
        except RunError as error:
            return Failed(_one_line(error), is_final=False)
        except Exception as error:  # of any library: it must cost this item's time only
            return Failed(_explained(error), is_final=False, is_broken=True)

    def _make(self, task: Task, on_event: OnEvent) -> dict[str, bytes]:
        prior = self._open(task)
        peak = PeakMemory()
        asset = _generated(task, on_event, prior)
        asset = replace(asset, metrics=asset.metrics | {"peak_memory_mb": peak.megabytes()})
        with TemporaryDirectory(prefix="dream3d-") as folder:
            main, *others = asset.save(Path(folder) / task.file)
            return {path.name: path.read_bytes() for path in (*others, main)}

    def _open(self, task: Task) -> Prior:
        """The prior of a task; the one before it makes room first.

        Raises:
            InputError: It is not the one that the driver has under this name.
        """
        config = task.config
        wanted = (config.prior, choose_device(config.device), config.prior_options)
        if self._prior is None or self._opened != wanted:
            self._prior = None
            self._prior = Prior.from_pretrained(config.prior, wanted[1], options=config.prior_options)
            self._opened = wanted
        if self._prior.sha256 != task.prior_sha256:
            raise InputError(f"the prior {config.prior!r} has other weights here than at the driver")
        return self._prior


def _generated(task: Task, on_event: OnEvent, prior: Prior) -> Asset:
    """The asset; what an earlier attempt has left in the run folder is where it goes on."""
    run_folder = Path(task.run_folder)
    if not run_folder.parent.is_dir():  # another machine, which does not see the driver's files
        return generate(task.prompt, task.config, on_event, prior)
    was_begun = run_folder.is_dir()
    try:
        return generate(task.prompt, task.config, on_event, prior, run_folder)
    except BusyError:
        raise
    except InputError:
        if not was_begun:
            raise
    # Perhaps it was begun on another device or by another version: anew. If not, this fails again.
    shutil.rmtree(run_folder, ignore_errors=True)
    return generate(task.prompt, task.config, on_event, prior, run_folder)


def _spaced(tell: Tell) -> OnEvent:
    """Pass events on, the first of each stage and then not too many."""
    stage, told = "", 0.0

    def on_event(event: Event) -> None:
        nonlocal stage, told
        now = time.monotonic()
        if event.stage != stage or now - told >= SECONDS_BETWEEN_SIGNS:
            stage, told = event.stage, now
            tell(Heard(event.stage, event.step, event.num_steps))

    return on_event


def _explained(error: Exception) -> str:
    text = _one_line(error)
    if is_out_of_memory(error):
        return "out of memory; fewer --workers, or smaller settings of this item, need less"
    return f"{type(error).__name__}: {text}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
