"""Effects over time since a user first saw what was changed: novelty wears off, habits are learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.experiments.columns import checked_level, table
from bandit.experiments.effects import Effect, mean_effect


@dataclass(frozen=True)
class Novelty:
    """Effects by day since exposure, of users who were there for all of these days.

    Attributes:
        days: the effect of each day, the first being that of exposure.
        early: the effect per day over the first half of the days.
        late: over the second half.
        change: late minus early, user by user.
        early_share: of the sum of daily effects, what the first half brought; None if that is 0.
        warning: that most of the effect is early and wears off; empty if nothing says so.
    """

    days: tuple[Effect, ...]
    early: Effect
    late: Effect
    change: Effect
    early_share: float | None
    warning: str


def novelty(treatment: npt.ArrayLike, control: npt.ArrayLike, level: float = 0.95) -> Novelty:
    """Effects by days since exposure in fixed cohorts: the same users on every day, so that who leaves changes nothing.

    Args:
        treatment: a row per user, a column per day since the user's exposure, (n, d).
        control: the same, counted from the day on which the user would have been exposed, (m, d).
        level: of intervals.

    Raises:
        InputError: tables differ in days, a number is missing (leave out users who came too late), or nothing varies.
    """
    checked_level(level)
    first, second = table("treatment", treatment), table("control", control)
    days = first.shape[1]
    if second.shape[1] != days:
        raise InputError(
            f"treatment has {days} days and control {second.shape[1]}, expected the same days since exposure"
        )
    effects = tuple(mean_effect(first[:, day], second[:, day], level=level) for day in range(days))
    half = days // 2
    early, late, change = (
        mean_effect(of(first, half), of(second, half), level=level) for of in (_early, _late, _change)
    )
    total = sum(effect.value for effect in effects)
    share = early.value * half / total if total else None
    warning = ""
    if change.p_value < 1 - level and change.value * early.value < 0 and abs(late.value) < abs(early.value):
        warning = (
            f"the effect wears off: {early.value:+.3g} per day in the first {half} days since exposure, {late.value:+.3g} after;"
            " read the late one, or wait"
        )
    return Novelty(effects, early, late, change, share, warning)


def _early(values: F64, half: int) -> F64:
    return np.asarray(values[:, :half].mean(axis=1))


def _late(values: F64, half: int) -> F64:
    return np.asarray(values[:, half:].mean(axis=1))


def _change(values: F64, half: int) -> F64:
    return _late(values, half) - _early(values, half)
