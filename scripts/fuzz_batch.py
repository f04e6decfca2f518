"""Lists of what to make, and the journal of a batch: planned and reported, nothing is made."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import fuzz_strategies as damage
from hypothesis import strategies as st

from dream3d.batch.drive import Outcome
from dream3d.batch.items import BadLine, Item, read_items
from dream3d.batch.jobs import Job, plan_jobs
from dream3d.batch.manifest import Manifest
from dream3d.batch.records import are_there
from dream3d.batch.summary import make_results, write_page
from dream3d.config import Config

MANIFEST = "manifest.jsonl"
LISTS = {
    "list.txt": b"a red mushroom\na blue house  # a comment\n# nothing\n\na tall house with a red roof\n",
    "list.csv": b'prompt,seed,extract.target_faces\na red mushroom,7,800\n"a house, tall",8,\n',
    "list.jsonl": b'{"prompt": "a red mushroom", "seed": 7}\n{"prompt": "a house", "export": {"lods": 2}}\n',
}
DONE = (
    '{{"time": "2026-11-22T07:00:00.000+00:00", "driver": "host:1", "event": "begun", "item": "{name}"}}\n'
    '{{"event": "done", "item": "{name}", "files": {{"a.glb": {{"bytes": 9, "sha256": "00"}}}}, '
    '"metrics": {{"seconds": 3.5, "faces": 9, "texture_size": [64, 64]}}, "warnings": ["no"]}}\n'
    '{{"event": "failed", "item": "{name}", "reason": "the disk is full"}}\n'
)


def examples() -> dict[str, bytes]:
    """Every kind of file: its name and a whole content."""
    prompts = ("a red mushroom", "a blue house", "a tall house with a red roof")
    jobs = plan_jobs([Item(prompt, Config(), "list.txt") for prompt in prompts])
    names = [job.name for job in jobs if isinstance(job, Job)]
    return LISTS | {MANIFEST: "".join(DONE.format(name=name) for name in names).encode()}


def inputs(files: Mapping[str, bytes]) -> st.SearchStrategy[bytes]:
    """One of the files, damaged: its name, a line break, its content."""
    found: list[st.SearchStrategy[bytes]] = []
    for name, content in files.items():
        damaged = [damage.damaged_lines(content)]
        if name.endswith(".jsonl"):
            lines = [damage.damaged_json(line) for line in content.splitlines()]
            damaged += [st.lists(st.one_of(lines), min_size=1, max_size=3).map(b"\n".join)] * 2
        found += [each.map(partial(bytes.__add__, f"{name}\n".encode())) for each in damaged]
    return st.one_of(found)


def read(files: Mapping[str, bytes], content: bytes, box: Path) -> None:
    """Read the list, or take the journal for that of a batch, and write the page."""
    name, _, content = content.partition(b"\n")
    path = name.decode("utf-8", "replace")
    path = path if path in files else "list.txt"
    given = files if path == MANIFEST else {MANIFEST: b"", path: content}
    try:
        for each, whole in given.items():
            (box / each).write_bytes(content if each == path else whole)
        items = read_items(box / ("list.txt" if path == MANIFEST else path), Config())
        planned, manifest = plan_jobs(items.entries), Manifest(box)
        jobs = [entry for entry in planned if not isinstance(entry, BadLine)]
        for job in jobs:
            assert "/" not in job.name + job.file
            assert job.name not in (".", "..")
            are_there(box / job.name, manifest.done.get(job.name, {}))
        outcomes = {job.name: Outcome("kept") for job in jobs}
        page = write_page(make_results(planned, outcomes, manifest, Config(), []), box)
        assert b"<script>alert" not in page.read_bytes()
    finally:
        for leftover in (*(box / each for each in files), box / "index.html"):
            leftover.unlink(missing_ok=True)
