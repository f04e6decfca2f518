"""Visitors of the demo: kept apart, limited, and forgotten with all that is theirs."""

import threading
import time
from pathlib import Path

import pytest
from demo_jobs import made_in, wait_for_end

from dream3d.app.jobs import Job, Made, Worker
from dream3d.app.limits import Limits, Order
from dream3d.app.visitors import Visitor, Visitors
from dream3d.config import Config
from dream3d.errors import InputError

ORDER = Order("a red mushroom", Config())
LIMITS = Limits(
    jobs_per_visitor=2,
    assets_per_visitor=2,
    max_visitors=3,
    max_assets=3,
    keep_minutes=60,
    drop_minutes=1,
    forget_minutes=10,
)


@pytest.fixture
def visitors(tmp_path: Path):
    """Visitors whose runs are done at once, but for those with a seed of 1, which wait for ever."""

    def work(job: Job) -> Made:
        while job.order.config.seed == 1 and job.is_open:
            time.sleep(0.005)
        return made_in(job)

    worker = Worker(work, max_waiting=10)
    visitors = Visitors(tmp_path, worker, LIMITS)
    yield visitors
    visitors.close()
    assert worker.close(30.0)
    assert list(tmp_path.iterdir()) == []


def make(visitors: Visitors, visitor: Visitor) -> Made:
    job = visitors.submit(visitor, ORDER)
    wait_for_end(job)
    assert job.made
    return job.made


def test_a_visitor_is_known_by_its_secret_alone(visitors: Visitors) -> None:
    one, two = visitors.greet(None), visitors.greet("guessed")
    assert one is not two
    assert "guessed" not in (one.secret, two.secret)
    assert visitors.greet(one.secret) is visitors.find(one.secret) is one
    assert visitors.find(None) is visitors.find("") is visitors.find("guessed") is None


def test_nobody_has_the_assets_of_another(visitors: Visitors) -> None:
    one, two = visitors.greet(None), visitors.greet(None)
    made = make(visitors, one)
    assert (one.assets, two.assets) == ([made], [])
    assert one.find_asset(made.id) is made
    assert two.find_asset(made.id) is None
    assert one.find_asset({"not": "a name"}) is None
    assert one.owns(made.glb)
    assert one.owns(made.glb.parent / "export-1" / "asset.obj")
    assert not two.owns(made.glb)
    assert not one.owns(made.glb.parent.parent)


def test_a_visitor_has_so_many_runs_and_no_more(visitors: Visitors) -> None:
    visitor, endless = visitors.greet(None), Order("a", Config(seed=1))
    jobs = [visitors.submit(visitor, endless) for _ in range(2)]
    with pytest.raises(InputError, match="2 of your runs are not finished"):
        visitors.submit(visitor, endless)
    assert visitors.submit(visitors.greet(None), ORDER).is_open  # others are not held up by that
    jobs[0].stop()
    assert visitors.submit(visitor, ORDER)
    jobs[1].stop()


def test_the_oldest_assets_make_room(visitors: Visitors) -> None:
    one, two = visitors.greet(None), visitors.greet(None)
    first, second, third = (make(visitors, one) for _ in range(3))
    visitors.sweep()
    assert one.assets == [third, second]  # two for each visitor
    assert not first.glb.exists()
    others = [make(visitors, two) for _ in range(2)]
    visitors.sweep()
    assert one.assets == [third]  # three in all
    assert two.assets == others[::-1]
    visitors.sweep(time.monotonic() + 61 * 60)
    assert (one.assets, two.assets) == ([], [])


def test_runs_of_those_who_left_are_dropped_and_later_they_are_forgotten(visitors: Visitors) -> None:
    here, gone = visitors.greet(None), visitors.greet(None)
    made = make(visitors, gone)
    jobs = [visitors.submit(visitor, Order("a", Config(seed=1))) for visitor in (here, gone)]
    now = time.monotonic()
    with visitors.tab(here):
        with visitors.tab(gone):
            visitors.sweep(now + 50 * 60)  # the pages are open: nobody has left
            assert all(job.is_open for job in jobs)
        visitors.sweep(now + 50)
        assert all(job.is_open for job in jobs)  # who reloads the page is back in time
        visitors.sweep(now + 70)
        assert [job.is_open for job in jobs] == [True, False]
        assert gone.assets == [made]
        visitors.sweep(now + 11 * 60)
        assert visitors.find(gone.secret) is None
        assert not made.glb.exists()
        assert visitors.find(here.secret) is here
    jobs[0].stop()


def test_too_many_visitors_make_room_by_having_left_longest(visitors: Visitors) -> None:
    first, second, third = (visitors.greet(None) for _ in range(3))
    make(visitors, first)
    with visitors.tab(second):
        fourth = visitors.greet(None)
        assert visitors.find(third.secret) is None  # had nothing
        assert visitors.find(first.secret) is first
        with visitors.tab(first), visitors.tab(fourth), pytest.raises(InputError, match="too many visitors"):
            visitors.greet(None)


def test_files_are_made_one_after_the_other_and_one_for_a_visitor(visitors: Visitors) -> None:
    one, two = visitors.greet(None), visitors.greet(None)
    order: list[str] = []

    def export_second() -> None:
        with visitors.exporting(two):
            order.append("second")

    thread = threading.Thread(target=export_second)
    with visitors.exporting(one):
        thread.start()
        with (
            pytest.raises(InputError, match="a file of yours is being made already"),
            visitors.exporting(one),
        ):
            pass
        order.append("first")
    thread.join(30.0)
    assert order == ["first", "second"]
    with visitors.exporting(one):  # and again
        pass


def test_a_vain_run_is_remembered_until_the_next_one(visitors: Visitors) -> None:
    visitor = visitors.greet(None)
    job = visitors.submit(visitor, Order("a", Config(seed=1)))
    job.stop()
    visitors.sweep()
    assert visitor.jobs == [job]
    make(visitors, visitor)
    visitors.sweep()
    assert job not in visitor.jobs
