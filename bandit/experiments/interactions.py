"""Whether experiments that run at the same time change each other's effects: all pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import numpy as np
import numpy.typing as npt
import scipy

from bandit.arrays import I64, Bool, real_array
from bandit.checks import MOST_REWARD
from bandit.errors import InputError
from bandit.experiments.columns import LEAST_USERS, Pair, PairLike, checked_level, mask, pair
from bandit.experiments.corrections import benjamini_hochberg
from bandit.experiments.effects import FEW_USERS, Effect, effect_of, satterthwaite
from bandit.experiments.power import POWER, quantile


@dataclass(frozen=True)
class Interaction:
    """Two experiments: how much the first one's effect is larger for users who have the second one's treatment.

    ``adjusted`` is the p-value among all pairs (Benjamini and Hochberg 1995); ``detectable`` the interaction that a single pair
    of so many users shows 4 times in 5.
    """

    first: str
    second: str
    effect: Effect
    adjusted: float
    detectable: float


def interactions(
    outcomes: PairLike, assignments: npt.ArrayLike, names: Sequence[str] | None = None, level: float = 0.95
) -> tuple[Interaction, ...]:
    """All pairs of experiments: (R₁₁ - R₀₁) - (R₁₀ - R₀₀), R the ratios of sums in the four cells of a pair.

    Args:
        outcomes: (numerators, denominators), one of each per user, (n,).
        assignments: 1 where the user has the treatment, a row per user, a column per experiment, (n, e).
        names: of experiments; their numbers if None.
        level: of intervals.

    Raises:
        InputError: a cell has fewer than 2 users or no denominator, or something else is wrong.
    """
    level = checked_level(level)
    values = pair("outcomes", outcomes)
    columns = _columns(assignments, len(values.numerators))
    called = [str(place) for place in range(len(columns))] if names is None else list(names)
    if len(called) != len(columns):
        raise InputError(f"names are {len(called)}, expected {len(columns)}: one per experiment")
    pairs = list(combinations(range(len(columns)), 2))
    effects = [
        _interaction(values, 2 * columns[one] + columns[other], (called[one], called[other]), level)
        for one, other in pairs
    ]
    adjusted = benjamini_hochberg([effect.p_value for effect in effects])
    reach = quantile(level) + float(scipy.special.ndtri(POWER))
    return tuple(
        Interaction(called[one], called[other], effect, float(p), reach * effect.standard_error)
        for (one, other), effect, p in zip(pairs, effects, adjusted, strict=True)
    )


def _columns(assignments: npt.ArrayLike, count: int) -> list[Bool]:
    table = real_array("assignments", assignments)
    if table.ndim != 2 or len(table) != count or table.shape[1] < 2:
        raise InputError(
            f"assignments have the shape {table.shape}, expected ({count}, e): users by experiments, 2 at least"
        )
    return [mask(f"column {place} of assignments", column, count) for place, column in enumerate(table.T)]


def _interaction(values: Pair, cells: I64, names: tuple[str, str], level: float) -> Effect:
    users = np.bincount(cells, minlength=4)
    above = np.bincount(cells, values.numerators, minlength=4)
    below = np.bincount(cells, values.denominators, minlength=4)
    if users.min() < LEAST_USERS or below.min() < 1 / MOST_REWARD:
        odd = int(users.argmin() if users.min() < LEAST_USERS else below.argmin())
        raise InputError(
            f"assignments of {names[0]} and {names[1]}: {users[odd]} users have {odd // 2} of the first and {odd % 2} of the"
            f" second, with denominators of {below[odd]:g}; expected at least {LEAST_USERS} users and more than 0"
        )
    ratios = above / below
    rest = (values.numerators - ratios[cells] * values.denominators) * (users / below)[cells]
    variances = np.bincount(cells, rest**2, minlength=4) / (users * (users - 1.0))
    if not variances.any():
        raise InputError("outcomes have one ratio for every user of a cell, expected numbers that differ between users")
    value = float(ratios[3] - ratios[1] - ratios[2] + ratios[0])
    degrees = satterthwaite(variances.tolist(), users.tolist())
    caution = f"a cell has {users.min()} users, fewer than {FEW_USERS}" if users.min() < FEW_USERS else ""
    sizes = int(users[2] + users[3]), int(users[0] + users[1])
    return effect_of(value, sqrt(float(variances.sum())), degrees, level, sizes, caution=caution)
