"""Effects over time since a user first saw what was changed: novelty wears off, habits are learned."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.experiments.columns import checked_level, pair, table, two
from bandit.experiments.effects import Effect, Side, linearised, welch

_MOST_ERROR: Final = 0.2
"""Share of a mean that its standard error may be where its logarithm is taken."""


@dataclass(frozen=True)
class Novelty:
    """Effects by day since exposure, of users who were there for all of these days.

    Attributes:
        days: the effect on each day, the first being that of exposure.
        early: the effect per day over the first half of the days.
        late: over the second half.
        change: late minus early, user by user.
        early_share: of the effect over all days, what the first half brought; None if that is 0.
        relative_change: ln of the later lift (treatment / control) less ln of the earlier one: users who do less and less of
            everything make a lasting lift smaller in absolute terms; None where a mean is not clearly above 0.
        warning: that most of the effect is early and wears off, in absolute terms and as a lift; empty if nothing says so.
    """

    days: tuple[Effect, ...]
    early: Effect
    late: Effect
    change: Effect
    early_share: float | None
    relative_change: Effect | None
    warning: str


def novelty(treatment: npt.ArrayLike, control: npt.ArrayLike, denominators: Any = None, level: float = 0.95) -> Novelty:
    """Effects by days since exposure in fixed cohorts: the same users on every day, so that who leaves changes nothing.

    Args:
        treatment: a row per user, a column per day since the user's exposure, (n, d).
        control: the same, counted from the day on which the user would have been exposed, (m, d).
        denominators: of a ratio, (the treatment's, the control's), tables like those; None for means per user and day.
        level: of intervals.

    Raises:
        InputError: tables differ in days, a number is missing (leave out users who came too late), or nothing varies.

    >>> effects = novelty([[3, 1], [4, 2], [5, 2]], [[1, 1], [2, 1], [2, 2]])
    >>> round(effects.early.value, 2), round(effects.late.value, 2), round(effects.change.value, 2)
    (2.33, 0.33, -2.0)
    """
    checked_level(level)
    under = (
        (None, None) if denominators is None else two("denominators", denominators, "the treatment's, the control's")
    )
    first, second = _Days.of("treatment", treatment, under[0]), _Days.of("control", control, under[1])
    days = first.numerators.shape[1]
    if second.numerators.shape[1] != days:
        raise InputError(
            f"treatment has {days} days and control {second.numerators.shape[1]}, expected the same days since exposure"
        )
    half = days // 2
    spans = [slice(0, half), slice(half, days)]
    daily = [slice(day, day + 1) for day in range(days)]
    effects = [welch(first.over(span), second.over(span), level) for span in daily + spans]
    early, late = effects[days:]
    change = welch(first.change(*spans), second.change(*spans), level)
    relative = _relative_change(first, second, spans, level)
    total = early.value * half + late.value * (days - half)
    warning = ""
    is_less = change.p_value < 1 - level and change.value * early.value < 0 and abs(late.value) < abs(early.value)
    if is_less and (relative is None or (relative.p_value < 1 - level and relative.value * early.value < 0)):
        warning = (
            f"the effect wears off: {early.value:+.3g} per day in the first {half} days since exposure, {late.value:+.3g} after;"
            " read the late one, or wait"
        )
    share = early.value * half / total if total else None
    return Novelty(tuple(effects[:days]), early, late, change, share, relative, warning)


class _Days(NamedTuple):
    """What users of a variant did per day since exposure, and what that is divided by, (n, d) each."""

    numerators: F64
    denominators: F64

    @classmethod
    def of(cls, name: str, values: npt.ArrayLike, denominators: npt.ArrayLike | None) -> _Days:
        """As tables of one shape."""
        above = table(name, values)
        if denominators is None:
            return cls(above, np.ones_like(above))
        below = table(f"denominators of {name}", denominators)
        if below.shape != above.shape:
            raise InputError(f"denominators of {name} have the shape {below.shape}, expected {above.shape}: one each")
        return cls(above, below)

    def over(self, days: slice) -> Side:
        """The ratio of sums over some days."""
        values = self.numerators[:, days].sum(axis=1), self.denominators[:, days].sum(axis=1)
        return linearised(pair(f"days {days.start} to {days.stop - 1}", values))

    def change(self, early: slice, late: slice) -> Side:
        """The later ratio minus the earlier one, user by user."""
        before, after = self.over(early), self.over(late)
        return Side(after.value - before.value, after.per_user - before.per_user)

    def log_change(self, early: slice, late: slice) -> Side | None:
        """The logarithm of the later / the earlier ratio (the delta method); None where one is not clearly above 0."""
        parts = self.over(early), self.over(late)
        if any(part.value <= 0 or part.variance > (_MOST_ERROR * part.value) ** 2 for part in parts):
            return None
        before, after = parts
        return Side(log(after.value / before.value), after.per_user / after.value - before.per_user / before.value)


def _relative_change(first: _Days, second: _Days, spans: list[slice], level: float) -> Effect | None:
    treated, untreated = first.log_change(*spans), second.log_change(*spans)
    if treated is None or untreated is None or treated.variance + untreated.variance == 0:
        return None
    return welch(treated, untreated, level)
