"""Intervals for logs of a policy that kept learning: batches weighted so that none rules the variance."""

from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from bandit.evaluation.estimators.base import Terms
from bandit.evaluation.intervals.normal import NONE, Interval, normal_interval
from bandit.evaluation.sample import F64, I64, Sample, numbered


class BatchEstimate(NamedTuple):
    """An estimate with weights by batch, and its interval."""

    value: float
    interval: Interval


def stabilised(sample: Sample, terms: Terms, batches: I64, level: float) -> BatchEstimate:
    """Σ_b h_b v̂_b / Σ_b h_b over the batches of an adaptive log, h_b = √(m_b / Σ_{i∈b} w_i²/m_b).

    The logging policy of a batch was learned from the batches before, so the decisions of different batches are not
    independent, and how noisy a batch is depends on what happened before: an arm that had bad luck is shown less, its weights
    grow, and a plain mean is ruled by few batches. It then is not normal, however long the log (Zhang, Janson and Murphy 2020,
    section 3; Hadad et al. 2021, section 2). Given the past, a batch's own mean is unbiased and nearly normal, and batches are
    weighted by the inverse of their deviation, so that each adds the same to the variance of the sum (Zhang et al. 2020,
    equation 5; Hadad et al. 2021, equation 11; Bibaut et al. 2021, section 3). The deviation that weights are made of is that
    of the importance weights alone: one made of a batch's own rewards would count unlucky batches more, which have few takes
    and so little scatter.

    Args:
        sample: of the terms.
        terms: a mean (``ips``, ``dr``): a ratio within a batch is biased, and the bias does not average out.
        batches: of each impression, (m,); a decision lies in one batch.
        level: of the interval.
    """
    values, weights = terms.per_decision, sample.weights
    parts = [_batch(sample, values, weights, np.flatnonzero(batches == batch)) for batch in np.unique(batches)]
    means, errors, scales = np.array(parts).T  # (B,) each
    share = scales / scales.sum()
    value = float(share @ means)
    if not np.isfinite(errors).all():
        return BatchEstimate(value, NONE)
    return BatchEstimate(value, normal_interval(value, sqrt(float((share**2) @ (errors**2))), level))


def _batch(sample: Sample, values: F64, weights: F64, rows: I64) -> tuple[float, float, float]:
    """Mean, its standard error, and the weight of a batch."""
    own, size = values[rows], len(rows)
    mean = float(own.mean())
    scale = sqrt(size / max(float(np.mean(weights[rows] ** 2)), 1e-300))
    sums: F64 = own - mean
    if sample.clusters is not None:
        sums = np.bincount(numbered(sample.clusters[rows]), weights=sums).astype(np.float64)
    if len(sums) < 2:
        return mean, inf, scale
    return mean, sqrt(len(sums) / (len(sums) - 1) * float(sums @ sums)) / size, scale
