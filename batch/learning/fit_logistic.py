"""The logistic posterior of a generation: refitted to the rows of all days, a shard of titles at a time."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, I64
from bandit.posterior.base import Estimated
from bandit.posterior.laplace import Laplace, fit_laplace
from bandit.posterior.logistic import Rows
from bandit.posterior.logistic_prior import PRIOR_PRECISION, PRIOR_ROWS, estimate_prior_precision, level_mean
from batch.learning.evidence import title_shards
from batch.learning.evidence_files import read_rows
from batch.learning.evidence_sums import WeightedRows
from batch.learning.fitting import Fitting


class _Shard(NamedTuple):
    """The artworks of some titles, and the prior mean of their weights, (k, d)."""

    artworks: range
    prior_mean: F64


def fit_by_shards(fitting: Fitting) -> tuple[Laplace, Estimated]:
    """One weight vector per artwork; the title's take rate, on the logit scale, is the prior mean of its level."""
    rows, mean = tuple(fitting.learned.rows), level_mean(fitting, fitting.shape)
    precision = _prior_precision(fitting, rows, mean)
    shards = [
        _Shard(artworks, mean[artworks.start : artworks.stop])
        for artworks in title_shards(fitting.catalogue, fitting.shard_size)
    ]
    parts = []
    for part in fitting.executor.map(partial(_fit_shard, rows=rows, prior_precision=precision), shards):
        parts.append(part)
        fitting.report("fitting titles", len(parts), len(shards))
    model = Laplace(np.concatenate([part.means for part in parts]), np.concatenate([part.precisions for part in parts]))
    return model, Estimated(tuple(precision.tolist()))


def _prior_precision(fitting: Fitting, files: Sequence[WeightedRows], mean: F64) -> F64:
    """One precision per feature for all artworks, estimated by this process from the rows of some titles."""
    artworks = _sample(fitting)
    places = np.full(len(mean), -1)
    places[artworks] = np.arange(len(artworks))
    rows = _rows_of(files, pl.col("artwork_index").is_in(artworks), fitting.shape)
    start = np.full(fitting.shape[1], PRIOR_PRECISION)
    return estimate_prior_precision(rows.contexts, places[rows.arms], rows.rewards, rows.weights, mean[artworks], start)


def _sample(fitting: Fitting) -> I64:
    """Catalogue rows of evenly spaced titles that have together about ``PRIOR_ROWS`` impressions."""
    catalogue, total = fitting.catalogue, fitting.learned.seen.impressions.sum()
    every = max(1, round(total / PRIOR_ROWS))
    return np.flatnonzero(catalogue.titles % every == 0)


def _fit_shard(shard: _Shard, rows: Sequence[WeightedRows], prior_precision: F64) -> Laplace:
    first, stop = shard.artworks.start, shard.artworks.stop
    wanted = pl.col("artwork_index").is_between(first, stop, closed="left")
    own = _rows_of(rows, wanted, shard.prior_mean.shape)
    return fit_laplace(
        own.contexts,
        own.arms - first,
        own.rewards,
        own.weights,
        len(shard.prior_mean),
        prior_precision,
        shard.prior_mean,
    )


def _rows_of(files: Sequence[WeightedRows], wanted: pl.Expr, shape: tuple[int, int]) -> Rows:
    """Rows of all days that are wanted, by (artwork, day, event)."""
    frames = [
        read_rows(file.path, wanted).with_columns(weight=pl.lit(file.weight), day=pl.lit(day, dtype=pl.Int64))
        for day, file in enumerate(files)
    ]
    if not frames:
        return Rows(np.empty((0, shape[1])), np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    frame = pl.concat(frames).sort("artwork_index", "day", "event_id")
    contexts = frame["context"].explode().to_numpy() if frame.height else np.empty(0, dtype=np.float32)
    columns = (frame[name].to_numpy() for name in ("artwork_index", "reward", "weight"))
    return Rows(contexts.reshape(-1, shape[1]), *columns)
