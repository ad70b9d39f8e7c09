"""A treatment whose share of the users grows: its effect over all shares together, and which share comes next.

Shares that grow with time tie the treatment to the days on which it had many users. A mean over everything then says what these
days were like (Simpson 1951). Here variants are compared within a stratum, a day with one share, and only then put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, numbered
from bandit.errors import InputError
from bandit.experiments.columns import checked_level, column, labels, mask, pair
from bandit.experiments.deciding import Decision, Metric
from bandit.experiments.effects import FEW_REWARDS, FEW_USERS, Effect, effect_of, variance_rests_on
from bandit.experiments.margins import sign_of

Action = Literal["STAY", "WIDEN", "SHIP", "ROLL BACK", "END"]


class Rollout(NamedTuple):
    """The effect, and the values of treatment and control that it is the difference of."""

    effect: Effect
    values: tuple[float, float]


@dataclass(frozen=True)
class Move:
    """What to do with the share of a treatment, the place of the next one among the shares, itself, and why.

    ``share`` is 0 where nobody has the treatment any more, and 1 where everybody has it.
    """

    action: Action
    step: int
    share: float
    reasons: tuple[str, ...]


def rollout_effect(
    numerators: npt.ArrayLike,
    denominators: npt.ArrayLike,
    users: Any,
    strata: Any,
    treated: npt.ArrayLike,
    shares: npt.ArrayLike,
    level: float = 0.95,
) -> Rollout:
    """Σ_d w_d (ratio of the treatment in d - ratio of the control in d), w_d = N_Td N_Cd / N_d over their sum.

    Of ratios of sums that is the risk difference of Mantel and Haenszel (1959; Greenland and Robins 1985), and least squares with
    an intercept per stratum. What a user does in all strata is one piece of evidence: the variance is the larger one of two. One
    is clustered by users (Liang and Zeger 1986). The other is that over the draw of who is treated (Neyman 1923), for users who
    have the treatment wherever their place in [0, 1) lies below the share, so that growing shares keep them: it holds where the
    treatment has few users.

    Args:
        numerators: a row per user and stratum: what is counted, (n,).
        denominators: what it is divided by, (n,).
        users: of each row, numbers or texts, (n,).
        strata: of each row, such as its day: numbers or texts, (n,).
        treated: whether the user had the treatment then, (n,).
        shares: of the users that were planned to have it in the stratum, above 0 and below 1, (n,).
        level: of the interval.

    Raises:
        InputError: columns are wrong, a stratum has two shares, no stratum has both variants, or nothing varies.

    >>> rows = ([1, 0, 2, 3], [4, 4, 8, 8], ["a", "b", "a", "b"], [1, 1, 2, 2], [1, 0, 0, 1], [0.5] * 4)
    >>> rollout_effect(*rows).effect.value
    0.16666666666666666
    """
    above, below = pair("rows", (numerators, denominators))
    count = len(above)
    own, days = numbered(labels("users", users, count)), numbered(labels("strata", strata, count))
    has, planned = mask("treated", treated, count), _shares(shares, days)
    per_day = _Sums.of(above, below, days, has)
    if per_day.information <= 0:
        raise InputError("no stratum has both variants, expected some with users of each; wait for more data")
    apart = has - per_day.treated_share[days]
    value = float(apart @ above) / per_day.information
    rest = above - below * per_day.ratio[days] - value * below * apart
    by_user = np.asarray(np.bincount(own, weights=apart * rest), dtype=np.float64)
    variance = max(_clustered(by_user), _of_the_draw(rest, own, planned)) / per_day.information**2
    if not variance > 0 or _is_rounding(rest, above):
        raise InputError(
            "treatment and control have one ratio per stratum, expected numbers that differ between users; wait for more data"
        )
    users_of = int((np.bincount(own[has]) > 0).sum()), int((np.bincount(own[~has]) > 0).sum())
    effect = effect_of(
        value, sqrt(variance), np.inf, checked_level(level), users_of, caution=_caution(by_user, users_of)
    )
    return Rollout(effect, per_day.values)


def move(
    shares: Sequence[float],
    step: int,
    decision: Decision,
    metrics: Sequence[Metric],
    smallest_effect: float,
    waits: Sequence[str] = (),
    *,
    is_over: bool = False,
) -> Move:
    """What follows for the share of a treatment from a decision that may be taken at any time.

    ROLL BACK and SHIP are those of the decision. END: the time is over, and it is neither. WIDEN: the next share below 1, where
    nothing is waited for and no estimate is worse by more than what matters: the smallest effect of a primary metric, the margin
    of a guardrail. That costs no part of the level, since whatever is shipped or rolled back is so by the sequence. The share of
    1 has nobody to compare with: it is reached by SHIP alone. STAY: nothing of it.

    Args:
        shares: of the users, rising, the last of which is 1.
        step: the place of the present one.
        decision: by looks at any time.
        metrics: that it was made of.
        smallest_effect: of primary metrics, that matters.
        waits: what the step still waits for, such as users; told where it stays.
        is_over: whether the last planned day is over.

    >>> move([0.1, 0.5, 1.0], 0, Decision("HOLD", ()), [], 0.01)
    Move(action='WIDEN', step=1, share=0.5, reasons=('nothing is worse by more than what matters: from 10 % to 50 %',))
    """
    present = shares[step]
    if decision.verdict == "ROLL BACK":
        return Move("ROLL BACK", step, 0.0, decision.reasons)
    if decision.verdict == "SHIP":
        return Move("SHIP", len(shares) - 1, 1.0, decision.reasons)
    if is_over:
        why = "the last day is over, and it was not shown to be better: the control stays"
        return Move("END", step, 0.0, (why, *decision.reasons))
    following = shares[step + 1]
    kept = decision.reasons if decision.verdict == "INVALID" else tuple(waits) or _losing(metrics, smallest_effect)
    if not kept and following >= 1:
        kept = (
            f"{100 * present:g} % is the last share with a control: it stays until it ships, is rolled back or ends",
        )
    if kept:
        return Move("STAY", step, present, kept)
    why = f"nothing is worse by more than what matters: from {100 * present:g} % to {100 * following:g} %"
    return Move("WIDEN", step + 1, following, (why,))


def _losing(metrics: Sequence[Metric], smallest_effect: float) -> tuple[str, ...]:
    """The metrics whose estimates are worse by more than what matters."""
    made = []
    for metric in metrics:
        if metric.role == "proxy":
            continue
        limit = metric.margin if metric.role == "guardrail" else metric.smallest_effect or smallest_effect
        worse = -sign_of(metric.direction) * metric.effect.value
        if worse > limit:
            made.append(f"{metric.name}: worse by {worse:.3g} so far, more than {limit:g}")
    return tuple(made)


@dataclass(frozen=True)
class _Sums:
    """Of each stratum: the ratio of both variants together and the treatment's part of the denominators, (strata,).

    ``information`` is Σ N_T N_C / N, ``values`` the weighted ratios of treatment and control.
    """

    ratio: F64
    treated_share: F64
    information: float
    values: tuple[float, float]

    @classmethod
    def of(cls, above: F64, below: F64, days: I64, treated: npt.NDArray[np.bool_]) -> _Sums:
        """Sums of rows."""
        strata = int(days.max()) + 1
        counted, divided = (np.bincount(days, weights=rows, minlength=strata) for rows in (above, below))
        of_treated = np.bincount(days, weights=above * treated, minlength=strata)
        by_treated = np.bincount(days, weights=below * treated, minlength=strata)
        whole = np.where(divided > 0, divided, 1.0)
        share = by_treated / whole
        weights = np.where((by_treated > 0) & (by_treated < divided), by_treated * (1 - share), 0.0)
        information = float(weights.sum())
        if information <= 0:
            return cls(counted / whole, share, 0.0, (0.0, 0.0))
        part = weights / information
        by_control = divided - by_treated
        first = float(part @ (of_treated / np.where(by_treated > 0, by_treated, 1.0)))
        second = float(part @ ((counted - of_treated) / np.where(by_control > 0, by_control, 1.0)))
        return cls(counted / whole, share, information, (first, second))


def _clustered(by_user: F64) -> float:
    count = len(by_user)
    return float(by_user @ by_user) * count / max(count - 1, 1)


def _of_the_draw(rest: F64, users: I64, shares: F64) -> float:
    """Σ over users and pairs of shares p ≤ q of what the user did at both, times p (1 - q)."""
    levels, places = np.unique(shares, return_inverse=True)
    table = np.zeros((int(users.max()) + 1, len(levels)))
    np.add.at(table, (users, places), rest)
    together = np.minimum(levels[:, np.newaxis], levels) - levels[:, np.newaxis] * levels
    return float(np.einsum("up,pq,uq->", table, together, table))


def _is_rounding(rest: F64, above: F64) -> bool:
    return bool(np.abs(rest).max() <= _ROUNDING * max(float(np.abs(above).max()), 1e-300))


_ROUNDING: Final = 64 * np.finfo(np.float64).eps


def _shares(shares: npt.ArrayLike, strata: I64) -> F64:
    planned = column("shares", shares, len(strata))
    wrong = ~((planned > 0) & (planned < 1))
    if wrong.any():
        place = int(wrong.argmax())
        raise InputError(
            f"row {place} of the shares is {planned[place]}, expected above 0 and below 1: of the treatment"
        )
    first = np.zeros(int(strata.max()) + 1)
    first[strata[::-1]] = planned[::-1]
    if (odd := planned != first[strata]).any():
        place = int(odd.argmax())
        raise InputError(
            f"row {place} of the shares is {planned[place]} where its stratum had {first[strata[place]]} before, expected one"
            " share per stratum; make a stratum of each share of a day"
        )
    return planned


def _caution(by_user: F64, users: tuple[int, int]) -> str:
    cautions = [
        f"the {name} has {count} users, fewer than {FEW_USERS}"
        for name, count in zip(("treatment", "control"), users, strict=True)
        if count < FEW_USERS
    ]
    resting = variance_rests_on(by_user)
    if not cautions and resting < FEW_REWARDS:
        cautions.append(
            f"the variance rests on {resting:.1f} of {len(by_user)} users, fewer than {FEW_REWARDS:g}: rewards are too rare or"
            " too uneven for this interval"
        )
    return "; ".join(cautions)
