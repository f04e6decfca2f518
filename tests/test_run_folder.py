"""The folder of a run: one process, one run, the last two states, whatever goes wrong."""

import errno
import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from one_thread import ONE_THREAD

from dream3d.errors import DiskError, InputError, StoppedError
from dream3d.events import Event
from dream3d.run_folder import Checkpoints, RunFolder, open_run
from dream3d.run_record import differences, read_output, read_run, write_output


@pytest.fixture
def folder(tmp_path):
    with open_run(tmp_path / "run") as folder:
        assert folder is not None
        yield folder


def names(folder: RunFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir() if path.suffix == ".safetensors")


def state(step: int) -> dict:
    return {"step": step, "tensor": torch.full((100,), float(step))}


def test_the_last_two_states_are_kept_and_the_newest_is_read(folder):
    assert folder.latest() is None
    for step in range(1, 13):
        folder.save(state(step))
    assert names(folder) == ["checkpoint-00000011.safetensors", "checkpoint-00000012.safetensors"]
    assert folder.latest()["step"] == 12


def test_a_damaged_newest_state_leaves_the_one_before(folder):
    for step in (1, 2):
        folder.save(state(step))
    newest = folder.path / names(folder)[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    assert folder.latest()["step"] == 1
    folder.save(state(3))
    assert folder.latest()["step"] == 3


def test_other_files_are_left_alone(folder):
    strangers = ["notes.txt", "checkpoint-1.safetensors", "checkpoint-00000001.safetensors.bak"]
    for name in strangers:
        (folder.path / name).write_text("mine")
    for step in range(4):
        folder.save(state(step))
    assert all((folder.path / name).read_text() == "mine" for name in strangers)


def test_one_process_at_a_time(folder):
    with pytest.raises(InputError, match="another process works in the run folder"):
        RunFolder(folder.path)
    folder.close()
    RunFolder(folder.path).close()
    folder._lock = RunFolder(folder.path)._lock  # for the fixture to close


def test_the_folder_of_another_run_is_refused_with_what_differs(folder):
    mine = {
        "prompt": "a red mushroom",
        "settings": {"seed": 1, "coarse": {"num_steps": 6}},
        "versions": (1, 2),
    }
    folder.claim(mine)
    folder.claim(mine)
    with pytest.raises(InputError, match=r"settings.coarse.num_steps was 6 and is 7 now"):
        folder.claim(mine | {"settings": {"seed": 1, "coarse": {"num_steps": 7}}})
    with pytest.raises(InputError, match=r"prompt was 'a red mushroom' and is 'a house' now"):
        folder.claim(mine | {"prompt": "a house"})
    with pytest.raises(InputError, match=r"device was None and is 'cpu' now"):
        folder.claim(mine | {"device": "cpu"})
    assert read_run(folder.path)["settings"]["seed"] == 1


def test_differences_are_named_by_their_path():
    assert differences({"a": {"b": 1, "c": [1]}}, {"a": {"b": 1, "c": [2]}, "d": None}) == [("a.c", [1], [2])]
    assert differences({"a": 1}, {"a": {"b": 1}}) == [("a", 1, {"b": 1})]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no run folder"),
        ("", "damaged"),
        ("[]", "no object"),
        ("\xff", "damaged"),
        ("[" * 99999, "damaged"),
    ],
)
def test_what_is_no_run_folder_is_refused(tmp_path, content, says):
    if content is not None:
        (tmp_path / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=says):
        read_run(tmp_path)


def test_the_output_is_remembered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_output(tmp_path / "run") is None
    write_output(tmp_path / "run", Path("ä \udcff.glb"))
    assert read_output(tmp_path / "run") == tmp_path / "ä \udcff.glb"


def test_a_folder_that_was_removed_ends_the_run(folder):
    folder.save(state(1))
    shutil.rmtree(folder.path)
    with pytest.raises((InputError, DiskError, OSError), match=r"does not exist|No such file"):
        folder.save(state(2))


FULL_DISK = """
import resource, sys, pathlib, torch
from dream3d.errors import DiskError
from dream3d.run_folder import RunFolder
folder = RunFolder(pathlib.Path(sys.argv[1]))
folder.save({"step": 1, "tensor": torch.ones(100)})
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    folder.save({"step": 2, "tensor": torch.ones(100_000)})
except DiskError as error:
    print(error)
print(folder.latest()["step"], sorted(p.name for p in folder.path.iterdir()))
"""


def test_a_full_disk_leaves_the_last_state_and_nothing_else(tmp_path):
    words = [sys.executable, "-c", FULL_DISK, str(tmp_path / "run")]
    done = subprocess.run(words, capture_output=True, text=True, env=ONE_THREAD, check=True)
    told, left = done.stdout.splitlines()
    assert "no room left on the disk" in told
    assert left == "1 ['.lock', 'checkpoint-00000001.safetensors']"


class Still:
    """A moment whose state is where it is."""

    def __init__(self, step: int) -> None:
        self.step = step

    def preview(self, azimuth_deg: float = 0.0):
        raise NotImplementedError

    def state_dict(self):
        return {"step": self.step}


def follow(folder: RunFolder, num_steps: int, seconds: float, stop_at: int | None = None) -> list[int]:
    """The steps at which states were saved."""
    saved: list[int] = []

    def on_event(event: Event) -> None:
        if event.step == stop_at:
            raise StoppedError

    def describe(event: Event):
        saved.append(event.step)
        return event.moment.state_dict()

    checkpoints = Checkpoints(folder, on_event, describe, seconds)
    for step in range(1, num_steps + 1):
        checkpoints(Event("coarse", step, num_steps, moment=Still(step)))
        checkpoints(Event("coarse", step, num_steps, "a message without a moment"))
    return saved


def test_states_are_saved_now_and_then_and_at_the_end(folder):
    assert follow(folder, 5, seconds=0.0) == [1, 2, 3, 4, 5]
    assert follow(folder, 5, seconds=1e9) == [5]


def test_a_run_that_is_stopped_keeps_its_state(folder):
    with pytest.raises(StoppedError):
        follow(folder, 9, seconds=1e9, stop_at=4)
    assert folder.latest() == {"step": 4}


def test_no_folder_no_work():
    with open_run(None) as folder:
        assert folder is None


def test_the_record_is_json_that_people_can_read(folder):
    folder.claim({"prompt": "ein roter Pilz", "settings": {"seed": 1}})
    assert json.loads((folder.path / "run.json").read_text())["settings"] == {"seed": 1}


def test_what_a_killed_process_half_wrote_is_removed(tmp_path):
    half = tmp_path / "run" / ".dream3d-xyz.tmp"
    half.parent.mkdir()
    half.write_bytes(b"half")
    with open_run(tmp_path / "run"):
        assert not half.exists()


def test_a_file_system_without_locks_has_run_folders_too(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with open_run(tmp_path / "run") as folder:
        folder.save(state(1))
        assert folder.latest()["step"] == 1
