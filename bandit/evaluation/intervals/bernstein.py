"""Empirical Bernstein intervals: they hold for any sample size, and pay for it in width."""

from math import log, sqrt

from bandit.errors import InputError
from bandit.evaluation.estimators.base import Terms
from bandit.evaluation.intervals.normal import NONE, Interval
from bandit.evaluation.sample import Sample


def bernstein_interval(sample: Sample, terms: Terms, value_range: float, level: float) -> Interval:
    """Value ± (√(2 V ln(4/α) / C) + 7 R ln(4/α) / (3 (C - 1))) (Maurer and Pontil 2009, theorem 4, on either side).

    V is the sample variance of the decisions' values and R the width of the range that they lie in. The theorem is about means of
    independent values: it holds for unbiased estimators on logs whose decisions were shown once. For ratios, and where decisions
    were shown several times, values are linearised (each decision's sum over the mean number of impressions), which is asymptotic
    in that number alone.

    Args:
        sample: of the terms.
        terms: of the estimate.
        value_range: R; for ``ips`` the largest weight that was possible, for ``dr`` twice that and one.
        level: of the interval, 1 - α.

    Raises:
        InputError: a value lies outside the range.
    """
    count = sample.n_clusters
    if count < 2:
        return NONE
    values = terms.per_decision
    sums = sample.sums(values) * (count / len(sample))  # (C,), their mean is the estimate
    found = float(sums.max() - sums.min())
    if sample.clusters is None and terms.denominator is None and found > value_range * (1 + 1e-9):
        raise InputError(
            f"values differ by {found:.4g} and the range is {value_range:.4g}; pass the largest weight that was possible"
        )
    tail = log(4 / (1 - level))
    width = sqrt(2 * float(sums.var(ddof=1)) * tail / count) + 7 * max(value_range, found) * tail / (3 * (count - 1))
    return Interval(terms.value - width, terms.value + width)
