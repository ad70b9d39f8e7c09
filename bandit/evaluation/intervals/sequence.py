"""Confidence sequences: intervals that hold at all times at once, so that one may look every day and stop when one likes."""

from math import log
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, writable
from bandit.checks import real_column
from bandit.errors import InputError
from bandit.evaluation.sample import Sample
from bandit.kernels.sequences import mixture_bounds, running_sums

POINTS: Final = 500

_BETS: F64 = 0.5 ** np.arange(1.0, 19.0)
"""λ: each is best for some number of values, from a few to 10¹⁰ of them; between two the width is off by 6 % at most."""


class Sequence(NamedTuple):
    """The interval after ``decisions`` values, all (p,): with probability ``level`` the truth is in all of them."""

    decisions: I64
    lower: F64
    upper: F64


def confidence_sequence(
    values: npt.ArrayLike, least: float, most: float, level: float = 0.95, points: int | None = POINTS
) -> Sequence:
    """The mean of the values so far, at all times at once, of values that come one after the other.

    Empirical Bernstein supermartingales (Howard, Ramdas, McAuliffe and Sekhon 2021, theorem 4) for 18 bets, mixed with equal
    weights (their section 3.3), once from below and once from above. Each side needs a bound on its own side alone: a wide
    range above costs the lower end nothing, which is what importance weights are like (Waudby-Smith, Wu, Ramdas,
    Karampatziakis and Mineiro 2024, section 3). What the interval holds after t values is the mean of their t expectations,
    each given the values before. These may differ: users change, artworks come, the logging policy learns. So ends are not
    carried on from one time to the next, which would be narrower and is right for one expectation alone. For many values the
    width is 1.5 to 2.2 times that of a normal interval.

    Args:
        values: (t,), in the order in which they came.
        least: no value can be smaller; known before, not read off the values.
        most: no value can be larger.
        level: 1 - α, half of it for each side.
        points: at how many moments, evenly spaced in the logarithm of time and the last among them, the interval is computed;
            None for all. It holds at all of them, shown or not.

    Raises:
        InputError: a value is outside [least, most], or there is none.

    >>> found = confidence_sequence(np.tile([0.0, 1.0], 5000), 0.0, 1.0, points=3)
    >>> found.decisions.tolist(), found.lower.round(2), found.upper.round(2)
    ([1, 100, 10000], array([0.  , 0.27, 0.48]), array([1.  , 0.81, 0.52]))
    """
    array = real_column("values", values)
    outside = ~((array >= least) & (array <= most))
    if outside.any() or not len(array):
        row = int(outside.argmax()) if len(array) else 0
        found = f"value {row} is {array[row]:.4g}" if len(array) else "there are no values"
        raise InputError(f"{found}, expected {least:.4g} to {most:.4g}; pass the largest weight that was possible")
    at = _moments(len(array), points)
    low, high = min(least, 0.0), max(most, 0.0)
    lower, upper = _lower(array, low, level, at), -_lower(-array, -high, level, at)
    return Sequence(at + 1, np.maximum(lower, low), np.minimum(upper, high))


def _lower(values: F64, least: float, level: float, at: I64) -> F64:
    sums, squares, out = np.empty(len(values)), np.empty(len(values)), np.empty(len(at))
    running_sums(writable(values), float(least), sums, squares)
    mixture_bounds(sums, squares, at, _BETS, log(2 / (1 - level)), out)
    return out * (1 - least) + least


def _moments(count: int, points: int | None) -> I64:
    if points is None or points >= count:
        return np.arange(count)
    return np.unique(np.geomspace(1, count, points).round().astype(np.int64)) - 1


def decision_values(sample: Sample, values: F64) -> F64:
    """Of each decision the value of its first impression, in the order of these, (C,).

    What a decision earned when it was shown again is left out: it would change a value that was looked at before.
    """
    if sample.clusters is None:
        return values
    return values[np.unique(sample.clusters, return_index=True)[1]]
