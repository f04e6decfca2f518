"""The journal of a batch: a JSON object a line, appended and flushed, read by all that share the folder."""

import datetime
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dream3d.export.lines import append_line, read_lines
from dream3d.inputs import Shard

Record = dict[str, Any]
"""Keys: time, driver, event, item, and facts of the event.

Events of an item are `begun` (attempt, worker, whether it goes on from a checkpoint), and then one of `done`
(files, metrics, warnings), `retry` (reason), `failed` (reason; not tried again in this run) and `stopped`
(with the driver); none if the driver was killed.
"""


class Manifest:
    """What is known of the items of a folder.

    Each shard appends to a file of its own, since network file systems mix what several machines append; all
    of them are read.
    """

    def __init__(self, folder: Path, shard: Shard | None = None) -> None:
        """Read what is there.

        Raises:
            InputError: It cannot be read.
        """
        self.folder = folder
        part = "" if shard is None else f"-{shard.index}-of-{shard.count}"
        self.path = folder / f"manifest{part}.jsonl"
        self.done: dict[str, Record] = {}  # by item
        self.failed: dict[str, Record] = {}  # by drivers that share the folder with this one, while it runs
        self._driver = f"{socket.gethostname()}:{os.getpid()}"
        self._read_to: dict[Path, int] = {}
        self.refresh()
        self.failed.clear()  # what failed before is tried again

    def append(self, event: str, item: str, **facts: object) -> None:
        """Keep a record.

        Raises:
            DiskError: The disk is full or failed.
        """
        time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        append_line(self.path, {"time": time, "driver": self._driver, "event": event, "item": item, **facts})

    def refresh(self) -> None:
        """Read what was appended since the last time, by anyone."""
        for path in sorted(self.folder.glob("manifest*.jsonl")):
            records, self._read_to[path] = read_lines(path, self._read_to.get(path, 0))
            for record in records:
                self._learn(record)

    def _learn(self, record: Mapping[str, Any]) -> None:
        match record:
            case {"event": "done", "item": str(item), "files": dict()}:
                self.done[item] = dict(record)
                self.failed.pop(item, None)
            case {"event": "failed", "item": str(item), "reason": str()}:
                self.failed[item] = dict(record)
            case _:
                pass  # the course of things, for people
