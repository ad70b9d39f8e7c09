"""One number a night of each thing that is compared with its own past."""

from typing import Final, NamedTuple

import numpy as np

from bandit.arrays import F64, I64
from bandit.snapshot import id64

LEAST_EXPECTED: Final = 10.0
"""Rewards that a number lets expect, at least: fewer are too skewed for a normal law, and nights are taken together."""

MOST_IMPRESSIONS: Final = 20
"""Impressions of a user that count in a night: who sees thousands would be the whole number."""

RATIO_BLUR: Final = 0.01
"""Standard deviation of noise in a ratio's root: changes of 1 % of a rate are nobody's business."""

CONTEXT_BLUR: Final = 0.05
"""The same in means of features, in their standard deviations, and in logarithms of variances."""

RETURNING: Final = 3.0
"""Standard deviation of more noise there, in those of a mean over the night's users. Where nine of ten users come again the next
night, means of nights hang together: without it 6 % of the nights of 300 users had an alarm, with it 0.04 %, with 2 0.3 %."""

_DEAD: Final = 1e-4

_MOST_VARIANCE: Final = 0.1
"""Of the logarithm of a night's variance, by chance; of a 0/1 feature that fewer than ten users of a night have it is more."""


class Numbers(NamedTuple):
    """m numbers, their weights, and the night on which each was complete; fewer than nights where these were taken together."""

    nights: I64
    values: F64
    weights: F64


def user_shares(users: I64) -> F64:
    """What each impression of a night counts, (m,): 1, or less where its user has more than ``MOST_IMPRESSIONS``.

    >>> user_shares(np.array([0, 0, 1])).tolist()
    [1.0, 1.0, 1.0]
    """
    counts = np.bincount(users) if len(users) else np.zeros(0, dtype=np.int64)
    return np.asarray(np.minimum(counts, MOST_IMPRESSIONS)[users] / np.maximum(counts[users], 1), dtype=np.float64)


def ratio_numbers(name: str, days: I64, observed: F64, expected: F64, least: float = LEAST_EXPECTED) -> Numbers:
    """√(observed / expected) of nights, taken together until they let expect ``least``.

    The root of a count has about the same variance and little skewness wherever it lies (Anscombe 1948). Where ``expected`` is
    wrong by the same factor every night, the numbers are too, and no change is seen.

    Args:
        name: of the series, a key of its noise.
        days: a number of each night, as a date has it, (n,), the other key.
        observed: rewards of each night, (n,).
        expected: what was expected of the same impressions before their rewards were known, (n,).
        least: expected of a number.
    """
    nights, [seen], [hoped] = _together(observed[None], expected[None], least)
    return Numbers(nights, _roots(seen, hoped) + RATIO_BLUR * _noise(name, days[nights]), hoped)


def contrast_numbers(name: str, days: I64, observed: F64, expected: F64, least: float = LEAST_EXPECTED) -> Numbers:
    """Logarithms of √(observed / expected) of one part minus that of the others: what befalls all alike is not seen.

    Args:
        name: of the series, a key of its noise.
        days: a number of each night, (n,), the other key.
        observed: rewards of the part and of the others, (2, n).
        expected: the same as was expected, (2, n).
        least: expected of each of the two in a number.
    """
    nights, seen, hoped = _together(observed, expected, least)
    own, others = np.log(_roots(seen, hoped))
    weights = hoped[0] * hoped[1] / (hoped[0] + hoped[1])
    return Numbers(nights, own - others + RATIO_BLUR * _noise(name, days[nights]), weights)


def _together(observed: F64, expected: F64, least: float) -> tuple[I64, F64, F64]:
    """Nights summed until each of p parts lets expect ``least``: their last ones (m,), and both sums, (p, m)."""
    parts = len(observed)
    ends, sums = [], []
    so_far = np.zeros((2, parts))
    for night in range(observed.shape[1]):
        so_far = so_far + np.stack([observed[:, night], expected[:, night]])
        if (so_far[1] >= least).all():
            ends.append(night)
            sums.append(so_far)
            so_far = np.zeros((2, parts))
    both = np.stack(sums, axis=2) if sums else np.zeros((2, parts, 0))
    return np.array(ends, dtype=np.int64), both[0], both[1]


def _roots(seen: F64, hoped: F64) -> F64:
    return np.asarray(np.sqrt((seen + 0.375) / (hoped + 0.375)))


def context_numbers(
    name: str, days: I64, means: F64, variances: F64, users: I64, kurtosis: float = 3.0
) -> tuple[Numbers, Numbers]:
    """The mean of a feature over the users of each night, in standard deviations, and the logarithm of its variance.

    Args:
        name: of the feature.
        days: a number of each night, (n,).
        means: of the feature over users, (n,).
        variances: the same, (n,).
        users: how many, (n,).
        kurtosis: of the feature over users, usually: the more, the less a night's variance says.
    """
    usual = float(np.median(variances))
    nights, weights = np.arange(len(days)), users.astype(np.float64)
    nothing = Numbers(nights[:0], means[:0], weights[:0])
    if usual <= 0 or not len(days):
        return nothing, nothing
    of_mean = RETURNING**2 / np.maximum(weights, 1.0)
    of_variance = of_mean * max(kurtosis - 1.0, 0.0)
    moved = means / np.sqrt(usual) + np.sqrt(CONTEXT_BLUR**2 + of_mean) * _noise(f"{name} mean", days)
    spread = np.log(variances / usual + _DEAD)
    spread = spread + np.sqrt(CONTEXT_BLUR**2 + of_variance) * _noise(f"{name} variance", days)
    varies = max(kurtosis - 1.0, 0.0) <= _MOST_VARIANCE * float(np.median(weights))
    return Numbers(nights, moved, weights), Numbers(nights, spread, weights) if varies else nothing


def _noise(name: str, days: I64) -> F64:
    """A standard normal number of each day, always the same: numbers that never differ would make any change certain."""
    return np.array([np.random.default_rng([id64(name), int(day)]).standard_normal() for day in days.tolist()])
