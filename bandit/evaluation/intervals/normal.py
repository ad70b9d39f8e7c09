"""Normal intervals whose error knows that a decision's impressions hang together."""

from math import inf, nan, sqrt
from typing import NamedTuple

import numpy as np
import scipy

from bandit.evaluation.estimators.base import Terms
from bandit.evaluation.sample import Sample


class Interval(NamedTuple):
    """Both ends; NaN where there is none."""

    lower: float
    upper: float


NONE = Interval(nan, nan)


def standard_error(sample: Sample, terms: Terms) -> float:
    """The standard error of an estimate, robust to clusters: √(C/(C-1) Σ_c (Σ_{i∈c} (v_i - v̄))²) / m (Liang and Zeger 1986).

    v are the values of each impression, linearised where the estimate is a ratio. Infinite for a single decision.
    """
    if sample.n_clusters < 2 or np.isnan(terms.value):
        return inf
    values = terms.per_decision
    sums = sample.sums(values - values.mean())
    return sqrt(sample.n_clusters / (sample.n_clusters - 1) * float(sums @ sums)) / len(sample)


def normal_interval(value: float, error: float, level: float) -> Interval:
    """Value ± z · error, with z the normal quantile of (1 + level) / 2.

    >>> normal_interval(0.5, 0.1, 0.95)
    Interval(lower=0.3040036015459946, upper=0.6959963984540054)
    """
    if not np.isfinite(error):
        return NONE
    width = float(scipy.special.ndtri((1 + level) / 2)) * error
    return Interval(value - width, value + width)
