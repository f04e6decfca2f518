"""The loop of every stage: one step after another, back to the last good state where a step went wrong."""

import copy
import math
from collections.abc import Iterator
from typing import Protocol

from dream3d.checkpoint import State, check_form, expect_fit
from dream3d.errors import RunError
from dream3d.events import Event, Moment, OnEvent

GOOD_INTERVAL = 20  # steps between states to which a run can go back
MAX_RETREATS = 3


class DivergedError(RunError):
    """The loss was not finite again and again, with ever smaller steps."""


class SteppedRun(Moment, Protocol):
    """What the loop drives."""

    step: int  # steps done
    caution: float  # factor on all learning rates

    def do_step(self) -> float:
        """Do one step and return its loss; counting is the loop's."""
        ...

    def load_state_dict(self, state: State) -> None:
        """Be as when `state_dict` was taken; the state is copied."""
        ...


def go_on(run: SteppedRun, state: State, num_steps: int) -> None:
    """Bring a run, at its start, to where another process left it.

    Raises:
        InputError: The state is not one of such a run.
    """
    with expect_fit():
        check_form(state, run.state_dict())
        if not 0 <= state["step"] <= num_steps or not 0 < state["caution"] <= 1:
            raise ValueError(f"it is at step {state['step']} of {num_steps}")
        run.load_state_dict(state)


def take_steps(run: SteppedRun, stage: str, num_steps: int, on_event: OnEvent) -> Iterator[None]:
    """Do the steps that are left, yielding after each good one.

    Where a loss is not finite the run goes back to its last good state, and on from there with half the
    learning rates.

    Args:
        run: At any step.
        stage: For the messages.
        num_steps: Of the stage.
        on_event: Told of every way back.

    Raises:
        DivergedError: That did not help.
    """
    good = candidate = copy.deepcopy(run.state_dict())
    retreats = 0
    while run.step < num_steps:
        if run.step % GOOD_INTERVAL == 0:
            candidate = copy.deepcopy(run.state_dict())
        loss = run.do_step()
        run.step += 1
        if math.isfinite(loss):
            good = candidate  # the step from it has shown that it is
            yield
            continue
        if retreats == MAX_RETREATS:
            raise DivergedError(f"the {stage} stage is not finite after {run.step} steps, again and again")
        retreats, failed, caution = retreats + 1, run.step, run.caution * 0.5
        run.load_state_dict(good)
        run.caution = caution
        message = f"not finite after {failed} steps: back to step {run.step}, with half the learning rate"
        on_event(Event(stage, run.step, num_steps, message))
