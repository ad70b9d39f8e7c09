"""Effects within the same users: who saw both is compared with themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    satterthwaite,
    variance_of_mean,
    variance_rests_on,
)
from bandit.experiments.strata import Heterogeneity, heterogeneity


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


@dataclass(frozen=True)
class Interleaved:
    """A preference within users over several splits, and whether the splits agree on it: None where there is one."""

    preference: Effect
    carry_over: Heterogeneity | None


def interleaved_effect(effects: Sequence[Effect], shares: Sequence[float], level: float = 0.95) -> Interleaved:
    """Σ_g w_g d_g of the paired effects d_g of groups of other users, w_g proportional to n_g s_g (1 - s_g); Σ w_g = 1.

    The weights are those of least variance where users take alike, and do not look at what was taken: weighting by estimated
    errors would lean to groups in which rewards happened to be rare. Groups differ in the share s of what each user sees that
    is the first side's. Where nothing that one side does reaches the other's, all estimate the same; Welch's form of Cochran's Q
    tests that.

    Args:
        effects: of ``paired_effect``, one a group.
        shares: of the first side in each group, above 0 and below 1.
        level: of the interval.

    Raises:
        InputError: there is none, or not one share each, or one is no share.

    >>> effect = paired_effect(([2, 1, 3, 2], [4, 4, 4, 4]), ([1, 1, 2, 0], [4, 4, 4, 4]))
    >>> made = interleaved_effect([effect, effect], [0.5, 0.1])
    >>> made.preference.value, made.preference.users, made.carry_over.p_value
    (0.25, (8, 8), 1.0)
    """
    if not effects or len(effects) != len(shares):
        raise InputError(f"there are {len(effects)} effects and {len(shares)} shares, expected one of each per group")
    if off := [share for share in shares if not 0 < share < 1]:
        raise InputError(f"a share is {off[0]}, expected above 0 and below 1; who sees one side alone compares nothing")
    counts = [effect.users[0] for effect in effects]
    raw = [count * share * (1 - share) for count, share in zip(counts, shares, strict=True)]
    weights = [weight / sum(raw) for weight in raw]
    variances = [(weight * effect.standard_error) ** 2 for weight, effect in zip(weights, effects, strict=True)]
    value = sum(weight * effect.value for weight, effect in zip(weights, effects, strict=True))
    caution = "; ".join(dict.fromkeys(effect.caution for effect in effects if effect.caution))
    users = sum(counts), sum(counts)
    preference = effect_of(
        value, sqrt(sum(variances)), satterthwaite(variances, counts), checked_level(level), users, caution=caution
    )
    if len(effects) == 1:
        return Interleaved(preference, None)
    agree = heterogeneity([effect.value for effect in effects], [effect.standard_error for effect in effects], counts)
    return Interleaved(preference, agree)


def _caution(apart: F64) -> str:
    if len(apart) < FEW_USERS:
        return f"there are {len(apart)} users, fewer than {FEW_USERS}"
    if (resting := variance_rests_on(apart)) < FEW_REWARDS:
        return f"the variance rests on {resting:.1f} of {len(apart)} users, fewer than {FEW_REWARDS:g}: rewards are too rare"
    return ""
