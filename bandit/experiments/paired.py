"""Effects within the same users: who saw both is compared with themselves."""

from __future__ import annotations

from math import sqrt

from bandit.arrays import F64
from bandit.checks import MOST_REWARD
from bandit.errors import InputError
from bandit.experiments.columns import PairLike, checked_level, pair
from bandit.experiments.effects import (
    FEW_REWARDS,
    FEW_USERS,
    Effect,
    effect_of,
    linearised,
    variance_of_mean,
    variance_rests_on,
)


def paired_effect(first: PairLike, second: PairLike, level: float = 0.95) -> Effect:
    """Σ numerators / Σ denominators of the first minus that of the second, of the same users, in the same order.

    The linearised numbers of both are subtracted user by user, so what a user does everywhere cancels; Student's distribution
    with n - 1 degrees of freedom.

    Args:
        first: (numerators, denominators), one of each per user, (n,).
        second: the same of what they are compared with.
        level: of the interval.

    Raises:
        InputError: there is not one of each per user, a denominator is negative, or nothing varies.

    >>> effect = paired_effect(([2, 1, 3, 2], [4, 4, 4, 4]), ([1, 1, 2, 0], [4, 4, 4, 4]))
    >>> effect.value, round(effect.p_value, 4)
    (0.25, 0.0917)
    """
    left, right = pair("first", first), pair("second", second)
    count = len(left.numerators)
    if len(right.numerators) != count:
        raise InputError(
            f"first has {count} users and second {len(right.numerators)}, expected the same users in the same order"
        )
    one, other = linearised(left), linearised(right)
    apart = one.per_user - other.per_user
    variance = variance_of_mean(apart)
    if not variance > 0:
        raise InputError(
            "first and second differ by the same for every user, expected differences that vary; wait for more data"
        )
    caution = _caution(apart)
    users = count, count
    relative = None
    if other.value * MOST_REWARD > max(abs(one.value), 1):
        times = one.value / other.value
        error = sqrt(variance_of_mean(one.per_user - times * other.per_user)) / other.value
        if error > 0:
            relative = effect_of(times - 1, error, count - 1, checked_level(level), users, caution=caution)
    return effect_of(one.value - other.value, sqrt(variance), count - 1, level, users, relative, caution)


def _caution(apart: F64) -> str:
    if len(apart) < FEW_USERS:
        return f"there are {len(apart)} users, fewer than {FEW_USERS}"
    if (resting := variance_rests_on(apart)) < FEW_REWARDS:
        return f"the variance rests on {resting:.1f} of {len(apart)} users, fewer than {FEW_REWARDS:g}: rewards are too rare"
    return ""
