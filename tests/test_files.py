import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dream3d.errors import InputError, RunError
from dream3d.export.files import remove_unfinished, write_files

IS_ROOT = os.geteuid() == 0


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def assert_one_line(error: pytest.ExceptionInfo[Exception]) -> None:
    assert "\n" not in str(error.value)


def test_all_files_are_written_replaced_and_nothing_else(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    write_files({tmp_path / "a": b"1", tmp_path / "b": b"", tmp_path / ("n" * 250): b"3"})
    assert contents_of(tmp_path) == {"a": b"1", "b": b"", "n" * 250: b"3"}


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from dream3d.export.files import write_files\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_files({Path(sys.argv[1]) / 'a': b'1'})"
    )
    assert (
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    )
    (tmp_path / "b.tmp").touch()
    assert len(contents_of(tmp_path)) == 2
    remove_unfinished(tmp_path)
    assert list(contents_of(tmp_path)) == ["b.tmp"]
    remove_unfinished(tmp_path / "none")


def test_mode_is_that_of_any_new_file(tmp_path):
    old_mask = os.umask(0o027)
    try:
        write_files({tmp_path / "a": b"1"})
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_missing_folder(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(InputError, match="does not exist") as error:
        write_files({tmp_path / "a": b"new", tmp_path / "none" / "b": b"new"})
    assert_one_line(error)
    assert contents_of(tmp_path) == {"a": b"old"}


def test_target_is_a_folder(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_files({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert contents_of(tmp_path) == {"a": b"old"}


def test_a_file_in_place_of_the_folder_and_a_name_too_long(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(InputError):
        write_files({tmp_path / "a" / "b": b"new"})
    with pytest.raises(InputError, match="too long"):
        write_files({tmp_path / ("n" * 300): b"new"})
    assert contents_of(tmp_path) == {"a": b"old"}


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(InputError, match="no permission"):
            write_files({tmp_path / "a": b"new"})
    finally:
        tmp_path.chmod(0o755)
    assert contents_of(tmp_path) == {}


@pytest.mark.skipif(not IS_ROOT, reason="needs root to become another user")
def test_no_permission_as_another_user(tmp_path):
    """In a child process that gave its rights away."""
    tmp_path.chmod(0o555)
    (tmp_path / "a").write_bytes(b"old")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            write_files({tmp_path / "a": b"new"})
        except InputError as error:
            code = 0 if "no permission" in str(error) or "cannot write" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert contents_of(tmp_path) == {"a": b"old"}


def test_file_size_limit_leaves_everything_as_it_was(tmp_path):
    """RLIMIT_FSIZE stands in for a full disk where nothing may be mounted: the second file does not fit."""
    (tmp_path / "a").write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(RunError, match="no room") as error:
            write_files({tmp_path / "a": b"new", tmp_path / "b": b"x" * 10_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert_one_line(error)
    assert contents_of(tmp_path) == {"a": b"old"}


def mount(*arguments: str) -> None:
    if subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")


@pytest.mark.skipif(not IS_ROOT or sys.platform != "linux", reason="needs root to mount")
def test_a_full_disk_leaves_everything_as_it_was(tmp_path):
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path))
    try:
        write_files({tmp_path / "a": b"old"})
        with pytest.raises(RunError, match="no room"):
            write_files({tmp_path / "a": b"new", tmp_path / "b": b"x" * 100_000})
        assert contents_of(tmp_path) == {"a": b"old"}
        write_files({tmp_path / "b": b"x" * 20_000})  # the room was given back
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.skipif(not IS_ROOT or sys.platform != "linux", reason="needs root to mount")
def test_a_rename_that_fails_midway_is_undone(tmp_path):
    """A file with something mounted over it cannot be replaced: the files before it are put back."""
    for name in "abc":
        (tmp_path / name).write_bytes(b"old")
    mount("--bind", str(tmp_path / "b"), str(tmp_path / "b"))
    try:
        contents = {tmp_path / name: b"new" for name in ["a", "fresh", "b", "c"]}
        with pytest.raises(RunError, match="cannot write"):
            write_files(contents)
        assert contents_of(tmp_path) == dict.fromkeys("abc", b"old")
    finally:
        subprocess.run(["umount", str(tmp_path / "b")], check=True)
