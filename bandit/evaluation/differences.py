"""Differences between policies on one log, and intervals that hold for all of them together."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from bandit.evaluation.intervals.bootstrap import percentile_interval
from bandit.evaluation.overlap import is_refused
from bandit.evaluation.results import Difference
from bandit.evaluation.sample import F64

_ROUNDING = 1e-9


class Judged(NamedTuple):
    """A policy's value by the estimator that is compared, its resampled values (B,), and the verdict about its overlap."""

    policy: str
    value: float
    drawn: F64
    verdict: str


class Differences(NamedTuple):
    """Every pair, and how many standard errors wide, on either side, their adjusted intervals are."""

    pairs: list[Difference]
    reach: float


def differences(policies: Sequence[Judged], estimator: str, level: float) -> Differences:
    """Every pair, the later less the earlier: with the logging policy first, each policy's lead over it comes first.

    Both values are of the same draws of the decisions, so what is common to both cancels. The adjusted intervals are max-t ones
    (Westfall and Young 1993, chapter 2, single-step; Romano and Wolf 2005): as many standard errors wide as the largest
    deviation among all differences is in ``level`` of the draws. Pairs with a refused policy have no part in them.
    """
    pairs = list(combinations(policies, 2))
    reach = _reach([_drawn(pair) for pair in pairs if _is_usable(pair)], level)
    return Differences(
        [_difference(pair, estimator, level, reach if _is_usable(pair) else None) for pair in pairs], reach
    )


def _is_usable(pair: tuple[Judged, Judged]) -> bool:
    return not any(is_refused(each.verdict) for each in pair)


def _drawn(pair: tuple[Judged, Judged]) -> F64:
    return np.asarray(pair[1].drawn - pair[0].drawn)


def _reach(drawn: Sequence[F64], level: float) -> float:
    """The quantile of the largest |d_b - d̄| in standard errors; differences without any scatter are exact and have none."""
    columns = [each for each in drawn if np.nanstd(each) > _ROUNDING]
    if not columns:
        return 0.0
    table = np.stack(columns, axis=1)  # (B, pairs)
    scaled = np.abs(table - np.nanmean(table, axis=0)) / np.nanstd(table, axis=0, ddof=1)
    return float(np.quantile(np.nanmax(scaled, axis=1), level))


def _difference(pair: tuple[Judged, Judged], estimator: str, level: float, reach: float | None) -> Difference:
    against, policy = pair
    value = policy.value - against.value
    if reach is None:
        verdict = next(each.verdict for each in (policy, against) if is_refused(each.verdict))
        return Difference(policy.policy, against.policy, estimator, None, None, None, None, None, verdict, value)
    drawn = _drawn(pair)
    if abs(value) <= _ROUNDING and np.nanstd(drawn) <= _ROUNDING:  # they are one policy by two names
        value, drawn = 0.0, np.zeros(len(drawn))
    lower, upper = percentile_interval(drawn, level)
    width = reach * float(np.nanstd(drawn, ddof=1))
    return Difference(
        policy.policy,
        against.policy,
        estimator,
        value,
        lower,
        upper,
        value - width,
        value + width,
        policy.verdict,
        None,
    )
