"""Folders of interrupted runs, in which one file is damaged: how they are made and continued."""

import contextlib
import shutil
from functools import partial
from pathlib import Path

import fuzz_priors
import fuzz_strategies as damage
import torch
from hypothesis import strategies as st

from dream3d.config import Config
from dream3d.errors import StoppedError
from dream3d.events import Event
from dream3d.generate import generate
from dream3d.prior import Prior
from dream3d.run_record import read_run
from dream3d.stage_config import CoarseConfig, FieldConfig, RefineConfig

PROMPT = "a red mushroom"
SETTINGS = Config(
    coarse=CoarseConfig(
        num_steps=3,
        radiance_field=FieldConfig(num_levels=2, log2_hashmap_size=8, finest_resolution=16),
        half_size_until=1.0,
        occupancy_resolution=16,
        max_restarts=0,
    ),
    refine=RefineConfig(num_steps=2, lattice_resolution=8),
)


class Runs:
    """A run folder for each stage, stopped in its midst, and the prior that they were begun with."""

    def __init__(self, home: Path) -> None:
        """Begin a run, and stop it in each of its stages."""
        fuzz_priors.write_folders("prior", home)
        self.prior = Prior.from_pretrained(str(home / "prior" / "tiny"), dtype=torch.float32)
        self.home = home / "runs"
        for stage in ("coarse", "refine"):
            self._run(self.home / stage, stage)
        self.files = {
            path.relative_to(self.home).as_posix(): path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.suffix in (".json", ".safetensors")
        }

    def inputs(self) -> st.SearchStrategy[bytes]:
        """Path of a file, a line break, its content."""
        found: list[st.SearchStrategy[bytes]] = []
        for path, content in self.files.items():
            is_record = path.endswith(".json")
            damaged = damage.damaged_json(content) if is_record else damage.damaged_checkpoint(content)
            found += [damaged.map(partial(_join, path))] * (1 if is_record else 3)
        return st.one_of(found)

    def examples(self) -> tuple[bytes, ...]:
        """All files as they are."""
        return tuple(_join(path, content) for path, content in self.files.items())

    def read(self, content: bytes, box: Path) -> None:
        """Continue the run in whose folder the file lies, to the end of its stage."""
        name, _, content = content.partition(b"\n")
        path = name.decode("utf-8", "replace")
        path = path if path in self.files else sorted(self.files)[-1]
        stage = path.split("/")[0]
        for original, whole in self.files.items():
            if original.startswith(stage):
                (box / original).parent.mkdir(exist_ok=True)
                (box / original).write_bytes(content if original == path else whole)
        try:
            read_run(box / stage)
            self._run(box / stage, "extract" if stage == "refine" else "refine")
        finally:
            shutil.rmtree(box / stage)

    def _run(self, folder: Path, last: str) -> None:
        """Go on until after the first step of a stage."""

        def stop(event: Event) -> None:
            if event.stage == last and (event.step or last == "extract"):
                raise StoppedError

        folder.parent.mkdir(exist_ok=True)
        with contextlib.suppress(StoppedError):
            generate(PROMPT, SETTINGS, stop, self.prior, folder)


def _join(path: str, content: bytes) -> bytes:
    return f"{path}\n".encode() + content
