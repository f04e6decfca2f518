"""The loop that takes the steps of a stage."""

import math

import pytest

from dream3d.errors import InputError, RunError
from dream3d.events import Event
from dream3d.optimize.loop import DivergedError, go_on, take_steps


class Walk:
    """A run whose state is one number; some of its steps, counted over all attempts, go wrong."""

    def __init__(self, *bad: int, spoils: bool = False) -> None:
        self.bad, self.spoils = bad, spoils
        self.position, self.tries = [0.0], 0
        self.step, self.caution = 0, 1.0

    def do_step(self) -> float:
        self.tries += 1
        if self.tries in self.bad:
            self.position[0] = math.nan
            return 1.0 if self.spoils else math.nan
        self.position[0] += self.caution
        return self.position[0]

    def state_dict(self):
        return {"position": self.position, "step": self.step, "caution": self.caution}

    def load_state_dict(self, state) -> None:
        self.position[:] = state["position"]
        self.step, self.caution = state["step"], state["caution"]

    def preview(self, azimuth_deg: float = 0.0):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"step": -1}, "at step -1 of 9"),
        ({"step": 10}, "at step 10 of 9"),
        ({"caution": 0.0}, "at step 4"),
        ({"caution": math.nan}, "state.caution"),
        ({"position": []}, "state.position"),
        ({"more": 1}, "state is not"),
    ],
)
def test_a_state_that_no_run_was_in_is_refused(change, says):
    state = {"position": [4.0], "step": 4, "caution": 0.5}
    with pytest.raises(InputError, match=f"does not fit this run: .*{says}"):
        go_on(Walk(), state | change, 9)
    run = Walk()
    go_on(run, state, 9)
    assert run.state_dict() == state


def walk(run: Walk, num_steps: int) -> list[str]:
    events: list[Event] = []
    steps = [run.step for _ in take_steps(run, "walk", num_steps, events.append)]
    assert steps[-1] == num_steps
    return [event.message for event in events]


def test_good_steps_are_counted_and_nothing_is_said():
    run = Walk()
    assert walk(run, 50) == []
    assert (run.position, run.tries, run.caution) == ([50.0], 50, 1.0)


def test_the_way_back_leads_to_the_last_good_state_with_half_the_rate():
    run = Walk(47)
    assert walk(run, 50) == ["not finite after 47 steps: back to step 40, with half the learning rate"]
    assert (run.position, run.tries) == ([40.0 + 10 * 0.5], 47 + 10)


def test_a_failure_in_the_first_step_starts_again():
    run = Walk(1, 2)
    assert walk(run, 5) == ["not finite after 1 steps: back to step 0, with half the learning rate"] * 2
    assert run.position == [5 * 0.25]


def test_a_state_that_a_finite_loss_hid_is_never_gone_back_to():
    # The 40th step leaves NaN behind although its own loss was fine: the state after it is no good.
    run = Walk(40, spoils=True)
    assert walk(run, 50) == ["not finite after 41 steps: back to step 20, with half the learning rate"]
    assert run.position == [20.0 + 30 * 0.5]


def test_what_fails_again_and_again_ends():
    run = Walk(*range(30, 99))
    with pytest.raises(DivergedError, match="walk stage is not finite"):
        walk(run, 50)
    assert issubclass(DivergedError, RunError)


def test_a_run_in_its_middle_goes_on_from_there():
    run = Walk()
    run.step = 48
    assert walk(run, 50) == []
    assert run.tries == 2
