"""`dream3d batch` while its processes are killed: is everything finished, exactly once?

python scripts/stress_batch.py out/stress      # 40 drafts, Ray, two workers, one of them killed every 60 s
python scripts/stress_batch.py out/stress --kill-driver-every 300    # the driver as well, and run again
python scripts/stress_batch.py out/stress --engine local --kill-every 10 -- --coarse.num-steps 20
python scripts/stress_batch.py out/stress --throughput --limit 8     # two workers and one, warm and cold

What follows `--` goes to `dream3d batch`. It kills processes of this machine: RAY_ADDRESS must name a cluster
on it. The exit code is 1 unless all items are there, each made once, and the manifest agrees with the files.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from batch_course import find_flaws, read_course, workers_at_work

PROMPTS = Path(__file__).parent.parent / "assets" / "prompts" / "draft40.txt"


class Storm:
    """Kills workers and drivers now and then."""

    def __init__(self, kill_every: float, kill_driver_every: float, rng: random.Random) -> None:
        """Start the clocks.

        Args:
            kill_every: Seconds between two workers; 0 leaves them alone.
            kill_driver_every: Seconds between two drivers; 0 leaves them alone.
            rng: Chooses the victims.
        """
        self.workers_killed = self.drivers_killed = 0
        self._rng = rng
        self._intervals = (kill_every, kill_driver_every)
        self._next = [time.monotonic() + seconds for seconds in self._intervals]

    def strike(self, driver: subprocess.Popen[bytes], folder: Path) -> None:
        """Kill what is due."""
        now, (worker_seconds, driver_seconds) = time.monotonic(), self._intervals
        if driver_seconds and now > self._next[1]:
            driver.kill()
            self.drivers_killed += 1
            self._next[1] = now + driver_seconds
        elif worker_seconds and now > self._next[0]:
            self._next[0] = now + worker_seconds
            busy = workers_at_work(read_course(folder))
            with contextlib.suppress(ProcessLookupError, IndexError):  # none is at work, or it ended just now
                os.kill(self._rng.choice(busy), signal.SIGKILL)
                self.workers_killed += 1


def run_batch(folder: Path, prompts: Path, words: Sequence[str], storm: Storm | None) -> float:
    """Run the command, again where its driver was killed; the seconds that took."""
    command = [sys.executable, "-m", "dream3d.cli", "batch", str(prompts), "-o", str(folder), *words]
    started = time.monotonic()
    while True:
        driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while driver.poll() is None:
            time.sleep(0.2)
            if storm is not None:
                storm.strike(driver, folder)
        if driver.returncode != -signal.SIGKILL:
            return time.monotonic() - started


def stress(folder: Path, prompts: Path, words: Sequence[str], storm: Storm, num_items: int) -> bool:
    """Run a batch in a storm and print what came of it; True if all is well."""
    seconds = run_batch(folder, prompts, words, storm)
    records, flaws = read_course(folder), find_flaws(folder)
    made = Counter(record["item"] for record in records if record["event"] == "done")
    events = Counter(record["event"] for record in records)
    num_once = sum(count == 1 for count in made.values())
    print(f"{num_once} of {num_items} finished exactly once in {seconds:.0f} s")
    print(f"{storm.workers_killed} workers and {storm.drivers_killed} drivers killed")
    went_on = sum(bool(record.get("goes_on")) for record in records)
    print(f"records: {json.dumps(events)}; {went_on} attempts went on from a checkpoint")
    reasons = Counter(record["reason"][:80] for record in records if record["event"] in ("retry", "failed"))
    for reason, count in reasons.items():
        print(f"  {count} x {reason}")
    for flaw in flaws:
        print(f"FLAW {flaw}")
    print("manifest and files agree" if not flaws else f"{len(flaws)} flaws")
    return not flaws and len(made) == num_items


def measure_throughput(folder: Path, prompts: Path, words: Sequence[str], num_items: int) -> bool:
    """Print what one and two workers make in a minute, and what the first asset of a worker costs more."""
    for workers in (1, 2):
        part = folder / f"workers{workers}"
        seconds = run_batch(part, prompts, [*words, "--workers", str(workers)], None)
        done = [record for record in read_course(part) if record["event"] == "done"]
        first = {record["worker"]: record["item"] for record in reversed(done)}
        cold = [record["wall_seconds"] for record in done if record["item"] in first.values()]
        warm = [record["wall_seconds"] for record in done if record["item"] not in first.values()]
        print(
            f"{workers} workers: {len(done)} of {num_items} in {seconds:.0f} s, "
            f"{60 * len(done) / seconds:.2f} a minute; first of a worker {sum(cold) / len(cold):.1f} s, "
            f"others {sum(warm) / max(len(warm), 1):.1f} s each"
        )
        if len(done) != num_items:
            return False
    return True


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="emptied first")
    parser.add_argument("--prompts", type=Path, default=PROMPTS)
    parser.add_argument("--limit", type=int, default=40, help="prompts taken from the list")
    parser.add_argument("--engine", choices=("local", "ray"), default="ray")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill-every", type=float, default=60.0, metavar="SECONDS", help="a worker; 0 never")
    parser.add_argument("--kill-driver-every", type=float, default=0.0, metavar="SECONDS", help="0 never")
    parser.add_argument(
        "--retries", type=int, default=20, help="generous: the kills are not the items' fault"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice of victims")
    parser.add_argument("--throughput", action="store_true", help="kill nothing and measure the speed")
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options = parser.parse_args(sys.argv[1:end])
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    lines = [line for line in options.prompts.read_text().splitlines() if line and not line.startswith("#")]
    prompts = options.folder / "prompts.txt"
    prompts.write_text("\n".join(lines[: options.limit]))
    num_items = len(lines[: options.limit])
    words = [
        "--config",
        "draft",
        "--engine",
        options.engine,
        "--retries",
        str(options.retries),
        *sys.argv[end + 1 :],
    ]
    if options.throughput:
        return 0 if measure_throughput(options.folder, prompts, words, num_items) else 1
    storm = Storm(options.kill_every, options.kill_driver_every, random.Random(options.seed))
    words += ["--workers", str(options.workers)]
    return 0 if stress(options.folder / "batch", prompts, words, storm, num_items) else 1


if __name__ == "__main__":
    sys.exit(main())
