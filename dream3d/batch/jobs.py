"""What decides an asset, and so the name of its folder."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from dream3d.batch.items import BadLine, Item
from dream3d.config import Config, ExportConfig, PriorOptions, check_guidance, generate_guidance
from dream3d.errors import InputError
from dream3d.export.checks import check_export
from dream3d.export.names import slug
from dream3d.prior.folder import find_prior, weights_sha256


@dataclass(frozen=True)
class Job:
    """An asset to make and where it goes."""

    item: Item
    name: str  # of its folder: the prompt, the seed and a checksum of all that decides the asset
    file: str  # in that folder
    prior_sha256: str


def plan_jobs(entries: Sequence[Item | BadLine]) -> list[Job | BadLine]:
    """Check what each entry needs on this machine, before any work.

    What decides an asset is its prompt and seed, every setting but the device, and the weights of the prior.
    The version of dream3d is not among it: an upgrade goes on with a batch and does not begin it anew, unless
    it changes settings.

    Returns:
        As many as entries; those that need what is not there are bad lines.
    """
    planned: list[Job | BadLine] = []
    for entry in entries:
        if isinstance(entry, Item):
            try:
                planned.append(_job(entry))
            except InputError as error:
                planned.append(BadLine(entry.place, str(error)))
        else:
            planned.append(entry)
    return planned


def refuse_doubles(planned: Sequence[Job | BadLine]) -> list[Job | BadLine]:
    """The same, but bad lines in place of jobs that differ from an earlier one in the device alone."""
    kept: list[Job | BadLine] = []
    names: set[str] = set()
    for entry in planned:
        if isinstance(entry, Job) and entry.name in names:
            place = entry.item.place
            kept.append(BadLine(place, "an earlier line asks for the same asset, on another device"))
        else:
            kept.append(entry)
            names.update([entry.name] if isinstance(entry, Job) else [])
    return kept


def _job(item: Item) -> Job:
    config, name = item.config, slug(item.prompt)
    file = name + config.export.suffixes[0]
    check_guidance(generate_guidance(config).values(), config.prior_options)
    _check_export(config.export, file)
    weights = _weights_sha256(config.prior, config.prior_options)
    parts = [item.prompt, config.seed, _settings_sha256(replace(config, seed=0, device="auto")), weights]
    checksum = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return Job(item, f"{name}-{config.seed}-{checksum[:10]}", file, weights)


# Lists say the same settings again and again.
@lru_cache(maxsize=4096)
def _settings_sha256(config: Config) -> str:
    return hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=64)
def _weights_sha256(prior: str, options: PriorOptions) -> str:
    return weights_sha256(find_prior(prior), options)


@lru_cache(maxsize=4096)
def _check_export(export: ExportConfig, file: str) -> None:
    check_export(export, Path(file))
