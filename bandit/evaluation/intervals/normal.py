"""Normal intervals whose error knows that the impressions of a user, or of a decision, hang together."""

from math import inf, nan, sqrt
from typing import NamedTuple

import numpy as np
import scipy

from bandit.arrays import F64
from bandit.evaluation.estimators.base import Terms
from bandit.evaluation.sample import Sample


class Interval(NamedTuple):
    """Both ends; NaN where there is none."""

    lower: float
    upper: float


NONE = Interval(nan, nan)


def standard_error(sample: Sample, terms: Terms) -> float:
    """The standard error of an estimate, robust to clusters: √(U/(U-1) Σ_u (Σ_{i∈u} (v_i - v̄))²) / m (Liang and Zeger 1986).

    v are the values of each impression, linearised where the estimate is a ratio; u the users, or else the decisions. Infinite
    for a single one.
    """
    if sample.n_units < 2 or np.isnan(terms.value):
        return inf
    sums = influences(sample, terms)
    return sqrt(sample.n_units / (sample.n_units - 1) * float(sums @ sums)) / len(sample)


def influences(sample: Sample, terms: Terms) -> F64:
    """What each unit adds to m times the error of an estimate, (U,): Σ_{i∈u} (v_i - v̄), linearised where it is a ratio."""
    values = terms.per_decision
    return sample.unit_sums(values - values.mean())


def normal_interval(value: float, error: float, level: float) -> Interval:
    """Value ± z · error, with z the normal quantile of (1 + level) / 2.

    >>> normal_interval(0.5, 0.1, 0.95)
    Interval(lower=0.3040036015459946, upper=0.6959963984540054)
    """
    if not np.isfinite(error):
        return NONE
    width = float(scipy.special.ndtri((1 + level) / 2)) * error
    return Interval(value - width, value + width)
