"""Sufficient statistics of a day: computed once from its impressions, kept on disk, added up by training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self
from zipfile import BadZipFile

import numpy as np
import polars as pl

from bandit.errors import InputError
from bandit.posterior import BetaEvidence, LinearEvidence
from batch.catalogue import Catalogue
from batch.executors import Executor
from batch.files import replace_file
from batch.impressions import day_digest, impression_log, read_day
from batch.workspace import Workspace

TITLES_A_BLOCK = 64
"""Training shards are whole blocks of titles; an arm's sum is made by one task, so that shards do not change it."""


@dataclass
class Evidence:
    """What every posterior needs of some impressions; ``unknown`` of them show artworks that are gone, and do not count."""

    linear: LinearEvidence
    beta: BetaEvidence
    impressions: int = 0
    unknown: int = 0

    @classmethod
    def empty(cls, n_artworks: int, n_features: int) -> Self:
        """Evidence of no impressions."""
        return cls(LinearEvidence.empty(n_artworks, n_features), BetaEvidence.empty(n_artworks))

    def merge(self, other: "Evidence") -> None:
        """Add another evidence of the same artworks."""
        self.linear.merge(other.linear)
        self.beta.merge(other.beta)
        self.impressions += other.impressions
        self.unknown += other.unknown


class DaySource(NamedTuple):
    """What makes the evidence of a day: it stays valid while this is the same."""

    workspace: Workspace
    day: date
    catalogue: Catalogue
    n_features: int


def day_evidence(source: DaySource, executor: Executor, shard_size: int) -> Evidence:
    """The evidence of a day, from its files if impressions and catalogue are still those that it was made from.

    Raises:
        InputError: the day's impressions are not as they should be.
    """
    digest = f"{source.catalogue.digest}:{source.n_features}:{day_digest(source.workspace, source.day)}"
    kept = _read(source, digest)
    if kept is None:
        kept = _sum_day(source, executor, shard_size)
        _write(source, digest, kept)
    return kept


def _sum_day(source: DaySource, executor: Executor, shard_size: int) -> Evidence:
    frame = read_day(source.workspace, source.day, source.n_features)
    total = Evidence.empty(source.catalogue.n_artworks, source.n_features)
    task = partial(_sum_shard, catalogue=source.catalogue, n_features=source.n_features)
    for shard in executor.map(task, _title_shards(frame, source.catalogue, shard_size)):
        total.merge(shard)
    total.impressions = frame.height
    total.unknown = frame.height - int(total.beta.impressions.sum())
    return total


def _title_shards(frame: pl.DataFrame, catalogue: Catalogue, shard_size: int) -> list[pl.DataFrame]:
    step = shard_size * TITLES_A_BLOCK
    columns = frame.select("event_id", "title_id", "artwork_id", "context", "reward", "propensity")
    return [
        columns.filter(pl.col("title_id").is_in(catalogue.title_ids[start : start + step]))
        for start in range(0, len(catalogue.title_ids), step)
    ]


def _sum_shard(frame: pl.DataFrame, catalogue: Catalogue, n_features: int) -> Evidence:
    log = impression_log(frame, catalogue, n_features)
    evidence = Evidence.empty(catalogue.n_artworks, n_features)
    evidence.linear.observe(log.contexts, log.artworks, log.rewards)
    evidence.beta.observe(log.artworks, log.rewards)
    return evidence


def _paths(source: DaySource) -> dict[str, Path]:
    name = f"{source.day.isoformat()}.npz"
    return {posterior: source.workspace.evidence / posterior / name for posterior in ("linear", "beta")}


def _read(source: DaySource, digest: str) -> Evidence | None:
    linear, beta = (_load(path, digest) for path in _paths(source).values())
    if linear is None or beta is None:
        return None
    counts = int(beta.pop("impressions_read")), int(beta.pop("unknown"))
    return Evidence(LinearEvidence(**linear), BetaEvidence(**beta), *counts)


def _load(path: Path, digest: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        # Opened here, because np.load leaves a damaged archive open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if str(file["source"]) != digest:
                return None
            return {name: file[name] for name in file.files if name != "source"}
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}); delete it, it is made again from the impressions"
        ) from error


def _write(source: DaySource, digest: str, evidence: Evidence) -> None:
    counts = {"impressions_read": evidence.impressions, "unknown": evidence.unknown}
    arrays: Mapping[str, dict[str, Any]] = {
        "linear": asdict(evidence.linear),
        "beta": asdict(evidence.beta) | counts,
    }
    for posterior, path in _paths(source).items():
        with replace_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, source=digest, **arrays[posterior])
