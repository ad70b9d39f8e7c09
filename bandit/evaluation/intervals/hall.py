"""The usual interval: of the studentised estimate without its skewness, as wide as the data that it rests on allow."""

from math import sqrt
from typing import Final

import numpy as np
import scipy

from bandit.arrays import F64
from bandit.evaluation.intervals.normal import NONE, Interval

MOST_FREEDOM: Final = 30.0
"""Degrees of freedom at most. Intervals of 95 % then hold the truth 95.9 % of the time where nothing is skewed: a reserve for
what the linear approximation of ratios and of cross-fitted models leaves out."""

_STRAIGHT: Final = 1e-9


def effective_count(values: F64) -> float:
    """(Σ v²)² / Σ v⁴ of values with mean 0, (U,): how many of them make up the variance; 0 where all are 0.

    It is the number of rewards where those are rare and equal, and two over it, less two over the number of values, is the
    squared relative error of the variance that is read off them.
    """
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return 0.0
    squares = (values / largest) ** 2
    return float(squares.sum()) ** 2 / float(squares @ squares)


def hall_interval(value: float, influences: F64, scale: float, level: float) -> Interval:
    """The interval of a mean by Hall's transformation (Hall 1992, on the removal of skewness by transformation).

    T = (v̂ - v) / s is skewed where the values are: rare rewards and large weights have it too small on one side and too
    large on the other, which is why plain and percentile intervals miss a truth that is above them. With γ the skewness of v̂
    (that of the influences over √U), g(T) = T + γ T² / 3 + γ² T³ / 27 + γ / 6 is normal but for terms of the order 1/U; the
    ends are v̂ - s g⁻¹(±t). t is a quantile of Student's distribution with as many degrees of freedom as influences make up
    the variance (``effective_count``), 30 at most: s is read off few values where weights are heavy. In worlds with weights
    up to an effective sample of a quarter and rewards of 1 to 50 % intervals of 95 % held the truth 95 to 98 % of the time,
    those of percentiles 90 to 95, those of the studentised bootstrap 92 to 95.

    Args:
        value: v̂.
        influences: what each unit (user, or decision) adds to the error, (U,), Σ = 0.
        scale: impressions, m: v̂'s error is Σ influences / m.
        level: of the interval.
    """
    count = len(influences)
    largest = float(np.abs(influences).max(initial=0.0))
    if count < 2 or not np.isfinite(value):
        return NONE
    if largest == 0:
        return Interval(value, value)
    scaled = influences / largest
    square = float(scaled @ scaled)
    error = sqrt(count / (count - 1) * square) * largest / scale
    skewness = float((scaled * scaled) @ scaled) / square**1.5  # numpy has no fast way for **3
    freedom = min(effective_count(influences), count - 1, MOST_FREEDOM)
    reach = float(scipy.special.stdtrit(freedom, (1 + level) / 2))
    lower, upper = (value - error * _straightened(end, skewness) for end in (reach, -reach))
    return Interval(lower, upper)


def _straightened(x: float, skewness: float) -> float:
    """g⁻¹(x)."""
    if abs(skewness) < _STRAIGHT:
        return x
    return 3 / skewness * (float(np.cbrt(1 + skewness * (x - skewness / 6))) - 1)
