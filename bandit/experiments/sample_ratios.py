"""Whether users came to the variants in the shares that were planned: at the end, and at every look.

A mismatch means that something took users out of one variant more than out of another. Then no effect is to be believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from bandit.arrays import F64, I64
from bandit.errors import InputError
from bandit.experiments.columns import checked_shares, count_array, positive

FEW_EXPECTED = 5
"""Users expected in a variant; with fewer, the chi-square distribution is not that of the statistic (Cochran 1954)."""
CONCENTRATION = 10_000.0
"""Of the prior: shares that are off by about 1 % of all users are found soonest."""
MOST_CONCENTRATION = 1e9
"""Beyond it, logarithms of the gamma function have too few digits left for their differences."""


@dataclass(frozen=True)
class SampleRatio:
    """How far counts of users are from what shares make one expect."""

    counts: tuple[int, ...]
    expected: tuple[float, ...]
    statistic: float
    p_value: float
    caution: str = ""


@dataclass(frozen=True)
class SampleRatioSequence:
    """The same at every look: ``p_values`` hold however often one looks, and never grow; logarithms of e-values beside them."""

    log_e_values: F64
    p_values: F64

    @property
    def e_values(self) -> F64:
        """How many times likelier the counts are if shares are off; infinite beyond what a number can hold."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_e_values)

    @property
    def p_value(self) -> float:
        """At the last look."""
        return float(self.p_values[-1])


def sample_ratio(counts: npt.ArrayLike, shares: npt.ArrayLike) -> SampleRatio:
    """The chi-square test of users per variant against planned shares (Pearson 1900; Fabijan and others 2019).

    Args:
        counts: users in each variant, (k,).
        shares: planned, (k,), 1 together.

    Raises:
        InputError: counts or shares are wrong, differ in number, or nobody came.

    >>> round(sample_ratio([5000, 5200], [0.5, 0.5]).p_value, 4)
    0.0477
    """
    planned = checked_shares(shares)
    seen = _counts(counts, planned)
    expected = planned * seen.sum()
    statistic = float(((seen - expected) ** 2 / expected).sum())
    caution = ""
    if expected.min() < FEW_EXPECTED:
        caution = f"{expected.min():.1f} users were expected in a variant, fewer than {FEW_EXPECTED}: wait for more"
    p_value = float(scipy.special.chdtrc(len(planned) - 1, statistic))
    return SampleRatio(tuple(seen.tolist()), tuple(expected.tolist()), statistic, p_value, caution)


def sample_ratio_sequence(
    counts: npt.ArrayLike, shares: npt.ArrayLike, concentration: float = CONCENTRATION
) -> SampleRatioSequence:
    """Sample ratio at every look, as often as one likes: the Dirichlet-multinomial e-value (Lindon and Malek 2022).

    Args:
        counts: users so far in each variant at each look, (looks, k).
        shares: planned, (k,), 1 together.
        concentration: of the Dirichlet prior around the shares; larger finds small mismatches, later.

    Raises:
        InputError: counts fall from one look to the next, or something else is wrong.

    >>> sample_ratio_sequence([[50, 50], [500, 520], [5000, 5900]], [0.5, 0.5]).p_values.round(3).tolist()
    [1.0, 1.0, 0.0]
    """
    planned = checked_shares(shares)
    seen = count_array("counts", counts)
    if seen.ndim != 2 or not len(seen) or seen.shape[1] != len(planned):
        raise InputError(
            f"counts have the shape {seen.shape}, expected (looks, {len(planned)}): a row per look, a column per share"
        )
    fallen = np.diff(seen, axis=0) < 0
    if fallen.any():
        row, place = np.argwhere(fallen)[0].tolist()
        raise InputError(
            f"counts of variant {place} fall from {seen[row, place]} to {seen[row + 1, place]} at look {row + 1}, expected all"
            " users so far at each look; add up counts per day with cumsum"
        )
    if positive("concentration", concentration) > MOST_CONCENTRATION:
        raise InputError(f"concentration is {concentration!r}, expected at most {MOST_CONCENTRATION:g}")
    prior = concentration * planned
    total = seen.sum(axis=1)
    log_e_values = (
        scipy.special.gammaln(prior.sum())
        - scipy.special.gammaln(prior.sum() + total)
        + (scipy.special.gammaln(prior + seen) - scipy.special.gammaln(prior)).sum(axis=1)
        - seen @ np.log(planned)
    )
    p_values = np.exp(-np.maximum(np.maximum.accumulate(log_e_values), 0.0))
    return SampleRatioSequence(log_e_values, p_values)


def _counts(counts: npt.ArrayLike, shares: F64) -> I64:
    seen = count_array("counts", counts)
    if seen.shape != shares.shape:
        raise InputError(f"counts have the shape {seen.shape}, expected {shares.shape}: one per share")
    if not seen.any():
        raise InputError("counts are all 0, expected users in the variants; wait until somebody came")
    return seen
