"""What a day teaches: sums over its impressions, made once, kept on disk, added up by training."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bandit.arrays import I64
from bandit.posterior import BetaEvidence, LinearEvidence, LogisticEvidence
from batch.executors import Executor
from batch.learning.day_rows import DayRows, DaySource, as_log, day_rows
from batch.learning.evidence_files import has_rows, load_sums, write_rows, write_sums
from batch.workspace.catalogue import Catalogue

TITLES_A_BLOCK = 64
"""Training shards are whole blocks of titles; an arm's sum is made by one task, so that shards do not change it."""

BETA, LINEAR, ROWS = BetaEvidence.kind, LinearEvidence.kind, LogisticEvidence.kind
"""Kinds of evidence: takes and impressions, Gaussian sums, and the rows themselves where no sums suffice."""


@dataclass(frozen=True)
class DaySums:
    """The evidence of the artworks that a day showed: ``artworks`` (s,) are their catalogue rows, ascending.

    ``unknown`` of the ``impressions`` show artworks that are gone, and do not count.
    """

    artworks: I64
    beta: BetaEvidence
    linear: LinearEvidence | None
    impressions: int = 0
    unknown: int = 0


def title_shards(catalogue: Catalogue, shard_size: int) -> list[range]:
    """The artworks of each shard of ``shard_size`` blocks of titles, as catalogue rows."""
    step = shard_size * TITLES_A_BLOCK
    cuts = [*catalogue.starts[:-1:step].tolist(), catalogue.n_artworks]
    return [range(*pair) for pair in pairwise(cuts)]


def day_sums(source: DaySource, kinds: Iterable[str], executor: Executor, shard_size: int) -> DaySums:
    """The evidence of a day, from its files if impressions, reward and catalogue are still those that it was made from.

    Args:
        source: the day.
        kinds: which kinds of evidence beside ``BETA``; of ``ROWS`` only the file is made.
        executor: runs the shards of titles.
        shard_size: blocks a shard.

    Raises:
        InputError: the day's impressions, or what is kept of them, are not as they should be.
    """
    digest, wanted = source.digest, {BETA, *kinds}
    kept = {kind: load_sums(source.path(kind, ".npz"), digest) for kind in sorted(wanted - {ROWS})}
    lacks_rows = ROWS in wanted and not has_rows(rows_path(source), digest)
    lacks_sums = None in kept.values()
    rows = day_rows(source) if lacks_rows or lacks_sums else None
    if rows is not None and lacks_rows:
        write_rows(rows_path(source), rows.frame.drop("propensity"), digest)
    if rows is not None and lacks_sums:
        made = _sum_day(rows, source, executor, shard_size, with_linear=LINEAR in kept)
        kept = {kind: _arrays(made, kind) for kind in kept}
        for kind, arrays in kept.items():
            write_sums(source.path(kind, ".npz"), arrays or {}, digest)
    return _from_arrays({kind: arrays or {} for kind, arrays in kept.items()})


def rows_path(source: DaySource) -> Path:
    """Where the rows of a day are kept, by (artwork, event)."""
    return source.path(ROWS, ".parquet")


def _sum_day(rows: DayRows, source: DaySource, executor: Executor, shard_size: int, *, with_linear: bool) -> DaySums:
    frames = _split(rows.frame, title_shards(source.catalogue, shard_size))
    n_artworks, n_features = source.catalogue.n_artworks, source.n_features
    sum_shard = partial(_sum_shard, n_artworks=n_artworks, n_features=n_features, with_linear=with_linear)
    parts = list(executor.map(sum_shard, frames))
    return DaySums(
        np.concatenate([part.artworks for part in parts]),
        joined([part.beta for part in parts]),
        joined([part.linear for part in parts if part.linear is not None]) if with_linear else None,
        rows.impressions,
        rows.unknown,
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


def add(total: Any, part: Any, artworks: I64, weight: float) -> None:
    """Add ``weight`` times the evidence of some artworks to that of all: every sum of a kind is by artwork first."""
    for item in fields(total):
        getattr(total, item.name)[artworks] += weight * getattr(part, item.name)


def _arrays(sums: DaySums, kind: str) -> dict[str, Any]:
    evidence: Any = sums.beta if kind == BETA else sums.linear
    counts = {"impressions_read": sums.impressions, "unknown": sums.unknown} if kind == BETA else {}
    return {item.name: getattr(evidence, item.name) for item in fields(evidence)} | {"artworks": sums.artworks} | counts


def _from_arrays(kept: dict[str, dict[str, Any]]) -> DaySums:
    beta, linear = dict(kept[BETA]), dict(kept.get(LINEAR, {}))
    artworks, read, unknown = (beta.pop(name) for name in ("artworks", "impressions_read", "unknown"))
    linear.pop("artworks", None)
    sums = LinearEvidence(**linear) if linear else None
    return DaySums(artworks, BetaEvidence(**beta), sums, int(read), int(unknown))
