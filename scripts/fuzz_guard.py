"""What must not happen while a file from anyone is read, and how it is noticed.

Python tells a hook of every file that it opens or changes, of programs, connections and unpickling (PEP 578).
Native code does not: what it writes shows in the tree of files, what it reads from files that nobody may
read shows in messages, and what memory it takes in the peak of the process.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dream3d.evaluate.memory import PeakMemory

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
        elif event == "exec" and _is_in(getattr(args[0], "co_filename", ""), self._own):
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
