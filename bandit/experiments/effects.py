"""Effects of a treatment on means and ratios: one number per user, Welch's interval, less noise by a covariate.

A ratio Σ y / Σ n is the mean of the linearised numbers z = (y - R n) / mean n plus R (the delta method: Deng, Knoblich and Lu
2018). So means, ratios and rates per impression are one thing: a value per variant, and the variance of it over users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.experiments.columns import Pair, PairLike, checked_level, column, pair, two

FEW_USERS = 30
"""A variant with fewer users has intervals that are too narrow or too wide where numbers are skewed."""
FEW_REWARDS = 10.0
"""Users that a variant's variance has to rest on, (Σ z²)² / Σ z⁴; of rare rewards that is their number."""
UNLIKE = 0.001
"""p-value of a difference in a covariate below which it is not by chance."""
MOST_CONTROL_ERROR = 0.1
"""Share of the control that its standard error may be: at 0.12 relative intervals of 95 % hold the truth in 93 % of cases."""
LeastVariance = Literal["own", "pooled"]
_MOST_SCALE = 1e75
_ROUNDING = 8 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Effect:
    """Treatment minus control: two-sided, in the unit of the metric; ``relative`` is the same as a share of the control.

    Attributes:
        value: the difference.
        standard_error: of it.
        lower: end of the interval.
        upper: end of the interval.
        p_value: two-sided, of no difference.
        degrees: of freedom, of Student's distribution; infinite where the normal one is used.
        level: of the interval.
        users: of treatment and control.
        relative: value / control, by the delta method; None where the control is not above 0, or nothing was seen to vary.
        caution: why the interval may not hold what it promises; empty if nothing is known against it.
    """

    value: float
    standard_error: float
    lower: float
    upper: float
    p_value: float
    degrees: float
    level: float
    users: tuple[int, int]
    relative: Effect | None = None
    caution: str = ""

    def at(self, level: float) -> Effect:
        """The same effect with the interval of another level.

        >>> effect = mean_effect([1, 2, 3, 5], [0, 1, 2, 2])
        >>> round(effect.upper, 2), round(effect.at(0.5).upper, 2)
        (4.06, 2.21)
        """
        lower, upper = interval(self.value, self.standard_error, self.degrees, level)
        relative = self.relative.at(level) if self.relative else None
        return replace(self, lower=lower, upper=upper, level=level, relative=relative)


class Side(NamedTuple):
    """A variant: its value, and the number per user whose mean is that value, (n,)."""

    value: float
    per_user: F64

    @property
    def variance(self) -> float:
        """Of the value."""
        return variance_of_mean(self.per_user)


def mean_effect(
    treatment: npt.ArrayLike,
    control: npt.ArrayLike,
    covariates: PairLike | None = None,
    level: float = 0.95,
    *,
    least_variance: LeastVariance = "own",
) -> Effect:
    """The mean per user of the treatment minus that of the control, with Welch's interval (Welch 1947).

    Args:
        treatment: one number per user, (n,).
        control: one number per user, (m,).
        covariates: the same metric of the same users before the experiment, (treatment's, control's): CUPED (Deng, Xu, Kohavi
            and Walker 2013), y - θ (x - mean x), θ = cov(y, x) / var(x) of all users together.
        level: of the interval.
        least_variance: ``"pooled"`` takes the variance of all users together where that of a variant rests on fewer than 10 of
            its users and is smaller: of 60 users who should have one reward in 50 a third has none, and no variance of its own.

    Raises:
        InputError: arrays or the level are wrong, or nothing varies.

    >>> effect = mean_effect([3, 4, 5, 6], [1, 2, 3, 4])
    >>> effect.value, round(effect.lower, 3), round(effect.p_value, 4)
    (2.0, -0.234, 0.071)
    """
    first, second = column("treatment", treatment), column("control", control)
    if covariates is not None:
        first, second = without_covariate(first, second, covariates)
    sides = Side(float(first.mean()), first), Side(float(second.mean()), second)
    return cautioned(welch(*sides, level, least_variance), covariates)


def ratio_effect(
    treatment: PairLike,
    control: PairLike,
    level: float = 0.95,
    covariates: PairLike | None = None,
    *,
    least_variance: LeastVariance = "own",
) -> Effect:
    """Σ numerators / Σ denominators of the treatment minus that of the control, over users (the delta method).

    Args:
        treatment: (numerators, denominators), one of each per user.
        control: the same of the control's users.
        level: of the interval.
        covariates: numbers from before the experiment, (treatment's, control's), one per user: CUPED on the linearised numbers.
        least_variance: as in ``mean_effect``.

    Raises:
        InputError: arrays or the level are wrong, or nothing varies.

    >>> effect = ratio_effect(([1, 0, 2, 1], [2, 1, 4, 3]), ([0, 1, 1, 0], [2, 2, 4, 2]))
    >>> round(effect.value, 3), round(effect.relative.value, 3)
    (0.2, 1.0)
    """
    first, second = linearised(pair("treatment", treatment)), linearised(pair("control", control))
    if covariates is not None:
        moved = without_covariate(first.per_user, second.per_user, covariates)
        first, second = (Side(float(values.mean()), values) for values in moved)
    return cautioned(welch(first, second, level, least_variance), covariates)


def linearised(values: Pair) -> Side:
    """A ratio of sums as the mean of one number per user: R + (y - R n) / mean n."""
    mean = float(values.denominators.mean())
    ratio = float(values.numerators.mean()) / mean
    rest = (values.numerators - ratio * values.denominators) / mean
    scale = float(np.abs(values.numerators).max() + abs(ratio) * values.denominators.max()) / mean
    if scale > _MOST_SCALE:
        raise InputError(
            f"denominators are around {mean:.1g} and numerators up to {scale * mean:.1g}; take other units"
        )
    return Side(ratio, ratio + np.where(np.abs(rest) <= _ROUNDING * scale, 0.0, rest))


def without_covariate(treatment: F64, control: F64, covariates: PairLike) -> tuple[F64, F64]:
    """Numbers per user less θ times how far the covariate is from its mean over all users.

    Raises:
        InputError: the covariate is no pair of columns of the same users, or does not vary.
    """
    first, second = two("covariates", covariates, "those of the treatment, those of the control")
    before = np.concatenate(
        [
            column("covariates of the treatment", first, len(treatment)),
            column("covariates of the control", second, len(control)),
        ]
    )
    apart = before - before.mean()
    square = float(apart @ apart)
    if square == 0 or np.abs(apart).max() <= _ROUNDING * np.abs(before).max():
        raise InputError(f"covariates are {before[0]} for every user, expected some that differ; leave them out")
    values = np.concatenate([treatment, control])
    slope = float(apart @ (values - values.mean())) / square
    moved = values - slope * apart
    centred = moved - moved.mean()
    scale = np.abs(values).max() + abs(slope) * np.abs(apart).max()
    if np.abs(centred).max() <= _ROUNDING * scale:
        raise InputError(
            "covariates tell the metric of every user exactly, expected numbers from before the experiment"
        )
    return moved[: len(treatment)], moved[len(treatment) :]


def cautioned(effect: Effect, covariates: PairLike | None) -> Effect:
    """The effect with a caution where variants differ in the covariate: then CUPED takes out a part of the effect itself."""
    if covariates is None:
        return effect
    first, second = (np.asarray(side, dtype=np.float64) for side in covariates)
    sides = Side(float(first.mean()), first), Side(float(second.mean()), second)
    before = welch(*sides, least_variance="pooled")
    if before.p_value >= UNLIKE:
        return effect
    told = (
        f"variants differ in the covariate by {before.value:+.3g} (p = {before.p_value:.1g}): it is not from before the"
        " experiment, or users were not drawn at random; leave it out"
    )
    relative = effect.relative and replace(effect.relative, caution=_joined(effect.relative.caution, told))
    return replace(effect, caution=_joined(effect.caution, told), relative=relative)


def _joined(*cautions: str) -> str:
    return "; ".join(filter(None, cautions))


def welch(treatment: Side, control: Side, level: float = 0.95, least_variance: LeastVariance = "own") -> Effect:
    """The difference of two variants with Satterthwaite's degrees of freedom, and the relative one.

    Raises:
        InputError: the level is wrong, or no number varies.
    """
    level = checked_level(level)
    variances = _variances(treatment, control) if least_variance == "pooled" else (treatment.variance, control.variance)
    total = sum(variances)
    users = len(treatment.per_user), len(control.per_user)
    if not total > 0:
        raise InputError(
            f"treatment and control have one number for every user each, {treatment.value:g} and {control.value:g}, expected"
            " numbers that differ between users; without any spread nothing can be said: wait for more data"
        )
    degrees = satterthwaite(variances, users)
    caution = caution_of(treatment.per_user, control.per_user)
    return difference((treatment.value, control.value), variances, degrees, level, users, caution)


def _variances(treatment: Side, control: Side) -> tuple[float, float]:
    """Of both values; that of all users together where a variant's own rests on too few of them and is smaller."""
    together = np.concatenate([treatment.per_user, control.per_user])
    pooled = variance_of_mean(together) * len(together)
    first, second = (
        max(side.variance, pooled / len(side.per_user))
        if variance_rests_on(side.per_user) < FEW_REWARDS
        else side.variance
        for side in (treatment, control)
    )
    return first, second


def difference(
    values: tuple[float, float],
    variances: tuple[float, float],
    degrees: float,
    level: float,
    users: tuple[int, int],
    caution: str,
) -> Effect:
    """The effect of two independent values, treatment and control, and the relative one where the control is above 0."""
    relative = None
    if values[1] > 0:
        times = values[0] / values[1]
        error = sqrt(variances[0] + variances[1] * times * times) / values[1]
        if 0 < error < inf:
            of_share = _joined(caution, _caution_of_share(sqrt(variances[1]) / values[1]))
            relative = effect_of(times - 1, error, degrees, level, users, caution=of_share)
    return effect_of(values[0] - values[1], sqrt(sum(variances)), degrees, level, users, relative, caution)


def effect_of(
    value: float,
    standard_error: float,
    degrees: float,
    level: float,
    users: tuple[int, int],
    relative: Effect | None = None,
    caution: str = "",
) -> Effect:
    """An effect with the interval and the p-value of Student's distribution, or the normal one if degrees are infinite."""
    lower, upper = interval(value, standard_error, degrees, level)
    p_value = two_sided(value / standard_error, degrees)
    return Effect(value, standard_error, lower, upper, p_value, degrees, level, users, relative, caution)


def interval(value: float, standard_error: float, degrees: float, level: float) -> tuple[float, float]:
    """Value ± q standard errors, q the quantile of (1 + level) / 2."""
    share = (1 + checked_level(level)) / 2
    width = standard_error * float(
        scipy.special.ndtri(share) if degrees == inf else scipy.special.stdtrit(degrees, share)
    )
    return value - width, value + width


def two_sided(statistic: float, degrees: float) -> float:
    """The p-value of a statistic that is as far from 0 on either side."""
    return min(1.0, 2 * below(-abs(statistic), degrees))


def below(statistic: float, degrees: float) -> float:
    """P(T ≤ statistic), Student's T or the normal one if degrees are infinite."""
    return float(scipy.special.ndtr(statistic) if degrees == inf else scipy.special.stdtr(degrees, statistic))


def satterthwaite(variances: Sequence[float], users: Sequence[int]) -> float:
    """Degrees of freedom of a sum of variances of means (Satterthwaite 1946); infinite if there is none."""
    total = sum(variances)
    weight = sum((variance / total) ** 2 / (count - 1) for variance, count in zip(variances, users, strict=True))
    return 1 / weight if weight > 0 else inf


def variance_of_mean(per_user: F64) -> float:
    """s² / n, and exactly 0 where all numbers are the same but for rounding."""
    apart = per_user - per_user.mean()
    if np.abs(apart).max() <= _ROUNDING * np.abs(per_user).max():
        return 0.0
    return float(apart @ apart) / (len(per_user) - 1) / len(per_user)


def caution_of(treatment: F64, control: F64) -> str:
    """Why an interval of these numbers per user may be off: too few users, or too few that its variance rests on."""
    cautions = []
    for name, values in (("treatment", treatment), ("control", control)):
        if len(values) < FEW_USERS:
            cautions.append(f"the {name} has {len(values)} users, fewer than {FEW_USERS}")
        elif (resting := variance_rests_on(values)) < FEW_REWARDS:
            cautions.append(
                f"the variance of the {name} rests on {resting:.1f} of its {len(values)} users, fewer than {FEW_REWARDS:g}:"
                " rewards are too rare or too uneven for this interval"
            )
    return "; ".join(cautions)


def _caution_of_share(control_error: float) -> str:
    """Why a relative interval may be too narrow where the absolute one is not: the control moves too much to divide by it."""
    if control_error <= MOST_CONTROL_ERROR:
        return ""
    return (
        f"the standard error of the control is {100 * control_error:.2g} % of its value, more than"
        f" {100 * MOST_CONTROL_ERROR:g} %: read the absolute effect"
    )


def variance_rests_on(per_user: F64) -> float:
    """(Σ z²)² / Σ z⁴, z from the mean: n if all are as far from it, k if k of many have one reward each; 0 without any."""
    squares = (per_user - per_user.mean()) ** 2
    largest = float(squares.max())
    if variance_of_mean(per_user) == 0 or largest == 0:
        return 0.0
    squares /= largest
    return float(squares.sum() ** 2 / (squares @ squares))
