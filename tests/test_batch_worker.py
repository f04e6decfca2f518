"""What a worker does with one item, in this process and with a tiny prior."""

import gc
import json
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from prior_folders import write_tiny_prior

from dream3d.batch.local import threads_for
from dream3d.batch.messages import Failed, Heard, Made, Task
from dream3d.batch.overrides import with_settings
from dream3d.batch.ray_farm import cpus_for_each
from dream3d.batch.worker import Worker
from dream3d.config import Config
from dream3d.errors import StoppedError
from dream3d.prior.folder import weights_sha256
from dream3d.run_folder import open_run

SMALL = {
    "coarse": {"num_steps": 4},
    "refine": {"num_steps": 2, "lattice_resolution": 16},
    "extract": {"target_faces": 200, "resolution": 32},
    "bake": {"texture_size": 64},
}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    prior = write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")
    config = with_settings(Config(prior=str(prior), device="cpu"), SMALL)
    return Task("a red mushroom", config, "mushroom.glb", weights_sha256(prior), "/nowhere/run")


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker()


@pytest.fixture(scope="module")
def made(worker: Worker, task: Task) -> Made:
    """Without a run folder: on a machine that does not see the driver's files."""
    found = worker.work(task, ignore)
    assert isinstance(found, Made)
    return found


def ignore(_: Heard) -> None:
    pass


def die_in_refine(sign: Heard) -> None:
    if sign.stage == "refine":
        raise StoppedError


def test_whole_files_come_back_the_main_one_last(made: Made) -> None:
    assert list(made.files) == ["mushroom.json", "mushroom.png", "mushroom.glb"]
    report = json.loads(made.files["mushroom.json"])
    assert (report["prompt"], report["file"], report["faces"]) == ("a red mushroom", "mushroom.glb", 200)
    assert report["metrics"]["peak_memory_mb"] > 100


def test_it_goes_on_where_another_attempt_was(worker: Worker, made: Made, task: Task, tmp_path: Path) -> None:
    task = replace(task, run_folder=str(tmp_path / "run"))
    stages: list[str] = []
    assert isinstance(worker.work(task, die_in_refine), Failed)
    again = worker.work(task, lambda sign: stages.append(sign.stage))
    assert isinstance(again, Made)
    assert again.files["mushroom.glb"] == made.files["mushroom.glb"]
    assert "refine" in stages
    assert "coarse" not in stages


def test_a_run_that_cannot_be_continued_is_begun_anew(
    worker: Worker, made: Made, task: Task, tmp_path: Path
) -> None:
    task = replace(task, run_folder=str(tmp_path / "run"))
    assert isinstance(worker.work(task, die_in_refine), Failed)
    record = tmp_path / "run" / "run.json"
    facts = json.loads(record.read_text())
    record.write_text(json.dumps(facts | {"versions": {"dream3d": "0.0.1"}}))
    stages: list[str] = []
    again = worker.work(task, lambda sign: stages.append(sign.stage))
    assert isinstance(again, Made)
    assert again.files["mushroom.glb"] == made.files["mushroom.glb"]
    assert "coarse" in stages


def test_what_would_fail_again_is_not_tried_again(worker: Worker, task: Task) -> None:
    unknown = worker.work(replace(task, prompt="zeppelin"), ignore)
    other = worker.work(replace(task, prior_sha256="0" * 64), ignore)
    for failed, words in ((unknown, "knows no word of 'zeppelin'"), (other, "has other weights here")):
        assert isinstance(failed, Failed)
        assert words in failed.reason
        assert (failed.is_final, failed.is_broken) == (True, False)


def test_too_little_memory_is_said_and_costs_the_item_only(worker: Worker, made: Made, task: Task) -> None:
    large = {"finest_resolution": 1024, "log2_hashmap_size": 24}  # half a gigabyte
    config = with_settings(task.config, {"coarse": {"radiance_field": large}})
    gc.collect()  # what is freed meanwhile would make room
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (1 << 26), limits[1]))
    try:
        failed = worker.work(replace(task, config=config), ignore)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("out of memory; fewer --workers")
    assert (failed.is_final, failed.is_broken) == (False, True)
    again = worker.work(task, ignore)
    assert isinstance(again, Made)
    assert again.files["mushroom.glb"] == made.files["mushroom.glb"]


def test_another_prior_takes_the_place_of_the_last(worker: Worker, task: Task, tmp_path: Path) -> None:
    folder = shutil.copytree(task.config.prior, tmp_path / "other")
    card = folder / "dream3d.json"
    card.write_text(card.read_text().replace('"tiny"', '"other"'))
    config = replace(task.config, prior=str(folder))
    made = worker.work(replace(task, config=config), ignore)
    assert isinstance(made, Made)
    assert json.loads(made.files["mushroom.json"])["prior"] == "other"


@pytest.mark.parametrize(
    ("cpus", "workers", "each"),
    [([2], 2, 1), ([2], 1, 2), ([16, 16], 4, 8), ([4, 12], 2, 6), ([4, 12], 3, 4), ([2], 5, 1), ([], 1, 1)],
)
def test_actors_get_as_many_cpus_as_fit(cpus: list[int], workers: int, each: int) -> None:
    assert cpus_for_each(cpus, workers) == each
    if sum(cpus) >= workers:
        assert sum(count // each for count in cpus) >= workers
        assert sum(count // (each + 1) for count in cpus) < workers


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, threads in (("", 5), ("2", 2), ("64", 5), ("nonsense", 5)):
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        assert threads_for(16, 3) == threads
    assert threads_for(2, 3) == 1


def test_a_run_in_the_hands_of_another_process_is_left_to_it(
    worker: Worker, task: Task, tmp_path: Path
) -> None:
    task = replace(task, run_folder=str(tmp_path / "run"))
    assert isinstance(worker.work(task, die_in_refine), Failed)
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    with open_run(tmp_path / "run"):
        failed = worker.work(task, ignore)
    assert isinstance(failed, Failed)
    assert "another process works in the run folder" in failed.reason
    assert (failed.is_final, failed.keeps_run) == (False, True)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before
