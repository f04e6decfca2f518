"""Feeds damaged and hostile inputs to everything that reads files or words from anyone.

python scripts/fuzz.py -o out/fuzz          # 20,000 inputs, about half an hour on one core
python scripts/fuzz.py -o out/fuzz --only glb --runs 500 --seed 3

Half of the inputs are drawn by Hypothesis (`fuzz_strategies.py`), half are mutated by atheris, which keeps
those that reach new lines of ours. A reader takes an input, or refuses it with `InputError` or `RunError`;
anything else is a finding: another exception, the death of the process, more than `MAX_SECONDS` or
`MAX_MEGABYTES`, and what `fuzz_guard.py` notices (files outside the folder, programs, connections,
unpickling). Findings are kept with their input in DIR/findings, figures in DIR/figures.json, as it goes. The
exit code is 1 when there are any.
"""

import argparse
import faulthandler
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_SECONDS = 10.0
MAX_MEGABYTES = 600.0  # more than before
MAX_ADDRESSES = 24 << 30  # a net below that: libraries map much that they never touch
SHARES = {  # of 20,000 inputs
    "prompt": 3600,
    "overlay": 3000,
    "list": 3400,
    "glb": 3400,
    "obj": 2600,
    "prior": 1000,
    "pipeline": 1000,
    "lora": 600,
    "checkpoint": 1400,
}
ENGINES = ("hypothesis", "atheris")


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    kind: str  # "accepted", "refused", or what was found: the type of an exception, "slow", "memory", ...
    detail: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether something has to be mended."""
        return self.kind not in ("accepted", "refused")


def examine(target: Any, content: bytes, sandbox: Path, guard: Any) -> Outcome:
    """Let a reader have one input, and see what it does."""
    from fuzz_guard import tree
    from fuzz_strategies import CANARY

    from dream3d.errors import InputError, RunError

    before, started, said = tree(sandbox), time.perf_counter(), ""
    held = guard.held_mb()
    outcome = Outcome("accepted")
    try:
        with guard:
            target.read(content, sandbox / "box")
    except (InputError, RunError) as error:
        outcome, said = Outcome("refused", type(error).__name__), str(error)
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(last.filename).name}:{last.name}"
        outcome = Outcome(place, "".join(traceback.format_exception(error))[-4000:])
    seconds = time.perf_counter() - started
    if outcome.is_finding:
        return outcome
    if guard.seen:
        return Outcome("broke out: " + guard.seen[0].split(" ")[0], "\n".join(guard.seen))
    if tree(sandbox) != before:
        return Outcome("files changed", str(sorted(set(tree(sandbox).items()) ^ set(before.items()))[:4]))
    if CANARY in said:
        return Outcome("told a secret", said)
    if "allocate" in said or guard.peak_mb - held > MAX_MEGABYTES:
        return Outcome("memory", f"{guard.peak_mb - held:.0f} MB more; {said}")
    if seconds > MAX_SECONDS:
        return Outcome("slow", f"{seconds:.1f} s; {said}")
    return outcome


class Log:
    """Outcomes of one worker, written as they come."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        (folder / "findings").mkdir(parents=True, exist_ok=True)
        self.current = folder / "findings" / f"{name}-running.bin"
        self._lines = (folder / "outcomes.jsonl").open("a")

    def note(self, engine: str, content: bytes, outcome: Outcome) -> None:
        """Keep an outcome, with its input where it is a finding."""
        line = {"target": self._name, "engine": engine, "kind": outcome.kind}
        if outcome.is_finding:
            stem = self._folder / "findings" / f"{self._name}-{time.time_ns()}"
            stem.with_suffix(".bin").write_bytes(content)
            stem.with_suffix(".txt").write_text(f"{outcome.kind}\n{outcome.detail}\n", errors="replace")
            line["file"] = stem.name
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()


def prepare_sandbox(folder: Path) -> None:
    """Folders that may be changed, one that may not, and an environment that knows no others."""
    from fuzz_strategies import CANARY

    for name in ("box", "home", "tmp", "outside"):
        (folder / name).mkdir()
    for name in ("secret.txt", "model.safetensors", "config.json"):
        (folder / "outside" / name).write_text(CANARY)
    for variable in ("HOME", "XDG_CACHE_HOME", "HF_HOME"):
        os.environ[variable] = str(folder / "home")
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
    os.chdir(folder / "box")


def work(name: str, engine: str, runs: int, seed: int, out: Path) -> None:
    """Feed one target, in this process."""
    out = out.resolve()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        sandbox = Path(place).resolve()
        prepare_sandbox(sandbox)
        if engine == "atheris":
            import atheris

            with atheris.instrument_imports(include=["dream3d", "yaml"], enable_loader_override=False):
                from fuzz_targets import make_target

                target = make_target(name, sandbox / "home")
        else:
            from fuzz_targets import make_target

            target = make_target(name, sandbox / "home")
        from fuzz_guard import Guard

        for example in target.examples:  # whatever is imported or made on first use, is now
            target.read(example, sandbox / "box")
        guard, log = Guard(sandbox), Log(out, name)
        resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESSES, MAX_ADDRESSES))

        def one(content: bytes) -> None:
            log.current.write_bytes(content)
            faulthandler.dump_traceback_later(3 * MAX_SECONDS, exit=True)  # also out of native code
            outcome = examine(target, content, sandbox, guard)
            faulthandler.cancel_dump_traceback_later()
            log.note(engine, content, outcome)

        drive = drive_atheris if engine == "atheris" else drive_hypothesis
        drive(target, one, runs, seed, sandbox)


def drive_hypothesis(target: Any, one: Callable[[bytes], None], runs: int, seed: int, _sandbox: Path) -> None:
    """Draw inputs from the target's strategy."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as with_seed

    options = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}
    with_seed(seed)(
        settings(max_examples=runs, phases=[Phase.generate], **options)(given(target.inputs)(one))
    )()


def drive_atheris(target: Any, one: Callable[[bytes], None], runs: int, seed: int, sandbox: Path) -> None:
    """Mutate the examples, and go on from those that reach new lines. Ends the process."""
    import atheris

    corpus = sandbox / "corpus"
    corpus.mkdir()
    for index, example in enumerate(target.examples):
        (corpus / str(index)).write_bytes(example)
    longest = 2 * max(map(len, target.examples))
    # No signals of its own: time and memory are ours to watch.
    words = [f"-runs={runs}", f"-seed={seed}", f"-max_len={longest}", "-len_control=0", "-timeout=600"]
    atheris.Setup(["fuzz", *words, "-rss_limit_mb=0", "-verbosity=0", str(corpus)], one)
    atheris.Fuzz()


def feed(name: str, engine: str, runs: int, seed: int, out: Path) -> None:
    """Start workers for a target until it had all its inputs: a worker that dies is a finding too."""
    log, done, attempt = out / "outcomes.jsonl", 0, 0
    while done < runs and attempt < 20:
        before = sum(1 for _ in log.open()) if log.is_file() else 0
        words = [
            "--worker",
            engine,
            "--only",
            name,
            "--runs",
            str(runs - done),
            "--seed",
            str(seed + attempt),
        ]
        ended = subprocess.run(
            [sys.executable, __file__, *words, "-o", str(out)], stderr=subprocess.PIPE, text=True
        )
        fed = (sum(1 for _ in log.open()) if log.is_file() else 0) - before
        done, attempt = done + fed, attempt + 1
        if ended.returncode:
            current = Log(out, name).current
            content = current.read_bytes() if current.is_file() else b""
            Log(out, name).note(
                engine, content, Outcome(f"died with {ended.returncode}", ended.stderr[-4000:])
            )
            done += 1
        elif not fed:
            break


def figures(out: Path) -> dict[str, dict[str, int]]:
    """How many inputs of each target were accepted, refused, or found something."""
    counts: dict[str, Counter[str]] = {}
    for line in (out / "outcomes.jsonl").read_text().splitlines():
        row = json.loads(line)
        counts.setdefault(row["target"], Counter())[row["kind"]] += 1
        counts[row["target"]][f"by {row['engine']}"] += 1
    table = {name: dict(sorted(count.items())) for name, count in counts.items()}
    (out / "figures.json").write_text(json.dumps(table, indent=1) + "\n")
    return table


def main() -> int:
    """Read options, feed all targets, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("out/fuzz"), metavar="DIR")
    parser.add_argument("--only", choices=SHARES, help="one target")
    parser.add_argument("--runs", type=int, help="inputs for each target instead of 20,000 in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.only, options.worker, options.runs, options.seed, options.output)
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "outcomes.jsonl").unlink(missing_ok=True)
    for name in [options.only] if options.only else SHARES:
        for engine in ENGINES:
            started = time.perf_counter()
            feed(name, engine, (options.runs or SHARES[name]) // 2, options.seed, options.output)
            counts = figures(options.output).get(name, {})
            print(f"{name:<12}{engine:<12}{time.perf_counter() - started:6.0f} s  {counts}", flush=True)
    found = [kind for count in figures(options.output).values() for kind in count]
    return 1 if any(Outcome(kind).is_finding and not kind.startswith("by ") for kind in found) else 0


if __name__ == "__main__":
    sys.exit(main())
