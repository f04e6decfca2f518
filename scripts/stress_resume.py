"""Does a run survive what can happen to it? Faults at random instants, then the file of a quiet run.

    python scripts/stress_resume.py --kills 100               # SIGKILL, again and again, until it is through
    sudo python scripts/stress_resume.py --full 20 --locked 20  # a small disk fills up, a folder is locked

Each fault must leave a run that goes on to the same .glb; a full disk or a locked folder must end it with
exit code 1 or 2 and a line that says so. What is counted is written to OUTPUT as it happens.
"""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

Fault = Literal["kill", "full", "locked"]
DISK_MEGABYTES = 40


@dataclass
class Stress:
    """Interrupt runs and compare what they make in the end."""

    kills: int = 0
    """How many times a run is killed."""
    full: int = 0
    """How many times its disk is full."""
    locked: int = 0
    """How many times nothing can be written to its folder any more."""
    prompt: str = "a red mushroom"
    """What is made."""
    options: str = "--config draft"
    """Of `dream3d generate`: --options="--config draft --seed 3"."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out/stress_resume.json")
    """Where the counts go."""
    seed: int = 0
    """Of the instants."""
    counts: tyro.conf.Suppress[Counter[str]] = field(default_factory=Counter)

    def run(self) -> None:
        """Do all faults; exit with 1 if one of them was not survived."""
        draw = random.Random(self.seed)
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            started = time.monotonic()
            if self._program(work, "quiet.glb").wait():
                sys.exit(f"stress_resume: the quiet run failed: {(work / 'stderr.txt').read_text()}")
            quiet, seconds = (work / "quiet.glb").read_bytes(), time.monotonic() - started
            while self.counts["kill"] < self.kills:
                self._until_it_is_through(work, work / "run", "kill", draw, seconds, quiet)
            on_disks: tuple[tuple[Fault, int], ...] = (("full", self.full), ("locked", self.locked))
            for fault, number in on_disks:
                while self.counts[fault] < number:
                    with small_disk(work / "disk") if fault == "full" else nullcontext():
                        folder = work / ("disk/run" if fault == "full" else "run")
                        self._until_it_is_through(work, folder, fault, draw, seconds, quiet)
        sys.exit(1 if self.counts["other files"] or self.counts["unclear ends"] else 0)

    def _until_it_is_through(
        self, work: Path, folder: Path, fault: Fault, draw: random.Random, seconds: float, quiet: bytes
    ) -> None:
        """One run, with a fault in each of its processes but the last; then compare the file."""
        wanted = {"kill": self.kills, "full": self.full, "locked": self.locked}[fault]
        while self.counts[fault] < wanted:
            process = self._program(work, "m.glb", "--run-dir", str(folder))
            try:
                process.wait(draw.uniform(0.0, seconds))
            except subprocess.TimeoutExpired:
                if not (folder if fault == "locked" else folder.parent).is_dir():
                    process.kill()  # too early to harm it
                    continue
                self._harm(process, fault, folder, work / "stderr.txt")
                if fault != "kill":
                    break  # a disk of its own for each
            else:
                break
        last = self._program(work, "m.glb", "--run-dir", str(folder))
        code = last.wait()
        is_same = code == 0 and (work / "m.glb").read_bytes() == quiet
        self.counts["same file" if is_same else "other files"] += 1
        if not is_same:
            told = (work / "stderr.txt").read_text().splitlines()[-1:]
            print(f"not the same file after {fault}: exit code {code}, {told}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        (work / "m.glb").unlink(missing_ok=True)
        self._note()

    def _harm(self, process: subprocess.Popen[str], fault: Fault, folder: Path, told: Path) -> None:
        """Let a fault happen to a process and wait for its end; then everything is well again."""
        stage = (told.read_text().split("\n") or [""])[-2:][0].split(" ")[0] or "start"
        if fault == "kill":
            process.send_signal(signal.SIGKILL)
            process.wait()
        else:
            with locked(folder) if fault == "locked" else filled(folder.parent):
                code = process.wait()
            last_words = told.read_text().splitlines()[-1]
            if code not in (0, 1, 2) or (code and not last_words.startswith("dream3d: error:")):
                self.counts["unclear ends"] += 1
            stage = f"{stage}, exit {code}"
        self.counts[fault] += 1
        self.counts[f"{fault} in {stage}"] += 1
        self._note()

    def _program(self, work: Path, output: str, *more: str) -> subprocess.Popen[str]:
        words = [
            sys.executable,
            "-m",
            "dream3d.cli",
            "generate",
            self.prompt,
            *shlex.split(self.options),
            "-o",
            output,
            *more,
        ]
        with (work / "stderr.txt").open("w") as errors:
            return subprocess.Popen(words, cwd=work, text=True, stdout=subprocess.DEVNULL, stderr=errors)

    def _note(self) -> None:
        self.output.write_text(json.dumps(dict(sorted(self.counts.items())), indent=2) + "\n")


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk in memory."""
    folder.mkdir()
    options = f"size={DISK_MEGABYTES}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """No byte is free."""
    assert disk.is_mount(), "this would fill the machine's own disk"
    filler = disk / "filler"
    with filler.open("wb") as stream:
        try:
            while True:
                os.write(stream.fileno(), bytes(1 << 16))
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Not even root can make a file in the folder."""
    subprocess.run(["chattr", "+i", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)


if __name__ == "__main__":
    tyro.cli(Stress).run()
