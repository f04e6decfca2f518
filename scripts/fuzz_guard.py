"""What must not happen while a file from anyone is read, and how it is noticed.

Python tells a hook of every file that it opens or changes, of programs, connections and unpickling (PEP 578).
Native code does not: what it writes shows in the tree of files, what it reads from files that nobody may
read shows in messages, and what memory it takes in the peak of the process.
"""

import errno
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz_strategies import CANARY

from dream3d.errors import InputError, RunError
from dream3d.evaluate.memory import PeakMemory

MAX_SECONDS = 10.0  # of computing
MAX_MEGABYTES = 600.0  # more than before

ROOT = Path(__file__).resolve().parent.parent
CHANGES = frozenset(
    f"os.{name}"
    for name in (
        "remove",
        "rename",
        "rmdir",
        "mkdir",
        "link",
        "symlink",
        "truncate",
        "chmod",
        "chown",
        "utime",
    )
) | {"shutil.rmtree", "shutil.move", "shutil.copyfile"}
NEVER = frozenset(
    (
        *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"),
        *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"),
        *("pickle.find_class", "code.__new__"),
    )
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
DEVICES = ("/dev/null",)
READABLE = (
    "/proc",
    "/sys",
    "/dev/null",
    "/dev/urandom",
    "/usr/share",
    "/usr/lib",
    "/lib",
    "/etc/ld.so.cache",
)


class Guard:
    """Notices what a reader of files does beyond reading them. One for each process: hooks stay."""

    def __init__(self, sandbox: Path) -> None:
        """Watch over everything but what is under the sandbox's `box`, `home` and `tmp`."""
        self.seen: list[str] = []
        self._is_armed = False
        self._own = tuple(str((sandbox / name).resolve()) for name in ("box", "home", "tmp"))
        libraries = {str(Path(path or ".").resolve()) for path in (*sys.path, sys.prefix, sys.base_prefix)}
        self._readable = (*self._own, *READABLE, str(ROOT), *libraries)
        sys.addaudithook(self._hook)

    @staticmethod
    def held_mb() -> float:
        """What the process holds now."""
        return PeakMemory().megabytes() or 0.0

    def __enter__(self) -> "Guard":
        self.seen = []
        self._memory = PeakMemory()
        self._is_armed = True
        return self

    def __exit__(self, *_: object) -> None:
        self._is_armed = False
        self.peak_mb = self._memory.megabytes() or 0.0

    def _hook(self, event: str, args: Sequence[object]) -> None:
        if not self._is_armed:
            return
        if event in NEVER:
            self._note(event, args)
        elif event == "open":
            is_written = isinstance(args[2], int) and bool(args[2] & WRITING)
            self._check(event, args[:1], (*self._own, *DEVICES) if is_written else self._readable)
        elif event in CHANGES:
            self._check(event, args[:2], self._own)
        elif event == "exec":
            source = getattr(args[0], "co_filename", "")  # "<string>" of what libraries make up themselves
            if not source.startswith("<") and _is_in(source, self._own):
                self._note(event, args)

    def _check(self, event: str, paths: Iterable[object], folders: tuple[str, ...]) -> None:
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike) and not _is_in(os.fspath(path), folders):
                self._note(event, [path])

    def _note(self, event: str, args: Sequence[object]) -> None:
        self.seen.append(f"{event} {', '.join(map(repr, args))}"[:300])


def _is_in(path: str | bytes, folders: tuple[str, ...]) -> bool:
    """Whether a path, links followed, is one of the folders or under it."""
    real = os.path.realpath(os.fsdecode(path))
    return any(real == folder or real.startswith(folder + os.sep) for folder in folders)


def tree(sandbox: Path) -> Mapping[str, tuple[int, int, int]]:
    """Every file and folder that reading must not change: kind, size and time of change.

    Not among them: temporary files, and the encoded prompts that are kept in the user's cache.
    """
    found: dict[str, tuple[int, int, int]] = {}
    for top in ("box", "home", "outside"):
        for place, folders, files in os.walk(sandbox / top):
            if place == str(sandbox / "home"):
                folders[:] = [name for name in folders if name != "dream3d"]
            for name in folders + files:
                status = os.lstat(path := os.path.join(place, name))
                is_file = name in files
                found[path] = (status.st_mode, status.st_size * is_file, status.st_mtime_ns * is_file)
    return found


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    kind: str  # "accepted", "refused", or what was found: the type of an exception, "slow", "memory", ...
    detail: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether something has to be mended."""
        return self.kind not in ("accepted", "refused")


def prepare_sandbox(folder: Path) -> None:
    """Folders that may be changed, one that may not, and an environment that knows no others."""
    for name in ("box", "home", "tmp", "outside"):
        (folder / name).mkdir()
    for name in ("secret.txt", "model.safetensors", "config.json"):
        (folder / "outside" / name).write_text(CANARY)
    for variable in ("HOME", "XDG_CACHE_HOME", "HF_HOME"):
        os.environ[variable] = str(folder / "home")
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
    os.chdir(folder / "box")


def examine(read: Callable[[bytes, Path], None], content: bytes, sandbox: Path, guard: Guard) -> Outcome:
    """Let a reader have one input, and see what it does.

    Args:
        read: Takes the input and the folder `box`, and leaves that as it was.
        content: The input.
        sandbox: From `prepare_sandbox`.
        guard: Of this process.
    """
    before, held, started, said = tree(sandbox), guard.held_mb(), time.process_time(), ""
    try:
        with guard:
            read(content, sandbox / "box")
    except (InputError, RunError) as error:
        said = str(error)
    except BaseException as error:  # whatever it is, it should not have come out
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(last.filename).name}:{last.name}"
        return Outcome(place, "".join(traceback.format_exception(error))[-4000:])
    seconds, grown = time.process_time() - started, guard.peak_mb - held
    after = tree(sandbox)
    if guard.seen:
        return Outcome(f"broke out: {guard.seen[0].split(' ')[0]}", "\n".join(guard.seen))
    if after != before:
        return Outcome("files changed", str(sorted(set(after.items()) ^ set(before.items()))[:4]))
    if CANARY in said:
        return Outcome("told a secret", said)
    if "allocate" in said or grown > MAX_MEGABYTES:
        return Outcome("memory", f"{grown:.0f} MB more; {said}")
    if seconds > MAX_SECONDS:
        return Outcome("slow", f"{seconds:.1f} s; {said}")
    return Outcome("refused", said) if said else Outcome("accepted")
