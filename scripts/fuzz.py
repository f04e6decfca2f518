"""Feeds damaged and hostile inputs to everything that reads files or words from anyone.

python scripts/fuzz.py -o out/fuzz          # 20,000 inputs, about half an hour on one core
python scripts/fuzz.py -o out/fuzz --only glb --runs 500 --seed 3
python scripts/fuzz.py -o out/fuzz --quick  # a few of each, in one process: what the tests run

Half of the inputs are drawn by Hypothesis (`fuzz_strategies.py`), half are mutated by atheris, which keeps
those that reach new lines of ours. A reader takes an input, or refuses it with `InputError` or `RunError`;
anything else is a finding: another exception, the death of the process, too much time or memory, and what
`fuzz_guard.py` notices (files outside the folder, programs, connections, unpickling). Findings are kept with
their input in DIR/findings, figures in DIR/figures.json, as it goes. The exit code is 1 when there are any.
"""

import argparse
import faulthandler
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

SHARES = {  # of 20,000 inputs
    "prompt": 2400,
    "overlay": 2600,
    "list": 2000,
    "batch": 2400,
    "form": 1000,
    "glb": 3000,
    "obj": 2400,
    "prior": 1000,
    "pipeline": 1000,
    "addition": 800,
    "checkpoint": 1400,
}
QUICK = 250  # one of so many, in the tests
ENGINES = ("hypothesis", "atheris")
PATIENCE = 900.0  # seconds without an outcome, after which a process is taken for hanging; machines are busy
MAX_ADDRESSES = 24 << 30  # a net below the limit of `fuzz_guard.py`: libraries map much that they never touch

Read = Callable[[bytes], None]


class Log:
    """Outcomes of a target, written as they come."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        (folder / "findings").mkdir(parents=True, exist_ok=True)
        self.current = folder / "findings" / f"{name}-running.bin"
        self._lines = (folder / "outcomes.jsonl").open("a")

    def note(self, engine: str, content: bytes, kind: str, detail: str, is_finding: bool) -> None:
        """Keep an outcome, with its input where it is a finding."""
        line = {"target": self._name, "engine": engine, "kind": kind, "is_finding": is_finding}
        if is_finding:
            stem = self._folder / "findings" / f"{self._name}-{time.time_ns()}"
            stem.with_suffix(".bin").write_bytes(content)
            stem.with_suffix(".txt").write_text(f"{kind}\n{detail}\n", errors="replace")
            line["file"] = stem.name
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()


def work(runs: dict[str, int], engine: str, seed: int, out: Path) -> None:
    """Feed targets in this process; atheris takes one, and ends the process."""
    out = out.resolve()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        sandbox = Path(place).resolve()
        with watched_imports(engine):
            import fuzz_guard
            import fuzz_targets
        fuzz_guard.prepare_sandbox(sandbox)
        guard = fuzz_guard.Guard(sandbox)
        resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESSES, MAX_ADDRESSES))
        for name, count in runs.items():
            (sandbox / "home" / name).mkdir()
            with watched_imports(engine):
                target, log = fuzz_targets.make_target(name, sandbox / "home" / name), Log(out, name)
                for example in target.examples:  # whatever is imported or made on first use, is now
                    target.read(example, sandbox / "box")

            def one(content: bytes, target: Any = target, log: Log = log) -> None:
                log.current.write_bytes(content)
                faulthandler.dump_traceback_later(PATIENCE, exit=True)  # also out of native code
                outcome = fuzz_guard.examine(target.read, content, sandbox, guard)
                faulthandler.cancel_dump_traceback_later()
                log.note(engine, content, outcome.kind, outcome.detail, outcome.is_finding)

            if engine == "atheris":
                drive_atheris(target, one, count, seed, sandbox / "corpus")
            else:
                drive_hypothesis(target, one, count, seed)


def watched_imports(engine: str) -> AbstractContextManager[object]:
    """While it is open, atheris learns the lines of what is imported."""
    if engine != "atheris":
        return nullcontext()
    atheris = import_module("atheris")  # it has no types
    return atheris.instrument_imports(include=["dream3d", "yaml"], enable_loader_override=False)


def drive_hypothesis(target: Any, one: Read, runs: int, seed: int) -> None:
    """Draw inputs from the target's strategy."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as with_seed

    @with_seed(seed)
    @settings(
        max_examples=runs,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    )
    @given(target.inputs)
    def draw(content: bytes) -> None:
        one(content)

    draw()


def drive_atheris(target: Any, one: Read, runs: int, seed: int, corpus: Path) -> None:
    """Mutate the examples, and go on from those that reach new lines. Ends the process."""
    import atheris

    corpus.mkdir()
    for index, example in enumerate(target.examples):
        (corpus / str(index)).write_bytes(example)
    longest = 2 * max(map(len, target.examples))
    # No limits of its own: time and memory are ours to watch.
    words = [f"-runs={runs}", f"-seed={seed}", f"-max_len={longest}", "-len_control=0", "-timeout=600"]
    atheris.Setup(["fuzz", *words, "-rss_limit_mb=0", "-verbosity=0", str(corpus)], one)
    atheris.Fuzz()


def feed(name: str, engine: str, runs: int, seed: int, out: Path) -> None:
    """Start processes for a target until it had all its inputs: one that dies is a finding too."""
    done = attempt = 0
    while done < runs and attempt < 20:
        before = count_outcomes(out)
        words = [sys.executable, __file__, "--worker", engine, "--only", name, "-o", str(out)]
        words += ["--runs", str(runs - done), "--seed", str(seed + attempt)]
        ended = subprocess.run(words, stderr=subprocess.PIPE, text=True)
        fed = count_outcomes(out) - before
        if ended.returncode:
            log = Log(out, name)
            content = log.current.read_bytes() if log.current.is_file() else b""
            log.note(engine, content, f"died with {ended.returncode}", ended.stderr[-4000:], is_finding=True)
        elif not fed:
            break
        done, attempt = done + fed, attempt + 1


def count_outcomes(out: Path) -> int:
    """How many inputs there were so far."""
    path = out / "outcomes.jsonl"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def figures(out: Path) -> dict[str, dict[str, int]]:
    """How many inputs of each target were accepted, refused, or found something; kept as JSON."""
    counts: dict[str, Counter[str]] = {}
    for line in (out / "outcomes.jsonl").read_text().splitlines():
        row = json.loads(line)
        counts.setdefault(row["target"], Counter()).update(
            {"inputs": 1, f"by {row['engine']}": 1, row["kind"]: 1, "findings": int(row["is_finding"])}
        )
    table = {name: dict(count) for name, count in counts.items()}
    (out / "figures.json").write_text(json.dumps(table, indent=1) + "\n")
    return table


def main() -> int:
    """Read options, feed all targets, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out/fuzz"), metavar="DIR")
    parser.add_argument("--only", choices=SHARES, help="one target")
    parser.add_argument("--runs", type=int, help="inputs for each target instead of 20,000 in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a few inputs of each target, by Hypothesis")
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    out: Path = options.output
    if options.worker:
        work({options.only: options.runs}, options.worker, options.seed, out)
        return 0
    names = [options.only] if options.only else list(SHARES)
    out.mkdir(parents=True, exist_ok=True)
    (out / "outcomes.jsonl").unlink(missing_ok=True)
    if options.quick:
        work({name: SHARES[name] // QUICK for name in names}, "hypothesis", options.seed, out)
    for name in [] if options.quick else names:
        for engine in ENGINES:
            feed(name, engine, (options.runs or SHARES[name]) // 2, options.seed, out)
            print(f"{name:<12}{engine:<12}{figures(out).get(name, {})}", flush=True)
    return 1 if any(count["findings"] for count in figures(out).values()) else 0


if __name__ == "__main__":
    sys.exit(main())
