"""Rows one after the other: generate what is not there yet, measure it, keep the row."""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from dream3d import __version__
from dream3d.config import Config
from dream3d.errors import DiskError, InputError, RunError, is_out_of_memory
from dream3d.evaluate.columns import METRICS_VERSION
from dream3d.evaluate.measure import (
    Judge,
    Measured,
    make_judges,
    measure_asset,
    measure_file,
    measure_pictures,
    run_report,
)
from dream3d.evaluate.memory import PeakMemory
from dream3d.evaluate.prompts import Line
from dream3d.evaluate.rows import Journal, Row, row_key
from dream3d.evaluate.validator import find_validator
from dream3d.events import Event, OnEvent, ignore
from dream3d.export.files import write_files
from dream3d.export.names import slug
from dream3d.finish import choose_device
from dream3d.generate import generate
from dream3d.inputs import make_folder
from dream3d.metrics.calibration import calibration_assets
from dream3d.metrics.judge_folder import find_judge, judge_sha256
from dream3d.metrics.learned import can_judge, judge_cameras
from dream3d.prior import Prior
from dream3d.prior.folder import find_prior, weights_sha256
from dream3d.prior.sampling import sample_images
from dream3d.stage_config import Shading


class Evaluation:
    """A folder of results and all that making its rows needs. What is already there is kept."""

    def __init__(
        self,
        folder: Path,
        config: Config | None = None,
        on_event: OnEvent = ignore,
        judges: Sequence[Judge] | None = None,
        prior: Prior | None = None,
    ) -> None:
        """Open the folder.

        Args:
            folder: Where results are, or will be.
            config: Settings of what is generated.
            on_event: Told of the progress.
            judges: From `make_judges`, where several evaluations share them.
            prior: That of the settings, where it is loaded already.
        """
        self.folder = folder
        self.config = config or Config()
        self.on_event = on_event
        self.judges = make_judges() if judges is None else judges
        self.journal = Journal(folder / "rows.jsonl")
        self._prior = prior
        self._is_validated = find_validator() is not None
        for name in ("assets", "pictures"):
            make_folder(folder / name)

    def prompts(self, lines: Sequence[Line], num_seeds: int, has_calibration: bool = True) -> Iterator[Row]:
        """Rows of every prompt and seed, each prompt followed by its calibration.

        Args:
            lines: From `read_prompts`; those with an error become rows with that error.
            num_seeds: Seeds for each, from the settings' own upwards.
            has_calibration: Leave it out where another folder has it.

        Raises:
            InputError: The prior is unknown or damaged.
            DiskError: The disk is full or failed.
        """
        digest = weights_sha256(find_prior(self.config.prior), self.config.prior_options)
        total, done = len(lines) * num_seeds, 0
        for line in lines:
            if line.error is not None:
                done += num_seeds
                yield self._told(refused_line(line), done, total)
                continue
            is_known = False
            for seed in range(self.config.seed, self.config.seed + num_seeds):
                done += 1
                row = self._generated(line.text, replace(self.config, seed=seed), digest)
                is_known |= row.blame != "input"
                yield self._told(row, done, total)
            if has_calibration:
                yield from self._calibration(line.text)
                if is_known and can_judge(line.text):  # else the prior would only refuse it once more
                    yield from self._prior_samples(line.text, digest)

    def files(self, paths: Sequence[Path], prompts: Mapping[str, str]) -> Iterator[Row]:
        """Rows of files that exist, then the calibration of every prompt among them.

        Args:
            paths: Of .glb files, from anyone; those that cannot be read become rows that say why.
            prompts: File name -> prompt; goes before what a file says of itself.

        Raises:
            DiskError: The disk is full or failed.
        """
        seen: dict[str, None] = {}
        for done, path in enumerate(paths, start=1):
            row = self._told(self._file(path, prompts.get(path.name)), done, len(paths))
            if row.prompt and row.error is None:
                seen[row.prompt] = None
            yield row
        for prompt in seen:
            yield from self._calibration(prompt)

    def _generated(self, prompt: str, config: Config, prior_sha256: str) -> Row:
        name = f"{safe_name(prompt)}_{config.seed}"
        key = self._file_key(prompt=prompt, settings=asdict(config), prior=prior_sha256)
        glb = self.folder / "assets" / f"{name}.glb"
        blank = Row(key, "asset", prompt, config.seed, settings=asdict(config))

        report = run_report(glb)
        made_with = (report.get("prompt"), report.get("settings"), report.get("prior_sha256"))
        is_there = made_with == (prompt, json.loads(json.dumps(asdict(config))), prior_sha256)

        def work() -> Row:
            if not is_there:
                self._generate(prompt, config, glb)
            row = self._with(blank, measure_file(glb, prompt, self.judges), name)
            return replace(
                row, file=str(glb.relative_to(self.folder)), warnings=run_report(glb).get("warnings", [])
            )

        return self._once(blank, work, is_there)

    def _generate(self, prompt: str, config: Config, glb: Path) -> None:
        prior = self._loaded_prior()
        peak = PeakMemory()
        asset = generate(prompt, config, self.on_event, prior)
        replace(asset, metrics={**asset.metrics, "peak_memory_mb": peak.megabytes()}).save(glb)

    def _loaded_prior(self) -> Prior:
        if self._prior is None:
            device = choose_device(self.config.device)
            options = self.config.prior_options
            self._prior = Prior.from_pretrained(self.config.prior, device, options=options)
        return self._prior

    def _prior_samples(self, prompt: str, prior_sha256: str) -> Iterator[Row]:
        """What the prior draws of the prompt from the judge's own cameras: the ceiling of 3D.

        Nothing of a prior of opaque pictures, which the judges cannot read.
        """
        key = _key(kind="prior samples", prompt=prompt, prior=prior_sha256, seed=self.config.seed)
        blank = Row(key, "prior samples", prompt, self.config.seed)
        is_known = key in self.journal.rows and self.journal.rows[key].error is None
        if not is_known and self._loaded_prior().image_channels != 4:
            return

        def work() -> Row:
            prior, cameras = self._loaded_prior(), judge_cameras()
            generator = torch.Generator().manual_seed(self.config.seed)
            shading: list[Shading] = ["albedo"] * len(cameras)
            images = sample_images(
                prior, prior.embed(prompt), cameras.to(prior.device), shading, generator
            ).cpu()
            return self._with(
                blank,
                measure_pictures(images, prompt, self.judges),
                f"{safe_name(prompt)}-prior-{prior_sha256[:8]}-{self.config.seed}",
            )

        yield self._once(blank, work)

    def _file(self, path: Path, prompt: str | None) -> Row:
        key = self._file_key(file=str(path), sha256=_digest(path), prompt=prompt)
        name = f"{safe_name(path.stem)}-{zlib.crc32(str(path.absolute()).encode()):08x}"
        blank = Row(key, "asset", prompt, file=str(path))
        return self._once(blank, lambda: self._with(blank, measure_file(path, prompt, self.judges), name))

    def _calibration(self, prompt: str) -> Iterator[Row]:
        """Rows that say how good is good and how bad is bad for this prompt."""
        for index, (kind, asset) in enumerate(calibration_assets(prompt).items()):
            blank = Row(_key(kind=kind, prompt=prompt), kind, prompt)
            name = f"{safe_name(prompt)}-calibration{index}"

            def work(asset=asset, blank=blank, name=name) -> Row:
                return self._with(blank, measure_asset(asset, prompt, self.judges), name)

            yield self._once(blank, work)

    def _file_key(self, **parts: object) -> str:
        """Files are measured again once there is a validator; generated ones are not made again."""
        return _key(kind="asset", is_validated=self._is_validated, **parts)

    def _with(self, blank: Row, measured: Measured, name: str) -> Row:
        """The row with its numbers, and its picture on the disk."""
        path = self.folder / "pictures" / f"{name}.jpg"
        write_files({path: measured.picture})
        made = measured.provenance
        return replace(
            blank,
            prompt=blank.prompt or made.get("prompt"),
            seed=blank.seed if blank.seed is not None else _optional(made.get("seed"), int),
            picture=str(path.relative_to(self.folder)),
            metrics=measured.metrics,
            settings=blank.settings or _optional(made.get("settings"), dict),
            versions=_optional(made.get("versions"), dict),
        )

    def _once(self, blank: Row, work: Callable[[], Row], is_there: bool = True) -> Row:
        """The row of the journal, or a new one: whole, or with what went wrong.

        Refusals are tried again: what was missing on the machine may be there now. So is what succeeded
        but `is_there` no more, as another run has put its own asset in the place.
        """
        done = self.journal.rows.get(blank.key)
        if done is not None and (
            done.blame == "run" or (done.error is None and is_there and self._shows(done))
        ):
            return done
        try:
            row = work()
        except DiskError:
            raise
        except InputError as error:
            row = replace(blank, error=str(error), blame="input")
        except RunError as error:
            row = replace(blank, error=str(error), blame="run")
            if is_out_of_memory(error):
                return row
        except MemoryError:  # may be another program's: not kept, so that it is tried again
            return replace(blank, error="out of memory", blame="run")
        self.journal.append(row)
        return row

    def _shows(self, row: Row) -> bool:
        """Whether the picture of a row is there, if it has one."""
        return row.picture is None or (self.folder / row.picture).is_file()

    def _told(self, row: Row, done: int, total: int) -> Row:
        """The row, after the progress has heard of it."""
        what = " / ".join(str(part) for part in (row.prompt or row.file, row.seed) if part is not None)
        iou = row.metrics.get("silhouette_iou")
        result = f"failed: {row.error}" if row.error else "measured" if iou is None else f"IoU {iou:.3f}"
        self.on_event(Event("eval", done, total, f"{what}: {result}"))
        return row


def refused_line(line: Line) -> Row:
    """The row of a line that holds no prompt."""
    error = f"{line.place}: {line.error}"
    return Row(row_key(place=line.place), "asset", line.text[:80] or None, error=error, blame="input")


def safe_name(text: str) -> str:
    """A file name of a text: its slug, with a checksum where other texts have the same slug."""
    name = slug(text)
    return name if name.replace("_", " ") == text else f"{name}-{zlib.crc32(text.encode()):08x}"


def _key(**parts: object) -> str:
    """Of a row that has the numbers of this version and of the shipped judge."""
    return row_key(**parts, version=__version__, metrics=METRICS_VERSION, judge=_judge())


@cache
def _judge() -> str:
    return judge_sha256(find_judge("props"))


def _optional(value: Any, kind: type) -> Any:
    """What a file says, if it is of the right type; numbers too large for JSON become null."""
    if not isinstance(value, kind):
        return None
    return json.loads(json.dumps(value), parse_constant=lambda _: None)


def _digest(path: Path) -> str | None:
    """Checksum of a regular file; None when it cannot be read."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
