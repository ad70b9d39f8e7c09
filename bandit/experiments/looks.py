"""Kinds of looks: how wide an interval is when one looks once, at planned times, or whenever one likes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, inf, log

import scipy

from bandit.errors import InputError
from bandit.experiments.columns import checked_level, positive
from bandit.experiments.effects import Effect, interval
from bandit.experiments.sequences import half_width
from bandit.experiments.spending import spending_bounds

_FAR = 1e6


@dataclass(frozen=True)
class OneLook:
    """The one look that was planned: the interval of the effect itself."""

    def reach(self, effect: Effect, level: float) -> float:
        """Half of the interval, in standard errors."""
        return interval(0.0, 1.0, effect.degrees, level)[1]


@dataclass(frozen=True)
class AnyLook:
    """A look at any time: a confidence sequence, narrowest at ``tuning`` users of both variants."""

    tuning: float

    def reach(self, effect: Effect, level: float) -> float:
        """Half of the interval, in standard errors."""
        return float(half_width(float(sum(effect.users)), self.tuning, checked_level(level)))


@dataclass(frozen=True)
class PlannedLook:
    """The last of the looks at these shares of the information; what comes later is still to be spent.

    Where ``gathered`` is given it is the information at each look, of what there is at this one, and ``information`` is the
    share of the time: what may be spent. Looks are less alike than their times say where most information comes late.
    """

    information: tuple[float, ...]
    spending: str
    gathered: tuple[float, ...] = ()

    def reach(self, effect: Effect, level: float) -> float:
        """Half of the interval, in standard errors: the bound of the look, at the same probability of Student's distribution."""
        bound = _last_bound(tuple(self.information), 1 - checked_level(level), self.spending, tuple(self.gathered))
        if effect.degrees == inf:
            return bound
        return -float(scipy.special.stdtrit(effect.degrees, float(scipy.special.ndtr(-bound))))


@lru_cache(maxsize=256)
def _last_bound(times: tuple[float, ...], error: float, spending: str, gathered: tuple[float, ...]) -> float:
    """Of a look; the metrics of an experiment have the same ones."""
    bounds = spending_bounds(gathered, error, spending, times) if gathered else spending_bounds(times, error, spending)
    return float(bounds[-1])


@dataclass(frozen=True)
class AnyError:
    """A look at any time, where information is 1 / standard error² and not users: narrowest at the standard error ``tuning``.

    So of shares that change, or of the same users who come again and again: their number stands still while more is known.
    """

    tuning: float

    def reach(self, effect: Effect, level: float) -> float:
        """Half of the interval, in standard errors."""
        times = (positive("tuning", self.tuning) / effect.standard_error) ** 2
        return float(half_width(times, 1.0, checked_level(level)))


Look = OneLook | AnyLook | PlannedLook | AnyError
Looks = Look | Mapping[str, Look]
"""One look for all metrics, or one for each by its name."""


def look_at(looks: Looks, metric: str) -> Look:
    """The look at a metric.

    Raises:
        InputError: it has none.
    """
    if not isinstance(looks, Mapping):
        return looks
    if metric not in looks:
        raise InputError(f"looks are at {', '.join(looks) or 'nothing'}, expected one at {metric}, too")
    return looks[metric]


_LEAST_ERROR, _MOST_ERROR = 1e-15, 0.5
"""Between which a look is asked for its bound: bounds spend at most half."""


def p_value_at(effect: Effect, look: Look) -> float:
    """Two-sided, of no effect, as such a look has it: at most 1 - level where the interval of that level leaves out 0.

    Beyond 0.5 that of anything but one look is 1: it is no evidence at all.

    >>> from bandit.experiments import mean_effect
    >>> effect = mean_effect([1, 2, 3, 4, 5] * 20, [1, 2, 3, 4, 3] * 20)
    >>> [round(p_value_at(effect, look), 2) for look in (OneLook(), PlannedLook((0.5,), "pocock"), AnyLook(200))]
    [0.02, 0.04, 0.28]
    """
    if isinstance(look, OneLook):
        return effect.p_value
    shown = abs(effect.value) / effect.standard_error

    def missing(log_error: float) -> float:
        return min(look.reach(effect, 1 - exp(log_error)), _FAR) - min(shown, _FAR / 2)

    low, high = log(_LEAST_ERROR), log(_MOST_ERROR)
    if missing(low) <= 0:
        return _LEAST_ERROR
    return exp(float(scipy.optimize.brentq(missing, low, high, xtol=1e-5))) if missing(high) <= 0 else 1.0


def seen_at(effect: Effect, look: Look, level: float | None = None) -> Effect:
    """The effect with the interval of such a look, and of another level if one is given; ``p_value_at`` has its p-value.

    Raises:
        InputError: the look's tuning, information or spending is wrong, or the level.

    >>> from bandit.experiments import mean_effect
    >>> effect = mean_effect([1, 2, 3, 4, 5] * 20, [1, 2, 3, 4, 4] * 20)
    >>> [round(seen_at(effect, look).upper, 2) for look in (OneLook(), PlannedLook((0.5,), "pocock"), AnyLook(200))]
    [0.56, 0.6, 0.76]
    """
    share = effect.level if level is None else checked_level(level)
    reach = look.reach(effect, share)
    if reach == inf:
        raise InputError(
            "information is so small at the first look that nothing may be spent there, expected looks with a bound; look later"
        )
    width = reach * effect.standard_error
    relative = seen_at(effect.relative, look, share) if effect.relative else None
    ends = effect.value - width, effect.value + width
    return replace(effect, lower=ends[0], upper=ends[1], level=share, relative=relative)
