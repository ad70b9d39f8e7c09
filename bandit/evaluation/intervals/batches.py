"""Intervals for logs of a policy that kept learning: batches weighted so that none rules the variance."""

from math import sqrt
from typing import Final, NamedTuple

import numpy as np

from bandit.arrays import F64, I64, numbered
from bandit.evaluation.estimators.base import Terms
from bandit.evaluation.intervals.hall import hall_interval
from bandit.evaluation.intervals.normal import NONE, Interval
from bandit.evaluation.sample import Sample

LEAST_EFFECTIVE: Final = 50.0
"""Effective sample size of a batch; smaller ones are joined to the next: a batch that hardly shows what the target would is not
normal, and does not tell its own scatter."""


class BatchEstimate(NamedTuple):
    """An estimate with weights by batch, and its interval."""

    value: float
    interval: Interval


def stabilised(sample: Sample, terms: Terms, batches: I64, level: float) -> BatchEstimate:
    """Σ_b h_b v̂_b / Σ_b h_b over the batches of an adaptive log, h_b = √(m_b / (Σ_{i∈b} w_i² / Σ_{i∈b} w_i)).

    The logging policy of a batch was learned from the batches before, so that how noisy a batch is depends on what happened
    before: an arm that had bad luck is shown less, its weights grow, and a plain mean is ruled by few batches. It then is
    skewed, and not normal however long the log (Zhang, Janson and Murphy 2020; Hadad et al. 2021). Given the past, a batch's
    own mean is unbiased and nearly normal; weighted by the inverse of their deviations, all batches add the same to the
    variance of the sum, which then is normal (Zhang et al. 2020, batched least squares; Hadad et al. 2021,
    variance-stabilising weights; Bibaut et al. 2021).

    The deviation that h is made of is that of the weights alone, as a ratio: a batch's own rewards, or how often it happened to
    show what the target would, would have unlucky batches count more, and bias the estimate down.

    The interval is Hall's, as elsewhere: users who come back are in all batches, and their number, not that of the batches,
    says how surely the scatter is known. With 200 or 500 of them normal intervals of 95 % missed 7 and 6 % of the time.

    Args:
        sample: of the terms.
        terms: a mean (``ips``, ``dr``): a ratio within a batch is biased, and the bias does not average out.
        batches: of each impression, (m,), ascending with time; a decision lies in one batch.
        level: of the interval.
    """
    values = terms.per_decision
    joined = _joined(sample, batches)
    scales = np.array([_scale(sample.weights[rows]) for rows in joined])  # (B,)
    parts = scales / scales.sum()
    means = np.array([float(values[rows].mean()) for rows in joined])  # (B,)
    value = float(parts @ means)
    off = np.zeros(len(sample))
    for rows, part, mean in zip(joined, parts, means, strict=True):
        if sample.units is None and len(rows) < 2:
            return BatchEstimate(value, NONE)
        off[rows] = part * (values[rows] - mean) / len(rows)
    sums = sample.unit_sums(off)  # a user who comes back is in several batches
    if len(sums) < 2:
        return BatchEstimate(value, NONE)
    return BatchEstimate(value, hall_interval(value, sums, 1.0, level))


def _joined(sample: Sample, batches: I64) -> list[I64]:
    """The rows of each batch, those of too small ones with the next; the last, if small, with the one before."""
    order = np.argsort(batches, kind="stable")
    _, first = np.unique(batches[order], return_index=True)
    joined: list[I64] = []
    waiting = np.empty(0, dtype=np.int64)
    for rows in np.split(order, first[1:]):
        waiting = np.concatenate([waiting, rows])
        if _effective(sample, waiting) >= LEAST_EFFECTIVE:
            joined.append(waiting)
            waiting = np.empty(0, dtype=np.int64)
    if len(waiting):
        joined[-1:] = [np.concatenate([*joined[-1:], waiting])]
    return joined


def _effective(sample: Sample, rows: I64) -> float:
    weights = _by_decision(sample, sample.weights, rows)
    square = float(weights @ weights)
    return float(weights.sum()) ** 2 / square if square > 0 else 0.0


def _scale(weights: F64) -> float:
    """How much a batch counts."""
    total = float(weights.sum())
    return sqrt(len(weights) * total / float(weights @ weights)) if total > 0 else 1.0


def _by_decision(sample: Sample, values: F64, rows: I64) -> F64:
    own = values[rows]
    if sample.clusters is None:
        return own
    return np.bincount(numbered(sample.clusters[rows]), weights=own).astype(np.float64, copy=False)
