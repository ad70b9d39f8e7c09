"""The cluster bootstrap: users, or decisions, are drawn anew, and every estimate is made of the same draws."""

from collections.abc import Sequence
from functools import cache
from math import exp

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64
from bandit.evaluation.estimators.base import Terms
from bandit.evaluation.intervals.normal import NONE, Interval
from bandit.evaluation.sample import Sample
from bandit.kernels.resampling import poisson_counts
from bandit.snapshot import hash_base

PURPOSE = "bootstrap"
"""Of the keyed hash that the draws come from."""

_NUMBERS_AT_A_TIME = 4_000_000  # counts held at a time: 32 MB


def resample(sample: Sample, terms: Sequence[Terms], resamples: int, seed: int) -> F64:
    """Every estimate in each resample of the units, (resamples, len(terms)); NaN where a denominator was not drawn.

    A unit (a user, or a decision) counts Poisson(1) times (Hanley and MacGibbon 2006; Chamandy et al. 2012), all its
    impressions together (Field and Welsh 2007). The counts of a resample are a pure function of the seed, so that differences
    between estimates, of whatever policies on the same log, are paired, and logs of any size are resampled in pieces. All
    sums of a piece are one matrix product.

    Args:
        sample: whose units are drawn.
        terms: of the estimates, all of the same impressions.
        resamples: B.
        seed: of the draws.
    """
    columns = _Columns(sample)
    places = [columns.of(each) for each in terms]
    sums = resampled_sums(columns.matrix, resamples, seed)
    out = np.zeros((resamples, len(terms)))
    with np.errstate(divide="ignore", invalid="ignore"):
        for at, (base, numerator, denominator) in enumerate(places):
            if base is not None:
                out[:, at] = sums[:, base] / sums[:, 0]
            if numerator is not None:
                out[:, at] += sums[:, numerator] / sums[:, denominator]
    return out


def percentile_interval(values: F64, level: float) -> Interval:
    """The middle ``level`` of resampled values, (B,) (Efron and Tibshirani 1993, chapter 13)."""
    kept = values[np.isfinite(values)]
    if not len(kept):
        return NONE
    lower, upper = np.quantile(kept, ((1 - level) / 2, (1 + level) / 2)).tolist()
    return Interval(lower, upper)


class _Columns:
    """The sums by decision of all arrays that terms are made of, each once."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._columns = [sample.unit_sizes]
        self._places: dict[int, int] = {}

    def of(self, terms: Terms) -> tuple[int | None, int | None, int]:
        """Columns of base, numerator and denominator."""
        below = 0 if terms.denominator is None else self._of(terms.denominator)
        return (
            None if terms.base is None else self._of(terms.base),
            None if terms.numerator is None else self._of(terms.numerator),
            below,
        )

    def _of(self, values: F64) -> int:
        if id(values) not in self._places:
            self._places[id(values)] = len(self._columns)
            self._columns.append(self._sample.unit_sums(values))
        return self._places[id(values)]

    @property
    def matrix(self) -> F64:
        """(U, columns)."""
        return np.stack(self._columns, axis=1)


def resampled_sums(matrix: F64, resamples: int, seed: int) -> F64:
    """Σ_u n_u x_u of each column of ``matrix`` (U, columns) in each resample, (resamples, columns); n_u are Poisson(1) counts."""
    out = np.empty((resamples, matrix.shape[1]))
    key = np.uint64(hash_base(PURPOSE, seed, 0))
    at_a_time = max(1, min(resamples, _NUMBERS_AT_A_TIME // max(len(matrix), 1)))
    counts = np.empty((at_a_time, len(matrix)))
    for first in range(0, resamples, at_a_time):
        block = counts[: min(at_a_time, resamples - first)]
        poisson_counts(key, first, _quantiles(), block)
        np.matmul(block, matrix, out=out[first : first + len(block)])
    return out


@cache
def _quantiles() -> npt.NDArray[np.uint8]:
    """The inverse of the distribution function of Poisson(1) at 16 bits, (65536,); counts above 8 do not occur."""
    masses = [exp(-1)]
    for count in range(1, 9):
        masses.append(masses[-1] / count)
    bounds = np.rint(np.cumsum(masses) * 65536)
    return np.searchsorted(bounds, np.arange(65536), side="right").clip(max=8).astype(np.uint8)
