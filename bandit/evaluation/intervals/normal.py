"""Normal intervals whose error knows that the impressions of a user, or of a decision, hang together."""

from math import inf, nan, sqrt
from typing import NamedTuple

import numpy as np
import scipy

from bandit.evaluation.estimators.base import Terms
from bandit.evaluation.sample import F64, Sample


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


def modelled_error(sample: Sample, terms: Terms) -> float:
    """The standard error that an estimate would have if rewards were what they are to the target wherever weights are large.

    √(D Σ w² · Σ w e² / Σ w) / m (or over the sum of a ratio's denominator), e the rewards (or what a model or the estimate
    left of them): where few large weights happened to come with no reward, the error that is read off the rewards knows
    nothing of them, and this one does. D ≥ 1 is how much wider errors are for the impressions of a unit hanging together
    (Kish 1965). 0 where there are no weights.
    """
    if sample.propensities is None or terms.numerator is None:
        return 0.0
    weights = sample.weights
    total, used = float(weights.sum()), weights > 0
    if total == 0 or not np.isfinite(terms.value):
        return 0.0
    parts = np.divide(terms.numerator, weights, out=np.zeros(len(sample)), where=used)
    if terms.denominator is not None:
        parts = np.where(used, parts - float(terms.numerator.sum()) / float(terms.denominator.sum()), 0.0)
    square = float(weights @ weights) * float(weights @ parts**2) / total
    if terms.denominator is None:
        square -= float(terms.numerator.sum()) ** 2 / len(sample)
    values = terms.per_decision - terms.per_decision.mean()
    alone = float(values @ values)
    sums = sample.unit_sums(values)
    design = max(float(sums @ sums) / alone, 1.0) if alone > 0 else 1.0
    scale = len(sample) if terms.denominator is None else float(terms.denominator.sum())
    return sqrt(max(square, 0.0) * design) / scale


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
