"""What a day teaches: sums over its impressions, made once, kept on disk, added up by training."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import I64
from bandit.posterior import BetaEvidence, LinearEvidence, LogisticEvidence
from batch.executors import Executor
from batch.learning.day_rows import DayRows, DaySource, as_log, day_rows
from batch.learning.evidence_files import Arrays, has_rows, load_sums, write_rows, write_sums
from batch.workspace.catalogue import Catalogue

TITLES_A_BLOCK = 64
"""Training shards are whole blocks of titles; an arm's sum is made by one task, so that shards do not change it."""

BETA, LINEAR, ROWS = BetaEvidence.kind, LinearEvidence.kind, LogisticEvidence.kind
"""Kinds of evidence: takes and impressions, Gaussian sums, and the rows themselves where no sums suffice."""

_READ, _UNKNOWN = "impressions_read", "unknown"


class DayCounts(NamedTuple):
    """The impressions of a day: those that were read, those of artworks that are gone, those that count, and their rewards."""

    read: int
    unknown: int
    impressions: int
    rewards: float


@dataclass(frozen=True)
class DaySums:
    """The evidence of the artworks that a day showed: ``artworks`` (s,) are their catalogue rows, ascending."""

    artworks: I64
    beta: BetaEvidence
    linear: LinearEvidence | None


def title_shards(catalogue: Catalogue, shard_size: int) -> list[range]:
    """The artworks of each shard of ``shard_size`` blocks of titles, as catalogue rows."""
    step = shard_size * TITLES_A_BLOCK
    cuts = [*catalogue.starts[:-1:step].tolist(), catalogue.n_artworks]
    return [range(*pair) for pair in pairwise(cuts)]


def make_day(source: DaySource, kinds: Collection[str], executor: Executor, shard_size: int) -> DayCounts:
    """Make what a day teaches, where its files are not those of these impressions, reward and catalogue already.

    Args:
        source: the day.
        kinds: which kinds of evidence, ``BETA`` among them.
        executor: runs the shards of titles.
        shard_size: blocks a shard.

    Raises:
        InputError: the day's impressions, or what is kept of them, are not as they should be.
        SurroundingsError: the day changed meanwhile, or the disk does not take it.
    """
    digest = source.digest
    sums = sorted({*kinds} - {ROWS})
    lacks_rows = ROWS in kinds and not has_rows(rows_path(source), digest)
    lacks_sums = any(load_sums(sums_path(source, kind), digest, ()) is None for kind in sums)
    if lacks_rows or lacks_sums:
        rows = day_rows(source)
        if lacks_rows:
            write_rows(rows_path(source), rows.frame.drop("propensity"), digest)
        if lacks_sums:
            made = _sum_day(rows, source, executor, shard_size, with_linear=LINEAR in kinds)
            for kind in sums:
                write_sums(sums_path(source, kind), _arrays(made, kind, rows), digest)
    return _counts(load_day(source, BETA))


def load_day(source: DaySource, kind: str) -> Arrays:
    """What is kept of a kind of a day's sums: by name, each by artwork first, and ``artworks``.

    Raises:
        InputError: the file is damaged.
        SurroundingsError: it was made of something else meanwhile.
    """
    kept = load_sums(sums_path(source, kind), source.digest)
    if kept is None:
        raise source.changed()
    return kept


def sums_path(source: DaySource, kind: str) -> Path:
    """Where a kind of a day's sums is kept."""
    return source.path(kind, ".npz")


def rows_path(source: DaySource) -> Path:
    """Where the rows of a day are kept, by (artwork, event)."""
    return source.path(ROWS, ".parquet")


def _counts(beta: Arrays) -> DayCounts:
    known, rewards = beta["impressions"].sum(), beta["takes"].sum()
    return DayCounts(int(beta[_READ]), int(beta[_UNKNOWN]), int(known), float(rewards))


def _sum_day(rows: DayRows, source: DaySource, executor: Executor, shard_size: int, *, with_linear: bool) -> DaySums:
    frames = _split(rows.frame, title_shards(source.catalogue, shard_size))
    n_artworks, n_features = source.catalogue.n_artworks, source.n_features
    sum_shard = partial(_sum_shard, n_artworks=n_artworks, n_features=n_features, with_linear=with_linear)
    parts = list(executor.map(sum_shard, frames))
    return DaySums(
        np.concatenate([part.artworks for part in parts]),
        joined([part.beta for part in parts]),
        joined([part.linear for part in parts if part.linear is not None]) if with_linear else None,
    )


def _split(frame: pl.DataFrame, ranges: list[range]) -> list[pl.DataFrame]:
    """The rows of each range; a range without any is left out, unless all are."""
    cuts = np.searchsorted(frame["artwork_index"].to_numpy(), [ranges[0].start, *(item.stop for item in ranges)])
    pairs = [(start, stop) for start, stop in pairwise(cuts) if stop > start]
    return [frame[start:stop] for start, stop in pairs] or [frame]


def _sum_shard(frame: pl.DataFrame, n_artworks: int, n_features: int, *, with_linear: bool) -> DaySums:
    log = as_log(frame, n_artworks, n_features)
    artworks, places = np.unique(log.arms, return_inverse=True)
    beta = BetaEvidence.empty(len(artworks))
    beta.observe(None, places, log.rewards)
    linear = LinearEvidence.empty(len(artworks), n_features) if with_linear else None
    if linear is not None:
        linear.observe(log.contexts, places, log.rewards)
    return DaySums(artworks, beta, linear)


def joined(parts: list[Any]) -> Any:
    """Evidence of one kind, of artworks that follow each other, as one."""
    kind = type(parts[0])
    return kind(**{item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(kind)})


def _arrays(sums: DaySums, kind: str, rows: DayRows) -> Arrays:
    evidence: Any = sums.beta if kind == BETA else sums.linear
    counts = {_READ: rows.impressions, _UNKNOWN: rows.unknown} if kind == BETA else {}
    return {item.name: getattr(evidence, item.name) for item in fields(evidence)} | {"artworks": sums.artworks} | counts
