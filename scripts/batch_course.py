"""Reads the manifest of a batch and says whether what it tells can have happened, and did."""

import hashlib
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

Record = dict[str, Any]

FOLLOWERS = {
    "begun": {"begun", "done", "retry", "failed", "stopped"},  # a driver that is killed says nothing
    "retry": {"begun"},
    "failed": {"begun"},
    "stopped": {"begun"},
    "done": set[str](),
}


def read_course(folder: Path) -> list[Record]:
    """All records, those of each shard in their order; lines that a driver has not finished are left out."""
    lines = [
        line
        for path in sorted(folder.glob("manifest*.jsonl"))
        for line in path.read_bytes().splitlines(keepends=True)
    ]
    return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}\n")]


def find_flaws(folder: Path) -> list[str]:
    """What is wrong: courses that cannot be, items made twice, files that are not those of the records."""
    records = read_course(folder)
    flaws: list[str] = []
    for item in dict.fromkeys(record["item"] for record in records):
        course = [record["event"] for record in records if record["item"] == item]
        if course[0] not in ("begun", "done"):  # done at once: left by a driver that died before its record
            flaws.append(f"{item}: begins with {course[0]}")
        flaws += [
            f"{item}: {late} after {event}"
            for event, late in pairwise(course)
            if late not in FOLLOWERS[event]
        ]
    times_done = Counter(record["item"] for record in records if record["event"] == "done")
    flaws += [f"{item}: done {count} times" for item, count in times_done.items() if count > 1]
    for record in records:
        if record["event"] == "done":
            flaws += _wrong_files(folder / record["item"], record["files"])
    return flaws


def _wrong_files(folder: Path, recorded: dict[str, Any]) -> list[str]:
    there = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    flaws = [f"{folder.name}: {name} is there and not recorded" for name in there.keys() - recorded.keys()]
    flaws += [f"{folder.name}: {path.name} is left" for path in folder.iterdir() if path.is_dir()]
    for name, facts in recorded.items():
        if name not in there or hashlib.sha256(there[name]).hexdigest() != facts["sha256"]:
            flaws.append(f"{folder.name}: {name} is not what was recorded")
    return flaws


def workers_at_work(records: list[Record]) -> list[int]:
    """Process ids of workers that have begun an item and not ended with it."""
    last = {record["item"]: record for record in records}
    return [int(record["worker"].split()[1]) for record in last.values() if record["event"] == "begun"]
