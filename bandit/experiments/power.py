"""Power: users for an effect, the power that users have, and the effect that they show, from a variance per user."""

from math import ceil, sqrt

import scipy

from bandit.checks import MOST_REWARD
from bandit.errors import InputError
from bandit.experiments.columns import between, checked_error, number, positive

POWER = 0.8
"""The usual share of experiments that show an effect which is there (Cohen 1988)."""


def sample_size(rate: float, lift: float, level: float = 0.05, power: float = POWER) -> int:
    """Users per variant for a difference of two rates, one look, two-sided (Fleiss, Levin and Paik 2003, equation 4.14).

    (z_{1-α/2} √(2 p̄ (1 - p̄)) + z_power √(p₁ (1 - p₁) + p₂ (1 - p₂)))² / lift², p̄ the mean of both rates, rounded up.

    Args:
        rate: of the control, between 0 and 1.
        lift: absolute: the rate of the treatment minus that of the control.
        level: false alarms, 0.05; 0.95 means the same.
        power: share of experiments that show the lift.

    Raises:
        InputError: a rate is not between 0 and 1, the lift is 0, or level or power are wrong.

    >>> sample_size(0.05, 0.005)
    31234
    """
    first = between("rate", rate, "0.05 for 5 of 100 users")
    change = number("lift", lift)
    second = first + change
    if not 0 < second < 1 or second == first:
        raise InputError(
            f"lift is {lift!r}, expected an absolute one other than 0 that takes the rate {first:g} to above 0 and below 1, not"
            f" to {second:g}; a lift of 10 % of {first:g} is {first / 10:g}"
        )
    mean = (first + second) / 2
    alike, apart = sqrt(2 * mean * (1 - mean)), sqrt(first * (1 - first) + second * (1 - second))
    width = quantile(level) * alike + float(scipy.special.ndtri(_checked_power(power, level))) * apart
    return _whole("lift", lift, width / change, 2)


def users_for(
    effect: float,
    variance: float,
    level: float = 0.05,
    power: float = POWER,
    share: float = 0.5,
    correlation: float = 0.0,
) -> int:
    """Users of both variants together that show an effect.

    Args:
        effect: the difference, in the unit of the metric.
        variance: of the (linearised) number per user, as a user's impressions hang together: s² of z.
        level: false alarms, 0.05; 0.95 means the same.
        power: share of experiments that show the effect.
        share: of the users that have the treatment.
        correlation: of the number with its covariate: CUPED leaves (1 - correlation²) of the variance.

    Raises:
        InputError: something is out of its range.

    >>> users_for(0.1, variance=1.0), users_for(0.1, variance=1.0, correlation=0.6)
    (3140, 2010)
    """
    change = _checked_effect(effect)
    width = quantile(level) + float(scipy.special.ndtri(_checked_power(power, level)))
    return _whole("effect", effect, sqrt(_left(variance, correlation) * _spread(share)) * width / change, 4)


def power_of(
    effect: float, variance: float, users: float, level: float = 0.05, share: float = 0.5, correlation: float = 0.0
) -> float:
    """The share of experiments of so many users, both variants together, that show an effect; two-sided.

    Raises:
        InputError: something is out of its range.

    >>> round(power_of(0.1, variance=1.0, users=3140), 3)
    0.8
    """
    shown = abs(_checked_effect(effect)) / _error(variance, users, share, correlation)
    needed = quantile(level)
    return float(scipy.special.ndtr(shown - needed) + scipy.special.ndtr(-shown - needed))


def detectable_effect(
    variance: float,
    users: float,
    level: float = 0.05,
    power: float = POWER,
    share: float = 0.5,
    correlation: float = 0.0,
) -> float:
    """The smallest effect that so many users, both variants together, show with that power.

    Raises:
        InputError: something is out of its range.

    >>> round(detectable_effect(variance=1.0, users=3140), 4)
    0.1
    """
    width = quantile(level) + float(scipy.special.ndtri(_checked_power(power, level)))
    return width * _error(variance, users, share, correlation)


def quantile(level: float) -> float:
    """z_{1 - α/2}."""
    return -float(scipy.special.ndtri(checked_error(level) / 2))


def _whole(name: str, effect: float, root: float, least: int) -> int:
    """Users, given their square root."""
    if not abs(root) <= MOST_REWARD:
        raise InputError(f"{name} is {effect!r}, expected one that some number of users could show; take another unit")
    return max(ceil(root * root), least)


def _error(variance: float, users: float, share: float, correlation: float) -> float:
    return sqrt(_left(variance, correlation) * _spread(share) / positive("users", users))


def _left(variance: float, correlation: float) -> float:
    if not abs(number("correlation", correlation)) < 1:
        raise InputError(f"correlation is {correlation!r}, expected above -1 and below 1; 0 is no covariate")
    return positive("variance", variance) * (1 - correlation**2)


def _spread(share: float) -> float:
    """N (1/n + 1/m) for shares of N."""
    treated = between("share", share, "0.5 for half of the users")
    return 1 / treated + 1 / (1 - treated)


def _checked_effect(effect: float) -> float:
    if number("effect", effect) == 0:
        raise InputError("effect is 0, expected another number: no number of users shows an effect that is not there")
    return float(effect)


def _checked_power(power: float, level: float) -> float:
    share, error = between("power", power, "0.8 for 4 experiments of 5"), checked_error(level)
    if share <= error:
        raise InputError(f"power is {power!r}, expected above the level {error:g}, which an effect of 0 has already")
    return share
