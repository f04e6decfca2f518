"""A warm prior, and runs that are driven from outside."""

import gc
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from prior_folders import write_tiny_prior

import dream3d
from dream3d.config import BakeConfig, Config, ExtractConfig
from dream3d.errors import InputError, StoppedError
from dream3d.events import Event, OnEvent
from dream3d.pipeline import Pipeline, Run
from dream3d.stage_config import CoarseConfig, FieldConfig, RefineConfig

TINY = Config(
    coarse=CoarseConfig(
        num_steps=4,
        radiance_field=FieldConfig(num_levels=4, log2_hashmap_size=10, finest_resolution=24, hidden_size=16),
        occupancy_resolution=16,
    ),
    refine=RefineConfig(num_steps=2, lattice_resolution=12),
    extract=ExtractConfig(resolution=24, target_faces=100),
    bake=BakeConfig(texture_size=64),
)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Pipeline:
    return Pipeline.from_pretrained(str(write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")))


def test_a_run_that_is_asked_for_its_events_makes_what_generate_makes(pipeline):
    straight = pipeline.generate("a red mushroom", TINY)
    run = pipeline.start("a red mushroom", TINY)
    assert run.asset is None
    events = list(run)
    assert [event.step for event in events if event.stage == "coarse"] == [1, 2, 3, 4]
    assert [event.step for event in events if event.stage == "refine"] == [1, 2]
    np.testing.assert_array_equal(run.asset.mesh.vertices, straight.mesh.vertices)
    np.testing.assert_array_equal(run.asset.material.base_color_srgb, straight.material.base_color_srgb)
    assert next(run, None) is None  # it stays over


def test_the_settings_say_what_was_used(pipeline):
    asset = pipeline.generate("a red mushroom", TINY)
    settings = asset.textured_mesh.metadata["settings"]
    assert settings["prior"] == pipeline.name
    assert settings["device"] == pipeline.prior.device.type


def counting(num_events: int, done: list[int]) -> Callable[[OnEvent], None]:
    """Work that tells events, and how far it has come."""

    def work(on_event: OnEvent) -> None:
        for step in range(num_events):
            done.append(step)
            on_event(Event("work", step, num_events))

    return work


def test_not_asking_is_a_pause():
    done: list[int] = []
    run = Run(counting(9, done))
    assert done == []
    for step in range(3):
        assert next(run).step == step
        time.sleep(0.02)
        assert done == list(range(step + 1))
    run.stop()


def test_a_run_that_is_stopped_ends_and_has_no_asset(pipeline):
    run = pipeline.start("a red mushroom", TINY)
    for event in run:
        if event.stage == "coarse":
            run.stop()
    assert event.step == 1
    assert run.asset is None
    run.stop()  # once more does no harm


def test_a_run_can_be_stopped_before_it_starts():
    done: list[int] = []
    run = Run(counting(9, done))
    run.stop()
    assert list(run) == []
    assert done == []


def test_a_run_can_be_stopped_from_another_thread_while_it_works():
    is_working, may_go_on = threading.Event(), threading.Event()

    def work(on_event: OnEvent) -> None:
        is_working.set()
        may_go_on.wait(10)
        on_event(Event("work", 1, 1))
        raise AssertionError("the event should have ended it")

    run = Run(work)
    seen: list[Event] = []
    asking = threading.Thread(target=lambda: seen.extend(run))
    asking.start()
    assert is_working.wait(10)
    stopping = threading.Thread(target=run.stop)
    stopping.start()
    time.sleep(0.02)
    may_go_on.set()
    asking.join(10)
    stopping.join(10)
    assert not asking.is_alive()
    assert not stopping.is_alive()
    assert seen == []


def test_what_the_work_raises_reaches_whoever_asks(pipeline):
    with pytest.raises(InputError, match="the prompt is empty"):
        list(pipeline.start("  "))


def test_a_run_that_nobody_holds_ends():
    done: list[int] = []
    run = Run(counting(9, done))
    next(run)
    thread = run._turns._thread
    del run
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
    assert done == [0]


def test_an_observer_may_stop_generate(pipeline):
    seen: list[Event] = []

    def stop(event: Event) -> None:
        seen.append(event)
        raise StoppedError

    with pytest.raises(StoppedError):
        pipeline.generate("a red mushroom", TINY, stop)
    assert len(seen) == 1


def test_a_stopped_run_goes_on_from_its_folder(pipeline, tmp_path):
    straight = pipeline.generate("a red mushroom", TINY)
    run = pipeline.start("a red mushroom", TINY, tmp_path / "run")
    for event in run:
        if event.stage == "refine":
            run.stop()
    events: list[Event] = []
    asset = pipeline.generate("a red mushroom", TINY, events.append, tmp_path / "run")
    assert "coarse" not in {event.stage for event in events}
    np.testing.assert_array_equal(asset.mesh.vertices, straight.mesh.vertices)


def test_refine_takes_the_warm_prior(pipeline):
    asset = pipeline.generate("a red mushroom", TINY)
    paint = dream3d.stage_config.PaintConfig(num_steps=2)
    again = pipeline.refine(asset.textured_mesh, "a blue mushroom", TINY, paint=paint)
    assert again.textured_mesh.metadata["prompt"] == "a blue mushroom"
    assert again.textured_mesh.metadata["prior_sha256"] == pipeline.prior.sha256


def test_refine_without_settings_says_what_was_used_too(pipeline):
    asset = pipeline.generate("a red mushroom", TINY)
    paint = dream3d.stage_config.PaintConfig(num_steps=1)
    settings = pipeline.refine(asset.textured_mesh, "a house", paint=paint).textured_mesh.metadata["settings"]
    assert (settings["prior"], settings["device"]) == (pipeline.name, pipeline.prior.device.type)


def test_a_wait_that_was_interrupted_is_taken_up_again():
    done: list[int] = []
    run = Run(counting(6, done))
    assert next(run).step == 0
    told = run._turns._told

    class Interrupted:
        def acquire(self):
            run._turns._told = told
            raise KeyboardInterrupt

        def release(self):
            told.release()

    run._turns._told = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        next(run)
    for step in range(1, 6):
        assert next(run).step == step
        time.sleep(0.02)
        assert done == list(range(step + 1))  # no work while nobody asks
    run.stop()
